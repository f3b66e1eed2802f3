"""Fetching, from a server on this machine's loopback."""

import bz2
import hashlib
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from psim.data import fetch as fetching
from psim.data.archives import ARCHIVES, Archive
from psim.data.fetch import fetch
from psim.data.known import KNOWN, KnownDataset
from psim.errors import DataError

TEXT = b"".join(b"%d 1:%d 2:1\n" % (i % 2, i) for i in range(20_000))


class Site:
    """Serves ``content`` as /a9a; notes the ranges asked for. May break off, or know no ranges."""

    def __init__(self) -> None:
        self.content = TEXT
        self.ranges: list[str | None] = []
        self.break_after: int | None = None
        self.knows_ranges = True
        self.announces = True
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers["Range"]
        self.ranges.append(asked)
        if handler.path != "/a9a":
            return handler.send_error(404)
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.knows_ranges else 0
        if start >= len(self.content):
            return handler.send_error(416)
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            end = len(self.content) - 1
            handler.send_header("Content-Range", f"bytes {start}-{end}/{len(self.content)}")
        if self.announces:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.break_after])
        return None

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy stands between this machine and itself."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site(monkeypatch, own_folders):
    known = KnownDataset("a9a", 20_000, 2, len(TEXT), (hashlib.sha256(TEXT).hexdigest(),))
    monkeypatch.setitem(KNOWN, "a9a", known)
    serving = Site()
    yield serving
    serving.close()


def test_a_data_set_is_fetched_into_the_cache(site, own_folders, monkeypatch):
    heard: list[tuple[int, int | None]] = []
    path = fetch("a9a", site=site.address, progress=lambda *told: heard.append(told))
    assert path == own_folders[1] / "a9a"
    assert path.read_bytes() == TEXT
    assert [entry.name for entry in path.parent.iterdir()] == ["a9a"]
    assert heard[0] == (0, len(TEXT))
    assert heard[-1] == (len(TEXT), len(TEXT))
    monkeypatch.setenv("PSIM_DATA_SITE", f"{site.address}/")
    assert fetch("a9a") == path
    assert len(site.ranges) == 1  # a right copy is there
    path.write_bytes(b"damaged")
    assert fetch("a9a").read_bytes() == TEXT


def test_a_packed_copy_is_checked_by_its_text(site, tmp_path):
    site.content = bz2.compress(TEXT)
    assert fetch("a9a", tmp_path, site.address).read_bytes() == site.content


def test_a_broken_transfer_goes_on_where_it_stopped(site, tmp_path):
    site.break_after = 100_000
    with pytest.raises(DataError, match=r"ended after 100000 of .*`psim data get a9a` goes on"):
        fetch("a9a", tmp_path, site.address)
    assert not (tmp_path / "a9a").exists()
    site.break_after = None
    assert fetch("a9a", tmp_path, site.address).read_bytes() == TEXT
    assert site.ranges == [None, "bytes=100000-"]


def test_a_server_without_ranges_sends_all_again(site, tmp_path):
    (tmp_path / "a9a.part").write_bytes(TEXT[:5000])
    site.knows_ranges = False
    assert fetch("a9a", tmp_path, site.address).read_bytes() == TEXT


def test_a_part_that_is_whole_already_is_taken(site, tmp_path):
    (tmp_path / "a9a.part").write_bytes(TEXT)
    assert fetch("a9a", tmp_path, site.address).read_bytes() == TEXT


@pytest.mark.parametrize("part", [b"", b"1 1:1\n", TEXT + b"more"])
def test_a_wrong_text_is_removed_and_named(site, tmp_path, part):
    site.content = TEXT.replace(b"2:1", b"2:2", 1)
    (tmp_path / "a9a.part").write_bytes(part)
    with pytest.raises(DataError, match=r"SHA-256 is [0-9a-f]{64}, not .*was removed"):
        fetch("a9a", tmp_path, site.address)
    assert list(tmp_path.glob("a9a*")) == []


def test_a_packed_copy_that_is_damaged_is_removed(site, tmp_path):
    site.content = bz2.compress(TEXT)[:-20]
    with pytest.raises(DataError, match="SHA-256 is unknown"):
        fetch("a9a", tmp_path, site.address)
    assert list(tmp_path.glob("a9a*")) == []


@pytest.mark.parametrize("announces", [True, False])
def test_a_file_without_end_is_given_up(site, tmp_path, announces):
    site.content, site.announces = TEXT * 3, announces
    with pytest.raises(DataError, match="this is another file"):
        fetch("a9a", tmp_path, site.address)
    assert list(tmp_path.glob("a9a*")) == []


def test_a_server_that_lacks_the_file_is_named(site, tmp_path, monkeypatch):
    monkeypatch.setitem(KNOWN, "w8a", KNOWN["a9a"])
    with pytest.raises(DataError, match=r"Not Found.*PSIM_DATA"):
        fetch("w8a", tmp_path, site.address)


def test_a_site_that_does_not_answer_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DataError, match=rf"127.0.0.1:{port}/a9a: cannot be fetched: .*refused"):
        fetch("a9a", tmp_path, f"http://127.0.0.1:{port}")


def test_a_silent_site_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_SILENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DataError, match="timed out"):
            fetch("a9a", tmp_path, f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("name", "said"),
    [("mushroom", "did you mean mushrooms"), ("digits", "nothing to fetch")],
)
def test_what_cannot_be_fetched_is_named(name, said, tmp_path):
    with pytest.raises(DataError, match=said):
        fetch(name, tmp_path)


def test_only_web_addresses_are_opened(tmp_path):
    with pytest.raises(DataError, match="no web address"):
        fetch("a9a", tmp_path, "file:///etc")


@pytest.fixture
def archive(site, monkeypatch):
    """A small archive that is published as /a9a."""
    made = Archive("mine", site.address, "a9a", len(TEXT), hashlib.md5(TEXT).hexdigest())
    monkeypatch.setitem(ARCHIVES, "mine", made)
    return made


def test_an_archive_is_fetched_from_where_it_is_published(site, archive, own_folders):
    path = fetch("mine")
    assert path == own_folders[1] / "a9a"
    assert path.read_bytes() == TEXT
    assert fetch("mine") == path
    assert len(site.ranges) == 1


def test_a_wrong_archive_is_one_error(site, archive, own_folders, command):
    site.content = TEXT[:-1] + b"!"
    with pytest.raises(DataError, match=r"MD5 is [0-9a-f]{32}, not .*was removed"):
        fetch("mine")
    assert list(own_folders[1].glob("a9a*")) == []
    code, _, err = command("data", "get", "mine")
    assert code == 2
    lines = err.strip().splitlines()
    assert len(lines) == 1
    assert "MD5 is" in lines[0]
