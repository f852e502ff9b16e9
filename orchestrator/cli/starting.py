"""`airs init` (both manifests for a bare component) and `airs schema`."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.compiling import Progress
from orchestrator.cli.context import Settings, command, plain_http_option
from orchestrator.cli.inspecting import shared_runtime
from orchestrator.cli.names import LABEL
from orchestrator.cli.reading import read_wasm
from orchestrator.contract.codes import FAILED, INVALID, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.interface.fitness import stays, unfitness
from orchestrator.manifest import schema_kinds, schema_text
from orchestrator.model.ids import NAME_MAX_LENGTH, ComponentId
from orchestrator.model.message import Exited
from orchestrator.model.spec import Limits, Revision
from orchestrator.model.world import ArtifactFault, Drive, World
from orchestrator.runtime import GuestTrap, HostImport, Runtime, Start, digest_of_bytes
from orchestrator.runtime.call.finish import apart, finish
from orchestrator.runtime.guest.guest import read_metadata
from orchestrator.store.layout import CACHE

MEMORY, FUEL, TIMEOUT_MS, STORAGE = "64MiB", 1_000_000_000, 10_000, "10MiB"


class BareComponent:
    """A bare component, as its world and its metadata describe it."""

    def __init__(self, world: World, metadata: dict[str, Any] | None) -> None:
        said = metadata or {}
        self.version = said["version"] if _SEMVER.fullmatch(said.get("version", "")) else "0.1.0"
        self.description = _one_line(said.get("description", ""))
        self.stateful = bool(said.get("stateful", False))
        self.imports = {entry.interface.split("/")[-1].split("@")[0] for entry in world.imports}
        self.is_job = not stays(world.drives)


_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)


@command()
@click.argument("file", metavar="FILE|REFERENCE")
@click.option("--name", type=LABEL, help="The component's and deployment's name; by default the file's.")
@click.option("--force", is_flag=True, help="Overwrite manifests that are there.")
@plain_http_option
def init(settings: Settings, file: str, name: str | None, force: bool) -> None:
    """Write manifests for a bare component FILE, ready to apply.

    They are a Component.toml beside it and a deployment. For a REFERENCE such as oci://HOST/NAME:TAG they are written
    here, the Component.toml only where the component brings none.
    """
    if "://" in file or "#" in file:
        from orchestrator.cli.beginning import begin_with  # with HTTP, for which nobody waits otherwise

        begun = begin_with(settings, file)
        data, folder, label = begun.artifact, Path(), name or begun.name
        source, artifact = begun.source, None
        needs_component = not begun.has_manifest
    else:
        data, folder, label = read_wasm(Path(file)), Path(file).parent, name or _name_from(Path(file))
        source, artifact, needs_component = "path: .", Path(file).name, True
    with Progress(settings.err()) as progress:
        described = _describe(data, partial(shared_runtime, settings.state_dir / CACHE, progress.heard, settings.calls))
    files = {folder / f"{label}.yaml": _deployment_yaml(label, described, source, is_beside=needs_component)}
    if needs_component:
        files = {folder / "Component.toml": _component_toml(label, artifact, described), **files}
    _write(settings, files, force)


def _write(settings: Settings, files: Mapping[Path, str], force: bool) -> None:
    for path in files:
        if path.exists() and not force:
            hint = "Work in a folder of its own, or use --force to overwrite."
            raise Failure(f"{path} exists already", suggestion=hint)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    settings.err().print(f"Wrote {' and '.join(map(str, files))}.")
    settings.err().print(f"Next: airs apply {[*files][-1]}", style="bold")


def _name_from(file: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")[:NAME_MAX_LENGTH].rstrip("-")
    if not name or not name[0].isalpha():
        raise Failure(f"{file.name} gives no name", "a name begins with a letter", "Give one with --name.", USAGE)
    return name


def _describe(data: bytes, runtime_with: Callable[..., Runtime]) -> BareComponent:
    """Inspect the component, and ask it for its metadata with every import denied."""
    plain = runtime_with()
    try:
        world = plain.inspect(data)
    except ArtifactFault as fault:
        raise Failure(fault.summary, fault.detail, fault.suggestion, INVALID) from None
    finally:
        plain.close()
    unfit = unfitness(world)
    if unfit:
        rest = (f"{each.summary}. {each.detail}" for each in unfit[1:])
        raise Failure(unfit[0].summary, "\n".join((unfit[0].detail, *rest)), unfit[0].suggestion, INVALID)
    return BareComponent(world, _metadata(data, world, runtime_with) if Drive.ACTOR in world.drives else None)


def _metadata(data: bytes, world: World, runtime_with: Callable[..., Runtime]) -> dict[str, Any]:
    denied = [HostImport(i.interface, f, _denied) for i in world.imports for f in i.functions if _is_ours(i.interface)]
    runtime = runtime_with(denied)
    limits = Limits(memory_bytes=64 << 20, fuel=FUEL, timeout_ms=TIMEOUT_MS)
    revision = Revision(
        id="", component="", version="", artifact="", stateful=False, config="", grants=(), limits=limits
    )
    try:
        loaded = runtime.load(digest_of_bytes(data), lambda: data)
        start = Start(id=ComponentId("airs", "init", "0"), revision=revision, loaded=loaded)
        said = finish(read_metadata(start), apart)
    finally:
        runtime.close()
    if isinstance(said, Exited):
        raise Failure("the component does not say what it is", str(said.reason), exit_code=FAILED)
    return said or {}


def _is_ours(interface: str) -> bool:
    return interface.startswith("airssys:")


def _denied(*_arguments: Any) -> None:
    raise GuestTrap("metadata() called an import")


def _one_line(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c not in '"\\')[:200]


def _component_toml(name: str, artifact: str | None, described: BareComponent) -> str:
    per = "run" if described.is_job else "call"
    described_as = f'description = "{described.description}"\n' if described.description else ""
    lines = [
        "# The component and what it asks for: the author's side. `airs schema component` lists every field.",
        "manifest-version = 1",
        "",
        "[package]",
        f'name = "{name}"',
        f'version = "{described.version}"',
        *described_as.splitlines(),
        f"stateful = {str(described.stateful).lower()}  # must agree with what its metadata() says",
        "",
        *(["[artifact]", f'path = "{artifact}"  # beside this file; it may not lie outside', ""] if artifact else []),
        "# Nothing runs without limits. A deployment may only tighten them.",
        "[resources]",
        f'memory = "{MEMORY}"  # of linear memory, in total',
        f"fuel = {FUEL:_}  # per {per}",
        f'timeout = "{TIMEOUT_MS // 1000}s"  # per {per}, wall clock',
    ]
    if "storage" in described.imports:
        lines.append(f'storage = "{STORAGE}"  # quota of its own key-value data')
    lines += _capabilities_toml(described)
    return "\n".join(lines) + "\n"


def _capabilities_toml(described: BareComponent) -> list[str]:
    lines = ["", "# The component asks for these; a deployment grants them. Absent means no.", "[capabilities]"]
    if "storage" in described.imports:
        lines += ['storage.read = ["self"]', 'storage.write = ["self"]']
    if "host-messaging" in described.imports:
        lines.append('# messaging.send = ["other-deployment", "namespace/*"]  # whom it may send to')
    if "preopens" in described.imports:
        lines.append('# filesystem.read = ["/srv/in/**"]  # whole directories; filesystem.write for changing them, too')
    if "instance-network" in described.imports:
        lines.append('# network.connect = ["**"]  # the network')
    return lines if len(lines) > 3 else []


def _deployment_yaml(name: str, described: BareComponent, source: str, *, is_beside: bool) -> str:
    lines = [
        "# yaml-language-server: $schema=https://airs.dev/schemas/deployment.schema.json",
        "# The deployment: the operator's side. `airs schema deployment` lists every field and its default.",
        "apiVersion: airs.dev/v1",
        "kind: Deployment",
        f"metadata: {{name: {name}}}",
        "spec:",
        "  component:",
        f"    {source}",
    ]
    if source == "path: .":
        lines[-1] += "                # the folder that holds Component.toml, relative to this file"
    elif is_beside:
        lines.append("    manifest: .            # the folder that holds Component.toml: the component brings none")
    if described.is_job:
        lines.append("  job: {args: []}          # run once for each revision; `airs run NAME -- ARG...` runs it again")
    else:
        lines.append(f"  replicas: 1              # {'stateful: one at a time' if described.stateful else '0 to 1000'}")
    if "storage" in described.imports:
        lines += ["  grants:                  # of what Component.toml asks for", "    storage.read: [self]",
                  "    storage.write: [self]"]  # fmt: skip
    if described.is_job:
        lines.append("  # config: {greeting: hello}   # top-level scalars are environment variables")
    else:
        lines += [
            "  # config: {greeting: hello}   # handed to initialize() as JSON; top-level scalars also as env-vars",
            "  # rollout: {strategy: blue-green}   # or recreate, or canary with steps",
        ]
    return "\n".join(lines) + "\n"


def _kinds(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [kind for kind in schema_kinds() if kind.startswith(incomplete)]


@command()
@click.argument("kind", required=False, shell_complete=_kinds)
def schema(settings: Settings, kind: str | None) -> None:
    """Print the JSON Schema of a KIND of document, or list the kinds."""
    if kind is None:
        click.echo("\n".join(schema_kinds()))
        return
    try:
        click.echo(schema_text(kind.lower()), nl=False)
    except LookupError as problem:
        raise Failure(str(problem), exit_code=USAGE) from None
