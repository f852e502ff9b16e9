"""A component's repository is named by a URL of a server, and by nothing of this machine."""

import pytest

from orchestrator.fetch.git import spec_of
from orchestrator.fetch.limits import FetchFailed
from orchestrator.model.component_source import GitComponent


@pytest.mark.parametrize(
    "url",
    [
        "/srv/repo", "repo", "./repo", "../repo", "~/repo", "file:///srv/repo", "FILE:///srv/repo", "file:/srv/repo",
        "file://localhost/srv/repo", "/srv/a@b", "./a@b", "ext::sh -c id", "-u", "--upload-pack=x@y",
    ],
)  # fmt: skip
def test_nothing_of_this_machine_is_fetched_as_a_repository(url: str):
    with pytest.raises(FetchFailed):
        spec_of(GitComponent(url=url, ref="main", path="hello"))


@pytest.mark.parametrize(
    "url", ["https://git.example.org/a/b", "ssh://git@git.example.org/a/b", "git@git.example.org:a/b"]
)
def test_a_repository_of_a_server_is(url: str):
    assert spec_of(GitComponent(url=url, ref="main", path="hello")).transport in ("https", "ssh")
