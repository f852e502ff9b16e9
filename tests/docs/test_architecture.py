"""What the documents say about the code holds: diagrams, the code map, layers, and every link between files."""

import ast
import re
import tomllib
from urllib.parse import unquote

import pytest

from tests.docs.documents import ROOT, fenced, markdown_files

ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_every_package_is_in_the_code_map():
    mapped = re.findall(r"^\| `(\w+)`(?: ○)? \|", ARCHITECTURE.split("## Code map")[1].split("###")[0], re.MULTILINE)
    packages = {path.parent.name for path in (ROOT / "orchestrator").glob("*/__init__.py")}
    assert packages == set(mapped)
    assert len(mapped) == len(set(mapped))


def test_the_layers_are_those_that_are_enforced():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert [line.replace("orchestrator.", "") for line in layers] == fenced(ARCHITECTURE, "text")[1].splitlines()


def test_packages_marked_pure_are_those_held_to_it():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    pure = next(contract for contract in contracts if "pure" in contract["name"])["source_modules"]
    assert {name.removeprefix("orchestrator.") for name in pure} == set(
        re.findall(r"^\| `(\w+)` ○", ARCHITECTURE, re.M)
    )


@pytest.mark.parametrize("path", markdown_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path):
    prose = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    local = [unquote(link.partition("#")[0]) for link in links if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in local if not (path.parent / link).exists()] == []


def headings(path):
    """Return the anchors of a document's headings, as GitHub makes them."""
    lines = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", lines, re.M)}


@pytest.mark.parametrize("path", markdown_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_heading_leads_to_one(path):
    links = re.findall(r"\]\(([^)#\s]*\.md)?#([\w-]+)\)", path.read_text(encoding="utf-8"))
    assert [(file, to) for file, to in links if to not in headings(path.parent / file if file else path)] == []


INDEX = (ROOT / "docs/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_a_document_is_in_the_index_and_begins_with_the_question_it_answers(path):
    if path.name == "README.md":
        return
    assert f"]({path.name})" in INDEX
    for question in re.findall(rf"^\| \[{path.name}\]\(.*\) \| (.*\?) \|$", INDEX, re.M):
        assert path.read_text(encoding="utf-8").split("\n\n")[1] == f"*{question}*"


def test_a_file_that_the_documents_name_exists():
    named = set(re.findall(r"`((?:orchestrator|examples|tests|docs|schemas|wit|benchmarks)/[\w./-]*)`", everything()))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_a_module_that_the_documents_name_exists():
    rooms = "|".join(sorted(path.parent.name for path in (ROOT / "orchestrator").glob("*/__init__.py")))
    named = set(re.findall(rf"`((?:{rooms})/[\w./]+)(?:::?\w+)?`", everything()))
    assert len(named) > 40
    assert [name for name in sorted(named) if not (ROOT / "orchestrator" / name).exists()] == []


def everything():
    ours = [path for path in markdown_files() if path.parent == ROOT or ROOT / "docs" in path.parents]
    return "\n".join(path.read_text(encoding="utf-8") for path in ours)


PLACES = sorted(set(re.findall(r"\[`([\w/]+\.py)(?::([\w.]+))?`\]\(orchestrator/([\w/.]+)\)", ARCHITECTURE)))


def defined(path):
    """Return the names that a module defines at its top, and `Class.name` for what is in its classes."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else []
        names |= bound(node) | {f"{node.name}.{name}" for one in inner for name in bound(one)}
    return names


def bound(node):
    targets = [*getattr(node, "targets", ()), *([node.target] if isinstance(node, ast.AnnAssign) else [])]
    return {node.name} if hasattr(node, "name") else {one.id for one in targets if isinstance(one, ast.Name)}


@pytest.mark.parametrize(("file", "name", "link"), PLACES, ids=lambda part: part.replace("/", "."))
def test_a_function_that_the_architecture_names_is_in_its_file(file, name, link):
    assert file == link
    assert not name or name in defined(ROOT / "orchestrator" / file)


def test_the_architecture_has_five_walks_that_name_where_each_step_goes():
    walks = re.split(r"^### (.*)$", ARCHITECTURE.split("\n## Five walks\n")[1].split("\n## ")[0], flags=re.MULTILINE)
    steps = {
        title: re.findall(r"^\d+\. (.*(?:\n   .*)*)", text, re.M)
        for title, text in zip(walks[1::2], walks[2::2], strict=True)
    }
    assert list(steps) == ["A field of a manifest", "A message", "An exit", "A canary's check", "A saved file"]
    assert [
        step for walk in steps.values() for step in walk if not re.search(r"\]\((orchestrator|schemas)/", step)
    ] == []
