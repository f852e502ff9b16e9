"""`make check` lists sentences that begin with a relative clause, and no other sentences."""

import runpy

import pytest

from .tree import ROOT

WORDS = runpy.run_path(str(ROOT / ".ci/words.py"))


@pytest.mark.parametrize(
    "text",
    [
        "What wants no reply travels in parcels.",
        "It is kept. Who reads it\nis told.",
        "`send` returns. Whoever sends is told.",
        "Whatever `wrap` does not understand is driven directly.",
    ],
)
def test_a_relative_clause_as_a_subject_is_found(text):
    assert len(list(WORDS["relative"](text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "What runs?",
        "Messages without a reply travel in parcels.",
        "Whole files are read.",
        "Whose it is, the plan says.",
    ],
)
def test_other_sentences_are_not(text):
    assert list(WORDS["relative"](text)) == []


DOCUMENT = """# Title

```
What is code.
```

| before | after |
|---|---|
| What is old. | New. |

- What is listed.
"""
SOURCE = '"""A noun.\n\nWhat follows is said.\n"""\nX = 1  # What a comment says.\n'


def found(kind, text):
    return [line for line, said in WORDS[kind](text) if [*WORDS["relative"](said)]]


def test_lines_are_told_and_code_and_pairs_are_left_out():
    assert found("of_document", DOCUMENT) == [11]
    assert found("of_python", SOURCE) == [1, 5]


def test_the_repository_has_none():
    assert WORDS["main"]() == 0
