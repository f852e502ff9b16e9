"""The records of a state directory where no agent runs, as the same documents that an agent answers with."""

from pathlib import Path
from typing import NamedTuple

from orchestrator.agent.attestation import subject_of
from orchestrator.agent.condition_times import noted_since
from orchestrator.agent.conditions import Conditions
from orchestrator.agent.describe_sources import seen_source, seen_sources, source_views
from orchestrator.agent.views import SignedBy, recorded_view
from orchestrator.cli.context import Settings
from orchestrator.contract.documents import DeploymentView, SignerView, SourceView
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Revision
from orchestrator.signing.verify import signatures
from orchestrator.store.layout import SIGNATURES, TRUST
from orchestrator.store.signatures import KeptSignatures
from orchestrator.store.state_dir import Recorded, holder, read_all_recorded
from orchestrator.store.trust import TrustStore
from orchestrator.time_of_day import wall_ms


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
    return _described(recorded, _signed(state_dir))


def _signed(state_dir: Path) -> SignedBy:
    """Say who signed what, from the files of the state directory."""
    kept, trust = KeptSignatures(state_dir / SIGNATURES), TrustStore(state_dir / TRUST)
    now_ms = wall_ms()

    def signed(revision: Revision) -> tuple[SignerView, ...]:
        data = kept.of(revision.artifact, revision.manifest) if revision.manifest else b""
        signers = signatures(data, subject_of(revision)).signers if data else ()
        return tuple(SignerView.of(signer, now_ms) for signer in trust.read().recognised(signers))

    return signed


def _described(recorded: Recorded, signed: SignedBy) -> RecordedViews:
    seen = recorded.observed.deployments
    owners = {each.record.source for each in seen}
    sources = seen_sources(recorded.sources, recorded.notes, recorded.desired, owners, is_agent_running=False)

    def dated(key: DeploymentKey, conditions: Conditions) -> Conditions:
        return tuple(noted_since(recorded.stalls.get(key), each) for each in conditions)

    deployments = [recorded_view(each, seen_source(sources, each.record.source), signed, dated) for each in seen]
    return RecordedViews(deployments, source_views(sources, {}))
