"""The shaped profile: the kernel's links beside the real clock's, in the same containers."""

import pytest
from containers import missing
from net.namespaces import have_netem
from processes import summary

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]


def test_shaped_rounds_take_what_the_real_clock_says(project):
    """The same config: shaped by the kernel, and held without privileges."""
    seconds = {}
    for profile, variables in (
        ("shaped", {}),
        ("plain", {"PSIM_CONFIG": "configs/shaped.yaml", "PSIM_CLOCK": "real"}),
    ):
        ended = project.compose("up", profile=profile, **variables)
        codes = project.ended(profile)
        project.down(profile)
        assert list(codes.values()) == [0] * 5, ended.stdout
        folder = project.folder / "runs" / f"shaped-{len(seconds) + 1}"
        found = summary(folder)
        assert found["audit"]["difference"] == 0
        seconds[profile] = found["final"]["wall"]
        if profile == "shaped":
            assert ended.stdout.count("eth0 shaped: uplink 10 Mbit/s, downlink 10 Mbit/s") == 4
            assert found["final"]["time"] is None
        else:
            # 400,000 bytes and headers at 10 Mbit/s, twice a round; and little to compute
            assert found["final"]["time"] == pytest.approx(20 * 2 * 0.3346, rel=0.02)
    assert seconds["shaped"] == pytest.approx(seconds["plain"], rel=0.05)


def test_a_latency_that_this_kernel_cannot_make_is_an_error_for_all(project):
    if have_netem():
        pytest.skip("this kernel has netem")
    ended = project.compose("up", profile="shaped", PSIM_CONFIG="configs/compose.yaml")
    codes = project.ended("shaped")
    project.down("shaped")
    assert list(codes.values()) == [2] * 5, ended.stdout
    told = "psim: latency 20 ms: this kernel has no netem (CONFIG_NET_SCH_NETEM) to delay packets"
    assert ended.stdout.count(told) == 5
    assert ended.stdout.count("take network.clock: real") == 5
