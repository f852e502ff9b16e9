"""Puts what is made from tables, schemas and the command tree into the documents, between their markers.

    .venv/bin/python docs/draw.py

`tests/docs` fails when a document is not what this would write.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from orchestrator.agent.describe_sources import Sync
from orchestrator.cli.main import cli
from orchestrator.model.observed import Phase
from orchestrator.model.rollout import RolloutPhase
from orchestrator.plan.differences import IN_PLACE, REVISION
from orchestrator.rollout import phases
from orchestrator.rollout.standing import DeploymentPhase
from orchestrator.supervise import life

ROOT = Path(__file__).resolve().parent.parent
EVERYWHERE = {"state_dir", "config", "output", "color", "verbose", "help"}  # options described once
WORDS = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "boolean": "true or false"}
KINDS = {"duration": "duration", "size": "size"}


def diagram(draw: Callable[[], str]) -> str:
    """Fence a Mermaid diagram."""
    return f"```mermaid\n{draw().strip()}\n```\n"


def schema_table(kind: str) -> str:
    """Write every field of a schema as a table; of a deployment's, with what a change of it does."""
    schema = json.loads((ROOT / f"schemas/{kind}.schema.json").read_text(encoding="utf-8"))
    is_deployment = kind == "deployment"
    rows = "".join(
        f"| `{name}` | {' | '.join((takes, default, *([change(name)] if is_deployment else ()), says))} |\n"
        for name, takes, default, says in fields(schema, schema, "", "")
    )
    head, line = ("| field | takes | default | change | says |", "|---|---|---|---|---|") if is_deployment else (
        "| field | takes | default | says |", "|---|---|---|---|"
    )  # fmt: skip
    return f"{head}\n{line}\n{rows}"


def fields(
    schema: dict[str, Any], whole: dict[str, Any], path: str, section: str
) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each leaf, in the schema's order; a quoted key that repeats a dotted one is left out.

    `section` is the innermost one around `path` that may be left out, empty for none.
    """
    properties = schema.get("properties", {})
    for name, raw in properties.items():
        group, dot, member = name.partition(".")
        if dot and member in properties.get(group, {}).get("properties", {}):
            continue
        field = followed(raw, whole)
        inner = f'{path.rstrip(".")}["{name}"]' if dot else f"{path}{name}"
        items = followed(field.get("items", {}), whole)
        is_required = name in schema.get("required", ())
        within = section if is_required else inner
        if "properties" in field:
            yield from fields(field, whole, f"{inner}.", within)
        else:
            yield row(inner, field, section if is_required else None)
            if "properties" in items:
                yield from fields(items, whole, f"{inner}[].", f"{inner}[]")


def followed(raw: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """Merge what a `$ref` names into what stands beside it."""
    if "$ref" not in raw:
        return raw
    return {**followed(whole["$defs"][raw["$ref"].removeprefix("#/$defs/")], whole), **raw}


def row(name: str, field: dict[str, Any], required_in: str | None) -> tuple[str, str, str, str]:
    """Write one field; it is required in a section, in the whole (an empty name), or nowhere."""
    default = f"`{json.dumps(field['default'])}`" if "default" in field else "none"
    if required_in is not None:
        default = f"**required** in `{required_in}`" if required_in else "**required**"
    return name, takes(field), default, field["description"].replace("|", "\\|")


def change(name: str) -> str:
    """Write the sign of what a change of a deployment's field does: another revision, or the same one in place."""
    first, _, rest = name.partition(".")
    top = re.match(r"\w+", rest)
    if first != "spec" or top is None:
        return "`~`" if name == "metadata.labels" else ""
    if top[0] in ("suspend", "delivery", *(field for _, field, _ in IN_PLACE)):  # delivery is kept with the mailbox
        return "`~`"
    assert top[0] in {known for known, _ in REVISION}, f"{name}: plan/differences.py does not know it"
    return "`±`"


def takes(field: dict[str, Any]) -> str:
    """Say which values a field takes."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"])
    if field.get("type") == "array" and "enum" in field.get("items", {}):
        return "list of " + ", ".join(f"`{choice}`" for choice in field["items"]["enum"])
    if "type" not in field:
        return "any value"
    kind = field["type"] if isinstance(field["type"], str) else "string"
    word = KINDS.get(field.get("x-unit", ""), WORDS.get(kind, kind))
    bounds = (field.get("x-minimum", field.get("minimum")), field.get("x-maximum", field.get("maximum")))
    if None not in bounds:
        word += f", {bounds[0]} to {bounds[1]}"
    elif bounds[1] is not None:
        word += f", at most {bounds[1]}"
    return word + (", or `{}`" if "object" in field["type"] and "string" in field["type"] else "")


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that is not hidden, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif not command.hidden:
            yield f"{path} {name}", command


def usage(name: str, command: click.Command) -> str:
    """Write a command's usage line, help, and its own options."""
    arguments = " ".join(
        p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)
    )
    own = [p for p in command.params if isinstance(p, click.Option) and p.name not in EVERYWHERE]
    lines = [
        f"    {name}{' [OPTIONS]' * bool(own)} {arguments}".rstrip(),
        "",
        " ".join((command.help or "").split()),
        "",
    ]
    if own:
        lines += ["| option | does |", "|---|---|", *(option_row(option) for option in own), ""]
    return "\n".join(lines)


def option_row(option: click.Option) -> str:
    """Write one option, with its default where that says something."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command(None)))}"
    shown = f" Default: {option.default}." if isinstance(option.default, str) else ""
    return f"| {names}{value} | {option.help}{shown} |"


def figures(table: str) -> str:
    """Write what was measured of one subject, a row for each figure of ours and a column for each of the others."""
    results = json.loads((ROOT / "benchmarks/results.json").read_text(encoding="utf-8"))
    rows = next(found["rows"] for found in results["tables"] if found["name"] == table)
    others = list(dict.fromkeys(row["beside"] for row in rows if row["beside"]))
    said = "".join(
        f"| {what} | {' | '.join(measured(what, [row for row in rows if row['what'] == what], others))} |\n"
        for what in dict.fromkeys(row["what"] for row in rows if row["beside"])
    )
    return f"|  | airs | {' | '.join(others)} |\n|---|{'--:|' * (1 + len(others))}\n{said}"


def measured(what: str, rows: list[dict[str, Any]], others: list[str]) -> Iterator[str]:
    """Yield our time, and of each other its time and how many times ours that is."""
    beside = {row["beside"]: row["other"] for row in rows}
    yield as_time(rows[0]["airs"])
    for other in others:
        taken = beside.get(other)
        yield "" if taken is None else f"{as_time(taken)}, {times(taken / rows[0]['airs'])}"


def as_time(seconds: float) -> str:
    """Write seconds to two or three digits, in the unit that fits."""
    unit, scale = next(((unit, scale) for unit, scale in (("s", 1), ("ms", 1e3)) if seconds * scale >= 1), ("µs", 1e6))
    value = seconds * scale
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.2g} {unit}"


def times(ratio: float) -> str:
    """Write a ratio to two digits, or whole."""
    return f"{ratio:,.0f}×".replace(",", " ") if ratio >= 10 else f"{ratio:.2g}×"


LIMITS: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
    ("Manifests and sources", "refused, with the place", (
        ("manifests of a source", "source.gather", "MAX_MANIFESTS"),
        ("files of a source, with all that manifests refer to", "source.gather", "MAX_FILES"),
        ("bytes of a source, each artifact once", "source.gather", "MAX_TOTAL_BYTES"),
        ("folders below a source", "source.gather", "MAX_DEPTH"),
        ("bytes of a YAML file", "manifest.documents", "FILE_MAX_BYTES"),
        ("documents of a YAML file", "manifest.documents", "DOCUMENTS_MAX"),
        ("bytes of one document", "manifest.documents", "DOCUMENT_MAX_BYTES"),
        ("values of one document", "manifest.documents", "NODES_MAX"),
        ("depth of one document", "manifest.documents", "DEPTH_MAX"),
        ("aliases of one document", "manifest.documents", "ALIASES_MAX"),
        ("documents that an overlay comes to", "manifest.overlay.layers", "ITEMS_MAX"),
        ("documents that the overlays of a source come to", "manifest.overlay.layers", "SOURCE_ITEMS_MAX"),
        ("overlays on top of each other", "manifest.overlay.layers", "DEPTH_MAX"),
        ("overlays of one overlay, each time it is used", "manifest.overlay.layers", "LAYERS_MAX"),
        ("bytes of a Component.toml", "manifest.toml", "FILE_MAX_BYTES"),
        ("bytes of a file of signatures", "signing.dsse", "FILE_MAX_BYTES"),
        ("signatures on a component", "signing.dsse", "ENVELOPES_MAX"),
        ("keys that a machine trusts or revoked", "signing.trust", "KEYS_MAX"),
        ("bytes of a key's file", "signing.keys", "PEM_MAX_BYTES"),
        ("bytes of a file of settings", "settings.quick", "FILE_MAX_BYTES"),
        ("bytes of a secret", "model.secret", "SECRET_MAX_BYTES"),
        ("keys that open sealed secrets", "secrets.keys", "KEYS_MAX"),
        ("older values of secrets that an agent remembers; the oldest go", "secrets.secrets", "REMEMBERED_MAX"),
        ("bytes of an artifact", "source.gather", "MAX_ARTIFACT_BYTES"),
        ("connections to the webhook listener; the oldest goes", "agent.webhook_connections", "CONNECTIONS_MAX"),
        ("connections to it in a minute; others wait in the kernel", "agent.webhook_connections", "PER_MINUTE"),
        ("bytes of a webhook's request line and headers", "agent.webhook_requests", "HEAD_MAX_BYTES"),
        ("bytes of a webhook's body that are looked at for a hint", "notify.hints", "HINT_MAX_BYTES"),
        ("news that waits for one receiver; the oldest goes", "agent.receivers", "QUEUE_MAX"),
        ("sources that an agent follows", "agent.sources", "FOLLOWED_MAX"),
        ("bytes of one file that git fetches", "source.command", "MAX_FILE_BYTES"),
        ("bytes of a saved plan", "plan.saved", "PLAN_MAX_BYTES"),
        ("bytes of an exported state", "exported.signed", "STATE_MAX_BYTES"),
        ("bytes of it, unpacked", "exported.signed", "DOCUMENT_MAX_BYTES"),
        ("bytes of worlds in it; others are left out and counted", "exported.document", "WORLDS_MAX_BYTES"),
        ("bytes of a plan as a comment; the rest is counted", "review.markdown", "COMMENT_MAX_BYTES"),
        ("bytes of a registry's manifest", "fetch.limits", "DOCUMENT_MAX_BYTES"),
        ("bytes of a component's signatures", "fetch.limits", "SIGNATURES_MAX_BYTES"),
        ("files of a component's archive", "fetch.limits", "ENTRIES_MAX"),
        ("unpacked bytes of an archive for each packed one", "fetch.limits", "RATIO_MAX"),
        ("redirects of one download", "fetch.limits", "REDIRECTS_MAX"),
    )),
    ("Messages", "rejected, unless it says otherwise", (
        ("bytes of a message", "model.message", "MESSAGE_MAX_BYTES"),
        ("messages of one batch", "runtime.call.frames", "BATCH_MAX"),
        ("bytes of one batch", "runtime.call.frames", "BATCH_MAX_BYTES"),
        ("messages beyond the capacity of a mailbox that blocks", "messaging.mailbox.capacity_limit", "BLOCKED_MAX"),
        ("requests of one instance without their answer", "messaging.requests", "PER_REQUESTER_MAX"),
        ("bytes of answers that wait for one instance", "messaging.asking", "ANSWERS_MAX_BYTES"),
        ("targets of one broadcast", "host.requests", "TARGETS_MAX"),
        ("topic patterns of one instance", "messaging.topics", "PATTERNS_MAX"),
        ("names of a topic", "patterns.topic", "SEGMENTS_MAX"),
        ("conversations whose version is remembered, of a deployment", "messaging.mailbox.traffic", "PINS_MAX"),
        ("message ids that are remembered, of a deployment", "store.mail", "IDS_MAX"),
        ("dead letters of a deployment; the oldest go", "store.letters", "OF_ONE_MAX"),
        ("bytes of them", "store.letters", "OF_ONE_MAX_BYTES"),
        ("dead letters of all deployments; the oldest go", "store.letters", "ALL_MAX"),
    )),
    ("Guests", "ended or told", (
        ("host calls in one call", "runtime.engine.cell", "MAX_HOST_CALLS"),
        ("memories of an instance", "runtime.guest.store", "MAX_MEMORIES"),
        ("tables of an instance", "runtime.guest.store", "MAX_TABLES"),
        ("sessions of an instance", "runtime.guest.sessions", "MAX_SESSIONS"),
        ("handles of a session", "runtime.guest.sessions", "MAX_HANDLES"),
        ("calls that wait in WASI and were given up, of a deployment", "runtime.engine.stuck", "STUCK_MAX"),
        ("guests that hold a thread each; others wait", "supervise.scheduler", "HELD_MAX"),
        ("jobs at work; others wait", "supervise.scheduler", "JOBS_MAX"),
        ("requested runs of one job at a time", "supervise.job", "RUNS_MAX"),
        ("bytes of a storage key", "store.data", "KEY_MAX_BYTES"),
        ("bytes of a storage value", "store.data", "VALUE_MAX_BYTES"),
        ("characters of a log line; the rest is cut", "observe.events", "LOG_LINE_MAX"),
    )),
    ("Histories, logs and caches", "the oldest go", (
        ("revisions in a deployment's history", "execute.history", "ENTRIES_MAX"),
        ("revisions that are remembered as rejected", "rollout.standing", "REJECTED_MAX"),
        ("followers of a log or of events", "agent.following", "FOLLOWERS_MAX"),
        ("bytes of compiled code", "compiled.cache", "MAX_CACHE_BYTES"),
        ("bytes of worlds", "compiled.worlds", "MAX_WORLDS_BYTES"),
        ("bytes of a mirror of a repository; then it is fetched anew", "source.mirror", "MAX_MIRROR_BYTES"),
        ("bytes of one file of the agent's log", "agent.log", "FILE_MAX_BYTES"),
    )),
)  # fmt: skip


def limits() -> str:
    """Write the bounds of the code, each read from the module that holds it."""
    parts = []
    for title, beyond, rows in LIMITS:
        lines = "".join(
            f"| {what} | {bound(what, module, name)} | `{module.replace('.', '/')}.py` |\n"
            for what, module, name in rows
        )
        parts.append(f"## {title}\n\nBeyond it: {beyond}.\n\n| at most | | held by |\n|---|--:|---|\n{lines}")
    return "\n" + "\n".join(parts) + "\n"


def bound(what: str, module: str, name: str) -> str:
    """Write one bound, in the unit of bytes that fits or as a number."""
    value = getattr(importlib.import_module(f"orchestrator.{module}"), name)
    units = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)) if what.startswith("bytes ") else ()
    fits = ((unit, size) for unit, size in units if value >= size and value % size == 0)
    unit, size = next(fits, ("bytes" if units else "", 1))
    return f"{value // size:,} {unit}".replace(",", " ").rstrip()


PHASES = {
    DeploymentPhase.FETCHING: "it never ran, and its component is not here yet",
    DeploymentPhase.BLOCKED: "it never ran, and a policy or something else blocks its creation; the message says what",
    DeploymentPhase.PROGRESSING: "a rollout is under way, or instances start",
    DeploymentPhase.RUNNING: "every wanted instance is Ready; of a job: it is at work",
    DeploymentPhase.DEGRADED: "some wanted instances are not Ready, or one says that it is degraded",
    DeploymentPhase.SUCCEEDED: "a job's last run ended well",
    DeploymentPhase.SCHEDULED: "a job waits until its schedule is due",
    DeploymentPhase.FAILED: "no version serves, or none is Ready and one was given up; of a job: its last run failed",
    DeploymentPhase.STOPPED: "all instances have ended, and `restart.type` starts none again; or no agent runs",
    DeploymentPhase.SUSPENDED: "its manifest says `suspend: true`",
    DeploymentPhase.REMOVING: "it is being removed",
}
INSTANCE_PHASES = {
    Phase.INSTALLED: "it was made, and has not begun",
    Phase.STARTING: "its component is loaded, its guest started and asked how it is",
    Phase.RUNNING: "it has started; it is Ready if it is healthy",
    Phase.STOPPING: "it ends its work and shuts down",
    Phase.STOPPED: "it has ended and is not started again",
    Phase.FAILED: "it has just failed",
    Phase.BACKING_OFF: "it waits until its next start, or for its group",
    Phase.GAVE_UP: "it failed too often; `airs restart` or another manifest starts it",
}
ROLLOUT_PHASES = {
    RolloutPhase.PENDING: "it was decided, and begins in the next step",
    RolloutPhase.STARTING: "instances of the new version start; the old version serves",
    RolloutPhase.GATING: "all of them are Ready; the switch, or a canary's first step, comes next",
    RolloutPhase.PROGRESSING: "a canary goes through its steps, and is checked",
    RolloutPhase.PAUSED: "a canary waits for a person, for messages or for instances; checks go on",
    RolloutPhase.PROMOTING: "the new version gets everything; the old one ends its work",
    RolloutPhase.KEEPING: "the new version serves; the old one stays warm for `keepPrevious`",
    RolloutPhase.SUCCEEDED: "the new version serves alone",
    RolloutPhase.ROLLING_BACK: "the old version gets everything; the new one is stopped",
    RolloutPhase.FAILED: "the new version is rejected; the old one serves",
}
SYNCS = {  # in the order in which they are looked for
    Sync.HELD: "differs from the source, which wants a version that was rejected or rolled back",
    Sync.UNOWNED: "has no source: that was removed",
    Sync.INVALID: "was wanted before its manifest or component turned wrong; the message says where",
    Sync.FETCHING: "was wanted before its component changed, which is being fetched or cannot be; it is tried again",
    Sync.OUT_OF_SYNC: "differs from the source, for now",
    Sync.SYNCED: "is what the source wants, and the source is watched",
    Sync.STALE: "is what the source wanted when it could be read last",
    Sync.SUSPENDED: "is what the source wanted when it was suspended",
    Sync.APPLIED: "was applied, once; nobody looks",
    Sync.NOT_WATCHED: "is what the source wanted when its `airs up` ended, or no agent runs",
}


def words(said: Mapping[Any, str], head: str) -> str:
    """Write what each member of an enum means.

    Raises:
        LookupError: one has no meaning here.
    """
    known = type(next(iter(said)))
    if missing := [each.value for each in known if each not in said]:
        raise LookupError(f"docs/draw.py does not say what {known.__name__} {', '.join(missing)} means")
    return f"| {head} |\n|---|---|\n" + "".join(f"| `{each.value}` | {meaning} |\n" for each, meaning in said.items())


SUBJECTS = (
    "The whole",
    "Manifests and sources",
    "Plans, rollouts and their history",
    "Messages, delivery and topics",
    "Supervision",
    "Calls into a guest",
    "Components before they run",
    "Signatures, policies and secrets",
    "WASI and jobs",
    "Data on the disk",
    "Commands and their output",
)


def decisions() -> str:
    """Write a line for each decision's record, under its subject; a record of no known subject has no line."""
    records = [record(path) for path in sorted((ROOT / "docs/decisions").glob("*.md"))]
    groups = ((subject, [line for of, line in records if of == subject]) for subject in SUBJECTS)
    return "\n".join(f"## {subject}\n\n{''.join(lines)}" for subject, lines in groups)


def record(path: Path) -> tuple[str, str]:
    """Read the subject of a decision's record, and write the line that leads to it."""
    text = path.read_text(encoding="utf-8")
    title = text.splitlines()[0].removeprefix("# ")
    said = dict(re.findall(r"^- (\w+): (.*)$", text, re.MULTILINE))
    status = re.sub(r"\[(\d+)\]\([^)]*\)", r"\1", said.get("Status", ""))
    return said.get("Subject", ""), f"- [{title}](docs/decisions/{path.name}): {status}\n"


MADE: dict[str, dict[str, Callable[[], str]]] = {
    "ARCHITECTURE.md": {
        "life": lambda: diagram(life.diagram),
        "rollout": lambda: diagram(phases.diagram),
    },
    "DECISIONS.md": {"records": decisions},
    "docs/manifests.md": {
        "component fields": lambda: schema_table("component"),
        "deployment fields": lambda: schema_table("deployment"),
    },
    "docs/configuration.md": {"settings": lambda: schema_table("airs")},
    "docs/environments.md": {"overlay fields": lambda: schema_table("overlay")},
    "docs/secrets.md": {"sealed fields": lambda: schema_table("sealed-secret")},
    "docs/policy.md": {
        "policy fields": lambda: schema_table("policy"),
        "approval fields": lambda: schema_table("approval"),
    },
    "docs/rollouts.md": {"rollout phases": lambda: words(ROLLOUT_PHASES, "phase | a rollout")},
    "docs/limits.md": {"limits": limits},
    "docs/speed.md": {
        table: (lambda table=table: figures(table)) for table in ("calls", "hostcalls", "load", "actors")
    },
    "docs/cli.md": {
        **{name: (lambda name=name, command=command: usage(name, command)) for name, command in commands(cli, "airs")},
        "phases": lambda: words(PHASES, "`PHASE` | a deployment"),
        "instance phases": lambda: words(INSTANCE_PHASES, "phase | an instance"),
        "sync": lambda: words(SYNCS, "`SYNC` | the version that serves"),
    },
}


def drawn(document: str) -> str:
    """Return a document with everything made in it as it would be made now.

    Raises:
        LookupError: a marker is missing.
    """
    text = (ROOT / document).read_text(encoding="utf-8")
    for name, make in MADE[document].items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not between.search(text):
            raise LookupError(f"{document} has no <!-- {name} --> … <!-- /{name} -->")
        made = make()
        text = between.sub(lambda found, made=made: found[1] + made + found[2], text)
    return text


if __name__ == "__main__":
    for document in MADE:
        (ROOT / document).write_text(drawn(document), encoding="utf-8")
