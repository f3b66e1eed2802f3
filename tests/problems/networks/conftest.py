"""One thread for these small networks: with more, threads mostly wait for one another."""

from collections.abc import Iterator

import pytest

from psim.threads import single_threaded


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with single_threaded():
        yield
