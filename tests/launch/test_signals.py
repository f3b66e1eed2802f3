import os
import signal
import subprocess
import sys
import threading

import pytest

from psim.errors import Interrupted
from psim.launch.signals import SIGNALS, deferred, terminable

ALL = pytest.mark.parametrize("number", SIGNALS)


def send(number):
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def handlers():
    """Whatever a test does, the handlers are afterwards what they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    found = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert found == before


@ALL
def test_the_first_signal_interrupts_and_the_next_are_ignored(number):
    cleaned = []

    def run():
        with terminable():
            try:
                send(number)
            finally:
                cleaned.extend(send(again) for again in SIGNALS)

    with pytest.raises(Interrupted) as error:
        run()
    assert len(cleaned) == 2
    assert str(error.value) == signal.Signals(number).name
    assert isinstance(error.value, KeyboardInterrupt)


@ALL
def test_inside_one_another(number):
    with terminable():
        with pytest.raises(Interrupted), terminable():
            send(number)
        assert signal.getsignal(number) is signal.SIG_IGN  # the outer one goes on cleaning up
        send(number)


@ALL
def test_a_signal_waits_while_something_is_started(number):
    steps = []

    def run():
        with terminable():
            with deferred():
                send(number)
                send(number)
                steps.append("started")
            steps.append("never")

    with pytest.raises(Interrupted):
        run()
    assert steps == ["started"]


def test_what_was_ignored_stays_ignored(handlers):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with terminable(), deferred():
        send(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, handlers[signal.SIGINT])


def test_other_threads_leave_handlers_alone(handlers):
    found = []

    def inside():
        with terminable(), deferred():
            found.append({number: signal.getsignal(number) for number in SIGNALS})

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [handlers]


def test_a_signal_while_a_process_ends_leaves_its_exit_code():
    """Letting go of torch and numba takes a while, in which a container may be stopped."""
    code = (
        "import atexit, os, signal, sys; from psim.cli import main; sys.argv = ['psim', 'no']; "
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM)); main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
