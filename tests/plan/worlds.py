"""Generated worlds: what a source wants and what is recorded, overlapping in every way that matters."""

from hypothesis import strategies as st

from orchestrator.model.desired import DesiredState, Permissions
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedState, Record
from orchestrator.model.rollout import RolloutPhase
from orchestrator.model.spec import Deployment

from .build import OTHER_SOURCE, SOURCE, deployment, hold, observed, record, rejection, rollout, with_fields

NAMES = tuple("abcdefgh")
FILES = ("a.yaml", "b.yaml", "c.yaml", "unknown.yaml")

permissions = st.builds(Permissions, adopt=st.booleans(), allow_mass_prune=st.booleans(), allow_empty=st.booleans())


@st.composite
def deployments(draw: st.DrawFn, name: str) -> Deployment:
    return deployment(
        name,
        draw(st.sampled_from(["1.0.0", "2.0.0", "3.0.0"])),
        replicas=draw(st.integers(0, 2)),
        suspend=draw(st.integers(0, 4)) == 0,
        needs=draw(st.lists(st.sampled_from((*NAMES, "nowhere")), max_size=2, unique=True)),
        file=draw(st.sampled_from(FILES)),
    )


@st.composite
def records(draw: st.DrawFn, name: str, rollouts: bool) -> Record:
    stable = draw(st.none() | deployments(name))
    target = draw(deployments(name))
    phase = draw(st.sampled_from((None, *RolloutPhase))) if rollouts else None
    if phase is RolloutPhase.KEEPING:
        target = stable = stable or target
    return record(
        stable,
        wanted=stable or target,
        source=draw(st.sampled_from([SOURCE, SOURCE, OTHER_SOURCE])),
        rollout=rollout(target, phase) if phase else None,
        rejected=tuple(map(rejection, draw(st.lists(deployments(name), max_size=2)))),
        held=draw(st.none() | deployments(name).map(hold)),
    )


def subset() -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(NAMES), unique=True)


@st.composite
def desired_states(draw: st.DrawFn) -> DesiredState:
    readable = st.sampled_from(("d.yaml", "e.yaml"))  # what could be read was not written in a file that could not
    wanted = tuple(with_fields(draw(deployments(name)), file=draw(readable)) for name in draw(subset()))
    invalid = tuple(DeploymentKey.parse(name) for name in draw(st.lists(st.sampled_from(NAMES), max_size=2)))
    unreadable = tuple(draw(st.lists(st.sampled_from(FILES), max_size=1)))
    return DesiredState(
        source=SOURCE,
        deployments=wanted,
        invalid=invalid,
        unreadable_files=unreadable,
        empty=not (wanted or invalid or unreadable),
        permissions=draw(permissions),
    )


@st.composite
def observed_states(draw: st.DrawFn, rollouts: bool = True) -> ObservedState:
    return observed(*(draw(records(name, rollouts)) for name in draw(subset())), agent=draw(st.booleans()))
