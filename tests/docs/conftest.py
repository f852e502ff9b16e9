"""Everything here is real: the documents, the commands they show, and an agent on a copy of the repository."""

import pytest

from tests.docs.tour import clone_in


@pytest.fixture
def clone(tmp_path):
    """What runs a command in a copy of what the documents' tours touch, with a private state directory."""
    yield from clone_in(tmp_path / "airs")
