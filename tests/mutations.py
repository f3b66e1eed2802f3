"""Mistakes in psim's methods, each of which the comparison with the references must notice."""

from collections.abc import Callable

import pytest

Mutation = Callable[[pytest.MonkeyPatch], None]

SAME = 1e-10
NOTICED = 1e-6


class Mutations:
    """Mistakes by the method that makes them; a mistake's name says what is wrong."""

    def __init__(self) -> None:
        self.known: list[tuple[str, Mutation]] = []

    def of(self, method: str) -> Callable[[Mutation], Mutation]:
        """Register a mistake in a method."""

        def register(apply: Mutation) -> Mutation:
            self.known.append((method, apply))
            return apply

        return register

    def methods(self) -> pytest.MarkDecorator:
        """Run a test for each method, as ``method``."""
        return pytest.mark.parametrize("method", sorted({method for method, _ in self.known}))

    def each(self) -> pytest.MarkDecorator:
        """Run a test for each mistake, as ``method`` and ``apply``."""
        names = [f"{method}-{apply.__name__}" for method, apply in self.known]
        return pytest.mark.parametrize(("method", "apply"), self.known, ids=names)
