"""The audit book of a real agent: who asked for what, what was decided, what guests used and were denied."""

import json
import os
from pathlib import Path
from typing import Any

from orchestrator.contract.codes import INVALID, USAGE

from .stage import COUNTER_GRANTS, Stage, wait_until


def shown(stage: Stage, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stage.run("-o", "json", "audit", "show", *options).out.splitlines()]


def kinds(stage: Stage, *options: str) -> list[str]:
    return [entry["kind"] for entry in shown(stage, *options)]


def test_a_book_tells_who_asked_what_was_decided_and_what_was_denied(stage: Stage) -> None:
    stage.have("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    stage.have("poor", "counter-1.0.0", grants={"storage.read": ["self"], "storage.write": []})
    assert stage.ask("counter", "increment") == "1"
    for _ in range(3):
        stage.run("request", "poor", "increment", code=None)
    stage.run("restart", "counter", "--reason", "because I may")
    stage.run("rollback", "counter", code=1)

    counter = shown(stage, "counter")
    assert {"rollout", "rollout-ended", "grant-used", "call", "act", "refused"} <= {e["kind"] for e in counter}
    me = os.getuid()
    (call, *_), (act,) = ([e for e in counter if e["kind"] == kind] for kind in ("call", "act"))
    assert call["by"]["uid"] == act["by"]["uid"] == me
    assert (call["why"], act["facts"]["verb"]) == ("because I may", "restart")
    (rollout,) = shown(stage, "counter", "--kind", "rollout")
    assert rollout["by"]["uid"] == me
    assert rollout["facts"]["artifact"].startswith("sha256:")
    assert rollout["facts"]["grants"] == "storage.read:self storage.write:self"
    used = {e["facts"]["capability"] for e in counter if e["kind"] == "grant-used"}
    assert used == {"storage.read", "storage.write"}

    (denied,) = shown(stage, "poor", "--kind", "denied")  # the first at once, the others after a while
    assert denied["facts"]["capability"] == "storage.write"
    stage.stop()
    counted = shown(stage, "poor", "--kind", "denied")  # or when the agent ends
    assert counted[-1]["facts"]["total"] == "3"
    assert kinds(stage, "--tail", "1") == ["agent-stopped"]
    told = stage.run("audit", "show", "counter").out
    assert "because I may" in told
    digest = rollout["facts"]["artifact"].removeprefix("sha256:")
    assert f"artifact=sha256:{digest[:12]}  " in told  # whole in JSON alone
    assert digest not in told
    assert len({line.index("by ") for line in told.splitlines() if "  by " in line}) == 1  # a column


def test_a_book_is_verified_without_an_agent_and_elsewhere(stage: Stage, tmp_path: Path) -> None:
    stage.have("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    head = stage.run("audit", "head").out.strip()
    assert f"head {head}" in stage.run("audit", "verify").out
    export = tmp_path / "export.jsonl"
    stage.run("audit", "export", "--out", str(export))
    assert stage.run("audit", "export").out.encode() == export.read_bytes()
    stage.run("audit", "export", "--out", str(export), code=USAGE)
    stage.run("audit", "verify", str(export), "--head", head)
    stage.run("restart", "counter")
    stage.kill()  # at whatever it was
    older = stage.run("audit", "verify", "--head", head).out
    entries = int(older.split(" entries in ")[0].split()[-1])
    since = entries - int(head.partition(":")[0])
    assert since > 0
    assert f"it is in the book as it was, {since} entr{'y' if since == 1 else 'ies'} since\n" in older
    stage.start()
    stage.stop()
    assert stage.json("audit", "verify", "--head", head)["flaws"] == []

    (segment,) = (stage.state_dir / "audit").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines).replace(b'"verb":"restart"', b'"verb":"promote"', 1))
    changed = stage.run("audit", "verify", code=INVALID).err
    (number,) = (json.loads(line)["number"] for line in lines if b'"verb":"restart"' in line)
    assert f"entry {number} was changed" in changed
    segment.write_bytes(b"".join(lines[:4]))
    assert "before the head that was kept" in stage.run("audit", "verify", "--head", head, code=INVALID).err
    stage.run("audit", "verify", "--head", "12", code=USAGE)


def test_an_agent_goes_on_behind_a_book_that_somebody_changed(stage: Stage) -> None:
    stage.have("counter", "counter-1.0.0", grants=COUNTER_GRANTS)
    stage.stop()
    (segment,) = (stage.state_dir / "audit").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-30] + b"\n")
    stage.start()
    wait_until(lambda: stage.is_running("counter", "1.0.0"))
    assert "damaged" in kinds(stage)
    assert "was changed" in stage.run("audit", "verify", code=INVALID).err
    stage.run("restart", "counter")
    assert kinds(stage, "counter")[-1] == "act"


def test_no_audit_book_is_said_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    for verb in ("show", "verify", "export", "head"):
        assert "there is no audit book" in stage.run("audit", verb, code=1).err
