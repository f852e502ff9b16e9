"""Remarks → workflow commands of GitHub Actions, which the forge shows at the lines of a change.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from collections.abc import Iterable

from orchestrator.review.annotation import Annotation


def github_commands(annotations: Iterable[Annotation], summary: str = "") -> str:
    """Write one command a remark, and one for the `summary`, if there is one."""
    lines = [_command(one) for one in annotations]
    if summary:
        lines.append(f"::notice title=airs::{_message(summary)}")
    return "".join(f"{line}\n" for line in lines)


def _command(one: Annotation) -> str:
    place = {"file": one.file, "line": one.line or "", "col": one.column or "", "title": one.title}
    said = ",".join(f"{name}={_property(str(value))}" for name, value in place.items() if value != "")
    return f"::{one.level} {said}::{_message(one.text)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
