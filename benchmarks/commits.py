"""The cost of a repository of many deployments: from commit to Ready, a look that finds nothing, one changed file.

    python -m benchmarks.commits                         100 and 1 000
    python -m benchmarks.commits --sizes 1000 10000      minutes; --write for benchmarks/commits.json
    python -m benchmarks.commits --sizes 1000 --components 1000
    python -m benchmarks.commits --sizes 1000 --sources 100 --failing 10

Everything goes through an agent of its own, its client, a bare repository and the webhook that a push calls;
times begin when that is called. Beside them stand git itself, which clones the same commit and asks for its name, and
`yaml.CSafeLoader`, which parses the same manifests.
"""

import argparse
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks import machine, scale
from benchmarks.stage import ROOT, wait_until
from orchestrator.client import AgentClient
from orchestrator.contract.bodies import SourceWish

CRASHES = ROOT / "tests" / "components" / "faulty-trap-init"
BRANCH = "main"
SECRET = "benchmark-of-commits"
RESULTS = ROOT / "benchmarks" / "commits.json"
LOOKS = 5  # of which the median counts
SETTLE_S = 3.0
INTERVAL_MS = 3_600_000  # between looks that nobody asks for


class Taken(NamedTuple):
    """The cost of so many deployments of one repository; memory is all of the agent's."""

    size: int
    sources: int
    ready_s: float  # from the commit to all Ready, of those that do not fail
    unchanged_s: float  # a look of all sources that finds the commit that is known
    changed_s: float  # one number of one file, to its being in force
    cold_s: float  # `airs plan` of the first source, in a process that has never seen it
    memory_mib: float
    ls_remote_s: float
    clone_s: float
    yaml_s: float

    def lines(self) -> Iterator[str]:
        """Write it down, beside what git and a parser take."""
        yield f"{self.size:,} deployments in {self.sources} source{'s' * (self.sources != 1)}"
        each_ms = self.ready_s * 1000 / self.size
        yield f"  from commit to Ready    {self.ready_s:>8.2f} s   {each_ms:.1f} ms each"
        for what, seconds in (("a look without a change", self.unchanged_s), ("one changed file", self.changed_s)):
            yield f"  {what:<23} {seconds:>8.3f} s   {seconds / self.ls_remote_s:.1f}x git ls-remote"
        beside = f"{self.cold_s / self.clone_s:.1f}x git clone, {self.cold_s / self.yaml_s:.1f}x yaml.CSafeLoader"
        yield f"  a plan, cold            {self.cold_s:>8.2f} s   {beside}"
        yield f"  memory of the agent     {self.memory_mib:>8.0f} MiB"


class Place(NamedTuple):
    """A folder with a bare repository, a work tree of it, and the state of an agent that listens at a port."""

    folder: Path
    port: int

    @property
    def bare(self) -> Path:
        """The repository that is pushed to."""
        return self.folder / "deploy.git"

    @property
    def tree(self) -> Path:
        """The work tree that is committed from."""
        return self.folder / "tree"

    def git(self, *arguments: str) -> str:
        """Run git in the work tree; returns what it prints."""
        who = ("-c", "user.name=b", "-c", "user.email=b@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.tree), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def push(self, said: str) -> None:
        """Commit everything, and push it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", said)
        self.git("push", "--quiet", "origin", f"HEAD:{BRANCH}")

    def airs(self, *arguments: str) -> str:
        """Run a command of airs with the state directory that is here; returns what it prints."""
        command = [sys.executable, "-m", "orchestrator", "--state-dir", str(self.folder / "state"), *arguments]
        about = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT)}
        about["AIRS_CONFIG"] = str(self.folder / "airs.toml")
        return subprocess.run(command, env=about, check=True, capture_output=True, text=True).stdout

    def call(self) -> float:
        """Call the webhook, as a forge does after a push; returns when."""
        body = b"{}"
        proof = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/bench", body, {"X-Hub-Signature-256": f"sha256={proof}"})
        answer = connection.getresponse()
        if answer.status != http.client.ACCEPTED:
            raise RuntimeError(f"the webhook answered {answer.status}: {answer.read()!r}")
        connection.close()
        return began


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the sizes that the command line names."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commits", description=summary)
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1_000], metavar="N")
    parser.add_argument("--components", type=int, default=scale.COMPONENTS, metavar="N", help="how many distinct ones")
    parser.add_argument("--sources", type=int, default=1, metavar="N", help="how many follow a folder each")
    parser.add_argument("--failing", type=int, default=0, metavar="PERCENT", help="of them crash as they start")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    given, since = parser.parse_args(arguments), machine.used()
    print(machine.announced(), file=sys.stderr)
    taken = []
    for size in given.sizes:
        taken.append(measure(size, given.components, given.sources, given.failing))
        print("\n".join(taken[-1].lines()), flush=True)
    if given.write:
        others = machine.others(since, machine.used())
        about = {"date": time.strftime("%Y-%m-%d"), "machine": machine.described(), "others": others}
        text = json.dumps({**about, "taken": [one._asdict() for one in taken]}, indent=1)
        RESULTS.write_text(text + "\n", encoding="utf-8")


def measure(size: int, components: int = scale.COMPONENTS, sources: int = 1, failing: int = 0) -> Taken:
    """Follow a repository, commit so many deployments, leave it alone, then change one number of one of them."""
    with _place(components) as place, AgentClient(place.folder / "state", None) as client:
        pid = json.loads(place.airs("-o", "json", "agent", "status"))["pid"]
        names = [f"{place.bare}#{BRANCH}:manifests/{number}" for number in range(sources)]
        for number in range(sources):
            keep = place.tree / "manifests" / str(number) / ".gitkeep"
            keep.parent.mkdir(parents=True)
            keep.touch()
        place.push("Begin")
        for name in names:
            client.add_source(SourceWish(path=name, cwd=str(place.folder), interval_ms=INTERVAL_MS))
        wait_until(lambda: all(one.commit is not None for one in client.sources()), scale.LIMIT_S)
        wanted = _write_all(place, size, components, sources, failing)
        place.push("All")
        began = place.call()
        wait_until(lambda: _ready(client) >= wanted, scale.LIMIT_S, 0.1)
        ready_s = time.perf_counter() - began
        time.sleep(SETTLE_S)
        unchanged_s = _median(partial(_unchanged_s, place, client))
        changed_s = _median(partial(_changed_s, place, client))
        memory_mib = scale.resident_kib(pid) / 1024
        cold_s = _seconds(lambda: place.airs("plan", names[0]))
        return Taken(
            size, sources, ready_s, unchanged_s, changed_s, cold_s, memory_mib,
            _median(lambda: _seconds(lambda: place.git("ls-remote", str(place.bare), BRANCH))),
            _seconds(lambda: place.git("clone", "-q", "--depth=1", f"file://{place.bare}", f"{place.folder}/again")),
            _seconds(lambda: _parse_all(place.tree / "manifests")),
        )  # fmt: skip


def _write_all(place: Place, size: int, components: int, sources: int, failing: int) -> int:
    """Write the manifests, and return how many of them will be Ready."""
    crashing = 0
    for number in range(size):
        crashes = number % 100 < failing and number > 0  # the first one is changed later
        crashing += crashes
        component = "crashes" if crashes else str(number % components)
        _write(place.tree / "manifests" / str(number % sources) / f"d{number}.yaml", component)
    return size - crashing


def _write(path: Path, component: str, replicas: int = 1) -> None:
    path.write_text(
        f"apiVersion: airs.dev/v1\nkind: Deployment\nmetadata: {{name: {path.stem}}}\n"
        f"spec:\n  component: {{path: ../../components/{component}}}\n  replicas: {replicas}\n"
    )


def _ready(client: AgentClient) -> int:
    return sum(view.ready > 0 for view in client.deployments())


def _unchanged_s(place: Place, client: AgentClient) -> float:
    """Make all sources look again, and wait until each has."""
    before = max(one.read_at or 0 for one in client.sources())
    time.sleep(SETTLE_S)
    began = place.call()
    wait_until(lambda: all((one.read_at or 0) > before for one in client.sources()), scale.LIMIT_S, scale.ASK_EVERY_S)
    return time.perf_counter() - began


def _changed_s(place: Place, client: AgentClient) -> float:
    """Push another number of instances, and wait until it is in force."""
    replicas = client.deployment(scale.CHANGED).replicas % 2 + 1
    _write(place.tree / "manifests" / "0" / "d0.yaml", "0", replicas)
    place.push("Change")
    time.sleep(SETTLE_S)
    began = place.call()
    wait_until(lambda: client.deployment(scale.CHANGED).replicas == replicas, scale.LIMIT_S, scale.ASK_EVERY_S)
    return time.perf_counter() - began


def _parse_all(folder: Path) -> None:
    for path in folder.rglob("*.yaml"):
        yaml.load(path.read_bytes(), yaml.CSafeLoader)


def _median(measured: Callable[[], float]) -> float:
    return sorted(measured() for _ in range(LOOKS))[LOOKS // 2]


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


@contextmanager
def _place(components: int) -> Iterator[Place]:
    with scale.made_components(components) as folder, socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        place = Place(folder, found.getsockname()[1])
        found.close()
        subprocess.run(["git", "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", place.bare], check=True)
        subprocess.run(["git", "clone", "--quiet", place.bare, place.tree], check=True, capture_output=True)
        shutil.move(folder / "components", place.tree / "components")
        shutil.copytree(CRASHES, place.tree / "components" / "crashes")
        (folder / "secret").touch(mode=0o600)
        (folder / "secret").write_text(SECRET)
        (folder / "airs.toml").write_text(
            f'[webhooks]\nlisten = "127.0.0.1:{place.port}"\n\n'
            '[[webhooks.endpoints]]\nname = "bench"\nkind = "generic"\n'
            f'secret-file = "{folder / "secret"}"\nheader = "X-Hub-Signature-256"\n'
        )
        place.airs("agent", "start")
        try:
            yield place
        finally:
            place.airs("agent", "stop")


if __name__ == "__main__":
    main()
