"""Whose file or folder is believed: the operator's and root's, which nobody else could change. A row for each case."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.agent.policies import changed_by_others, distrust_of
from orchestrator.secrets.folder import file_problem, folder_problem
from orchestrator.settings.quick import distrusted
from orchestrator.source.signers import distrusted_signers

OURS, THEIRS = os.geteuid(), 54_321
GROUP, OTHERS = os.getegid(), 54_322
PATH = Path("/etc/airs/x")


def about(mode: int, user: int, group: int) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, user, group, 10, 0, 0, 0))


def said(found: object) -> str:
    return str(found or "")


CHECKS: dict[str, tuple[int, Callable[[os.stat_result], str]]] = {
    "airs.toml": (stat.S_IFREG, distrusted),
    "policies": (stat.S_IFREG, changed_by_others),
    "folder of policies": (stat.S_IFDIR, changed_by_others),
    "signers of commits": (stat.S_IFREG, distrusted_signers),
    "secret": (stat.S_IFREG, lambda of: said(file_problem(of, PATH))),
    "folder of secrets": (stat.S_IFDIR, lambda of: said(folder_problem(of, PATH))),
}


@pytest.mark.parametrize("what", CHECKS)
@pytest.mark.parametrize("user", [OURS, 0])
def test_what_is_the_operators_or_roots_is_believed(what: str, user: int):
    kind, check = CHECKS[what]
    assert check(about(kind | 0o700, user, GROUP)) == ""
    assert check(about(kind | 0o600, user, OTHERS)) == ""


@pytest.mark.parametrize("what", CHECKS)
def test_what_is_another_users_is_not_believed_whatever_its_mode(what: str):
    kind, check = CHECKS[what]
    assert f"belongs to user {THEIRS}" in check(about(kind | 0o600, THEIRS, GROUP))


@pytest.mark.parametrize("what", CHECKS)
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_another_group_or_everybody_may_write_to_is_not_believed(what: str, mode: int):
    kind, check = CHECKS[what]
    assert check(about(kind | 0o700 | mode, OURS, OTHERS))


@pytest.mark.parametrize("what", ["airs.toml", "policies", "folder of policies", "signers of commits"])
def test_the_operators_own_group_may_write_where_nothing_secret_is(what: str):
    kind, check = CHECKS[what]
    assert check(about(kind | 0o660, OURS, GROUP)) == ""


@pytest.mark.parametrize("mode", [0o040, 0o004, 0o020, 0o010])
def test_a_secret_is_for_nobody_else_to_read(mode: int):
    assert "others may read" in said(file_problem(about(stat.S_IFREG | 0o600 | mode, OURS, GROUP), PATH))


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFDIR])
@pytest.mark.parametrize("what", ["airs.toml", "signers of commits", "secret"])
def test_what_is_no_ordinary_file_is_not_read(what: str, kind: int):
    assert "ordinary file" in CHECKS[what][1](about(kind | 0o600, OURS, GROUP))


@pytest.mark.skipif(OURS != 0, reason="only root can give files away")
def test_every_file_and_folder_of_policies_is_looked_at(tmp_path: Path):
    inner = tmp_path / "rules" / "inner"
    inner.mkdir(parents=True, mode=0o700)
    file = inner / "a.yaml"
    file.write_text("")
    file.chmod(0o600)
    assert distrust_of(str(tmp_path / "rules")) == ""
    for path in (tmp_path / "rules", inner, file):
        for user, group, mode, why in ((THEIRS, -1, 0, "belongs to"), (0, OTHERS, 0o020, "by group"), (0, 0, 2, "by")):
            was = path.stat()
            os.chown(path, user, group)
            path.chmod(was.st_mode | mode)
            assert distrust_of(str(tmp_path / "rules")).startswith(f"{path} ")
            assert why in distrust_of(str(tmp_path / "rules"))
            os.chown(path, was.st_uid, was.st_gid)
            path.chmod(was.st_mode)
