"""Starts guests, and gives them what the agent has for them: the hosts' interfaces, sending, WASI, and a log.

Supervision calls it, by way of the `Environment`, whenever an instance or a job's run is to start. Why it starts is
decided there; here is only with what. The hosts' interfaces themselves lie in `host/`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from orchestrator.agent.attestation import Attestation
from orchestrator.agent.exchange import Exchange
from orchestrator.agent.jobs import StartedJob
from orchestrator.agent.secret_variables import GivenSecrets, SecretVariables
from orchestrator.agent.surroundings import HostSurroundings
from orchestrator.audit.uses import Uses
from orchestrator.concurrency.work import LOAD, START
from orchestrator.execute.fleet import Fleet
from orchestrator.host.context import GuestContext
from orchestrator.host.messaging import messaging_imports
from orchestrator.host.pubsub import pubsub_imports
from orchestrator.host.requests import request_imports
from orchestrator.host.services import service_imports
from orchestrator.host.storage import storage_imports
from orchestrator.host.wasi import Never, wasi_for, withheld
from orchestrator.messaging.asking import Requests
from orchestrator.model.event import Announce, LogLine
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Exited
from orchestrator.model.policy import RuledFolder
from orchestrator.model.snapshot import Artifact, Snapshot
from orchestrator.model.spec import Grant, Revision
from orchestrator.model.world import ArtifactFault, Drive
from orchestrator.observe.journal import Journal
from orchestrator.observe.output import LineLog, WatchedOutput
from orchestrator.runtime import Guest, HostImport, Loaded, Output, Pipes, Runtime, Sink, Start, Wasi
from orchestrator.runtime.call.finish import apart, finish
from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing, Artifacts
from orchestrator.store.data import Data
from orchestrator.supervise.ports import OutputTaker


def host_imports(data: Data, exchange: Exchange, fleet: Fleet, seen: HostSurroundings) -> list[HostImport]:
    """Return every interface that guests may import of this agent, WASI apart."""
    router, recorder, rates, now_ns = exchange.router, exchange.recorder, fleet.rates, seen.now_ns
    return [
        *storage_imports(data),
        *messaging_imports(router, recorder, rates, now_ns),
        *request_imports(router, exchange.requests, rates, now_ns),
        *pubsub_imports(router, recorder, rates, fleet.topics, now_ns),
        *service_imports(seen),
    ]


class Given(NamedTuple):
    """The means of guests beside the hosts' interfaces; they get nothing `forbidden`, even where it was granted.

    `ruled` names the directories that policies have a rule on; no link leads there. `uses` notes what guests use and
    are denied; `asks` tells what the component of a revision asks for.
    """

    fleet: Fleet
    requests: Requests
    logs: Journal[LogLine]
    forbidden: tuple[str, ...]
    attestation: Attestation
    uses: Uses
    secrets: SecretVariables
    ruled: Callable[[DeploymentKey], tuple[RuledFolder, ...]]
    asks: Callable[[DeploymentKey, Revision], Sequence[Grant]]


class Guests:
    """Starts guests. All methods may be called from any thread."""

    def __init__(self, artifacts: Artifacts, runtime: Runtime, given: Given, announce: Announce) -> None:
        self._artifacts, self._runtime, self._given, self._announce = artifacts, runtime, given, announce
        self._pipes = Pipes()
        self._contradicting: dict[DeploymentKey, str] = {}  # revisions whose guests contradict their Component.toml

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot's artifacts and signatures, so that what is wanted can be started after a restart."""
        found = {
            entry.digest: entry.data
            for entry in snapshot.files.values()
            if isinstance(entry, Artifact) and not isinstance(entry.world, ArtifactFault)
        }
        self._artifacts.keep(found, found)
        self._given.attestation.keep(snapshot)

    async def start(self, revision: Revision, instance: ComponentId) -> Guest | Exited:
        """Start an instance of a revision: from the compile cache, else from its stored artifact."""
        secrets = self._given.secrets.of(revision, instance.deployment)
        if isinstance(secrets, Exited):
            return secrets
        log = self._log_of(instance, revision, secrets)
        started = secrets.hidden(await self._start(revision, instance, log, log, secrets))
        if isinstance(started, Guest) and started.contradiction:
            self._note_contradiction(instance.deployment, revision, started.contradiction)
        return started

    def start_job(
        self, revision: Revision, run: ComponentId, args: tuple[str, ...] | None, taker: OutputTaker | None
    ) -> StartedJob | Exited:
        """Start one run of a job; `taker` gets what it prints besides the log."""
        secrets = self._given.secrets.of(revision, run.deployment)
        if isinstance(secrets, Exited):
            return secrets
        log = self._log_of(run, revision, secrets)
        output = WatchedOutput(log, taker)
        if taker is not None:
            taker.attach(lambda: self._pipes.resume(output))
        guest = secrets.hidden(finish(self._start(revision, run, log, output, secrets, args), apart))
        if isinstance(guest, Exited):
            return guest
        return StartedJob(guest, output, taker, self._given.fleet.clock, revision.limits.timeout_ms)

    async def _start(
        self, revision: Revision, instance: ComponentId, log: LineLog, sink: Sink, secrets: GivenSecrets,
        args: tuple[str, ...] | None = None,
    ) -> Guest | Exited:  # fmt: skip
        await (START if self._runtime.is_at_hand(revision.artifact) else LOAD)
        refused = self._given.attestation.refusal(instance.deployment, revision)
        if refused:
            return Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail=refused))
        loaded = self._load(revision, instance)
        if isinstance(loaded, Exited):
            return loaded
        context = self._context(revision, instance, loaded, log)
        wasi = Wasi()
        if loaded.description.wants_wasi:
            output = Output(self._pipes, sink)
            never = Never(self._given.forbidden, self._given.ruled(instance.deployment))
            wasi = wasi_for(revision, context.grant_sets(), never, output, args, secrets.variables)
            _note_given(context, wasi, self._given.asks(instance.deployment, revision))
        topics = self._given.fleet.topics
        return await self._runtime.start(
            Start(
                id=instance, revision=revision, loaded=loaded, context=context, wasi=wasi, current=context.current,
                ended=lambda: topics.leave(context.subscriber), secrets=secrets.variables,
            )
        )  # fmt: skip

    def _load(self, revision: Revision, instance: ComponentId) -> Loaded | Exited:
        digest = revision.artifact
        try:
            return self._runtime.load(digest, lambda: self._artifacts.read(digest), str(instance.deployment))
        except (ArtifactFault, ArtifactMissing, ArtifactDamaged) as fault:
            return Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail=str(fault)))

    def _context(self, revision: Revision, instance: ComponentId, loaded: Loaded, log: LineLog) -> GuestContext:
        deployment, fleet, requests = instance.deployment, self._given.fleet, self._given.requests
        asker = requests.of(instance)
        if not loaded.takes_answers:
            requests.close(asker, "it does not export handle-callback")
        return GuestContext(
            instance, revision, lambda: fleet.grants_in_force(deployment), log.log, asker,
            takes_messages=Drive.ACTOR in loaded.drives and not revision.is_job, uses=self._given.uses,
        )  # fmt: skip

    def _log_of(self, instance: ComponentId, revision: Revision, secrets: GivenSecrets) -> LineLog:
        return LineLog(
            instance, revision.limits.log_per_s, self._given.logs, self._given.fleet.clock, secrets.redaction
        )

    def _note_contradiction(self, key: DeploymentKey, revision: Revision, what: str) -> None:
        """Warn of it once for each revision, not for each of its instances."""
        if self._contradicting.get(key) != revision.id:
            self._contradicting[key] = revision.id
            self._announce(key, "metadata-differs", f"{revision.version} runs, although {what}")


def _note_given(context: GuestContext, wasi: Wasi, asks: Sequence[Grant]) -> None:
    """Note the directories and the network that a guest is handed as it starts, and those that it is not.

    It is seen neither to use them nor to be refused.
    """
    for capability, pattern in withheld(asks, wasi):
        context.note_denied(capability, pattern)
    for folder in wasi.folders:
        context.note_used("filesystem.write" if folder.writable else "filesystem.read", folder.path)
    if wasi.network:
        context.note_used("network.connect", "**")
