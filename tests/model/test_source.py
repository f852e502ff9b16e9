"""Which sources read some of the same files, as far as their names tell."""

import msgspec
import pytest

from orchestrator.model.commit import Commit
from orchestrator.model.source import FolderSpec, GitSpec, SourceNote, SourceRecord, SourceSpec, overlap, place_of


def folder(path: str, file: str | None = None, root: str = "/srv") -> FolderSpec:
    return FolderSpec(identity="", root=root, root_reason="", folder=path, file=file)


def git(path: str, ref: str = "main", repository: str = "/srv/shop.git") -> GitSpec:
    return GitSpec(identity="", repository=repository, ref=ref, path=path, transport="file")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (folder("shop"), folder("shop"), True),
        (folder("shop"), folder("shop/eu"), True),
        (folder(""), folder("shop"), True),
        (folder("shop"), folder("shop", "tax.yaml"), True),
        (folder("shop", "tax.yaml"), folder("shop", "tax.yaml"), True),
        (folder("shop", "tax.yaml"), folder("shop", "cart.yaml"), False),
        (folder("shop"), folder("shop-2"), False),
        (folder("shop"), folder("", root="/srv/shop"), True),
        (folder("", root="/"), folder("shop"), True),
        (git("manifests"), git("manifests"), True),
        (git(""), git("manifests"), True),
        (git("manifests"), git("manifests/tax.yaml"), True),
        (git("manifests"), git("manifests-2"), False),
        (git("manifests"), git("manifests", ref="next"), False),
        (git("manifests"), git("manifests", repository="/srv/other.git"), False),
        (git(""), folder("shop.git"), False),
    ],
)
def test_sources_overlap_where_one_lies_in_the_other(first: SourceSpec, second: SourceSpec, expected: bool) -> None:
    assert overlap(first, second) is overlap(second, first) is expected


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        (folder("shop"), "/srv/shop"),
        (folder("shop", "tax.yaml"), "/srv/shop/tax.yaml"),
        (folder(""), "/srv"),
        (folder("", root="/"), "/"),
        (folder("srv", root="/"), "/srv"),
        (git("manifests"), "/srv/shop.git#main:manifests"),
    ],
)
def test_a_place_is_named_as_it_would_be_typed(spec: SourceSpec, place: str) -> None:
    assert place_of(spec) == place


OLD_SPEC = (
    '{"type": "git", "identity": "shop", "repository": "/r.git", "ref": "main", "path": "", "transport": "file",'
    ' "host": "", "port": 0}'
)
OLD_COMMIT = '{"id": "abc", "author": "Ada", "subject": "x", "dirty": false}'


def test_records_and_notes_of_before_signatures_and_namespaces_are_still_read() -> None:
    record = f'{{"name": "shop", "follow": "watched", "sinceMs": 1, "spec": {OLD_SPEC}, "intervalMs": 15000}}'
    read = msgspec.json.decode(record, type=SourceRecord)
    assert isinstance(read.spec, GitSpec)
    assert (read.spec.verify, read.spec.namespaces, read.declared) == (None, (), None)
    note = msgspec.json.decode('{"status": {"source": "shop"}, "readMs": 5, "watchedMs": 6}', type=SourceNote)
    assert (note.status.commit, note.looked_ms) == (None, 0)
    commit = msgspec.json.decode(OLD_COMMIT, type=Commit)
    assert (commit.tag, commit.signer) == ("", None)
    assert msgspec.json.decode(msgspec.json.encode(commit)) == msgspec.json.decode(OLD_COMMIT)  # plans keep their bytes
