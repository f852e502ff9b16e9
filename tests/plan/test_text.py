import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.commit import Commit
from orchestrator.model.desired import DesiredState
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.model.observed import ObservedState
from orchestrator.plan.action import ActionKind
from orchestrator.plan.document import has_changes
from orchestrator.plan.make import make_plan
from orchestrator.plan.text import Style, printable, render_text, styled_lines

from .build import deployment, desired, grant, observed, record, rejection, revision
from .worlds import desired_states, observed_states


def last(wanted: DesiredState, state: ObservedState) -> str:
    return render_text(make_plan(wanted, state)).splitlines()[-1]


@pytest.mark.parametrize("count", [1, 3])
def test_nothing_to_do_is_said_with_how_many_match(count: int) -> None:
    members = [deployment(f"app-{n}") for n in range(count)]
    expected = "1 deployment matches." if count == 1 else f"{count} deployments match."
    assert last(desired(*members), observed(*members)) == f"No changes. {expected}"


def test_a_folder_without_deployments_is_not_just_no_change() -> None:
    said = "No changes. There is no deployment: no `.yaml` or `.yml` file there has one."
    assert last(desired(), observed()) == said


def test_rare_kinds_are_counted_only_where_they_are() -> None:
    assert last(desired(deployment("a")), observed()) == (
        "Plan: 1 to create, 0 to update, 0 to roll out, 0 to remove, 0 blocked."
    )
    bad = deployment("hello", "2.0.0")
    held = record(deployment("hello"), rejected=(rejection(bad),))
    assert last(desired(bad), observed(held)).endswith("0 blocked, 1 held.")


def test_what_is_held_or_blocked_is_a_difference() -> None:
    bad = deployment("hello", "2.0.0")
    assert has_changes(make_plan(desired(bad), observed(record(deployment("hello"), rejected=(rejection(bad),)))))
    assert has_changes(make_plan(desired(deployment("a", needs=["b"])), observed()))
    assert not has_changes(make_plan(desired(bad), observed(bad)))


@pytest.mark.parametrize(("agent", "words"), [(True, "what the agent runs"), (False, "no agent is running")])
def test_the_head_says_what_it_was_compared_with(agent: bool, words: str) -> None:
    text = render_text(make_plan(desired(root="/srv", root_reason="--root"), observed(agent=agent)))
    assert words in text.splitlines()[2]
    assert "/srv (--root)" in text.splitlines()[1]


def test_columns_line_up() -> None:
    wanted = desired(deployment("a", "1.10.0"), deployment("a-longer-name", "2.0.0"))
    text = render_text(make_plan(wanted, observed(deployment("a"))))
    rows = [line for line in text.splitlines() if "because" in line]
    assert len(rows) == 2
    assert len({line.index("because") for line in rows}) == 1


def test_diagnostics_are_shown_sorted_by_place() -> None:
    def warning(file: str, line: int) -> Diagnostic:
        return Diagnostic(severity=Severity.WARNING, summary="hm", location=Location(file=file, line=line, column=1))

    found = [warning("b.yaml", 1), warning("a.yaml", 10), warning("a.yaml", 9)]
    text = render_text(make_plan(desired(), observed(), found))
    assert [line for line in text.splitlines() if "hm" in line] == [
        "warning: a.yaml:9:1: hm",
        "warning: a.yaml:10:1: hm",
        "warning: b.yaml:1:1: hm",
    ]


def test_a_note_is_told_once_for_rows_that_share_it() -> None:
    members = [deployment(f"app-{n}") for n in range(5)]
    assert render_text(make_plan(desired(), observed(*members))).count("--allow-empty") == 1


@given(st.text())
def test_nothing_a_terminal_acts_upon_is_left(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


HOSTILE = "\x1b[2J\x9b31m\r\n\u202e\u2066\u200b\u2028\x00\x7f"


def test_text_from_outside_is_made_printable_wherever_it_stands() -> None:
    old = deployment("hello")
    new = deployment(
        f"hello{HOSTILE}",
        revision=revision(
            f"2{HOSTILE}",
            component=HOSTILE,
            artifact=f"sha256:{HOSTILE}",
            grants=(grant(f"storage.read{HOSTILE}", HOSTILE),),
        ),
        labels=((HOSTILE, HOSTILE),),
        rationale=((f"storage.read{HOSTILE}", HOSTILE),),
    )
    bad = deployment(f"bad{HOSTILE}")
    state = observed(
        record(deployment(new.key.name)),
        record(old, source=HOSTILE),
        record(None, wanted=bad, rejected=(rejection(bad, HOSTILE),)),
    )
    warning = Diagnostic(severity=Severity.WARNING, summary=HOSTILE, location=Location(file=HOSTILE))
    commit = Commit(id=HOSTILE, author=HOSTILE, subject=HOSTILE)
    wanted = desired(new, old, bad, root=HOSTILE, root_reason=HOSTILE, commit=commit, unreadable_files=(HOSTILE,))
    text = render_text(make_plan(wanted, state, [warning]))
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text.splitlines()) == text.count("\n")


@given(desired_states(), observed_states(), st.integers(0, 200))
def test_styled_and_plain_say_the_same(wanted: DesiredState, state: ObservedState, width: int) -> None:
    plan = make_plan(wanted, state)
    styled = ["".join(segment.text for segment in line).rstrip() for line in styled_lines(plan, width)]
    assert render_text(plan, width).splitlines() == styled


def test_long_values_are_cut_to_the_width() -> None:
    old = deployment("hello", revision=revision(config='{"a":"' + "x" * 500 + '"}'))
    new = deployment(
        "hello", revision=revision(config='{"a":"' + "y" * 500 + '"}', grants=(grant("storage.read", "self"),)),
        rationale=(("storage.read", "z" * 500),),
    )  # fmt: skip
    text = render_text(make_plan(desired(new), observed(old)), width=100)
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("…") == 3


def test_every_kind_of_action_has_a_sigil_and_a_style() -> None:
    assert {kind: kind.sigil for kind in ActionKind}.keys() == set(ActionKind)
    assert [Style(kind.value) for kind in ActionKind]
