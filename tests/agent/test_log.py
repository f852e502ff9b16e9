"""The agent's log: bounded files, entries that nothing in them can forge, faults with their traceback."""

import logging
import os
import re
import threading

import pytest

from orchestrator.agent import log as module
from orchestrator.agent.log import LOG, logging_to

ENTRY = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (INFO|WARNING|ERROR|CRITICAL) +[\w.]+  ")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.log"


def test_entries_have_a_date_with_zone_and_a_level_and_the_file_is_private(path):
    with logging_to(path):
        LOG.info("begins")
        logging.getLogger("asyncio").error("complains")
        LOG.debug("not this")
    lines = path.read_text().splitlines()
    assert [ENTRY.match(line)[1] for line in lines] == ["INFO", "ERROR"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_entry_cannot_look_like_two_nor_act_upon_a_terminal(path):
    with logging_to(path):
        LOG.info("one\n2026-11-28T18:39:40.123+00:00 INFO     agent  forged \x1b[2J")
    lines = path.read_text().split("\n")[:-1]
    assert [bool(ENTRY.match(line)) for line in lines] == [True, False]
    assert all(line.isprintable() for line in lines)


def test_old_files_make_room_for_new_ones(path, monkeypatch):
    monkeypatch.setattr(module, "FILE_MAX_BYTES", 2_000)
    with logging_to(path):
        for number in range(1_000):
            LOG.info("entry %d", number)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["agent.log", *(f"agent.log.{n}" for n in range(1, module.OLD_FILES + 1))]
    assert all(file.stat().st_size <= 2_000 for file in files)
    assert "entry 999" in path.read_text()


def test_a_log_that_was_taken_away_is_made_anew(path):
    with logging_to(path):
        LOG.info("first")
        path.unlink()
        LOG.info("second")
    assert [line.rsplit("  ", 1)[1] for line in path.read_text().splitlines()] == ["second"]


def test_a_log_that_cannot_be_written_keeps_nobody(path, capfd):
    with logging_to(path):
        path.unlink()
        path.mkdir()
        LOG.info("nowhere")
    assert capfd.readouterr() == ("", "")


def test_a_link_in_its_place_is_not_followed(path):
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), logging_to(path):
        pass
    assert not (path.parent / "elsewhere").exists()


def test_a_fault_that_ends_a_thread_is_there_with_its_traceback(path):
    def fail():
        raise RuntimeError("the fault")

    before = threading.excepthook
    with logging_to(path):
        thread = threading.Thread(target=fail, name="airs-some")
        thread.start()
        thread.join()
    text = path.read_text()
    assert ENTRY.match(text)[1] == "CRITICAL"
    assert "airs-some met a fault" in text
    assert "    RuntimeError: the fault" in text
    assert threading.excepthook is before


def test_what_a_background_agent_prints_follows_into_the_newest_file(path, monkeypatch):
    monkeypatch.setattr(module, "FILE_MAX_BYTES", 500)
    pid = os.fork()
    if not pid:  # as `airs agent start` has it: both streams are the log
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        with logging_to(path):
            for number in range(20):
                LOG.info("entry %d", number)
            os.write(2, b"a panic\n")
        os._exit(0)
    os.waitpid(pid, 0)
    assert "a panic" in path.read_text()
    assert (path.parent / "agent.log.1").exists()
