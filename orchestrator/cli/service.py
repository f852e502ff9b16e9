"""`airs agent install-service`: units of systemd that run the agent of a state directory, with as little as it needs.

Nothing is started here: the commands that do are printed, so that nobody's machine runs something unseen.
"""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import click

from orchestrator.cli.context import PathArgument, Settings, command, policy_option, runtime_dir
from orchestrator.cli.names import WORD
from orchestrator.cli.terminal import Text
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Failure

SYSTEM_FOLDER = Path("/etc/systemd/system")
ANYBODY = ("NoNewPrivileges=yes", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "RestrictRealtime=yes",
           "RestrictSUIDSGID=yes", "LockPersonality=yes", "SystemCallArchitectures=native",
           "SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM")  # fmt: skip
SYSTEM_ONLY = ("ProtectSystem=strict", "ProtectHome=read-only", "PrivateTmp=yes", "PrivateDevices=yes",
               "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes",
               "ProtectControlGroups=yes", "ProtectClock=yes", "ProtectHostname=yes", "RestrictNamespaces=yes",
               "CapabilityBoundingSet=", "AmbientCapabilities=")  # fmt: skip


class Unit(NamedTuple):
    """One unit: its file's name, and its text."""

    name: str
    text: str


class ServiceWish(NamedTuple):
    """The wishes of an operator; `run_as` is None for a service of the user's own."""

    command: tuple[str, ...]
    state_dir: Path
    socket: Path
    run_as: str | None
    writable: tuple[Path, ...]
    waits_for_callers: bool
    name: str


@command("install-service")
@policy_option
@click.option("--system", "run_as", metavar="USER", type=WORD, help="A service of the machine, run as this user.")
@click.option("--socket", "waits", is_flag=True, help="Let systemd listen, and start the agent when somebody asks.")
@click.option(
    "--allow-write", "writable", multiple=True, metavar="FOLDER", type=PathArgument(path_type=Path, resolve_path=True),
    help="With --system: a folder that guests may be granted to write to; everything else is read-only.",
)  # fmt: skip
@click.option("--name", type=WORD, default="airs", help="The name of the unit.")
@click.option("--print", "is_printed", is_flag=True, help="Print the units, and write nothing.")
def install_service(
    settings: Settings, run_as: str | None, waits: bool, writable: tuple[Path, ...], name: str, is_printed: bool
) -> None:
    """Write a hardened unit of systemd for the agent of this state directory, and say how it is started.

    By default it is a service of the user's own.
    """
    if run_as is not None:
        _checked(run_as, "user")
    wish = ServiceWish(
        command=_command(settings), state_dir=settings.state_dir, socket=_socket(settings), run_as=run_as,
        writable=writable, waits_for_callers=waits, name=_checked(name, "unit"),
    )  # fmt: skip
    made = units(wish)
    if is_printed:
        settings.out().print(Text("\n".join(f"# {unit.name}\n{unit.text}" for unit in made)))
        return
    folder = SYSTEM_FOLDER if run_as is not None else _user_folder()
    for unit in made:
        _write(folder / unit.name, unit.text)
        settings.err().print(f"Wrote {folder / unit.name}")
    for line in what_next(wish):
        settings.err().print(Text(f"    → {line}", style="cyan"))


def units(wish: ServiceWish) -> list[Unit]:
    """Return the units of a wish."""
    made = [Unit(f"{wish.name}.service", _service(wish))]
    if wish.waits_for_callers:
        made.append(Unit(f"{wish.name}.socket", _socket_unit(wish)))
    return made


def what_next(wish: ServiceWish) -> list[str]:
    """Return the commands that start it."""
    manager = "systemctl" if wish.run_as is not None else "systemctl --user"
    kind = "socket" if wish.waits_for_callers else "service"
    lines = [f"`{manager} daemon-reload && {manager} enable --now {wish.name}.{kind}` starts it"]
    if wish.run_as is None:
        lines.append("`loginctl enable-linger` keeps it running while you are not logged in")
    return lines


def _service(wish: ServiceWish) -> str:
    hardening = list(ANYBODY)
    if wish.run_as is not None:
        folders = " ".join(_quoted(str(folder)) for folder in (wish.state_dir, *wish.writable))
        hardening = [*SYSTEM_ONLY, f"ReadWritePaths={folders}", *ANYBODY]
    return "\n".join(
        (
            "# Written by `airs agent install-service`, which writes it anew.",
            "[Unit]",
            f"Description=airs on {_plain(str(wish.state_dir))}",
            "Wants=network-online.target",
            "After=network-online.target",
            "StartLimitIntervalSec=60",
            "StartLimitBurst=5",
            "",
            "[Service]",
            "Type=notify",
            f"ExecStart={' '.join(map(_quoted, wish.command))}",
            *((f"User={wish.run_as}",) if wish.run_as is not None else ()),
            "Restart=on-failure",
            "RestartSec=1",
            "TimeoutStartSec=120",
            "TimeoutStopSec=30",
            "KillMode=mixed",
            "LimitNOFILE=524288",
            "LimitCORE=0",
            "UMask=0077",
            "# MemoryDenyWriteExecute= has to stay off: guests are compiled to native code.",
            *hardening,
            "",
            "[Install]",
            f"WantedBy={'multi-user.target' if wish.run_as is not None else 'default.target'}",
            "",
        )
    )


def _socket_unit(wish: ServiceWish) -> str:
    owner = (f"SocketUser={wish.run_as}",) if wish.run_as is not None else ()
    return "\n".join(
        (
            "# Written by `airs agent install-service`, which writes it anew.",
            "[Unit]",
            f"Description=the socket of airs on {_plain(str(wish.state_dir))}",
            "",
            "[Socket]",
            f"ListenStream={_plain(str(wish.socket))}",
            "SocketMode=0600",
            "DirectoryMode=0700",
            *owner,
            "",
            "[Install]",
            "WantedBy=sockets.target",
            "",
        )
    )


def _command(settings: Settings) -> tuple[str, ...]:
    python = os.path.realpath(sys.executable) if sys.prefix == sys.base_prefix else sys.executable
    more = () if settings.found.file is None else ("--config", str(settings.found.file))
    policy = tuple(f"--policy={each.value}" for each in settings.resolved.settings if each.where == "--policy")
    return (python, "-m", "orchestrator", "agent", "run", "--state-dir", str(settings.state_dir), *more, *policy)


def _socket(settings: Settings) -> Path:
    from orchestrator.agent.socket import socket_path  # the only part that looks at folders

    return socket_path(settings.state_dir, runtime_dir())


def _user_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _write(path: Path, text: str) -> None:
    if path.is_file() and not path.read_text(errors="replace").startswith("# Written by `airs agent install-service`"):
        raise Failure(f"{path} is somebody else's", "airs did not write it", "Give another --name.", USAGE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        hint = "A service of the machine is written as root; without --system, it is your own."
        raise Failure(f"{path} cannot be written", str(problem), hint) from None


def _checked(name: str, of: str) -> str:
    if name.startswith("-") or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name):
        raise Failure(f"{name[:80]!a} is no name of a {of}", "it may have letters, digits, and - _ .", "", USAGE)
    return name


def _quoted(text: str) -> str:
    """Write one argument as a unit's command has it: `%` and `$` mean something there."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if escaped == text and " " not in text and "'" not in text and ";" not in text else f'"{escaped}"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")
