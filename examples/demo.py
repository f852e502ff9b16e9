"""Show the main job on a private copy of `01-hello`: plan, apply, update under load, a canary that fails, rollback.

Run by `make demo`. Everything shown is real: each command is printed as a person would type it, run, and its output
passed on; requests are counted by the clients that send them. It knows nothing of how airs works inside, and leaves
nothing behind, however it ends. Exits 1 as soon as anything is not as it should be.
"""

import difflib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from types import FrameType, TracebackType

from orchestrator.cli.context import runtime_dir
from orchestrator.client import AgentClient
from orchestrator.contract.problem import Failure
from orchestrator.model.ids import DeploymentKey

EXAMPLE = Path(__file__).resolve().parent / "01-hello"
AIRS = Path(sys.executable).parent / "airs"
HELLO = DeploymentKey(namespace="default", name="hello")
MANIFESTS = "01-hello/manifests"

CLIENTS = 4  # threads, each with a connection of its own
PACE_S = 0.004  # between two requests of one client, so that the demo leaves the machine some room
BEFORE_AND_AFTER_S = 0.7  # how long clients send before a change begins and after it is done
COMMAND_MAX_S = 60.0
REQUEST_MAX_S = 10.0

CANARY = """\
  rollout:
    strategy: canary
    steps: [{weight: 20}, {pause: 10s}, {weight: 50}, {pause: 10s}]
    analysis:
      interval: 1s
      minimumMessages: 20
      failureLimit: 0
      metrics: {errorRate: {max: 0.05}}
"""

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "1;36"
LINE_COLORS = {"+": GREEN, "-": RED, "±": YELLOW, "!": YELLOW}


class NotAsItShould(Exception):
    """A step of the demo that contradicts a promise of airs."""


def say(text: str = "", color: str = "") -> None:
    """Print a line, coloured on a terminal."""
    colored = color and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    sys.stdout.write(f"\x1b[{color}m{text}\x1b[0m\n" if colored else f"{text}\n")
    sys.stdout.flush()


def expect(holds: bool, promise: str) -> None:
    """End the demo unless what was promised holds."""
    if not holds:
        raise NotAsItShould(promise)


class Stage:
    """A private folder with the example and the state directory, and the agent that `apply` starts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.manifest = folder / MANIFESTS / "hello.yaml"
        self.agent_pid: int | None = None
        self._env = {**os.environ, "AIRS_STATE_DIR": str(self.state_dir), "PYTHONUTF8": "1"}
        shutil.copytree(EXAMPLE, folder / "01-hello")

    def airs(self, *arguments: str, exits: int = 0) -> str:
        """Show a command and its output; returns the output."""
        say(f"$ airs {shlex.join(arguments)}", CYAN)
        output, code = self.run(*arguments)
        for line in output.splitlines():
            say(line.rstrip(), LINE_COLORS.get(line[:1], ""))
        say()
        expect(code == exits, f"`airs {shlex.join(arguments)}` exits with {exits}, not {code}")
        return output

    def run(self, *arguments: str) -> tuple[str, int]:
        """Run a command unseen; returns what it printed and its exit code."""
        with subprocess.Popen(
            [AIRS, *arguments], cwd=self.folder, env=self._env, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                output, _ = process.communicate(timeout=COMMAND_MAX_S)
            except BaseException:
                self._abandon(process)
                raise
        return output, process.returncode

    def _abandon(self, process: "subprocess.Popen[str]") -> None:
        # A command that may be about to start the agent is let finish: an agent nobody knows of could not be stopped.
        if self.agent_pid is not None:
            process.kill()
        process.communicate(timeout=COMMAND_MAX_S)

    def client(self) -> AgentClient:
        """Return a new connection to the agent."""
        return AgentClient(self.state_dir, runtime_dir())

    def edit(self, *changes: tuple[str, str]) -> None:
        """Change the manifest in one step, and show what changed."""
        before = after = self.manifest.read_text(encoding="utf-8")
        for old, new in changes:
            after = after.replace(old, new)
        saved = self.manifest.with_suffix(".saved")
        saved.write_text(after, encoding="utf-8")
        saved.replace(self.manifest)
        say(f"{MANIFESTS}/hello.yaml:", DIM)
        for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))[2:]:
            if not line.startswith("@@"):
                say(re.sub(r" +#.*", "", line), LINE_COLORS.get(line[0], ""))
        say()

    def close(self) -> None:
        """Stop the agent and remove the folder."""
        try:
            output, code = self.run("agent", "status", "-o", "json")
            if code == 0:
                self.run("agent", "stop")
                end(json.loads(output)["pid"])
        finally:
            shutil.rmtree(self.folder)


def end(pid: int) -> None:
    """Make sure that a process that was asked to end has ended."""
    deadline = time.monotonic() + COMMAND_MAX_S
    try:
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@dataclass
class Tally:
    """The outcomes of one client's requests: answers by the version that gave them, and anything else that happened.

    A guest's error is an answer too. A request is counted as sent before it is, so that one without an answer shows.
    """

    sent: int = 0
    greeted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)

    def ask(self, client: AgentClient, name: str) -> None:
        """Send one request and count what came of it."""
        self.sent += 1
        try:
            reply = client.request(HELLO, name.encode(), None, REQUEST_MAX_S)
        except Failure as failure:
            self._count_failure(name, failure)
        else:
            self._count_reply(name, (reply or b"").decode())

    def _count_reply(self, name: str, reply: str) -> None:
        greeting = re.fullmatch(rf"(?:Hello, {name}!|Good day, {name}! \(hello (\S+)\))", reply)
        if greeting:
            self.greeted[greeting[1] or "1.0.0"] += 1
        else:
            self.trouble.append(f"{name} is answered {reply!r}")

    def _count_failure(self, name: str, failure: Failure) -> None:
        refusal = re.search(rf"hello (\S+) cannot greet {name}$", failure.summary)
        if refusal:
            self.refused[refusal[1]] += 1
        else:
            self.trouble.append(f"{name}: {failure.summary} {failure.detail}")


class Load:
    """Clients that keep sending while the body runs, each with a connection and a tally of its own."""

    def __init__(self, stage: Stage) -> None:
        self._enough = Event()
        self._tallies = [Tally() for _ in range(CLIENTS)]
        self._threads = [
            Thread(target=self._keep_asking, args=(stage.client(), tally, f"guest-{number}"), daemon=True)
            for number, tally in enumerate(self._tallies, start=1)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        self._enough.wait(BEFORE_AND_AFTER_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if kind is None:
            self._enough.wait(BEFORE_AND_AFTER_S)
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _keep_asking(self, client: AgentClient, tally: Tally, name: str) -> None:
        while not self._enough.wait(PACE_S):
            tally.ask(client, f"{name}-{tally.sent}")

    @property
    def greeted(self) -> Counter[str]:
        """How many greetings each version gave."""
        return sum((tally.greeted for tally in self._tallies), Counter())

    @property
    def refused(self) -> Counter[str]:
        """How many errors each version gave."""
        return sum((tally.refused for tally in self._tallies), Counter())

    def report(self) -> None:
        """Say what became of the requests; the demo ends here if one was lost."""
        sent = sum(tally.sent for tally in self._tallies)
        answered = self.greeted.total() + self.refused.total()
        say(f"clients: {sent} requests sent, {answered} answered, {sent - answered} lost", BOLD)
        shares = [f"{n} greetings from {version}" for version, n in sorted(self.greeted.items())]
        shares += [f"{n} errors from {version}" for version, n in sorted(self.refused.items())]
        say("         " + ", ".join(shares) + "\n")
        for line in [line for tally in self._tallies for line in tally.trouble][:3]:
            say(f"         {line}", RED)
        expect(sent == answered, "no request is lost")


def plan_and_apply(stage: Stage) -> None:
    """Validate and plan what does not run yet, and apply it."""
    stage.airs("validate", MANIFESTS)
    expect("+ default/hello" in stage.airs("plan", MANIFESTS), "the first plan creates hello")
    stage.airs("apply", MANIFESTS)
    stage.agent_pid = json.loads(stage.run("agent", "status", "-o", "json")[0])["pid"]


def ask(stage: Stage) -> None:
    """Send a request and see the guest answer."""
    expect(stage.airs("request", "hello", "Ada") == "Hello, Ada!\n", "1.0.0 greets Ada")


def plan_update(stage: Stage) -> None:
    """Point the manifest at 1.1.0 and see what that means before it is done."""
    stage.edit(("components/hello-1.0.0 ", "components/hello-1.1.0 "))
    plan = stage.airs("plan", MANIFESTS)
    expect("± default/hello   1.0.0 → 1.1.0" in plan and "because artifact-changed" in plan, "the plan says why")


def update_under_load(stage: Stage) -> None:
    """Apply the update while clients keep sending."""
    say(f"# {CLIENTS} clients keep sending while this is applied", DIM)
    with Load(stage) as load:
        stage.airs("apply", MANIFESTS)
    load.report()
    expect(set(load.greeted) == {"1.0.0", "1.1.0"}, "both versions answered, one before and one after the switch")


def bad_canary(stage: Stage) -> None:
    """Send out a version that fails one request in five, and see it taken back."""
    stage.edit(("components/hello-1.1.0 ", "components/hello-1.2.0 "), ("  replicas:", CANARY + "  replicas:"))
    say(f"# {CLIENTS} clients keep sending; 1.2.0 fails one request in five, 1 in 20 is allowed", DIM)
    with Load(stage) as load:
        stage.airs("apply", MANIFESTS, exits=1)
    load.report()
    expect(load.refused["1.2.0"] > 0, "the canary had traffic")
    expect(load.greeted["1.1.0"] > load.greeted["1.2.0"], "most requests stayed on 1.1.0")
    stage.airs("rollout", "status", "hello")
    status = stage.airs("status")
    expect("running 1.1.0, the source wants 1.2.0, held because" in status, "status says what runs, and why")


def roll_back(stage: Stage) -> None:
    """Look at the history, and go back one more version by hand."""
    history = stage.airs("history", "hello")
    expect(re.search(r"1\.2\.0 .* rejected", history) is not None, "the history says that 1.2.0 was rejected")
    stage.airs("rollback", "hello")
    expect(stage.airs("request", "hello", "Ada") == "Hello, Ada!\n", "1.0.0 greets Ada again")
    expect("default/hello  1.0.0" in stage.airs("status"), "1.0.0 serves again")


STEPS: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("Plan, then apply", plan_and_apply),
    ("A request, answered by the component", ask),
    ("Version 1.1.0: what would change, and why", plan_update),
    ("Update while clients keep sending", update_under_load),
    ("Version 1.2.0 is bad: a canary, rolled back by itself", bad_canary),
    ("The history, and back to 1.0.0", roll_back),
)


def show(stage: Stage) -> None:
    """Go through the steps, in order."""
    say(f"A private copy of examples/01-hello in {stage.folder}, removed at the end.\n", DIM)
    for number, (heading, step) in enumerate(STEPS, start=1):
        say(f"── {number}. {heading} " + "─" * (72 - len(heading)) + "\n", BOLD)
        step(stage)


def stop_politely(_signal: int, _frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that the stage is cleared."""
    raise KeyboardInterrupt


def main() -> int:
    """Show everything and clear the stage; return the exit code."""
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_politely)
    stage = Stage(Path(tempfile.mkdtemp(prefix="airs-demo-")))
    try:
        show(stage)
    except NotAsItShould as promise:
        say(f"Not as it should be: {promise}.", RED)
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stage.close()
    say(f"Done in {time.monotonic() - began:.0f} s; the agent is stopped and the copy removed.", GREEN)
    say("Next: .venv/bin/airs up examples/01-hello/manifests, then edit hello.yaml in another window and save.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
