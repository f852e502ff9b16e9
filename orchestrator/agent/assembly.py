"""Puts the parts of an agent together: the list of what there is, and the place to swap one of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from random import Random

from orchestrator.agent.attestation import Attestation
from orchestrator.agent.auditing import Auditing
from orchestrator.agent.collection import Collector
from orchestrator.agent.compilations import Compilations
from orchestrator.agent.condition_times import ConditionTimes
from orchestrator.agent.declared import DeclaredSources
from orchestrator.agent.exchange import Exchange
from orchestrator.agent.exporting import Exporting
from orchestrator.agent.fetching import NOTHING_FETCHED, Fetching, tell_of_look
from orchestrator.agent.followed import Reading
from orchestrator.agent.guests import Given, Guests, host_imports
from orchestrator.agent.messages import Messages
from orchestrator.agent.notifying import NOTHING_KNOWN, NewsFacts, Notifying, PassView
from orchestrator.agent.operations import Operations
from orchestrator.agent.outward import NOBODY_OUTSIDE, Outward
from orchestrator.agent.planning import Planning, quietly
from orchestrator.agent.policies import FOLDER_LOOK_MS, PlaceReader, Policies, PolicySurroundings
from orchestrator.agent.publishing import PlaceKeeper, PublishedPlace, Publishing, published_places
from orchestrator.agent.receivers import Receivers
from orchestrator.agent.secret_variables import SecretVariables
from orchestrator.agent.shutdown import Shutdown
from orchestrator.agent.sources import Sources
from orchestrator.agent.surroundings import Announcer, HostSurroundings
from orchestrator.agent.webhook_secrets import WebhookSecrets
from orchestrator.agent.webhooks import LookedAt, Webhooks
from orchestrator.compiled.found import FoundWorlds
from orchestrator.compiled.sealed import SealedFolder
from orchestrator.compiled.worlds import Worlds
from orchestrator.controller.loop import Controller
from orchestrator.controller.observer import Observer
from orchestrator.controller.outcomes import PlanOutcomes
from orchestrator.controller.watched import WatchedSources
from orchestrator.execute.actions import Actions
from orchestrator.execute.commands import Commands
from orchestrator.execute.faults import Faults
from orchestrator.execute.fleet import Fleet
from orchestrator.execute.job_runs import JobRuns
from orchestrator.execute.ledger import Ledger
from orchestrator.execute.ruling import Ruling
from orchestrator.execute.settle import Settling
from orchestrator.fetch.fetcher import Fetcher
from orchestrator.fetch.files import PackageFiles
from orchestrator.fetch.limits import FetchSettings
from orchestrator.fetch.lookout import Lookout
from orchestrator.host.wasi import forbidden_folders
from orchestrator.manifest import Resolver
from orchestrator.model.calls import Calls
from orchestrator.model.event import Event
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedState
from orchestrator.model.policy import PolicySet
from orchestrator.model.settings import PublishSection
from orchestrator.model.source import SourceStatus
from orchestrator.model.spec import Grant, Revision
from orchestrator.observe.events import Journals
from orchestrator.plan.action import ActionKind, Reason
from orchestrator.plan.document import Plan
from orchestrator.plan.findings.known import KnownFacts
from orchestrator.plan.ruled import standing_in
from orchestrator.rollout.standing import leading_to
from orchestrator.runtime import Runtime
from orchestrator.secrets.filling import WatchedSecrets
from orchestrator.secrets.secrets import SecretPlaces, Secrets
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.store.artifacts import ArtifactDamaged, ArtifactMissing
from orchestrator.store.decisions import Change, DeleteRecord, MoveRows, PutDesired, PutRecord
from orchestrator.store.layout import SIGNATURES, TRUST
from orchestrator.store.packages import Packages
from orchestrator.store.signatures import KeptSignatures
from orchestrator.store.state_dir import StateDir
from orchestrator.store.store import Store
from orchestrator.store.trust import TrustStore
from orchestrator.supervise.environment import Environment
from orchestrator.supervise.scheduler import Scheduler
from orchestrator.supervise.timers import SystemClock

RULED_WAIT_S = 2.0  # for a controller that is busy to put other policies in force, before anybody is told


class Agent:
    """Every part of one running agent, over one state directory that the caller has locked.

    Larger than most, as it is the list of all parts, each made after those that it needs; nothing else happens here but
    that they are released.
    """

    def __init__(
        self, state: StateDir, socket_path: Path, say: Callable[[Event], None], report: Callable[[SourceStatus], None],
        calls: Calls = Calls.NATIVE, fetching: Fetching = NOTHING_FETCHED, places: SecretPlaces | None = None,
    ) -> None:  # fmt: skip
        self.state, self.store = state, Store.open(state)
        self.clock = SystemClock()
        self.workers = Scheduler(self.clock)
        self.journals = Journals()
        self.announcer = Announcer(self.journals, say, self.clock)
        self._watch_the_store()
        self.auditing = Auditing(state, self.store.untold, self.announcer.announce)
        self.secrets = WatchedSecrets(self._secrets(places), lambda: self.controller.wake())
        self.compilations = Compilations(self.announcer.announce)
        self.exchange = Exchange(self.store, self.clock, self.journals, self.announcer)
        self.fleet = Fleet(self._environment(), self.exchange.router)
        self.ledger = Ledger(self.store)
        self.fleet.router.renamed = self.ledger.renamed
        self.packages = Packages(state.path, state.artifacts)
        self.collector = self._collector(fetching.retain_ms)
        self.notifying = Notifying((), NOTHING_KNOWN, self.clock)
        self.ledger.decided = self._decided
        self.job_runs = JobRuns(self.ledger, self.clock, self.announcer.announce, self.journals.printed_by)
        self.attestation = self._attestation()
        self.ruling = Ruling(self.ledger, self.clock.wall_ms, self.attestation)
        self.attestation.may_start, self.attestation.naming = self.ruling.refuses_start, self.ruling.naming
        self.shutdown = Shutdown(self.ledger, self.fleet)
        self.runtime = self._runtime(calls)
        self.known = self._known()
        self.guests = self._guests(socket_path)
        self.controller = self._controller(report)
        artifacts = ArtifactCache(self.runtime.inspect)
        self.lookout = self._lookout(artifacts, fetching)
        self.sources = self._sources(artifacts, fetching)
        self.times = self._condition_times()
        self.declared = DeclaredSources(
            self.sources, self.controller, self.ledger, self.store.notes, self.clock, self.announcer.announce
        )
        self.planning = self._planning(artifacts)
        self.exporting = self._exporting()
        self.publishing = self._publishing([])
        self.operations = self._operations()
        self.policies = self.policies_of("", fetching, 0)
        self.reach(NOBODY_OUTSIDE, FetchSettings())
        self.messages = Messages(self.fleet, self.clock, self.exchange.letters)

    def _watch_the_store(self) -> None:
        for doubt in self.store.doubts:
            self.announcer.announce(None, "store-damaged", doubt)
        self.store.watch(self._store_changed)

    def _store_changed(self, condition: str) -> None:
        if condition:
            self.announcer.announce(None, "store-failing", condition)
        else:
            self.announcer.announce(None, "store-works", "the store can be written again")

    def _secrets(self, places: SecretPlaces | None) -> Secrets:
        return Secrets(places or SecretPlaces(self.state.path / "no-secrets", {}), self.state.path, self.state.key)

    def _environment(self) -> Environment:
        return Environment(
            lambda revision, instance: self.guests.start(revision, instance),  # which need the fleet, made of this
            self.workers,
            self.clock,
            self.announcer,
            Random().random,  # noqa: S311 — for waits that should not all end at once
            lambda revision, run, args, taker: self.guests.start_job(revision, run, args, taker),
            self.exchange.requests,
        )

    def _collector(self, retain_ms: int) -> Collector:
        artifacts, announce = self.state.artifacts, self.announcer.announce
        return Collector(
            artifacts, self.packages, self.store, self.clock, announce, retain_ms,
            lambda: self.attestation.kept.collect(artifacts.digests),
        )  # fmt: skip

    def _decided(self, changes: Sequence[Change]) -> None:
        self.collector.decided(changes)
        self.auditing.decided(changes)
        self.publishing.decided()
        for change in changes:
            if isinstance(change, PutRecord | DeleteRecord):
                self.notifying.noticed(change.record.key if isinstance(change, PutRecord) else change.key)
            elif isinstance(change, MoveRows):
                self.notifying.noticed(change.old)
            elif isinstance(change, PutDesired):
                self.notifying.noticed(change.desired.source)

    def _runtime(self, calls: Calls) -> Runtime:
        seen = HostSurroundings(lambda: self.fleet.services, self._describe)
        imports = host_imports(self.store.data, self.exchange, self.fleet, seen)
        return Runtime(self.state.cache, imports, self.compilations.heard, calls)

    def _attestation(self) -> Attestation:
        kept, trust = KeptSignatures(self.state.path / SIGNATURES), TrustStore(self.state.path / TRUST)
        return Attestation(kept, trust, self.clock.wall_ms, self.announcer.announce, self.auditing.note)

    def _known(self) -> KnownFacts:
        """Return what plans ask of everything that neither the sources nor the records say."""
        artifacts = self.state.artifacts

        def read(artifact: str) -> bytes | None:
            try:
                return artifacts.read(artifact)
            except (ArtifactMissing, ArtifactDamaged):
                return None

        worlds = FoundWorlds(Worlds(SealedFolder(self.state.cache)), read)
        return KnownFacts(
            worlds.world, self.exchange.senders.of, self.store.facts, lambda: standing_in(self.ledger.records.values()),
            lambda desired: self.controller.siblings.of(desired),
        )  # fmt: skip

    def _guests(self, socket_path: Path) -> Guests:
        forbidden = forbidden_folders([str(self.state.path), str(socket_path)])
        secrets = SecretVariables(self.secrets.secrets, self.announcer.announce)
        given = Given(
            self.fleet, self.exchange.requests, self.journals.logs, forbidden, self.attestation, self.auditing.uses,
            secrets, self.ruling.folders, self._asks,
        )  # fmt: skip
        return Guests(self.state.artifacts, self.runtime, given, self.announcer.announce)

    def _controller(self, report: Callable[[SourceStatus], None]) -> Controller:
        ledger, fleet, clock, announce = self.ledger, self.fleet, self.clock, self.announcer.announce

        def looked(status: SourceStatus) -> None:
            self.announcer.looked(status)
            self.auditing.looked(status)
            report(status)

        faults = Faults(clock, announce)
        watched = WatchedSources(
            lambda: Resolver(self.attestation.trust).resolve, self.guests.keep, clock.wall_ms, looked,
            lambda note: self.sources.followed.note(note),
        )  # fmt: skip
        actions = Actions(ledger, fleet, clock, announce, faults)
        settling = Settling(ledger, fleet, clock, announce, faults, self.job_runs)
        settling.open_mailboxes()
        observer, outcomes = Observer(ledger, fleet, faults, self.ruling.told), PlanOutcomes(announce, faults)
        controller = Controller(watched, ledger, actions, settling, observer, outcomes, clock.monotonic_ms)
        controller.judging, controller.refused = lambda: self.ruling.judging, self._note_refused
        self.announcer.look_at = controller.look_at
        controller.secrets, controller.known = self.secrets, self.known
        return controller

    def _lookout(self, artifacts: ArtifactCache, fetching: Fetching) -> Lookout:
        settings, announce = fetching.settings, self.announcer.announce
        fetcher = Fetcher(settings, self.state.path, lambda *_: None, passed_on=fetching.passed_on)
        files = PackageFiles(self.packages, self.state.artifacts, artifacts)
        return Lookout(fetcher, files, self.clock.wall_ms, settings.at_once, partial(tell_of_look, announce))

    def _note_refused(self, plan: Plan) -> None:
        for action in plan.actions:
            if action.kind is ActionKind.BLOCKED and {Reason.POLICY_REFUSED, Reason.NEEDS_APPROVAL} & {*action.reasons}:
                self.auditing.uses.refused(action.key, action.reasons[0].value, action.note)
            else:
                self.auditing.uses.allowed(action.key)

    def policies_of(self, place: str, fetching: Fetching, refresh_ms: int) -> Policies:
        """Return the keeper of the policies of a place, empty for none; a repository is asked every `refresh_ms`."""
        read = PlaceReader(place, self.state.path / "git", fetching.passed_on, fetching.settings.git_of).read
        look_ms = refresh_ms if "#" in place else FOLDER_LOOK_MS
        around = PolicySurroundings(self._rule_by, self.announcer.announce, self.auditing, self.clock.wall_ms)
        return Policies(place, read, self.state.path, look_ms, around)

    def publish(self, section: PublishSection, fetching: Fetching) -> None:
        """Keep the exported state in these places, from when publishing begins."""
        self.publishing = self._publishing(published_places(section, self.state.path, fetching))

    def _publishing(self, places: Sequence[PublishedPlace]) -> Publishing:
        def mark() -> object:
            judging = self.ruling.judging
            return self.ledger.serial, judging.rules, judging.trust

        announce, now_ms = self.announcer.announce, self.clock.wall_ms
        return Publishing([PlaceKeeper(place, self.exporting, mark, announce, now_ms) for place in places])

    def reach(self, outward: Outward, settings: FetchSettings) -> None:
        """Listen to these, and tell these of what happens, from when both begin; not at all where none is named."""
        announce, lineage, specs = self.announcer.announce, self.state.lineage, self.sources.followed.specs
        secrets, looked_at = (
            WebhookSecrets(self.secrets.secrets, self.clock),
            LookedAt(specs, self.controller.sources.ask),
        )
        self.webhooks = Webhooks(outward.webhooks, secrets, looked_at, self.clock, announce)
        made = Receivers(self.store.told, specs, settings, lineage, self.clock, announce)
        receivers = [*map(made.of_forge, outward.forges), *map(made.of_notification, outward.notifications)]
        hidden = self.secrets.secrets.remembered
        known = NewsFacts(self._world, self.controller.observe_one, self.ruling.needed_by, hidden)
        self.notifying = Notifying(receivers, known, self.clock)
        self.announcer.noticed = self.notifying.noticed

    def _world(self) -> "Future[PassView]":
        controller, ledger = self.controller, self.ledger
        return controller.submit(
            lambda: PassView(
                {**ledger.desired}, controller.sources.notes(), controller.outcomes.not_done, {**ledger.sources},
                ledger.records,
            )
        )  # fmt: skip

    def _rule_by(self, rules: PolicySet) -> None:
        """Put policies in force, and plan everything anew; returns when that is so, if the controller still runs."""

        def put() -> None:
            self.ruling.put(rules)
            self._judge_anew()

        wait([self.controller.submit(put)], timeout=RULED_WAIT_S)

    def _judge_anew(self) -> None:
        self.controller.plan_anew()
        for key, why in self.ruling.violating():
            self.announcer.announce(key, "policy-violated", why)
            self.auditing.uses.refused(key, "runs", why)

    def look_again(self) -> None:
        """Resolve and judge everything anew, as somebody else is trusted now; returns when that is so."""

        def look() -> None:
            self.controller.sources.resolve_again()
            self._judge_anew()

        wait([self.controller.submit(look)], timeout=RULED_WAIT_S)

    def _sources(self, artifacts: ArtifactCache, fetching: Fetching) -> Sources:
        reading = Reading(
            artifacts, self.state.path / "git", fetching.passed_on, self.lookout, self.clock.wall_ms,
            fetching.settings.git_of,
        )  # fmt: skip
        announce = self.announcer.announce
        return Sources(self.controller, self.ledger, self.store.notes, reading, self.clock, announce)

    def _condition_times(self) -> ConditionTimes:
        times = ConditionTimes(self.controller.observe_one, self.sources.seen, self.store.stalls, self.clock)
        self.controller.settled = times.settled
        return times

    def _planning(self, artifacts: ArtifactCache) -> Planning:
        def observe() -> ObservedState:
            return self.controller.submit(self.controller.observe).result()

        inspect = quietly(self.runtime.inspect, Worlds(SealedFolder(self.state.cache)))
        planning = Planning(
            observe, artifacts.inspected_by(inspect), self.guests.keep, self.clock, self.attestation.trust,
            self.secrets.secrets.filled,
        )  # fmt: skip
        planning.judging, planning.known = lambda: self.ruling.judging, self.known
        return planning

    def _exporting(self) -> Exporting:
        return Exporting(
            lambda: self.controller.submit(self.controller.observe).result(), self.sources.seen,
            lambda: self.ruling.judging, self.known, self.state.key, self.clock.wall_ms,
        )  # fmt: skip

    def _operations(self) -> Operations:
        is_kept, wants = self.state.artifacts.claim, self.controller.sources.wants
        announce, runs = self.announcer.announce, self.job_runs
        commands = Commands(self.ledger, self.fleet, self.clock, announce, wants, is_kept, runs, self.ruling)
        return Operations(self.controller, commands, is_kept, self.sources.note_applied, self.secrets.secrets)

    def _asks(self, key: DeploymentKey, revision: Revision) -> Sequence[Grant]:
        record = self.ledger.records.get(key)
        known = () if record is None else (leading_to(record), record.stable, record.wanted)
        return next((each.asks for each in known if each is not None and each.revision.id == revision.id), ())

    def _describe(self, key: DeploymentKey) -> tuple[str, str] | None:
        record = self.ledger.records.get(key)
        if record is None or record.stable is None:
            return None
        return record.stable.revision.component, record.stable.revision.version

    @property
    def condition(self) -> str:
        """Say what keeps the store and the audit book from being whole and written; empty for nothing."""
        return "; ".join(filter(None, (self.store.condition, self.auditing.condition)))

    def close(self) -> None:
        """Release what is held; only after the controller has ended."""
        self.webhooks.close()
        self.notifying.close()
        self.policies.close()
        self.sources.followed.close()
        self.lookout.close()
        self.secrets.close()
        self.collector.close()
        self.times.close()
        self.workers.close()
        self.clock.close()
        self.auditing.close()
        self.store.close()
