"""What the command line refuses before it does anything, and with which exit code."""

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.cli.main import cli, run
from tests.e2e.conftest import AIRS, Airs

USAGE, INVALID, NO_AGENT = 64, 65, 69

MISTYPED = [
    ("--bogus",),
    ("statsu",),
    ("agent", "strat"),
    ("rollout", "promot", "hello"),
    ("-o", "xml", "status"),
    ("status", "-o", "yaml"),
    ("validate",),
    ("validate", "no-such-folder"),
    ("plan",),
    ("plan", "no-such-folder"),
    ("apply", "no-such-folder", "--no-start", "--timeout", "5"),
    ("apply", ".", "--timeout", "soon"),
    ("apply", ".", "--source", ""),
    ("up", "-x"),
    ("init",),
    ("init", "no-such-file.wasm"),
    ("schema", "nothing"),
    ("schema", "../../etc/passwd"),
    ("get",),
    ("get", "pods"),
    ("get", "Deployments"),
    ("request", "hello"),
    ("request", "Hello World", "x"),
    ("request", "a//c", "x"),
    ("publish", "news"),
    ("publish", "news", "x", "--hex", "00"),
    ("publish", "news", "--json", "{"),
    ("request", "-hello", "x"),
    ("request", "hello", "x", "--timeout", "-1s"),
    ("send", "", "x"),
    ("call", "hello"),
    ("call", "hello", ""),
    ("logs", "../x"),
    ("history",),
    ("rollback", "hello", "--to", "first"),
    ("restart",),
    ("delete",),
    ("delete", "hello", "UPPER"),
    ("--state-dir", "", "status"),
]

WITHOUT_AGENT = [
    ("status",),
    ("status", "hello"),
    ("get", "deployments"),
    ("history", "hello"),
    ("rollback", "hello"),
    ("rollout", "status", "hello"),
    ("send", "hello", "x"),
    ("request", "hello", "x"),
    ("call", "hello", "f"),
    ("logs",),
    ("events",),
    ("restart", "hello"),
    ("delete", "hello"),
    ("agent", "stop"),
    ("agent", "status"),
]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRS_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


@pytest.mark.parametrize("arguments", MISTYPED, ids=" ".join)
def test_what_is_mistyped_is_a_usage_error_on_stderr(
    arguments: tuple[str, ...], elsewhere: Path, capsys: pytest.CaptureFixture[str]
):
    code = run(arguments)
    said = capsys.readouterr()
    assert (code, said.out) == (USAGE, "")
    assert "rror: " in said.err
    assert not (elsewhere / "state").exists()


@pytest.mark.parametrize("arguments", WITHOUT_AGENT, ids=" ".join)
def test_without_an_agent_commands_that_need_one_say_how_to_start_one(
    arguments: tuple[str, ...], elsewhere: Path, capsys: pytest.CaptureFixture[str]
):
    code = run(arguments)
    said = capsys.readouterr()
    assert (code, said.out) == (NO_AGENT, "")
    assert "airs agent start" in said.err
    assert not (elsewhere / "state").exists()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("statsu",), "status"),
        (("aply", "."), "apply"),
        (("agent", "strat"), "start"),
        (("--no-colour",), "--no-color"),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(
    typed: tuple[str, ...], meant: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(typed) == USAGE
    said = capsys.readouterr().err.lower()
    assert "did you mean" in said
    assert meant in said


def test_airs_alone_lists_the_commands(elsewhere: Path, capsys: pytest.CaptureFixture[str]):
    assert run([]) == USAGE
    said = capsys.readouterr().err
    assert all(f"  {name} " in said for name in cli.commands)


@pytest.mark.parametrize("name", ["", *sorted(cli.commands)])
def test_every_command_explains_itself(name: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]):
    assert run([*name.split(), "--help"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Usage: airs")
    assert said.err == ""


@pytest.mark.parametrize("sub", ["start", "stop", "status"])
def test_every_command_of_agent_explains_itself(sub: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["agent", sub, "--help"]) == 0
    assert f"agent {sub}" in capsys.readouterr().out


def test_apply_may_be_forbidden_to_start_an_agent(airs: Airs):
    airs.copy_example("01-hello")
    refused = airs.run("apply", "01-hello/manifests", "--no-start", check=False)
    assert (refused.returncode, refused.stdout) == (NO_AGENT, "")
    assert not airs.state_dir.exists()


def test_a_state_directory_that_is_a_file_is_named(airs: Airs):
    airs.copy_example("01-hello")
    airs.state_dir.write_text("")
    for command in (["apply", "01-hello/manifests"], ["agent", "start"]):
        refused = airs.run(*command, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"{airs.state_dir}" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_state_directory_that_others_may_write_to_is_refused(airs: Airs):
    airs.copy_example("01-hello")
    airs.state_dir.mkdir()
    airs.state_dir.chmod(0o777)
    refused = airs.run("apply", "01-hello/manifests", check=False)
    assert refused.returncode == 1
    assert "chmod 700" in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_state_directory_of_somebody_else_is_refused(airs: Airs):
    airs.copy_example("01-hello")
    airs.state_dir.mkdir(mode=0o700)
    os.chown(airs.state_dir, 12345, 12345)
    refused = airs.run("apply", "01-hello/manifests", check=False)
    assert refused.returncode == 1
    assert "belongs to user 12345" in refused.stderr


def test_a_place_where_nothing_can_be_made_is_no_traceback(airs: Airs):
    airs.copy_example("01-hello")
    refused = airs.run("--state-dir", "/proc/airs", "apply", "01-hello/manifests", check=False)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[0].startswith("error: ")


def test_a_newer_state_is_left_alone(airs: Airs):
    airs.copy_example("01-hello")
    airs.state_dir.mkdir(mode=0o700)
    (airs.state_dir / "VERSION").write_text("99\n")
    refused = airs.run("plan", "01-hello/manifests", check=False)
    assert refused.returncode == 1
    assert "use the newer airs" in refused.stderr


def test_without_home_or_state_dir_variables_it_still_plans(airs: Airs):
    airs.copy_example("01-hello")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": airs.env["PYTHONPATH"]}
    done = subprocess.run(
        [*AIRS, "plan", "01-hello/manifests"], env=env, cwd=airs.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "default/hello" in done.stdout


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_locale_without_the_sigils_does_not_stop_a_plan(airs: Airs, locale: str):
    example = airs.copy_example("01-hello")
    manifest = example / "manifests" / "hello.yaml"
    airs.run("apply", manifest.parent)
    manifest.write_text(manifest.read_text().replace("hello-1.0.0", "hello-1.1.0"))
    plain = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    planned = airs.run("plan", manifest.parent, env=plain)
    assert r"\xb1 default/hello" in planned.stdout
    assert b"\xc2\xb1" not in planned.stdout.encode("utf-8", "surrogateescape")
    assert airs.json("plan", manifest.parent)["actions"][0]["sigil"] == "±"


def test_arguments_that_are_no_utf8_are_no_traceback(airs: Airs):
    airs.copy_example("01-hello")
    airs.run("apply", "01-hello/manifests")
    odd = "\udcff"
    for command in (["request", odd, "x"], ["validate", odd], ["call", "hello", odd], ["plan", ".", "--source", odd]):
        assert airs.run(*command, check=False).returncode == USAGE
    assert airs.run("request", "hello", odd).stdout == f"Hello, {odd}!\n"
