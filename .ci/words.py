"""Say which sentences have a relative clause as their subject; exit 1 if there are any. Part of `make check`.

"What wants no reply travels in parcels" makes a reader wait for the subject; "Messages without a reply travel in
parcels" does not. Looks at docstrings, comments and texts of the package, of examples and benchmarks, at the comments
of WIT and C files, and at the documents, but not at code blocks, the changelog and CONTRIBUTING's table of pairs.
Questions are none.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELATIVE = re.compile(r"\W*(What|Who|Whom|Whoever|Whatever|Whichever|How much) (?!.*\?\W*$)")
SENTENCE = re.compile(r"(?<=[.!?]) (?=[`\"(A-Z])")
BLOCK = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.) ?)")
COMMENT = re.compile(r"(?:^ *//[^\n]*\n)+|/\*.*?\*/", re.MULTILINE | re.DOTALL)
PAIRS = re.compile(r"^\| before \| after \|\n(?:\|.*\n)+", re.MULTILINE)
LEFT_OUT = ("tests/", "CHANGELOG.md", ".ci/")


def of_python(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is said in strings of several words and in comments, with its line."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def of_comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a WIT or C file, those in one block as one, with their lines."""
    for found in COMMENT.finditer(text):
        said = re.sub(r"^\s*(?://+|/?\*+/?)|\*/$", "", found[0], flags=re.MULTILINE)
        yield text.count("\n", 0, found.start()) + 1, said.strip()


def of_document(text: str) -> Iterator[tuple[int, str]]:
    """Yield the paragraphs, list items and rows of a Markdown document, with their lines."""
    prose = PAIRS.sub(blank, BLOCK.sub(blank, text))
    at = 0
    for part in PARAGRAPH.split(prose):
        at = prose.index(part, at)
        yield prose.count("\n", 0, at) + 1, re.sub(r"^\s*(?:[-*|#]+|\d+\.)? *", "", part)


def blank(found: re.Match[str]) -> str:
    """Leave the lines of something that is not looked at, so that those behind it keep their numbers."""
    return "\n" * found[0].count("\n")


def relative(text: str) -> Iterator[str]:
    """Yield the sentences of a text that begin with a relative clause."""
    return (each for each in SENTENCE.split(re.sub(r"\s+", " ", text)) if RELATIVE.match(each))


READ = {".py": of_python, ".md": of_document, ".wit": of_comments, ".c": of_comments, ".h": of_comments}


def main() -> int:
    """Print them all; returns the exit code."""
    files = [f"*{suffix}" for suffix in READ]
    listed = subprocess.run(["git", "ls-files", *files], cwd=ROOT, capture_output=True, text=True, check=True)
    wrong: list[str] = []
    for name in listed.stdout.splitlines():
        if name.startswith(LEFT_OUT) or not (ROOT / name).exists():
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        for line, said in READ[Path(name).suffix](text):
            wrong += [f"{name}:{line}: begins with a relative clause: {each[:100]}" for each in relative(said)]
    sys.stdout.writelines(f"{each}\n" for each in wrong)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
