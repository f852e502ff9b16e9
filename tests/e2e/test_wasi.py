"""What a WASI guest gets and what it does not: directories, the network, variables, and where its output goes."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .stage import Stage, wait_until

SECRET = "AIRS_X"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage whose agent has a variable that no guest may see."""
    monkeypatch.setenv(SECRET, "do not tell")
    made = Stage(tmp_path)
    made.start()
    try:
        yield made
        made.stop()
    finally:
        made.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello\n")
    return folder


def do(stage: Stage, line: str, name: str = "one") -> str:
    """Tell the guest something to do, and return what it found."""
    return str(json.loads(stage.run("call", name, "do", json.dumps(line)).out)).rstrip("\n")


def have(stage: Stage, code: int = 0, **spec: object) -> str:
    """Apply one deployment of the guest that does what it is told; returns what was said."""
    stage.write("one", "probe-calls", **spec)
    return stage.apply(code=code).said


def reading(folder: Path | str) -> dict[str, object]:
    return {"grants": {"filesystem.read": [f"{folder}/**"]}}


def writing(folder: Path | str) -> dict[str, object]:
    return {"grants": {"filesystem.write": [f"{folder}/**"]}}


def logged(stage: Stage, name: str = "one") -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in stage.run("-o", "json", "logs", name).out.splitlines()]
    return [(line["level"], line["text"]) for line in lines]


def refusal(folder: Path | str) -> str:
    return f"the granted directory {folder}"


def test_without_grants_it_runs_and_gets_nothing(stage: Stage, data: Path):
    have(stage)
    assert do(stage, f"cat {data}/hello.txt").startswith("error: ")
    assert do(stage, "ls /").startswith("error: ")
    assert do(stage, "env") == ""
    assert do(stage, "stdin") == "stdin: -1"
    assert do(stage, "args") == "args"  # its own line, split: nothing of our command line


def test_variables_are_the_configs_scalars_and_nothing_of_the_agents(stage: Stage):
    config = {"name": "Ada", "count": 3, "ratio": 0.5, "on": True, "deep": {"not": "this"}, "list": [1]}
    have(stage, config=config)
    assert sorted(do(stage, "env").splitlines()) == ["count=3", "name=Ada", "on=true", "ratio=0.5"]


def test_a_variable_that_cannot_be_one_is_said_so(stage: Stage):
    assert "is no name for an environment variable" in have(stage, code=1, config={"a=b": "c"})


def test_a_granted_directory_is_found_under_its_own_path_and_cannot_be_written(stage: Stage, data: Path):
    have(stage, **reading(data))
    assert do(stage, f"cat {data}/hello.txt") == "hello"
    assert do(stage, f"ls {data}") == "hello.txt"
    assert do(stage, f"put {data}/new.txt x").startswith("error: ")
    assert do(stage, f"put {data}/hello.txt x").startswith("error: ")
    assert do(stage, f"link hello.txt {data}/link").startswith("error: ")
    assert sorted(os.listdir(data)) == ["hello.txt"]
    assert (data / "hello.txt").read_text() == "hello\n"


def test_a_directory_granted_for_writing_can_be_read_and_changed(stage: Stage, data: Path):
    have(stage, **writing(data))
    assert do(stage, f"put {data}/new.txt text") == "written"
    assert (data / "new.txt").read_text() == "text\n"
    assert do(stage, f"cat {data}/hello.txt") == "hello"


def test_two_directories_are_held_to_what_each_was_granted(stage: Stage, data: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    have(stage, grants={"filesystem.read": [f"{data}/**"], "filesystem.write": [f"{out}/**"]})
    assert do(stage, f"put {out}/new.txt text") == "written"
    assert do(stage, f"put {data}/new.txt text").startswith("error: ")


def test_a_directory_that_holds_a_fifo_is_not_handed_over_and_one_with_a_socket_is(stage: Stage, data: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(data / "socket"))
        have(stage, **reading(data))
    assert do(stage, f"cat {data}/socket").startswith("error: ")
    (data / "deep").mkdir()
    os.mkfifo(data / "deep" / "fifo")
    refused = have(stage, code=1, config={"another": "revision"}, **reading(data))
    assert f"{refusal(data)} holds a FIFO, 'deep/fifo': never for guests" in refused


@pytest.mark.parametrize("way", ["up", "absolute", "relative", "directory"])
def test_nothing_leads_out_of_a_granted_directory(stage: Stage, data: Path, tmp_path: Path, way: str):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret\n")
    (data / "absolute").symlink_to(tmp_path / "outside" / "secret")
    (data / "relative").symlink_to("../outside/secret")
    (data / "directory").symlink_to("../outside")
    paths = {"up": "../outside/secret", "directory": "directory/secret"}
    have(stage, **reading(data))
    found = do(stage, f"cat {data}/{paths.get(way, way)}")
    assert found.startswith("error: "), found


def test_a_link_that_a_guest_makes_itself_leads_nowhere(stage: Stage, data: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("secret\n")
    have(stage, **writing(data))
    for target in ("../secret", str(tmp_path / "secret")):
        do(stage, f"link {target} {data}/out")
        assert do(stage, f"cat {data}/out").startswith("error: ")
        do(stage, f"put {data}/out changed")
        (data / "out").unlink(missing_ok=True)
    assert (tmp_path / "secret").read_text() == "secret\n"


@pytest.mark.parametrize("folder", ["/etc", "/proc", "/proc/self"])
def test_what_is_forbidden_is_refused_in_the_plan_whoever_grants_it(stage: Stage, folder: str):
    said = have(stage, code=65, **reading(folder))
    assert f"manifests/one.yaml:13:5: error: `{folder}/**` cannot be granted" in said


def test_a_directory_that_leads_to_a_forbidden_one_is_refused(stage: Stage, tmp_path: Path):
    for name, target in (("system", "/etc"), ("ours", stage.state_dir)):
        (tmp_path / name).symlink_to(target)
        said = have(stage, code=1, **reading(tmp_path / name))
        assert f"{refusal(tmp_path / name)} leads to {target}, which is, holds or lies in" in said


def test_the_agents_own_state_is_refused_and_whatever_holds_it(stage: Stage, tmp_path: Path):
    for folder in (stage.state_dir, stage.state_dir / "db", tmp_path):
        assert f"{refusal(folder)} is, holds or lies in {stage.state_dir}" in have(stage, code=1, **reading(folder))


def test_a_missing_directory_is_named(stage: Stage, data: Path):
    said = have(stage, code=1, **reading(data / "gone"))
    assert f"{refusal(data / 'gone')} cannot be used: No such file or directory" in said
    said = have(stage, code=1, **reading(data / "hello.txt"))
    assert f"{refusal(data / 'hello.txt')} cannot be used: Not a directory" in said


def test_a_grant_that_is_taken_away_is_gone_at_once_though_its_new_revision_waits(stage: Stage, data: Path):
    have(stage, **reading(data))
    assert do(stage, f"cat {data}/hello.txt") == "hello"
    have(stage, code=1, **reading("/missing"))  # cannot start: the old revision goes on, without what it had
    assert stage.view("one").sync == "held"
    wait_until(lambda: stage.view("one").ready == 1)
    assert do(stage, f"cat {data}/hello.txt").startswith("error: ")
    have(stage, **reading(data))
    wait_until(lambda: do(stage, f"cat {data}/hello.txt") == "hello")


def test_a_narrower_grant_hands_over_less_at_once(stage: Stage, data: Path):
    (data / "inner").mkdir()
    (data / "inner" / "deep.txt").write_text("deep\n")
    have(stage, **reading(data))
    have(stage, **reading(data / "inner"))
    assert do(stage, f"cat {data}/inner/deep.txt") == "deep"
    assert do(stage, f"cat {data}/hello.txt").startswith("error: ")


def test_the_network_is_shut_unless_it_is_granted(stage: Stage):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        have(stage)
        assert not do(stage, f"connect {port}").startswith("connected")
        assert do(stage, "resolve localhost").startswith("refused")
        lines = map(json.loads, stage.run("-o", "json", "audit", "show", "one", "--kind", "denied").out.splitlines())
        denied = {(entry["facts"]["capability"], entry["facts"]["on"]) for entry in lines}
        assert {("network.connect", "**"), ("filesystem.write", "/tmp/**")} <= denied  # asked for, and not given
        have(stage, grants={"network.connect": ["**"]})
        assert do(stage, f"connect {port}") == "connected"
        assert do(stage, "resolve localhost") == "resolving"
        used = stage.run("-o", "json", "audit", "show", "one", "--kind", "grant-used").out
        assert '"capability":"network.connect"' in used
        have(stage)
        assert not do(stage, f"connect {port}").startswith("connected")


def test_one_host_cannot_be_granted_and_the_plan_says_what_could(stage: Stage):
    said = have(stage, code=65, grants={"network.connect": ["vat.example.org:443"]})
    assert "manifests/one.yaml:13:5: error: `vat.example.org:443` is narrower than what can be held" in said
    assert "airssys:network" in said


def test_what_it_prints_becomes_log_lines_of_its_instance(stage: Stage):
    have(stage)
    do(stage, "say hello ; shout oh")
    wait_until(lambda: logged(stage) == [("info", "hello"), ("warn", "oh")])
    assert stage.view("one").instances[0].name in stage.run("logs", "one").out


def test_nothing_it_prints_acts_on_a_terminal(stage: Stage):
    have(stage)
    do(stage, "bytes 1b5b33316d726564070a610d0a9b6dc328ff0a ; say end")
    wait_until(lambda: ("info", "end") in logged(stage))
    assert [text for _, text in logged(stage)] == [" [31mred ", "a", "�m�(�", "end"]
    assert "\x1b" not in stage.run("logs", "one").out


def test_a_line_without_an_end_is_cut_into_lines(stage: Stage):
    have(stage)
    do(stage, "long 10000 ; say end")
    wait_until(lambda: any(text.endswith("end") for _, text in logged(stage)))
    lengths = [len(text) for _, text in logged(stage)]
    assert sum(lengths) == 10000 + len("end")
    assert max(lengths) <= 4096


def test_a_flood_is_counted_and_dropped_and_neither_blocks_the_guest_nor_grows_the_agent(stage: Stage):
    have(stage)
    do(stage, "flood 1")
    before = resident_bytes(stage)
    do(stage, "flood 100")
    wait_until(lambda: any("lines dropped" in text for _, text in logged(stage)))
    assert len(logged(stage)) < 5_000
    assert resident_bytes(stage) - before < 32 << 20
    assert do(stage, "env") == ""


def resident_bytes(stage: Stage) -> int:
    assert stage._agent is not None
    pages = Path(f"/proc/{stage._agent.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_pipes_are_given_back_when_instances_end(stage: Stage):
    have(stage, restart={"intensity": 1000, "backoff": {"initial": "1ms"}})
    stage.run("call", "one", "do", '"trap"', code=1)
    do(stage, "env")
    before = descriptors(stage)
    for _ in range(10):
        stage.run("call", "one", "do", '"trap"', code=1)
        do(stage, "env")
    wait_until(lambda: descriptors(stage) <= before)


def descriptors(stage: Stage) -> int:
    assert stage._agent is not None
    return len(os.listdir(f"/proc/{stage._agent.pid}/fd"))
