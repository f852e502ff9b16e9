"""Bytes that are not a component that runs here, turned into an `ArtifactFault` that says what they are instead.

`check` looks at the bytes before wasmtime does; `rejected` words what wasmtime said about bytes that passed.
"""

from orchestrator.interface.anatomy import leb
from orchestrator.model.world import ArtifactFault

MAX_ARTIFACT_BYTES = 128 << 20
MAX_DETAIL = 500  # characters of wasmtime's own message
MAX_SECTIONS = 100_000
MIB = 1 << 20

_MAGIC = b"\0asm"
_COMPONENT = b"\x0d\x00\x01\x00"
_CORE = b"\x01\x00\x00\x00"
_COMPONENT_LAYER = b"\x01\x00"
_PREVIEW1 = b"wasi_snapshot_preview1"
_THREADS = b"thread-spawn"
_LFS = b"version https://git-lfs.github.com/spec/"
_ADAPTERS = "https://github.com/bytecodealliance/wasmtime/releases"
_NEW = "wasm-tools component new"
_CORE_IMPORT_SECTION, _CORE_EXPORT_SECTION = 2, 7
_NEWER = ("feature", "enabled", "disabled", "proposal", "illegal opcode", "unknown opcode")
_OTHER_FILES = (
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK", "a zip archive"),
    (b"\x7fELF", "a native program or library"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"BC\xc0\xde", "LLVM bitcode"),
)


def check(data: bytes) -> None:
    """Look at size and header.

    Raises:
        ArtifactFault: these bytes are certainly no component.
    """
    if len(data) > MAX_ARTIFACT_BYTES:
        raise _too_large(len(data))
    if not data.startswith(_MAGIC):
        raise _not_wasm(data)
    if len(data) < 8:
        raise _truncated(f"it ends after {len(data)} bytes, within its header")
    version = data[4:8]
    if version == _CORE:
        raise _core_module(data)
    if version != _COMPONENT:
        raise _other_version(version)
    end = _broken_section(data)
    if end is not None:
        raise _truncated(f"a section should end at byte {end}, the file has {len(data)}")


def rejected(message: str) -> ArtifactFault:
    """Word wasmtime's refusal to compile bytes that `check` let pass."""
    causes = [line.strip() for line in message.splitlines() if line.strip() and line.strip() != "Caused by:"]
    detail = ": ".join(causes)[:MAX_DETAIL]
    lowered = message.lower()
    if any(word in lowered for word in _NEWER):
        return ArtifactFault(
            "a component that uses WebAssembly features this airs does not run",
            detail,
            "Build it for WASI 0.2 with those features off, or update airs.",
        )
    return ArtifactFault("not a valid component", detail, "Build it again; `wasm-tools validate FILE` says more.")


def types_too_large(limit: int) -> ArtifactFault:
    """Say that the component's types are beyond what is read."""
    return ArtifactFault(
        "a component whose types are too large",
        f"its imports and exports spell out to more than {limit} parts",
        "Split its largest records and variants, or pass such values as encoded bytes.",
    )


def wrong_lifecycle(function: str, found: str, expected: str) -> ArtifactFault:
    """Say that an export of the lifecycle interface is not of the type it must have."""
    return ArtifactFault(
        f"its component-lifecycle is not the one of airssys:core@1.0.0: {function} differs",
        f"{function} is {found}, expected {expected}",
        "Build it against the WIT files that come with airs (`wit/`).",
    )


def wrong_digest(expected: str) -> ArtifactFault:
    """Say that bytes are not those that were asked for."""
    return ArtifactFault(
        "not the artifact that was asked for", f"its bytes do not match {expected}", "Install the component again."
    )


def _too_large(size: int) -> ArtifactFault:
    return ArtifactFault(
        f"too large for a component ({size / MIB:.0f} MiB)",
        f"at most {MAX_ARTIFACT_BYTES // MIB} MiB are read",
        "Strip it (`wasm-tools strip`), and take data that is built into it out of the component.",
    )


def _not_wasm(data: bytes) -> ArtifactFault:
    suggestion = "Point `artifact.path` at the component's .wasm file."
    if not data:
        return ArtifactFault("an empty file", "it has no bytes", "Build it again: the build wrote nothing.")
    if data.startswith(_LFS):
        return ArtifactFault(
            "a git-LFS pointer in place of the file",
            "git keeps the file itself in its large file storage, from which it was not fetched",
            "Run `git lfs pull` in the work tree; a git source fetches nothing from there: commit the .wasm itself.",
        )
    if _is_wat(data):
        return ArtifactFault(
            "WebAssembly text, not a binary",
            "the file begins like WAT",
            "Turn it into a binary with `wasm-tools parse FILE.wat -o FILE.wasm`.",
        )
    for magic, name in _OTHER_FILES:
        if data.startswith(magic):
            return ArtifactFault(f"{name}, not WebAssembly", f"it begins with {data[:4].hex(' ')}", suggestion)
    return ArtifactFault("not WebAssembly", f"it begins with {data[:8].hex(' ')}, not with 00 61 73 6d", suggestion)


def _is_wat(data: bytes) -> bool:
    lines = (line.strip() for line in data[:4096].splitlines())
    first = next((line for line in lines if line and not line.startswith(b";;")), b"")
    return first.startswith((b"(module", b"(component", b"(;"))


def _truncated(detail: str) -> ArtifactFault:
    return ArtifactFault("a truncated component", detail, "Copy or build it again: the file is cut off or damaged.")


def _core_module(data: bytes) -> ArtifactFault:
    imports = _core_section(data, _CORE_IMPORT_SECTION)
    if _THREADS in imports:
        return ArtifactFault(
            "a core module for WASI preview 1 with wasi-threads, not a component",
            f"it imports wasi#{_THREADS.decode()}; components have no threads, and no adapter gives it any",
            "Build it without threads, for wasm32-wasip2.",
        )
    if _PREVIEW1 in imports:
        return _preview1_module(data)
    return ArtifactFault(
        "a core module, not a component",
        "its header says version 1 of the core format",
        f"Wrap it: `wasm-tools component embed wit core.wasm -o e.wasm && {_NEW} e.wasm -o component.wasm`.",
    )


def _preview1_module(data: bytes) -> ArtifactFault:
    """Tell a program, which has `_start` and becomes a job, from a library: each has an adapter of its own."""
    is_command = b"\x06_start" in _core_section(data, _CORE_EXPORT_SECTION)
    kind = "command" if is_command else "reactor"
    why = "exports `_start`: a program, run to its end" if is_command else "exports no `_start`: a library"
    adapter = f"{_PREVIEW1.decode()}.{kind}.wasm"
    return ArtifactFault(
        "a core module for WASI preview 1, not a component",
        f"it imports {_PREVIEW1.decode()}, and {why}",
        f"Build it for wasm32-wasip2, or wrap it with the {kind} adapter, which lies beside each release of wasmtime "
        f"({_ADAPTERS}): `{_NEW} core.wasm --adapt {_PREVIEW1.decode()}={adapter} -o component.wasm`.",
    )


def _other_version(version: bytes) -> ArtifactFault:
    number = int.from_bytes(version[:2], "little")
    if version[2:] == _COMPONENT_LAYER:
        is_newer = number > _COMPONENT[0]
        return ArtifactFault(
            f"a component in {'a newer' if is_newer else 'an older'} binary format",
            f"it has format version {number:#x}, this airs runs {_COMPONENT[0]:#x}",
            "Update airs, or build it with older tools." if is_newer else "Build it with current tools.",
        )
    return ArtifactFault(
        "WebAssembly in an unknown binary format",
        f"its header says version {version.hex(' ')}",
        "Update airs, or build it as a component for WASI 0.2.",
    )


def _core_section(data: bytes, wanted: int) -> bytes:
    """Return a section of a core module, empty where it has none early on."""
    at = 8
    for _ in range(MAX_SECTIONS):
        if at >= len(data):
            break
        size, body = leb(data, at + 1)
        if data[at] == wanted:
            return data[body : body + size]
        at = body + size
    return b""


def _broken_section(data: bytes) -> int | None:
    """Return where the last section should end when that lies beyond the file, None when all sections fit.

    Only the first `MAX_SECTIONS` are looked at: of more than that, wasmtime finds out faster.
    """
    at = 8
    for _ in range(MAX_SECTIONS):
        if at >= len(data):
            break
        size, body = leb(data, at + 1)
        at = body + size
    return at if at > len(data) else None
