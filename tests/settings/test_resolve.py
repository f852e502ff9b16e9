"""Which value of a setting is in force, where it is from, and what is refused."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.manifest.schema import schema
from orchestrator.model.settings import Origin
from orchestrator.settings.file import parse_settings_file, read_settings_file
from orchestrator.settings.quick import NOT_NAMED, state_dir_of
from orchestrator.settings.resolve import GivenSettings, ResolvedSettings, resolve_settings

DEFAULTS = {"state-dir": "/default/state", "secrets.dir": "/default/secrets"}
FILE = "/etc/airs/airs.toml"


def resolved(text: str | bytes = "", flags: dict[str, str] | None = None, **variables: str) -> ResolvedSettings:
    data = text.encode() if isinstance(text, str) else text
    given = GivenSettings(flags or {}, variables, DEFAULTS, "/here", "/home/ada")
    return resolve_settings(parse_settings_file(FILE, data), given)


def in_force(settings: ResolvedSettings, key: str) -> tuple[Any, Origin, str]:
    found = next(setting for setting in settings.settings if setting.key == key)
    return found.value, found.origin, found.where


TEXT = 'state-dir = "/file/state"\n[secrets]\ndir = "mine"\n'
ORDER = [
    ("", {}, {}, ("/default/state", Origin.DEFAULT, "")),
    (TEXT, {}, {}, ("/file/state", Origin.FILE, f"{FILE}:1:13")),
    (TEXT, {}, {"AIRS_STATE_DIR": "v"}, ("/here/v", Origin.VARIABLE, "AIRS_STATE_DIR")),
    (TEXT, {"--state-dir": "f"}, {"AIRS_STATE_DIR": "v"}, ("/here/f", Origin.FLAG, "--state-dir")),
    (TEXT, {}, {"AIRS_STATE_DIR": ""}, ("/file/state", Origin.FILE, f"{FILE}:1:13")),
]


@pytest.mark.parametrize(("text", "flags", "variables", "expected"), ORDER)
def test_a_flag_comes_before_a_variable_before_the_file_before_the_default(text, flags, variables, expected):
    settings = resolved(text, flags, **variables)
    assert in_force(settings, "state-dir") == expected
    assert settings.values is not None
    assert settings.values.state_dir == expected[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("mine", "/etc/airs/mine"), ("../x", "/etc/x"), ("/a/b", "/a/b"), ("~/s", "/home/ada/s"), ("~", "/home/ada"),
     ("~bob/s", "/etc/airs/~bob/s")],
)  # fmt: skip
def test_a_path_in_the_file_begins_at_its_folder_or_at_home(written, meant):
    assert in_force(resolved(f"[secrets]\ndir = '{written}'\n"), "secrets.dir") == (meant, Origin.FILE, f"{FILE}:2:7")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("rules", "/etc/airs/rules"), ("rules#main:prod", "/etc/airs/rules#main:prod"), ("~/r#HEAD", "/home/ada/r#HEAD"),
     ("/srv/r#main", "/srv/r#main"), ("https://a.example/r#main:x", "https://a.example/r#main:x"),
     ("git@a.example:r#main", "git@a.example:r#main"), ("a@b/c#main", "/etc/airs/a@b/c#main")],
)  # fmt: skip
def test_a_repository_on_this_machine_is_a_path_as_well(written, meant):
    assert in_force(resolved(f"policy = '{written}'\n"), "policy")[0] == meant
    assert in_force(resolved(AIRS_POLICY="r#main"), "policy")[0] == "/here/r#main"


REFUSED = {
    "[secret]\ndir = 'x'\n": (1, 2, "unknown key `secret`", "did you mean `secrets`?"),
    "[secrets]\ndri = 'x'\n": (2, 1, "unknown key `dri` in `secrets`", "did you mean `dir`?"),
    "dir = 'x'\n": (1, 1, "unknown key `dir`", "`dir` belongs under `secrets`"),
    "state-dir = 7\n": (1, 13, "`state-dir` must be text, but is a whole number", "write a path without control"),
    "state-dir = ''\n": (1, 13, "`state-dir` is empty", "write a path"),
    "secrets = 'x'\n": (1, 11, "`secrets` must be a mapping, but is text", ""),
    "state-dir = \n": (1, 13, "not TOML: Invalid value", ""),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_wrong_is_told_with_its_place_and_leaves_nothing_in_force(text):
    settings = resolved(text)
    assert (settings.values, settings.settings) == (None, ())
    line, column, summary, suggestion = REFUSED[text]
    (problem,) = settings.diagnostics
    assert str(problem.location) == f"{FILE}:{line}:{column}"
    assert problem.summary.startswith(summary)
    assert problem.suggestion.startswith(suggestion)


def test_all_that_is_wrong_is_told_at_once():
    assert len(resolved("[secret]\n[secrets]\ndri = 1\ndir = 2\n").diagnostics) == 3


def test_a_variable_is_held_against_the_schema_and_named():
    settings = resolved("", AIRS_SECRETS_DIR="a\nb")
    assert settings.values is None
    assert [str(problem.location) for problem in settings.diagnostics] == ["AIRS_SECRETS_DIR"]


def test_the_schema_agrees_with_its_library():
    jsonschema.Draft202012Validator.check_schema(schema("airs"))
    jsonschema.Draft202012Validator(schema("airs")).validate({"state-dir": "/x", "secrets": {"dir": "y"}})


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=200)
def test_any_bytes_are_settings_or_diagnostics(data):
    settings = resolved(data)
    assert (settings.values is None) == any(problem.is_error for problem in settings.diagnostics)


QUICK = {
    'state-dir = "x"\n[secrets]\ndir = "y"\n': "x",
    "[secrets]\ndri = 'y'\n": NOT_NAMED,
    "": NOT_NAMED,
    "state_dir = 'x'\n": None,
    "state-dir = ''\n": None,
    "state-dir = 7\n": None,
    'state-dir = "a\\u0000b"\n': None,
    "state-dir = \n": None,
    "a = " + "[" * 5_000: None,
}


@pytest.mark.parametrize("text", QUICK)
def test_the_state_directory_alone_is_read_where_the_file_can_mean_nothing_else(tmp_path: Path, text: str):
    file = tmp_path / "airs.toml"
    file.write_text(text)
    assert state_dir_of(file) == QUICK[text]
    file.chmod(0o666)
    assert state_dir_of(file) is None, "and who may write it is told"


@pytest.mark.parametrize("mode", [0o602, 0o666])
def test_a_file_that_others_may_write_to_is_refused(tmp_path: Path, mode: int):
    file = tmp_path / "airs.toml"
    file.write_text("")
    file.chmod(mode)
    read = read_settings_file(file)
    assert read.root is None
    assert "can be written by others" in read.diagnostics[0].summary
    file.chmod(0o644)
    assert read_settings_file(file).diagnostics == ()


# ---- lists of tables ----

HOOKS = """
[webhooks]
listen = "127.0.0.1:8420"
[[webhooks.endpoints]]
name = "a"
kind = "github"
secret-file = "a.secret"
[[webhooks.endpoints]]
name = "b"
kind = "generic"
secret-name = "airs/hook"
header = "X-Mine"
sources = ["shop"]
"""


def test_each_entry_of_a_list_of_tables_has_its_own_values_and_defaults():
    settings = resolved(HOOKS)
    assert settings.values is not None
    first, second = settings.values.webhooks.endpoints
    assert (first.name, first.at, first.secret_file, first.sources) == ("a", "/a", "/etc/airs/a.secret", ())
    assert (second.kind, second.secret_name, second.header, second.sources) == (
        "generic",
        "airs/hook",
        "X-Mine",
        ("shop",),
    )
    assert settings.values.webhooks.min_interval == 1_000
    assert in_force(settings, "webhooks.endpoints[0].secret-file") == (
        "/etc/airs/a.secret", Origin.FILE, f"{FILE}:7:15",
    )  # fmt: skip
    assert in_force(settings, "webhooks.endpoints[1].path") == (None, Origin.DEFAULT, "")
    none = resolved("").values
    assert none is not None
    assert none.webhooks.endpoints == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "summary"),
    [
        ("listen", "max-bytes = '1MiB' #", 2, "`webhooks.endpoints` without `webhooks.listen`: nothing listens"),
        (
            '"127.0.0.1:8420"',
            '"example.org:8420"',
            3,
            "`webhooks.listen` is `example.org:8420`, which is not an address",
        ),
        ('secret-file = "a.secret"', "", 4, "the webhook `a` has no secret"),
        (
            'secret-name = "airs/hook"',
            'secret-name = "airs/hook"\nsecret-file = "x"',
            8,
            "the webhook `b` has two secrets",
        ),
        ('kind = "generic"', 'kind = "github"', 8, "the webhook `b` has a `header`"),
        ('name = "b"', 'name = "a"', 8, "`a` is in `webhooks.endpoints` twice"),
        ('name = "b"', 'name = "b"\npath = "/a"', 8, "two webhooks have the path `/a`"),
        ('kind = "github"', 'kind = "git"', 6, "`webhooks.endpoints[0].kind` is `git`; it must be `github` or"),
        ('kind = "github"', 'kind = "github"\nsecret = "hunter2"', 7, "unknown key `secret`"),
        ("listen", 'certificate = "x"\nlisten', 2, "`webhooks.certificate` and `webhooks.key` are given together"),
    ],
)
def test_entries_that_contradict_themselves_or_each_other_are_refused(old, new, line, summary):
    assert old in HOOKS
    settings = resolved(HOOKS.replace(old, new, 1))
    assert settings.values is None
    found = {(each.location.line, each.summary) for each in settings.diagnostics}
    assert any(at == line and said.startswith(summary) for at, said in found), found


@pytest.mark.parametrize("scheme", ["http", "https", "ssh"])
@pytest.mark.parametrize("text", ["policy = '{}'", "[fetch]\nproxy = '{}'", "[[sources]]\nname = 'shop'\nplace = '{}'"])
def test_a_url_with_a_password_is_refused_without_the_password(text: str, scheme: str):
    settings = resolved(text.format(f"{scheme}://me:hunter2@git.example.org/rules"))
    (problem,) = settings.diagnostics
    assert "://me:*******@git.example.org/rules`" in problem.summary
    assert "password" in problem.summary
    assert "hunter2" not in str(settings)


def test_a_place_may_name_a_user_and_a_port():
    for place in ("ssh://git@git.example.org:22/rules#main", "https://git.example.org:8443/a@b#v1:x", "git@host:a/b"):
        assert resolved(f"policy = '{place}'").values is not None
