"""What is said to somebody who knows another tool."""

import pytest

from orchestrator.cli.commands import COMMANDS, HABITS, KIND_HABITS
from orchestrator.cli.look import KINDS
from orchestrator.cli.main import run
from orchestrator.contract.codes import OK, USAGE


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["describe", "hello"], "airs status NAME"),
        (["destroy"], "airs delete NAME"),
        (["statsu"], "Did you mean status"),
        (["zzz"], "airs --help"),
        (["get", "pods"], "airs get instances"),
        (["get", "deployment"], "airs get deployments"),
        (["get", "subscripions"], "airs get subscriptions"),
        (["apply", "-f", "x"], "airs apply PATH"),
        (["apply", "--dry-run", "x"], "airs plan PATH"),
        (["logs", "-n", "billing", "tax"], "NAMESPACE/NAME"),
        (["rollback", "hello", "--to-revision=2"], "--to N"),
        (["logs", "hello", "--previous"], "instances that ended"),
        (["scale", "hello"], "Use `airs apply PATH`, with other replicas in the manifest."),
        (["suspend", "hello"], "→ airs suspend source NAME, or airs apply PATH with suspend: true"),
        (["rollout", "undo", "hello"], "→ airs rollback NAME"),
        (["rollout", "history", "hello"], "→ airs history"),
        (["source", "rmeove", "shop"], "→ airs source remove"),
    ],
    ids=" ".join,
)
def test_a_habit_is_answered_with_what_does_it_here(typed: list[str], told: str, capsys: pytest.CaptureFixture[str]):
    assert run(typed) == USAGE
    assert told in " ".join(capsys.readouterr().err.split())


def test_no_habit_hides_a_command_and_each_leads_to_one():
    assert not HABITS.keys() & COMMANDS.keys()
    assert {said.split()[1].rstrip(",") for said in HABITS.values()} <= {*COMMANDS, "--version"}
    assert not [said for said in HABITS.values() if "`" in said], "it is put between backquotes"
    assert {*KIND_HABITS.values()} <= {*KINDS}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("airs help ro", ["rollout", "rollback"]),
        ("airs help rollout p", ["pause", "promote"]),
        ("airs help status ", []),
        ("airs help nonsense ", []),
        ("airs schema deploy", ["deployment"]),
    ],
)
def test_what_has_a_fixed_set_of_words_is_completed(
    typed: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("_AIRS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(f"{typed}.".split()) - 1))
    with pytest.raises(SystemExit):
        run()
    assert [line.partition(",")[2] for line in capsys.readouterr().out.split()] == offered


def test_help_of_a_command_is_the_commands_help(capsys: pytest.CaptureFixture[str]):
    for command in ([], ["status"], ["rollout", "abort"]):
        assert run(["help", *command]) == run([*command, "--help"]) == OK
        said = capsys.readouterr().out
        assert said[: len(said) // 2] == said[len(said) // 2 :]
    assert run(["help", "status", "x"]) == USAGE
    assert run(["help", "nonsense"]) == USAGE
