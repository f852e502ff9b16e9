"""`airs apply` of a plan that was made elsewhere: the plan is made here again, and applied if it is that very plan."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.context import Settings
from orchestrator.cli.reading import NamedSource, PlanMade, ReadSource, make_plan_for
from orchestrator.cli.recorded import recorded_instead
from orchestrator.contract.codes import INVALID, USAGE
from orchestrator.contract.documents import SourceView
from orchestrator.contract.problem import Failure
from orchestrator.plan.document import Plan
from orchestrator.plan.reviewed import check_same, read_reviewed
from orchestrator.plan.saved import PlanRefused


def reviewed_plan(data: bytes) -> Plan:
    """Read the plan that was reviewed.

    Raises:
        Failure: it is none that was made against an exported state.
    """
    try:
        return read_reviewed(data)
    except PlanRefused as refused:
        raise _failure(refused) from None


def place_of(settings: Settings, reviewed: Plan, file: Path) -> NamedSource:
    """Return where the source of a reviewed plan is read here, as the agent or the records have it.

    Raises:
        Failure: nothing here knows this source, so that the caller has to say where its manifests are.
    """
    found = next((view for view in _known_sources(settings) if view.name == reviewed.source), None)
    if found is None:
        raise Failure(
            f"{file} was made elsewhere, and nothing here is source {reviewed.source}",
            "The manifests are read again here, and have to be those that were reviewed.",
            f"Say where they are: `airs apply PATH --plan {file}`.", USAGE,
        )  # fmt: skip
    return NamedSource(found.reads or found.name, reviewed.source, None, found.verify)


def _known_sources(settings: Settings) -> Sequence[SourceView]:
    client = settings.connection()
    if client.answers():
        return client.sources()
    return recorded_instead(settings).sources if settings.state_dir.is_dir() else ()


def reviewed_here(settings: Settings, source: ReadSource, reviewed: Plan) -> PlanMade:
    """Make the plan here, of this source.

    Raises:
        Failure: it is not the one that was reviewed.
    """
    made = make_plan_for(settings, source, reviewed.desired.permissions)
    try:
        check_same(reviewed, made.plan)
    except PlanRefused as refused:
        raise _failure(refused) from None
    return made


def _failure(refused: PlanRefused) -> Failure:
    return Failure(refused.summary, refused.detail, refused.suggestion, INVALID)
