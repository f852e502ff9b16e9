"""Each decision has a record of its own, with number, date and status, and its line in the index."""

import re
import runpy

import pytest

from tests.docs.documents import ROOT

SUBJECTS = runpy.run_path(str(ROOT / "docs/draw.py"))["SUBJECTS"]
INDEX = (ROOT / "DECISIONS.md").read_text(encoding="utf-8")
RECORDS = sorted((ROOT / "docs/decisions").glob("*.md"))
STATUS = re.compile(
    r"accepted(, amended by L( and L)*)?|superseded by L|reverted".replace("L", r"\[\d+\]\(\d{4}-[\w-]+\.md\)")
)
SECTIONS = ["Context", "Decision", "Tried", "Rejected", "Measured", "Consequence"]


def number(path):
    return int(path.name[:4])


def said(path):
    return dict(re.findall(r"^- (\w+): (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))


def named(text):
    return [int(one) for one in re.findall(r"\[(\d+)\]", text)]


def test_numbers_are_unique_and_without_a_gap():
    assert [number(path) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_every_record_is_in_the_index_once_and_nothing_else_is():
    linked = re.findall(r"^- \[.*\]\((docs/decisions/[^)]+)\): ", INDEX, re.MULTILINE)
    assert sorted(linked) == [f"docs/decisions/{path.name}" for path in RECORDS]
    assert re.findall(r"^## (.*)$", INDEX, re.MULTILINE) == list(SUBJECTS), "a record is a file in docs/decisions"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_its_number_a_date_a_status_and_a_subject(path):
    assert path.read_text(encoding="utf-8").startswith(f"# {number(path)}. ")
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", said(path)["Date"])
    assert STATUS.fullmatch(said(path)["Status"])
    assert said(path)["Subject"] in SUBJECTS


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_its_sections_in_their_order(path):
    sections = re.findall(r"^## (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert "Decision" in sections
    assert sections == [name for name in SECTIONS if name in sections]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_what_changed_a_decision_is_a_later_record_and_says_so(path):
    for later in named(said(path)["Status"]):
        assert number(path) < later <= len(RECORDS)
        assert number(path) in named(said(RECORDS[later - 1]).get("Amends", ""))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_link_to_another_record_leads_to_the_number_it_shows(path):
    for shown, file in re.findall(r"\[(\d+)\]\((\d{4})-[\w-]+\.md\)", path.read_text(encoding="utf-8")):
        assert int(shown) == int(file)


CODE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "orchestrator").rglob("*.py")))


@pytest.mark.parametrize("path", [ROOT / "ARCHITECTURE.md", *RECORDS], ids=lambda path: path.stem)
def test_a_class_that_is_named_is_in_the_code(path):
    named = set(re.findall(r"`([A-Z][a-z]\w*)(?:\.\w+)?(?:\(\))?`", path.read_text(encoding="utf-8")))
    assert [name for name in sorted(named) if not re.search(rf"\b{name}\b", CODE)] == []


def test_every_decision_that_is_named_elsewhere_exists():
    files = [
        p for p in ROOT.rglob("*") if p.suffix in {".md", ".py"} and not hidden(p) and p.parent.name != "decisions"
    ]
    cited = {int(one) for p in files for one in re.findall(r"\b[Dd]ecision (\d+)\b", p.read_text(encoding="utf-8"))}
    assert cited <= set(range(1, len(RECORDS) + 1))


def hidden(path):
    return any(part.startswith(".") for part in path.relative_to(ROOT).parts)
