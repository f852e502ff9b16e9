"""Settings are found, checked, shown with their origins, and handed on to a background agent."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Airs


def origins(airs: Airs, *arguments: str | Path, env: dict[str, str] | None = None) -> dict[str, tuple[str, str, str]]:
    document = json.loads(airs.run("config", "show", "-o", "json", *arguments, env=env).stdout)
    return {each["key"]: (each["value"], each["origin"], each["where"]) for each in document["settings"]}


def test_a_file_names_the_state_directory_of_every_command_and_of_the_agent(airs: Airs):
    del airs.env["AIRS_STATE_DIR"]
    file = airs.state_dir.parent / ".config/airs/airs.toml"
    file.parent.mkdir(parents=True)
    file.write_text('state-dir = "../../state"\n')
    assert origins(airs)["state-dir"] == (str(airs.state_dir), "file", f"{file}:1:13")
    airs.run("apply", airs.copy_example("01-hello") / "manifests")
    assert airs.json("agent", "status")["stateDir"] == str(airs.state_dir)
    assert airs.run("request", "hello", "Ada").stdout == "Hello, Ada!\n"
    elsewhere = origins(airs, env={"AIRS_STATE_DIR": "elsewhere"})["state-dir"]
    assert elsewhere == (str(airs.folder / "elsewhere"), "variable", "AIRS_STATE_DIR")
    assert origins(airs, "--state-dir", "x", env={"AIRS_STATE_DIR": "y"})["state-dir"][1:] == ("flag", "--state-dir")


def test_a_file_in_the_state_directory_comes_before_the_users_and_cannot_name_another(airs: Airs):
    users = airs.state_dir.parent / ".config/airs/airs.toml"
    users.parent.mkdir(parents=True)
    users.write_text('[secrets]\ndir = "/users"\n')
    assert origins(airs)["secrets.dir"] == ("/users", "file", f"{users}:2:7")
    airs.state_dir.mkdir(mode=0o700)
    own = airs.state_dir / "airs.toml"
    own.write_text('[secrets]\ndir = "/own"\n')
    assert origins(airs)["secrets.dir"] == ("/own", "file", f"{own}:2:7")
    named = airs.folder / "named.toml"
    named.write_text("")
    assert origins(airs, "--config", named)["secrets.dir"][1] == "default"
    assert origins(airs, env={"AIRS_CONFIG": str(named)})["secrets.dir"][1] == "default"
    own.write_text('state-dir = "/elsewhere"\n')
    del airs.env["AIRS_STATE_DIR"]
    refused = airs.run("config", "show", check=False, env={"XDG_STATE_HOME": str(airs.folder)})
    assert refused.returncode == 0, "a file elsewhere is not asked"
    moved = airs.folder / "airs"
    moved.mkdir()
    own.rename(moved / "airs.toml")
    refused = airs.run("config", "show", check=False, env={"XDG_STATE_HOME": str(airs.folder)})
    assert refused.returncode == 65
    assert f"{moved}/airs.toml:1:13: error: a file that lies in a state directory cannot name another" in refused.stderr


WRONG = {
    "agent start": ("[secrets]\ndri = 'x'\n", "2:1: unknown key `dri` in `secrets` (did you mean `dir`?)"),
    "status": ("state_dir = 'x'\n", "1:1: unknown key `state_dir` (did you mean `state-dir`?)"),
}


@pytest.mark.parametrize("command", WRONG)
def test_no_command_goes_on_with_settings_that_it_needs_and_that_are_wrong(airs: Airs, command: str):
    del airs.env["AIRS_STATE_DIR"]
    file, (text, told) = airs.folder / "bad.toml", WRONG[command]
    file.write_text(text)
    refused = airs.run(*command.split(), check=False, env={"AIRS_CONFIG": str(file)})
    assert refused.returncode == 65
    assert f"{file}:{told}" in refused.stderr
    shown = airs.run("config", "show", "--config", file, check=False)
    assert shown.returncode == 65
    assert f"│ {text.splitlines()[-1]}" in shown.stderr


def test_a_state_directory_may_be_written_with_dots(airs: Airs):
    written = f"{airs.state_dir.parent}/other/../state/"
    assert origins(airs, env={"AIRS_STATE_DIR": written})["state-dir"][0] == str(airs.state_dir)
    airs.run("agent", "start", env={"AIRS_STATE_DIR": written})
    assert airs.json("agent", "status")["pid"]


def test_a_file_that_was_named_must_be_there(airs: Airs):
    refused = airs.run("status", "--config", "missing.toml", check=False)
    assert refused.returncode == 64
    assert "there is no file" in refused.stderr
    assert "missing.toml" in refused.stderr
