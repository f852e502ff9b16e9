"""The state of a source and its deployments → the news of them, each one word and one sentence.

Level-triggered: the words of now are compared with those that were told last (`told`, kept durably for each target).
So a restart repeats nothing and forgets nothing; of several changes that nobody could be told of, the newest counts. A
state between two others (an instance that starts again, a rollout under way) is no news.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from orchestrator.model.base import Value
from orchestrator.model.diagnostic import Diagnostic
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import Hold, ObservedDeployment
from orchestrator.model.outcome import ActionOutcome, Status
from orchestrator.model.source import SourceStatus
from orchestrator.model.spec import Revision
from orchestrator.notify.words import clean
from orchestrator.rollout.standing import Conclusion, DeploymentPhase, ending_of, hold_of, is_barred, phase_of

TEST = "test"  # the word of news that says nothing but that it arrived


class Transition(Enum):
    """An event that somebody may be told of; the words are those of the settings."""

    SOURCE_FAILED = "source-failed"  # it cannot be read, or its manifests are wrong
    SOURCE_RECOVERED = "source-recovered"
    READY = "deployment-ready"  # another revision than the one that was told of
    FAILED = "deployment-failed"
    DEGRADED = "deployment-degraded"
    ROLLED_BACK = "rolled-back"  # by itself: a revision was rejected
    HELD = "held"  # by a person, who rolled back from it
    PAUSED = "rollout-paused"  # it waits for a person
    APPROVAL_NEEDED = "approval-needed"

    @property
    def is_good(self) -> bool:
        """Whether nobody needs to look."""
        return self in (Transition.READY, Transition.SOURCE_RECOVERED)


class CommitState(Enum):
    """The state of a commit, as forges show it."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    SUPERSEDED = "superseded"  # by a later one, before it was in force


class Notice(Value, frozen=True):
    """One piece of news. `subject` is what it is of, and `state` what is compared with the one told last.

    `word` is that of a transition or of a commit's state. `commit` is a full id; each field is empty where there is
    none.
    """

    subject: str
    state: str
    word: str
    sentence: str
    at_ms: int
    source: str = ""
    commit: str = ""
    namespace: str = ""
    deployment: str = ""
    version: str = ""
    revision: str = ""
    is_good: bool = False

    @property
    def name(self) -> str:
        """Name what it is of, as people do."""
        return f"{self.namespace}/{self.deployment}" if self.deployment else self.source

    @property
    def fields(self) -> dict[str, str]:
        """Return the fields that a link may name."""
        return {"source": self.source, "commit": self.commit, "namespace": self.namespace, "name": self.deployment}


class RestingState(NamedTuple):
    """A deployment at rest, in a word, with the revision that it is about and a sentence."""

    transition: Transition
    revision: str
    version: str
    sentence: str


class MemberState(NamedTuple):
    """A deployment as a part of its source: whether all is well, None while that is open; and why it is not."""

    is_well: bool | None
    why: str = ""


def standing_of(seen: ObservedDeployment, why: str) -> RestingState | None:
    """Say at which state worth telling a deployment has arrived; None between two. `why` is what status says of it."""
    record, ending = seen.record, ending_of(seen)
    if record.deleted or ending in (None, Conclusion.SUSPENDED, Conclusion.STOPPED):
        return None
    wanted = record.wanted.revision
    serving = record.stable.revision if record.stable is not None else wanted
    if ending is Conclusion.PAUSED:
        target = record.rollout.target.revision if record.rollout is not None else wanted
        return _standing(Transition.PAUSED, target, why or "its rollout waits for a person")
    if ending is Conclusion.HELD:
        is_hold = isinstance(hold_of(record), Hold)
        return _standing(Transition.HELD if is_hold else Transition.ROLLED_BACK, wanted, why)
    if ending is Conclusion.FAILED:
        return _standing(Transition.FAILED, wanted, why or "it failed")
    if phase_of(seen) is DeploymentPhase.DEGRADED:
        return _standing(Transition.DEGRADED, serving, why or "an instance is not well")
    good = "has succeeded" if phase_of(seen) is DeploymentPhase.SUCCEEDED else "is Ready"
    return _standing(Transition.READY, serving, f"{serving.version} {good}")


def _standing(transition: Transition, revision: Revision, sentence: str) -> RestingState:
    return RestingState(transition, revision.id, revision.version, clean(sentence))


def member_of(seen: ObservedDeployment | None, wanted_revision: str, why: str) -> MemberState:
    """Say how a deployment is as a part of its source, which wants a revision of it."""
    if seen is None or seen.record.deleted or seen.record.wanted.revision.id != wanted_revision:
        return MemberState(None)
    ending = ending_of(seen)
    if ending in (Conclusion.HELD, Conclusion.FAILED) or is_barred(seen.record):
        return MemberState(False, clean(why))
    return MemberState(None if ending in (None, Conclusion.PAUSED) else True)


def deployment_notice(key: DeploymentKey, standing: RestingState, source: str, commit: str, at_ms: int) -> Notice:
    """Return the news that a deployment has arrived at a state."""
    return Notice(
        subject=f"deployment {key}", state=f"{standing.transition.value} {standing.revision}",
        word=standing.transition.value, sentence=standing.sentence, at_ms=at_ms, source=source, commit=commit,
        namespace=key.namespace, deployment=key.name, version=standing.version, revision=standing.revision,
        is_good=standing.transition.is_good,
    )  # fmt: skip


def source_notice(status: SourceStatus, at_ms: int) -> Notice:
    """Return the news of whether a source can be read and its manifests used."""
    errors = real_errors(status.diagnostics)
    failure, commit = status.failure, status.revision or ""
    if failure is not None:
        word, state, said = Transition.SOURCE_FAILED, "unreadable", f"{failure.summary}: {failure.detail}"
        if failure.refused is not None:
            commit = failure.refused.commit.id
            state = f"refused {commit}"
    elif errors:
        word, state, said = Transition.SOURCE_FAILED, f"invalid {status.revision or ''}", told_errors(errors)
    else:
        word, state, said = Transition.SOURCE_RECOVERED, "", "it can be read, and its manifests are valid"
    return Notice(
        subject=f"source {status.source}", state=f"{word.value} {state}".strip(), word=word.value,
        sentence=clean(said), at_ms=at_ms, source=status.source, commit=commit, is_good=word.is_good,
    )  # fmt: skip


def real_errors(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the errors of the manifests themselves: a component that cannot be fetched now is none."""
    return [each for each in diagnostics if each.is_error and not each.is_failure]


def told_errors(errors: Sequence[Diagnostic]) -> str:
    """Tell the first of some errors, and how many there are."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].location}: {errors[0].summary}{more}"


def verdict_of(
    errors: Sequence[Diagnostic], members: Mapping[DeploymentKey, MemberState], not_done: Iterable[ActionOutcome]
) -> tuple[CommitState, str]:
    """Say what a source's commit came to, and why in a sentence."""
    if errors:
        return CommitState.FAILURE, clean(told_errors(errors))
    stopped = [(each.key, each.detail) for each in not_done if each.status is not Status.WAITING]
    bad = [*stopped, *((key, member.why) for key, member in members.items() if member.is_well is False)]
    if bad:
        (key, why), others = bad[0], len({key for key, _ in bad}) - 1
        more = f" (and {others} more)" if others else ""
        return CommitState.FAILURE, clean(f"{key}: {why}{more}")
    well, count = sum(member.is_well is True for member in members.values()), len(members)
    of = f"{count} deployment{'s' * (count != 1)}"
    if well < count:
        return CommitState.PENDING, f"{well} of {of} in force so far"
    return CommitState.SUCCESS, f"{of} in force" if count else "it holds no deployment"


def commit_notice(source: str, commit: str, state: CommitState, sentence: str, at_ms: int) -> Notice:
    """Return the news of a commit."""
    return Notice(
        subject=commit_subject(source, commit), state=state.value, word=state.value, sentence=sentence, at_ms=at_ms,
        source=source, commit=commit, is_good=state is CommitState.SUCCESS,
    )  # fmt: skip


def refused_notice(status: SourceStatus, at_ms: int) -> Notice | None:
    """Return the news of a commit that was not signed as it should be; None where none was refused."""
    refused = status.failure.refused if status.failure is not None else None
    if refused is None:
        return None
    why = clean(f"refused: {refused.why}")
    return commit_notice(status.source, refused.commit.id, CommitState.FAILURE, why, at_ms)


def commit_subject(source: str, commit: str) -> str:
    """Name a commit of a source, as news and rows do."""
    return f"commit {commit} {source}"


def trial_notice(receiver: str, at_ms: int) -> Notice:
    """Return a notice that says nothing but that it arrived."""
    said = f"a test of {receiver}, asked for by hand"
    return Notice(subject="test", state="test", word=TEST, sentence=said, at_ms=at_ms, source=TEST, is_good=True)


def commit_in(subject: str, source: str) -> str:
    """Return the commit that a subject names, empty where it is of another kind or another source."""
    kind, _, rest = subject.partition(" ")
    commit, _, name = rest.partition(" ")
    return commit if (kind, name) == ("commit", source) else ""


def next_told(notice: Notice, told: str | None, queued: Notice | None) -> Notice | None:
    """Return what a receiver is to be told of a subject next; None for nothing.

    `told` is the state that it was told last, `queued` what it could not be told yet: the newest state takes its place.
    A commit that once came to something is not pending again because an instance starts again, and one that nobody was
    told of need not be called superseded. A source that nobody was told had failed has not recovered.
    """
    if notice.word == CommitState.PENDING.value:
        return queued or (notice if told is None else None)
    if notice.state == told:
        return None
    if notice.word == CommitState.SUPERSEDED.value and told != CommitState.PENDING.value:
        return None
    if notice.word == Transition.SOURCE_RECOVERED.value and told is None:
        return None
    return queued if queued is not None and queued.state == notice.state else notice
