"""A decoded state → the first thing in it that its types allow, and that no plan could be made of.

A state of airs' own always holds it. One that somebody else signed may not, and a plan believes its values.
"""

from collections.abc import Iterator

import msgspec

from orchestrator.decoding import plain_from_json
from orchestrator.exported.document import ExportedState, specs_of
from orchestrator.model.observed import Record
from orchestrator.model.spec import Deployment
from orchestrator.signing.statement import LATEST_MS


def problem_in(state: ExportedState) -> str:
    """Say what no state of an agent could hold; empty for nothing."""
    known: set[int] = set()
    for seen in state.state.deployments:
        for spec in _all_specs(seen.record):
            if id(spec) in known:
                continue
            known.add(id(spec))
            why = _problem_of(spec)
            if why:
                return f"{seen.record.key}: {why}"
    return ""


def _all_specs(record: Record) -> Iterator[Deployment]:
    yield from specs_of(record)
    refused = [one.seen for one in record.rejected] + ([record.held.seen] if record.held is not None else [])
    yield from (spec for spec in refused if spec is not None)
    if record.rollout is not None and record.rollout.old is not None:
        yield record.rollout.old


def _problem_of(spec: Deployment) -> str:
    if any(not 0 <= signer.expires_ms <= LATEST_MS for signer in spec.signers):
        return "a signature holds until a time that there is not"
    try:
        config = plain_from_json(spec.revision.config) if spec.revision.config else {}
    except (msgspec.MsgspecError, RecursionError):
        return "its config is not JSON"
    return "" if isinstance(config, dict) else "its config is not a mapping"
