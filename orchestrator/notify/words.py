"""Texts from guests, manifests and commits → texts that are safe in a chat, a forge's page and a terminal; links."""

from collections.abc import Mapping
from urllib.parse import quote

SENTENCE_MAX = 300  # characters of one text from outside
CUT = "…"
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NO_BREAK = "\N{ZERO WIDTH SPACE}"  # behind an @, so that nobody is called by it


def clean(text: str, most: int = SENTENCE_MAX) -> str:
    """Make one line of a text, without characters that a terminal or a page would act upon, and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - len(CUT)] + CUT


def slack_text(text: str) -> str:
    """Write a text so that Slack and its likes show it as it is: no link, no mention, no markup."""
    return clean(text).translate(_SLACK).replace("@", f"@{_NO_BREAK}").replace("`", "'")


def slack_code(text: str) -> str:
    """Write a text from outside as code, in which nothing is markup."""
    return f"`{slack_text(text)}`" if clean(text) else ""


def filled_link(template: str, fields: Mapping[str, str]) -> str:
    """Fill a link's `{names}`, percent-encoded, so that no field leads elsewhere than the operator wrote.

    A link that names a field that is empty would lead nowhere: there is none.
    """
    link = template
    for name, value in fields.items():
        named = "{" + name + "}"
        if named in template and not value:
            return ""
        link = link.replace(named, quote(value, safe=""))
    return link
