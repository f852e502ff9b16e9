"""Puts the parts of an agent together: the list of what there is, and the place to swap one of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from orchestrator.agent.collection import Collector
from orchestrator.agent.compilations import Compilations
from orchestrator.agent.jobs import StartedJob
from orchestrator.agent.messages import Messages
from orchestrator.agent.operations import Operations
from orchestrator.agent.sources import Reading, Sources
from orchestrator.agent.surroundings import Announcer, HostSurroundings
from orchestrator.concurrency.work import LOAD
from orchestrator.controller.loop import Controller
from orchestrator.controller.watched import WatchedSources
from orchestrator.delivery.durable import DurableMail
from orchestrator.delivery.letters import DeadLetters
from orchestrator.execute.actions import Actions
from orchestrator.execute.commands import Commands
from orchestrator.execute.faults import Faults
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.ledger import Ledger
from orchestrator.execute.settle import Settling
from orchestrator.host.context import GuestContext
from orchestrator.host.messaging import messaging_imports
from orchestrator.host.pubsub import pubsub_imports
from orchestrator.host.requests import request_imports
from orchestrator.host.services import service_imports
from orchestrator.host.storage import storage_imports
from orchestrator.host.wasi import forbidden_folders, wasi_for
from orchestrator.manifest import Resolver
from orchestrator.messaging.asking import Requests
from orchestrator.messaging.mailbox.batch import Told
from orchestrator.messaging.mailbox.route import Route
from orchestrator.messaging.recorder import Recorder
from orchestrator.messaging.router import Router
from orchestrator.model.calls import Calls
from orchestrator.model.event import Event
from orchestrator.model.exits import ExitKind, ExitReason
from orchestrator.model.ids import ComponentId, DeploymentKey
from orchestrator.model.message import Exited, Mail, Undelivered
from orchestrator.model.snapshot import Artifact, Snapshot
from orchestrator.model.source import SourceNote, SourceStatus
from orchestrator.model.spec import Revision
from orchestrator.model.world import ArtifactFault, Drive
from orchestrator.observe.events import Journals
from orchestrator.observe.output import LineLog, WatchedOutput
from orchestrator.plan.dependencies import free_to_end
from orchestrator.runtime import Guest, Output, Pipes, Runtime, Sink, Start, Wasi
from orchestrator.runtime.call.finish import apart, finish
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.ports import OutputTaker
from orchestrator.supervise.scheduler import Scheduler
from orchestrator.supervise.timers import SystemClock

GOODBYE = "the agent is stopping"


class Agent:
    """Every part of one running agent, over one state directory that the caller has locked."""

    def __init__(
        self, state: StateDir, socket_path: Path, say: Callable[[Event], None], report: Callable[[SourceStatus], None],
        calls: Calls = Calls.FAST, passed_on: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.state = state
        self.store = Store.open(state)
        self.journals = Journals()
        self._report = report
        self.clock = SystemClock()
        self.workers = Scheduler(self.clock)
        self._contradicting: dict[DeploymentKey, str] = {}  # revisions whose guests contradict their Component.toml
        self.announcer = Announcer(self.journals, say, self.clock)
        for doubt in self.store.doubts:
            self.announcer.announce(None, "store-damaged", doubt)
        self.store.watch(self._store_changed)
        self.compilations = Compilations(self.announcer.announce)
        self.letters = DeadLetters(self.store.letters, self.clock, self.announcer.unheard, self._not_kept)
        durable = DurableMail(self.store.mail, self.letters, self.clock, self._not_kept, self._recorded)
        self.router = Router(self._who_is_told, durable)
        self._recorder = Recorder(self.clock.wall_ns, self.journals.hops.append, self.announcer.unheard)
        self.requests = Requests(self.router, self.clock, self._recorder)
        chance = Random().random  # noqa: S311 — for waits that should not all end at once
        environment = Environment(
            self.start_guest, self.workers, self.clock, self.announcer, chance, self.start_job, self.requests
        )  # fmt: skip
        self.fleet = Fleet(environment, self.router)
        self.ledger = Ledger(self.store)
        self.collector = Collector(state.artifacts, self.store, self.clock, self.announcer.announce)
        self.ledger.decided = self.collector.decided
        seen = HostSurroundings(lambda: self.fleet.services, self._describe)
        rates = self.fleet.rates
        imports = [
            *storage_imports(self.store.data),
            *messaging_imports(self.router, self._recorder, rates, seen.now_ns),
            *request_imports(self.router, self.requests, rates, seen.now_ns),
            *pubsub_imports(self.router, self._recorder, rates, self.fleet.topics, seen.now_ns),
            *service_imports(seen),
        ]
        self.runtime = Runtime(state.cache, imports, self.compilations.heard, calls)
        self._pipes = Pipes()
        self._ended: set[DeploymentKey] = set()  # as the agent stops
        self._forbidden = forbidden_folders([str(state.path), str(socket_path)])
        faults = Faults(self.clock, self.announcer.announce)
        actions = Actions(self.ledger, self.fleet, self.clock, self.announcer.announce, faults)
        settling = Settling(self.ledger, self.fleet, self.clock, self.announcer.announce, faults)
        self._watched = WatchedSources(
            lambda: Resolver().resolve, self.keep, self.clock.wall_ms, self._looked, self._note
        )  # fmt: skip
        self.controller = Controller(
            self._watched,
            self.ledger,
            self.fleet,
            actions,
            settling,
            self.announcer.announce,
            faults,
            self.clock.monotonic_ms,
        )
        reading = Reading(ArtifactCache(self.runtime.inspect), state.path / "git", passed_on or {})
        self.sources = Sources(
            self.controller, self.ledger, self.store.notes, reading, self.clock, self.announcer.announce
        )  # fmt: skip
        commands = Commands(
            self.ledger, self.fleet, self.clock, self.announcer.announce, self._watched.wants, state.artifacts.claim
        )  # fmt: skip
        self.operations = Operations(self.controller, commands, state.artifacts.claim, self.sources.note_applied)
        self.messages = Messages(self.fleet, self.clock, self.letters)
        self.announcer.look_at = self.controller.look_at

    async def start_guest(self, revision: Revision, instance: ComponentId) -> Guest | Exited:
        """Start an instance of a revision: from the compile cache, else from its stored artifact."""
        log = self._log_of(instance, revision)
        started = await self._start(revision, instance, log, log)
        if isinstance(started, Guest) and started.contradiction:
            self._note_contradiction(instance.deployment, revision, started.contradiction)
        return started

    def _note_contradiction(self, key: DeploymentKey, revision: Revision, what: str) -> None:
        """Warn of it once for each revision, not for each of its instances."""
        if self._contradicting.get(key) != revision.id:
            self._contradicting[key] = revision.id
            self.announcer.announce(key, "metadata-differs", f"{revision.version} runs, although {what}")

    def start_job(
        self, revision: Revision, run: ComponentId, args: tuple[str, ...] | None, taker: OutputTaker | None
    ) -> StartedJob | Exited:
        """Start one run of a job; `taker` gets what it prints besides the log."""
        log = self._log_of(run, revision)
        output = WatchedOutput(log, taker)
        if taker is not None:
            taker.attach(lambda: self._pipes.resume(output))
        guest = finish(self._start(revision, run, log, output, args), apart)
        if isinstance(guest, Exited):
            return guest
        return StartedJob(guest, output, taker, self.clock, revision.limits.timeout_ms)

    async def _start(
        self, revision: Revision, instance: ComponentId, log: LineLog, sink: Sink, args: tuple[str, ...] | None = None
    ) -> Guest | Exited:
        await LOAD
        digest = revision.artifact
        try:
            loaded = self.runtime.load(digest, lambda: self.state.artifacts.read(digest), str(instance.deployment))
        except (ArtifactFault, ArtifactMissing, ArtifactDamaged) as fault:
            return Exited(ExitReason(kind=ExitKind.HOST_FAULT, detail=str(fault)))
        deployment = instance.deployment
        asker = self.requests.of(instance)
        if not loaded.takes_answers:
            self.requests.close(asker, "it does not export handle-callback")
        context = GuestContext(
            instance, revision, lambda: self.fleet.grants_in_force(deployment), log.log, asker,
            takes_messages=Drive.ACTOR in loaded.drives and revision.job is None,
        )  # fmt: skip
        wasi = Wasi()
        if loaded.description.wants_wasi:
            wasi = wasi_for(revision, context.grant_sets(), self._forbidden, Output(self._pipes, sink), args)
        return await self.runtime.start(
            Start(
                id=instance, revision=revision, loaded=loaded, context=context, wasi=wasi, current=context.current,
                ended=lambda: self.fleet.topics.leave(context.subscriber),
            )
        )  # fmt: skip

    def _log_of(self, instance: ComponentId, revision: Revision) -> LineLog:
        return LineLog(instance, revision.limits.log_per_s, self.journals.logs, self.clock)

    def _looked(self, status: SourceStatus) -> None:
        self.announcer.looked(status)
        self._report(status)

    def _note(self, note: SourceNote) -> None:
        self.sources.note(note)

    def _store_changed(self, condition: str) -> None:
        if condition:
            self.announcer.announce(None, "store-failing", condition)
        else:
            self.announcer.announce(None, "store-works", "the store can be written again")

    def _not_kept(self, why: str) -> None:
        self.announcer.announce(None, "host-fault", why)

    def _who_is_told(self, route: Route, mail: Mail) -> Told:
        """Say who is told how messages end whose sender is not."""
        return self._recorded(route, mail, self.letters.told(route, mail))

    def _recorded(self, route: Route, mail: Mail, told: Told) -> Told:
        """Have what becomes of messages of a conversation recorded as well."""
        return told if mail.conversation is None else self._recorder.recording(route.key, mail, told)

    def keep(self, snapshot: Snapshot) -> None:
        """Put a snapshot's artifacts into the store, so that what is wanted can be started after a restart."""
        for entry in snapshot.files.values():
            if not isinstance(entry, Artifact) or isinstance(entry.world, ArtifactFault):
                continue
            if not self.state.artifacts.claim(entry.digest):
                self.state.artifacts.put(entry.data)

    def stop_guests(self, *, in_order: bool) -> bool:
        """Stop instances politely, what others need only after those, or all at once; True once all are gone.

        Repeated until then, by one thread.
        """
        goodbye = Undelivered("delivery-failed", GOODBYE)
        records, services = self.ledger.records, self.fleet.services
        left = {
            key: records[key].wanted.depends_on if key in records else () for key in services if key not in self._ended
        }
        stopping = free_to_end(left) if in_order else [*left]
        self._ended.update(key for key in stopping if services[key].stop(goodbye))
        return self._ended.issuperset(left)

    def interrupt_guests(self) -> None:
        """End every call that is under way, so that whoever waits for it is told."""
        for service in self.fleet.services.values():
            service.interrupt()

    def close(self) -> None:
        """Release what is held; only after the controller has ended."""
        self.sources.close()
        self.collector.close()
        self.workers.close()
        self.clock.close()
        self.store.close()

    def _describe(self, key: DeploymentKey) -> tuple[str, str] | None:
        record = self.ledger.records.get(key)
        if record is None or record.stable is None:
            return None
        return record.stable.revision.component, record.stable.revision.version
