"""Under a diagnostic stands the line that it is about."""

from orchestrator.contract.codes import INVALID

from .conftest import Airs, deployment


def test_validate_plan_and_apply_show_the_line_and_json_does_not(airs: Airs):
    folder = airs.copy_example("01-hello") / "manifests"
    (folder / "bad.yaml").write_text(deployment("bad", "../components/hello-1.0.0", replicas="many"))
    for arguments in (["validate", folder], ["plan", folder], ["apply", "--no-wait", folder]):
        done = airs.run(*arguments, check=False)
        assert done.returncode == INVALID
        error, line, caret, *_ = done.stderr[done.stderr.index("bad.yaml:1:") :].splitlines()
        place = line.index('"many"')
        assert "spec.replicas" in error
        assert line.startswith("    1 │ ")
        assert caret == f"      │ {'^':>{place - 7}}"
        assert len(line) <= 100
    assert "│" not in airs.run("validate", folder, "-o", "json", check=False).stdout
