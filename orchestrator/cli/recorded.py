"""The records of a state directory where no agent runs, as the same documents that an agent answers with."""

from typing import NamedTuple

from orchestrator.agent.describe_sources import seen_source, seen_sources, source_views
from orchestrator.agent.views import recorded_view
from orchestrator.cli.context import Settings
from orchestrator.contract.documents import DeploymentView, SourceView
from orchestrator.store.state_dir import Recorded, holder, read_all_recorded


class RecordedViews(NamedTuple):
    """The deployments and sources as they were recorded."""

    deployments: list[DeploymentView]
    sources: list[SourceView]


def recorded_instead(settings: Settings) -> RecordedViews:
    """Return what is recorded, and say that this is all there is to show.

    Raises:
        Failure: nothing is recorded, or an agent holds the state that does not answer.
        NotPrivate, StateTooNew, StateDamaged, DatabaseFault: it cannot be read, which does not mean that it is empty.
    """
    state_dir = settings.state_dir
    if not state_dir.is_dir() or holder(state_dir) is not None:
        raise settings.no_agent()
    recorded = read_all_recorded(state_dir)
    if not recorded.observed.lineage:
        raise settings.no_agent()
    settings.err().print(f"no agent is running on {state_dir}: this is what was recorded last", style="yellow")
    settings.err().print("    → `airs agent start` starts one", style="cyan")
    return _described(recorded)


def _described(recorded: Recorded) -> RecordedViews:
    seen = recorded.observed.deployments
    owners = {each.record.source for each in seen}
    sources = seen_sources(recorded.sources, recorded.notes, recorded.desired, owners, is_agent_running=False)
    deployments = [recorded_view(each, seen_source(sources, each.record.source)) for each in seen]
    return RecordedViews(deployments, source_views(sources, {}))
