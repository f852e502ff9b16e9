"""An exported state holds what a plan is made from, and nothing that a guest or a person said."""

import pytest
from msgspec.structs import replace

from orchestrator.exported.document import SourceFacts, artifacts_of, export, exported_sources, fitting_worlds
from orchestrator.model.base import canonical_json
from orchestrator.model.desired import DesiredState
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.job import JobOutcome
from orchestrator.model.observed import JobResult, ObservedDeployment, ObservedInstance, Phase, Traffic
from orchestrator.model.policy import Approval, PolicySet
from orchestrator.model.rollout import RolloutPhase
from orchestrator.model.source import FolderSpec, Follow, GitSpec, SourceNote, SourceRecord, SourceStatus
from orchestrator.model.who import Peer
from orchestrator.model.world import Drive, World
from orchestrator.plan.findings.known import KnownFacts
from orchestrator.plan.make import make_plan
from orchestrator.plan.ruled import Judging
from tests.plan.build import deployment, desired, hold, observed, record, rejection, rollout

SAID = "hunter2"  # by a guest, or to one
WORLD = World(imports=(), exports=(), drives=frozenset({Drive.ACTOR}))
NOTHING = SourceFacts({}, {}, {})


def busy() -> ObservedDeployment:
    """A deployment of which everything that a guest may have said is filled in."""
    old, new = deployment(), deployment(version="2.0.0")
    exit = ExitReason(kind=ExitKind.TRAPPED, detail=SAID, backtrace=(SAID,))
    instance = ObservedInstance(
        name="hello-0", revision=old.revision.id, phase=Phase.BACKING_OFF, ready=False, unwell=SAID, last_exit=exit
    )
    going = replace(rollout(new, RolloutPhase.PAUSED), conclusion=f"it failed: {SAID}")
    kept = replace(
        record(old, rollout=going),
        rejected=(rejection(new, f"hello-1 exited: {SAID}"),),
        held=hold(new, f"rolled back: {SAID}"),
        job=JobResult(revision="a", outcome=JobOutcome(reason=exit), started_ms=1, ended_ms=2),
    )
    return ObservedDeployment(
        record=kept, instances=(instance,), traffic=Traffic(waiting=3), fault=SAID, ruling=SAID, messages_per_s=0.5
    )


def test_words_of_guests_stay_behind_and_the_plan_is_the_same():
    state = observed(busy(), agent=True)
    made = export(state, NOTHING, Judging(), KnownFacts(lambda _digest: WORLD))
    assert SAID.encode() not in canonical_json(made)
    assert made.state.deployments[0].record.rejected[0].reason == "hello-1 exited"
    for wanted in (deployment(), deployment(version="3.0.0"), deployment(replicas=4)):
        here, there = make_plan(desired(wanted), state), make_plan(desired(wanted), made.state)
        assert here.actions == there.actions


def test_approvals_are_exported_without_the_people_who_gave_them():
    key = DeploymentKey(namespace="default", name="hello")
    given = Approval(key=key, artifact="sha256:a", capabilities=(), by=Peer(uid=7, user="ann"), why="she asked")
    made = export(observed(), NOTHING, Judging(rules=PolicySet(approvals=(given,))), KnownFacts())
    assert made.rules.approvals == (replace(given, by=None, why=""),)
    assert made.rules.approvals[0].subject == given.subject


def test_worlds_are_of_all_that_runs_leads_or_is_wanted_and_counted_where_there_is_no_room():
    old, new, wanted = (deployment(version=version) for version in ("1.0.0", "2.0.0", "3.0.0"))
    state = observed(replace(record(old, rollout=rollout(new)), wanted=wanted))
    digests = artifacts_of(state)
    assert digests == tuple(one.revision.artifact for one in (old, new, wanted))
    size = len(canonical_json(WORLD))
    assert fitting_worlds(digests, lambda _: WORLD, 2 * size) == (dict.fromkeys(digests[:2], WORLD), 1)
    assert fitting_worlds(digests, lambda d: WORLD if d == digests[2] else None) == ({digests[2]: WORLD}, 2)


FOLDER = FolderSpec(identity="shop", root="/srv", root_reason="", folder="deploy/prod", namespaces=("shop",))
ONE_FILE = FolderSpec(identity="shop", root="/srv", root_reason="", folder="deploy", file="a.yaml")
GIT = GitSpec(identity="shop", repository="https://g.example/x.git", ref="main", path="prod", transport="https")


@pytest.mark.parametrize(
    ("name", "spec", "root", "place", "path"),
    [
        ("shop", FOLDER, "", "/srv", "deploy/prod"),
        ("shop", ONE_FILE, "", "/srv", "deploy/a.yaml"),
        ("shop", GIT, "", "https://g.example/x.git", "prod"),
        ("/srv/deploy/prod", None, "/srv", "/srv", "deploy/prod"),  # applied: nobody follows it
        ("/srv/r#main:prod", None, "/srv/r", "/srv/r", "prod"),
        ("shop", None, "/srv", "/srv", ""),  # nothing tells where below the root
    ],
)
def test_the_inventory_says_what_is_read_below_which_root(name: str, spec: object, root: str, place: str, path: str):
    followed = {name: SourceRecord(name=name, follow=Follow.WATCHED, since_ms=1, spec=spec)} if spec else {}  # type: ignore[arg-type]
    note = SourceNote(status=SourceStatus(source=name), read_ms=9)
    wishes = {name: DesiredState(source=name, root=root, revision="abc")}
    (found,) = exported_sources(SourceFacts(followed, {name: note}, wishes))
    assert (found.place, found.path, found.read_ms, found.revision) == (place, path, 9, "abc")
    assert found.namespaces == (("shop",) if spec is FOLDER else ())
    assert found.follow is (Follow.WATCHED if spec else Follow.APPLIED)
