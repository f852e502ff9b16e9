"""How sources are written on a terminal: by `status`, `get sources` and `airs source`."""

from collections.abc import Collection, Sequence

from orchestrator.cli.show import clock, short, show_diagnostics, table
from orchestrator.cli.terminal import Console, Text
from orchestrator.contract.documents import SourceView
from orchestrator.model.desired import Permissions
from orchestrator.model.verification import Verification
from orchestrator.observe.events import printable

COLUMNS = ("SOURCE", "HOW", "COMMIT", "READ", "DEPLOYMENTS", "NOT DONE", "PROBLEM")


def how(source: SourceView) -> str:
    """Say in a word how a source is looked at."""
    if source.watched:
        return "refused" if source.refused else "stale" if source.stale_since else "watched"
    return source.follow if source.follow in ("applied", "suspended") else "not watched"


def how_since(source: SourceView) -> str:
    """Say how a source is looked at, since when, and when it was last read."""
    read = f"read {clock(source.read_at)}" if source.read_at else "not read yet"
    match source.follow:
        case "applied":
            return f"applied {clock(source.read_at)}" if source.read_at else "applied"
        case "suspended":
            return f"suspended since {clock(source.since or 0)}, {read}"
        case "not-watched":
            return f"not watched since {clock(source.since or 0)}, when its `airs up` ended"
        case _ if source.watched:
            return f"watched{', while `airs up` runs' * (source.follow == 'up')}, {read}"
        case _:
            since = f" since {clock(source.not_watched_since)}" if source.not_watched_since else ""
            return f"not watched{since}: no agent is running"


def show_sources(console: Console, sources: Sequence[SourceView], told: Collection[str] = ()) -> None:
    """Show each source in a line, and what is wrong with it that was not `told` already."""
    for source in sources:
        at = f" at {_commit(source)}{_signed(source)}" if source.revision else ""
        console.print(Text(f"\nsource {printable(source.name)}{at} ({how_since(source)})", style="dim"))
        show_problems(console, source, told)


def show_problems(console: Console, source: SourceView, told: Collection[str] = ()) -> None:
    """Show why a source is stale, what of it could not be done, and what is wrong with its manifests."""
    if source.stale_since:
        since = clock(source.stale_since)
        console.print(Text(f"  {_held(source)} since {since}: {printable(source.failure)}", style="yellow"))
    for left in source.not_done:
        if str(left.key) not in told:
            console.print(Text(f"  ! {left.key} {left.status.value}: {printable(left.detail)}", style="yellow"))
    show_diagnostics(console, source.diagnostics)


def source_table(console: Console, sources: Sequence[SourceView]) -> None:
    """Show sources under columns."""
    rows = [
        (
            s.name, how(s), _commit(s), clock(s.read_at or 0), str(s.deployments), str(len(s.not_done) or ""),
            _problem(s),
        )
        for s in sources
    ]  # fmt: skip
    table(console, COLUMNS, rows)


def _signed(source: SourceView) -> str:
    signer = source.commit.signer if source.commit is not None else None
    return f", signed by {signer}" if signer is not None else ""


def _held(source: SourceView) -> str:
    """Say why what was read before stays in force."""
    return "refused" if source.refused else "stale"


def _commit(source: SourceView) -> str:
    return source.commit.named if source.commit is not None else short(source.revision)


def _problem(source: SourceView) -> str:
    if source.stale_since:
        return f"{_held(source)} since {clock(source.stale_since)}: {source.failure}"
    errors = [each for each in source.diagnostics if each.is_error]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].location}: {errors[0].summary}{more}" if errors else ""


def show_source(console: Console, source: SourceView, deployments: Sequence[tuple[str, str, str]]) -> None:
    """Show one source in full, with its deployments: name, phase and SYNC of each."""
    facts = [
        ("reads", source.reads if source.reads != source.name else ""),
        ("state", how_since(source)),
        ("commit", source.revision or ""),
        ("tag", source.commit.tag if source.commit is not None else ""),
        ("signed by", _signer(source)),
        ("verified", _verified(source.verify)),
        ("every", f"{source.interval_ms / 1000:g}s" if "#" in source.reads else ""),
        ("allowed", _allowed(source.permissions)),
        ("namespaces", ", ".join(source.namespaces)),
        ("declared", "in the agent's airs.toml" if source.declared else ""),
        ("overlaps", ", ".join(source.overlaps)),
    ]
    console.print(Text.assemble("source     ", (printable(source.name), "bold")))
    for name, fact in facts:
        if fact:
            console.print(Text(f"{name:<11}{printable(fact)}"))
    show_problems(console, source)
    if deployments:
        console.print()
        table(console, ("DEPLOYMENT", "PHASE", "SYNC"), deployments)


def _signer(source: SourceView) -> str:
    signer = source.commit.signer if source.commit is not None else None
    return f"{signer.name} ({signer.key})" if signer is not None else ""


def _verified(verify: Verification | None) -> str:
    if verify is None:
        return ""
    revoked = f", but those of {verify.revoked}" if verify.revoked else ""
    return f"{verify.mode.value}, by keys of {', '.join(verify.signers)}{revoked}"


def _allowed(permissions: Permissions) -> str:
    options = {
        "--adopt": permissions.adopt,
        "--allow-mass-prune": permissions.allow_mass_prune,
        "--allow-empty": permissions.allow_empty,
    }
    return ", ".join(option for option, is_given in options.items() if is_given)
