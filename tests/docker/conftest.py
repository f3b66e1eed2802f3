"""One checkout and one build for all tests of this folder."""

from collections.abc import Iterator

import pytest
from containers import BUILD, Project, checkout


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A checkout with its images built; after the tests nothing of it is left."""
    folder = tmp_path_factory.mktemp("checkout")
    checkout(folder)
    project = Project(folder)
    try:
        for profile in ("plain", "shaped"):
            built = project.compose("build", profile=profile, timeout=BUILD)
            assert built.returncode == 0, built.stdout[-4000:]
        yield project
    finally:
        project.remove()
