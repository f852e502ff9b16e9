"""Which sources a body makes worth a look, and that it can do no more than that."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.source import FolderSpec, GitSpec
from orchestrator.notify.hints import asked_for, hinted_repositories, repository_id


def git(repository: str) -> GitSpec:
    return GitSpec(identity="", repository=repository, ref="main", path="", transport="https")


SOURCES = {
    "shop": git("https://git.example.org/shop/deploy.git"),
    "same": git("ssh://git@git.example.org:2222/shop/deploy"),
    "tax": git("git@git.example.org:billing/tax.git"),
    "local": git("/srv/git/local.git"),
    "folder": FolderSpec(identity="folder", root="/srv", root_reason="", folder="x"),
}
GITHUB = {
    "ref": "refs/heads/main",
    "repository": {"full_name": "Shop/Deploy", "html_url": "https://git.example.org/Shop/Deploy"},
}
GITLAB = {"object_kind": "push", "project": {"git_ssh_url": "git@git.example.org:billing/tax.git", "id": 15}}
GITEA = {"repository": {"clone_url": "http://git.example.org/shop/deploy.git", "owner": {"url": "http://x/y"}}}


@pytest.mark.parametrize(
    ("body", "allowed", "looked_at"),
    [
        (GITHUB, (), {"shop", "same"}),
        (GITEA, (), {"shop", "same"}),
        (GITLAB, (), {"tax"}),
        (GITLAB, ("tax", "gone"), {"tax"}),
        (GITLAB, ("shop",), {"shop"}),  # it names none of its own
        (GITHUB, ("same", "tax"), {"same"}),
        ({"repository": {"clone_url": "https://elsewhere.org/a/b"}}, (), {"shop", "same", "tax", "local"}),
        ({"repository": {"clone_url": 7}}, (), {"shop", "same", "tax", "local"}),
        ([], ("folder",), {"folder"}),
        ({}, ("gone",), set()),
    ],
)
def test_a_body_hints_at_sources_and_never_leaves_those_of_its_endpoint(body, allowed, looked_at):
    assert asked_for(json.dumps(body).encode(), SOURCES, allowed) == looked_at


def test_a_form_is_read_as_well():
    assert asked_for(urlencode({"payload": json.dumps(GITLAB)}).encode(), SOURCES, ()) == {"tax"}


NOTHING = [
    b"", b"{", b"null", b"[" * 100_000, b'{"repository":' * 5_000, b"\xff\xfe", b'{"repository": []}', b"payload=%ff",
]  # fmt: skip


@pytest.mark.parametrize("body", NOTHING)
def test_a_body_that_says_nothing_asks_for_all(body):
    assert hinted_repositories(body) == frozenset()
    assert asked_for(body, SOURCES, ()) == {"shop", "same", "tax", "local"}


@pytest.mark.parametrize(
    ("url", "id"),
    [
        ("https://user:pw@Git.Example.org:8443/Shop/deploy.git/", "git.example.org/shop/deploy"),
        ("git@git.example.org:shop/deploy.git", "git.example.org/shop/deploy"),
        ("git.example.org:shop/deploy", "git.example.org/shop/deploy"),
        ("/srv/git/x.git", "/srv/git/x"),
        ("file:///srv/git/x", "/srv/git/x"),
        ("https://git.example.org/", ""),
        ("https://[", ""),
        ("a\nb", ""),
        ("x" * 3_000, ""),
    ],
)
def test_addresses_of_one_repository_are_one(url, id):
    assert repository_id(url) == id


KEYS = st.sampled_from(["repository", "project", "clone_url", "url"])
SAID = st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(st.binary(max_size=200) | SAID.map(lambda said: json.dumps(said).encode()))
def test_any_body_asks_for_sources_of_the_endpoint_at_most(body):
    assert asked_for(body, SOURCES, ("shop", "tax")) <= {"shop", "tax"}
