"""Units of systemd: what they say, and that systemd takes them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.service import ServiceWish, units, what_next

STATE = Path("/var/lib/airs 100%")


def wish(**fields: Any) -> ServiceWish:
    made = ServiceWish(
        ("/bin/true", "-m", "orchestrator", "--state-dir", str(STATE)), STATE, STATE / "agent.sock", None, (), False,
        "airs",
    )  # fmt: skip
    return made._replace(**fields)


def lines(made: ServiceWish, unit: int = 0) -> list[str]:
    return units(made)[unit].text.splitlines()


def test_a_service_of_a_user_has_what_a_user_may_have():
    own = lines(wish())
    assert 'ExecStart=/bin/true -m orchestrator --state-dir "/var/lib/airs 100%%"' in own
    assert "Type=notify" in own
    assert "NoNewPrivileges=yes" in own
    assert "WantedBy=default.target" in own
    assert not [line for line in own if line.startswith(("User=", "ProtectSystem=", "CapabilityBoundingSet="))]
    assert what_next(wish())[0].startswith("`systemctl --user daemon-reload && systemctl --user enable --now airs.ser")


def test_one_of_the_machine_may_write_only_where_it_was_told():
    system = lines(wish(run_as="airs", writable=(Path("/srv/out"),)))
    assert "User=airs" in system
    assert "ProtectSystem=strict" in system
    assert 'ReadWritePaths="/var/lib/airs 100%%" /srv/out' in system
    assert "CapabilityBoundingSet=" in system
    assert "WantedBy=multi-user.target" in system
    assert not [line for line in system if line.startswith("MemoryDenyWriteExecute")], "guests are native code"


def test_systemd_may_listen_in_its_place():
    made = units(wish(waits_for_callers=True, run_as="airs"))
    assert [unit.name for unit in made] == ["airs.service", "airs.socket"]
    assert "ListenStream=/var/lib/airs 100%%/agent.sock" in made[1].text
    assert "SocketMode=0600" in made[1].text
    assert "SocketUser=airs" in made[1].text
    assert "`systemctl daemon-reload && systemctl enable --now airs.socket`" in what_next(wish(
        waits_for_callers=True, run_as="airs"
    ))[0]  # fmt: skip


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("fields", [{}, {"run_as": "root"}, {"run_as": "root", "waits_for_callers": True}])
def test_systemd_takes_them(fields: dict[str, Any], tmp_path: Path):
    for unit in units(wish(state_dir=tmp_path, socket=tmp_path / "agent.sock", **fields)):
        (tmp_path / unit.name).write_text(unit.text)
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "airs.service")],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    told = [line for line in ran.stderr.splitlines() if "airs" in line]
    assert told == []
