"""A comment fits, is read worst first, and holds nothing of anybody that a page would act on."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace

from orchestrator.model.commit import Commit
from orchestrator.model.diagnostic import Diagnostic, Location, Severity
from orchestrator.plan.action import Action, ActionKind, CapabilityChange, FieldChange, Reason
from orchestrator.plan.against import Against, AgainstKind
from orchestrator.plan.document import Plan, summarize
from orchestrator.plan.finding import FindingKind, PlanFinding
from orchestrator.plan.make import make_plan
from orchestrator.review.markdown import COMMENT_MAX_BYTES, render_markdown
from tests.plan.build import deployment, desired, key, observed

HOSTILE = (
    "x</pre></details><script>alert(1)</script>", "@admin please merge", "#1 closes #2", "](https://evil.example)",
    "![](https://evil.example/pixel)", "a|b|c\n| - | - |", "```\n# top", "https://evil.example www.evil.example",
    "<img src=x onerror=alert(1)>", "<!-- hidden", "\x1b[2J\u202egnirts", ":tada: **bold** _it_ ~~no~~",
    "&lt;b&gt;&amp;",
    "\r\n\r\n# heading\n\n- list",
)  # fmt: skip
ALLOWED = {"h3", "p", "br", "b", "i", "code", "details", "summary", "pre"}


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and its text outside `code` and `pre`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[tuple[str, str | None]] = set()
        self.open: list[str] = []
        self.free, self.kept, self.comments = "", "", 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {*attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"code", "pre"} & {*self.open}:
            self.kept += data
        else:
            self.free += data

    def handle_comment(self, data: str) -> None:
        self.comments += 1


def page(plan: Plan, **options: int) -> Page:
    """Render a comment as forges do: with HTML, tables, autolinks and all."""
    text = render_markdown(plan, **options)
    assert len(text.encode()) <= COMMENT_MAX_BYTES
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    return Page(html)


def action(name: str = "hello", kind: ActionKind = ActionKind.ROLL_OUT, **fields: object) -> Action:
    made = Action(
        kind=kind, sigil=kind.sigil, key=key(name), reasons=(Reason.ARTIFACT_CHANGED,), old_version="1.0.0",
        new_version="2.0.0",
    )  # fmt: skip
    return replace(made, **fields)


def planned(actions: Iterable[Action], **fields: object) -> Plan:
    several = tuple(actions)
    return replace(make_plan(desired(), observed()), actions=several, summary=summarize(several), **fields)


def hostile(text: str) -> Plan:
    """A plan in which everything that others write is this text."""
    one = action(
        key=replace(key("hello"), name=text), old_version=text, new_version=text + "2", note=text, interrupts=text,
        changes=(FieldChange(field=text, old=text, new=text),),
        capabilities=(CapabilityChange(capability=text, pattern=text, added=True, rationale=text),),
        found=(PlanFinding(kind=FindingKind.RULE, text=text, blocks=True, unblock=text, file=text, line=3),),
    )  # fmt: skip
    two = replace(one, kind=ActionKind.BLOCKED)
    said = Diagnostic(severity=Severity.ERROR, summary=text, location=Location(file=text, line=1), detail=text)
    against = Against(kind=AgainstKind.REVISION, place=text, commit=text, subject=text)
    commit = Commit(id=text, author=text, subject=text)
    return planned((one, two), source=text, commit=commit, diagnostics=(said,), against=against)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_within_code_and_nothing_else(text: str):
    found = page(hostile(text))
    plain = page(hostile("plain"))
    assert {*found.tags} <= ALLOWED
    assert found.tags == plain.tags  # no element more, and none ends early
    assert found.attributes <= {("open", None), ("open", "")}
    assert (found.free, found.comments, found.open) == (plain.free, 1, [])
    assert "evil" not in found.free
    assert text.isprintable() is False or text in found.kept


@given(st.text(max_size=60))
def test_any_text_is_text(text: str):
    assert page(hostile(text)).tags == page(hostile("plain")).tags


def lines_of(text: str) -> list[str]:
    return re.findall(r"<code>default/([a-z-]+[0-9]*)</code>", text)


def test_the_worst_comes_first():
    kinds = {kind.value: action(kind.value, kind) for kind in ActionKind}
    order = lines_of(render_markdown(planned(kinds.values())))
    assert order == [
        "blocked", "held", "remove", "roll-out", "update", "restart", "rename", "adopt", "create",
    ]  # fmt: skip
    assert order == lines_of(render_markdown(planned(reversed(kinds.values()))))


def test_what_a_reviewer_looks_for_stands_on_the_line_itself():
    news = (CapabilityChange(capability="storage.read", pattern="self", added=True),) * 2
    text = render_markdown(planned([action(capabilities=news, interrupts="stops every instance")]))
    (line,) = re.findall(r"<summary>(.*)</summary>", text)
    assert line.endswith("because artifact-changed · 2 new capabilities, interrupts")


@pytest.mark.parametrize("count", [1, 40, 1_000])
@pytest.mark.parametrize("size", [10, 400])
def test_a_comment_fits_and_says_what_it_left_out(count: int, size: int):
    kinds = [ActionKind.BLOCKED, ActionKind.CREATE, ActionKind.ROLL_OUT]
    change = FieldChange(field="config.text", old="", new="é" * size)
    actions = [action(f"d-{number}", kinds[number % 3], changes=(change,) * 30) for number in range(count)]
    text = render_markdown(planned(actions))
    assert len(text.encode()) <= COMMENT_MAX_BYTES
    assert len(page(planned(actions)).open) == 0
    shown = lines_of(text)
    left = re.search(r"<b>(\d+) more deployments? did not fit into this comment</b>: (.*?)\. The", text)
    assert len(shown) + (int(left[1]) if left else 0) == count
    if left:
        assert shown[0] == "d-0"
        assert all(number.split("-")[1] for number in shown)
        assert "to create" in left[2]
    if count == 40 and size == 400:
        assert "<details>" in text
        assert "details left out" in text


def test_many_diagnostics_leave_room_for_the_rows():
    said = [
        Diagnostic(severity=Severity.WARNING, summary="w" * 300, location=Location(file=f"f{n}.yaml", line=n))
        for n in range(1_000)
    ]
    text = render_markdown(planned([action()], diagnostics=tuple(said)))
    assert len(text.encode()) <= COMMENT_MAX_BYTES
    assert "1000 warnings" in text
    assert re.search(r"… \d+ more lines", text)
    assert lines_of(text) == ["hello"]


def test_the_title_counts_what_there_is_and_errors_come_first():
    nothing = render_markdown(make_plan(desired(deployment()), observed(deployment())))
    assert "### airs plan: no changes\n" in nothing
    assert "1 deployment matches" in nothing
    error = Diagnostic(severity=Severity.ERROR, summary="wrong", location=Location(file="a.yaml"))
    some = render_markdown(planned([action(), action("b", ActionKind.HELD)], diagnostics=(error,)))
    assert "### airs plan: ⛔ 1 error, 1 to roll out, 0 blocked"[:-11] in some
    assert "<details open><summary>1 error</summary>" in some


def test_the_same_plan_is_the_same_bytes_and_its_age_is_told():
    plan = hostile("x")
    state = Against(kind=AgainstKind.FILE, place="prod", made_ms=1_000, key_id="ed25519:ab")
    old = replace(plan, against=state)
    assert render_markdown(plan, 5) == render_markdown(plan, 5)
    assert "3 hours old" in render_markdown(old, 1_000 + 3 * 3_600_000)
    assert "no --state-key was named" in render_markdown(old)
    assert render_markdown(plan).split("\n")[0] == render_markdown(planned([], source="x")).split("\n")[0]
