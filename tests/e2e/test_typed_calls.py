"""Typed calls through the whole of airs: values of every type, and sessions over replicas, failures and updates."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.contract.codes import FAILED, USAGE
from tests.e2e.stage import LIMIT_S, Stage, wait_until

TYPES = "types-1.0.0"
ITEM = {"name": "tee \x00 \U0001f375", "price": 4294967295, "tags": ["", "ü"]}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("typed"))
    made.start()
    made.have("types", TYPES, replicas=3)
    yield made
    made.close()


def call(up: Stage, function: str, *arguments: Any, session: str = "") -> Any:
    options = ("--session", session) if session else ()
    return json.loads(up.run("call", "types", function, *map(json.dumps, arguments), *options).out)


ECHOED = [
    ("bool", [True, False]),
    ("u8", [0, 255]),
    ("s8", [-128, 127]),
    ("u16", [0, 65535]),
    ("s16", [-32768, 32767]),
    ("u32", [0, 4294967295]),
    ("s32", [-2147483648, 2147483647]),
    ("u64", [0, (1 << 53) + 1, (1 << 64) - 1]),
    ("s64", [-(1 << 63), (1 << 63) - 1]),
    ("f32", [0.0, -1.5, "NaN", "Infinity", "-Infinity"]),
    ("f64", [0.1, 1e308, 5e-324, "NaN", "Infinity", "-Infinity"]),
    ("char", ["a", "\U0001f980", "\x00"]),
    ("string", ["", "grüße \U0001f980", 'a "quoted" \\ text\n']),
    ("bytes", [[], [0, 128, 255]]),
    ("list", [[], [0, 65535]]),
    ("tuple", [[255, "x"]]),
    ("option", [None, 0, 7]),
    ("nested-option", [None, {"some": None}, {"some": 7}]),
    ("results", [[{"ok": 1}, {"err": "no"}]]),
    ("record", [ITEM]),
    ("variant", ["dot", {"circle": -0.5}, {"named": "square"}]),
    ("enum", ["red", "green", "blue"]),
    ("flags", [[], ["write"], ["read", "write", "run"]]),
]


@pytest.mark.parametrize(("kind", "values"), ECHOED, ids=[kind for kind, _ in ECHOED])
def test_a_value_comes_back_as_it_went(up: Stage, kind: str, values: list[Any]):
    assert [call(up, f"echo-{kind}", value) for value in values] == values


@pytest.mark.parametrize(
    ("kind", "given", "printed"),
    [
        ("u64", "18446744073709551615", (1 << 64) - 1),
        ("s64", "-9223372036854775808", -(1 << 63)),
        ("bytes", "AID/", [0, 128, 255]),
        ("f64", 3, 3.0),
    ],
)
def test_some_values_can_be_written_in_another_way(up: Stage, kind: str, given: Any, printed: Any):
    assert call(up, f"echo-{kind}", given) == printed


def test_a_result_is_how_the_call_ends(up: Stage):
    assert call(up, "echo-result", {"ok": 3}) == 3
    done = up.run("call", "types", "echo-result", '{"err": "no"}', code=FAILED)
    assert (done.out, 'err: "no"' in done.err) == ("", True)


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("echo-u64", [1 << 64], "args[0]: expected u64, got 18446744073709551616"),
        ("echo-s8", [-129], "args[0]: expected s8, got -129"),
        ("echo-u8", [1.0], "args[0]: expected u8, got 1.0"),
        ("echo-f32", [1e39], "args[0]: expected f32, got 1e39"),
        ("echo-char", ["ab"], 'args[0]: expected char, got "ab"'),
        ("echo-tuple", [[1]], "args[0]: expected tuple<u8, string>"),
        ("echo-nested-option", [7], "args[0]: expected null"),
        ("echo-variant", [{"circle": "x"}], 'args[0].circle: expected f64, got "x"'),
        ("echo-enum", ["gren"], "Did you mean green?"),
        ("echo-flags", [["fly"]], "args[0]: expected flags{read, write, run}"),
        ("echo-results", [[{"ok": 1}, {"err": 2}]], "args[0][1].err: expected string, got 2"),
        (
            "values.total",
            [1, {"customer": "", "items": [ITEM, ITEM, ITEM, {**ITEM, "price": -1}]}],
            "args[1].items[3].price: expected u32, got -1",
        ),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(up: Stage, function: str, arguments: list[Any], said: str):
    done = up.run("call", "types", function, *map(json.dumps, arguments), code=USAGE)
    assert said in done.err
    assert done.out == ""


def test_a_session_goes_to_one_of_several_replicas_and_others_to_theirs(up: Stage):
    names = [f"one-of-{number}" for number in range(6)]
    handles = {name: call(up, "counter.new", 10, session=name) for name in names}
    for _ in range(3):
        for name in names:
            call(up, "counter.add", handles[name], 1, session=name)
    assert [call(up, "counter.value", handles[name], session=name) for name in names] == [13] * 6
    listed = {one["name"]: one for one in up.json("session", "list", "types")}
    assert {name: listed[name]["handles"] for name in names} == dict.fromkeys(names, 1)
    assert len({listed[name]["instance"] for name in names}) == 3
    for name in names:
        up.run("session", "end", "types", name)
    assert up.json("session", "list", "types") == []


def test_a_handle_of_another_session_is_refused_wherever_that_is(up: Stage):
    mine, theirs = (call(up, "counter.new", 1, session=name) for name in ("mine", "theirs"))
    for wrong in (theirs, 10**18):
        done = up.run("call", "types", "counter.value", str(wrong), "--session", "mine", code=USAGE)
        assert "args[0]: " in done.err
        assert f"handle {wrong}" in done.err
    assert call(up, "counter.value", mine, session="mine") == 1


def test_resources_need_a_session_whose_name_is_one(up: Stage):
    assert "--session" in up.run("call", "types", "counter.new", "1", code=USAGE).err
    assert "is no name" in up.run("call", "types", "counter.new", "1", "--session", "Not One", code=USAGE).err
    ask, one = up.client._http.ask, "/v1/deployments/default/types"
    body = json.dumps({"function": "living", "arguments": [], "session": "../x"}).encode()
    answer = ask("POST", f"{one}/call", body, LIMIT_S)
    assert (answer.status, b"cannot be read" in answer.content) == (400, True)
    for path, code in (("sessions/..%2Fx", 404), ("sessions/no-such", 503), ("sessions/s?handle=-1", 400)):
        assert ask("DELETE", f"{one}/{path}", None, LIMIT_S).status == code, path


@pytest.mark.parametrize("end", ["trap", "restart", "update"])
def test_a_session_ends_with_its_instance_and_its_caller_is_told_once(tmp_path: Path, end: str):
    up = Stage(tmp_path)
    up.start()
    try:
        up.have("types", TYPES)
        handle = call(up, "counter.new", 1, session="s")
        if end == "trap":
            assert "unreachable" in up.run("call", "types", "several", "4097", "--session", "s", code=FAILED).err
            why = "failed (trapped"
        else:
            why = "was stopped"
            if end == "restart":
                up.run("restart", "types")
            else:
                up.have("types", TYPES, limits={"fuel": 1_000_000}, rollout={"keepPrevious": "0s"})
        done = wait_until(lambda: told(up), "the session to end")
        assert why in done
        done = up.run("call", "types", "counter.value", str(handle), "--session", "s", code=USAGE).err
        assert f"session s has no handle {handle}" in done
        assert call(up, "counter.new", 1, session="s") != handle
    finally:
        up.close()


def test_while_an_old_version_stays_warm_its_sessions_go_on(tmp_path: Path):
    up = Stage(tmp_path)
    up.start()
    try:
        up.have("types", TYPES)
        handle = call(up, "counter.new", 1, session="s")
        before = up.json("session", "list", "types")[0]["instance"]
        up.have("types", TYPES, limits={"fuel": 1_000_000})
        up.wait_for_rollout("types", "keeping")
        assert call(up, "counter.add", handle, 1, session="s") == 2
        call(up, "counter.new", 1, session="t")
        instances = {one["name"]: one["instance"] for one in up.json("session", "list", "types")}
        assert instances["s"] == before != instances["t"]
    finally:
        up.close()


def told(up: Stage) -> str:
    done = up.run("call", "types", "living", "--session", "s", code=None)
    return done.err if "session-ended" in done.err else ""
