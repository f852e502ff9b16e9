"""What the tests of documents share: where the documents are, and the blocks in them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def markdown_files():
    """Return every Markdown file of the project, none of what tools have put beside it."""
    return sorted(p for p in ROOT.rglob("*.md") if not any(part.startswith(".") for part in p.relative_to(ROOT).parts))


def fenced(text, language):
    """Return the contents of the fenced blocks in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def marked(text, name):
    """Return what stands between `<!-- name -->` and `<!-- /name -->`."""
    return text.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0]
