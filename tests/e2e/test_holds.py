"""What a hold belongs to, what it lets through, and what releases it."""

from .stage import Stage, greeting, wait_until

QUICK = {"restart": {"intensity": 0}, "health": {"interval": "50ms"}}
NEVER = {"health": {"interval": "50ms", "call": {"message": "ping", "expect": "never"}}, "restart": {"intensity": 0}}


def rejected(stage: Stage) -> None:
    """Have 1.0.0 serve and a faulty version rejected."""
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "faulty-init", **QUICK)
    stage.apply(code=1)


def test_what_changes_in_place_acts_on_what_serves_and_keeps_the_hold(stage: Stage):
    rejected(stage)
    stage.write("hello", "faulty-init", replicas=2, **QUICK)
    plan = stage.run("plan", str(stage.manifests), "--detailed-exitcode", code=2).out
    assert "~ default/hello   1.0.0" in plan
    assert "because replicas-changed" in plan
    assert "held because rejected-before" in plan
    assert "1 to update" in plan
    assert "1 held" in plan
    assert "rejected-before" in stage.apply(code=1).err
    view = stage.view("hello")
    assert (view.version, view.sync, view.ready, view.replicas) == ("1.0.0", "held", 2, 2)
    assert len(stage.history("hello")) == 2, "it was not tried again"
    assert [a["kind"] for a in stage.json("plan", str(stage.manifests))["actions"]] == ["held"]


def test_another_revision_releases_a_hold_and_the_plan_says_so(stage: Stage):
    rejected(stage)
    stage.write("hello", "hello-1.1.0")
    (action,) = stage.json("plan", str(stage.manifests))["actions"]
    assert action["reasons"] == ["artifact-changed", "hold-released"]
    assert "hold-released" in stage.apply().out
    assert stage.is_running("hello", "1.1.0")
    stage.write("hello", "faulty-init", **QUICK)
    assert "rejected-before" in stage.apply(code=1).err, "what failed is remembered"


def test_where_what_made_it_fail_was_mended_a_retry_tries_it_again(stage: Stage):
    stage.have("hello", "hello-1.0.0")
    stage.write("hello", "hello-1.1.0", **NEVER)
    stage.apply(code=1)
    assert stage.ask("hello", "Ada") == greeting("1.0.0", "Ada")
    stage.write("hello", "hello-1.1.0")
    said = stage.apply(code=1).said
    assert "`airs rollout retry default/hello` once what made it fail is mended" in said
    stage.run("rollout", "retry", "hello")
    wait_until(lambda: stage.is_running("hello", "1.1.0"))
    assert stage.view("hello").sync != "held"


def test_each_rollback_goes_one_further_back_and_retain_counts_good_revisions(stage: Stage):
    policy = {"retain": 3, "keepPrevious": "0s"}
    for number in (1, 2, 3):
        stage.have("hello", "hello-1.0.0", config={"n": number}, rollout=policy)
    for number in (4, 5):
        stage.write("hello", "faulty-init", config={"n": number}, rollout=policy, **QUICK)
        stage.apply(code=1)
    assert [n for n, *_ in stage.history("hello")] == [1, 2, 3, 4, 5]
    assert "back to revision 2" in stage.run("rollback", "hello").said
    assert "back to revision 1" in stage.run("rollback", "hello").said
    assert "no earlier revision" in stage.run("rollback", "hello", code=1).err
    refused = stage.run("rollback", "hello", "--to", "4", code=1).err
    assert "was rejected" in refused
    assert "--force" in refused
