"""The settings limit all deployments of a machine together: one more is blocked, named with its place, and waits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.contract.codes import FAILED, REFUSED

from .stage import Stage, wait_until


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    made.state_dir.mkdir(mode=0o700)
    (made.state_dir / "airs.toml").write_text('[limits]\ninstances = 3\nmemory = "4GiB"\n')
    made.start()
    try:
        yield made
        made.stop()
    finally:
        made.close()


def test_what_would_go_over_a_limit_is_blocked_until_others_make_room(limited: Stage):
    limited.have("first", "hello-1.0.0", replicas=2)
    limited.write("second", "hello-1.0.0", replicas=2)
    refused = limited.apply(code=REFUSED)
    place = f"{limited.state_dir}/airs.toml:2"
    told = f"the settings allow this machine 3 instances; with this, it would have 4 ({place})"
    assert told in refused.out
    limited.run("source", "add", str(limited.manifests), code=FAILED)
    wait_until(lambda: "blocked" in limited.events("second"))
    assert {view.name: view.phase for view in limited.client.deployments()} == {"first": "running", "second": "blocked"}
    limited.write("first", "hello-1.0.0", replicas=1)
    phases = lambda: {view.name: view.phase for view in limited.client.deployments()}  # noqa: E731
    wait_until(lambda: phases().get("second") == "running")  # which for a moment is neither blocked nor recorded
    assert limited.events("second").count("blocked") == 1, "it is told once"
