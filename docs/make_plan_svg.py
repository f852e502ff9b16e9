"""Draws `docs/plan.svg` from a plan that airs really made, and prints the same plan as text.

It deploys three of the examples from a throw-away folder with a throw-away agent, changes the manifests, and asks for
the plan. The only thing not shown as it was is the name of that folder, which becomes `/srv/shop`, so that the picture
is the same each time; `tests/docs` holds the committed one, and the text in docs/cli.md, to that.

    .venv/bin/python docs/make_plan_svg.py            # writes docs/plan.svg
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from orchestrator.cli.planning import plan_lines
from orchestrator.decoding import from_json
from orchestrator.plan.document import Plan
from orchestrator.plan.text import render_text

ROOT = Path(__file__).resolve().parent.parent
SHOWN_AS = "/srv/shop"
WIDTH = 134  # columns of the picture

MANIFEST = """\
apiVersion: airs.dev/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  component: {{path: ../components/{component}}}
{more}"""
GRANTS = "  grants: {storage.read: [self], storage.write: [self]}\n"
USES = "  uses: [{deployment: prices}]\n"
CANARY = "  rollout: {strategy: canary, steps: [{weight: 10}, {pause: 30s}, {weight: 50}, {pause: 30s}]}\n"

FIRST = {
    "calculator": ("calculator-1.0.0", USES),
    "farewell": ("hello-1.0.0", ""),
    "greeter": ("hello-1.0.0", ""),
    "hello": ("hello-1.0.0", CANARY),
    "prices": ("hello-1.0.0", ""),
}
THEN = {**FIRST, "greeter": ("hello-1.1.0", "")}  # which is rolled back
NOW = {
    "calculator": ("calculator-1.0.0", USES + "  replicas: 3\n"),
    "counter": ("counter-1.0.0", GRANTS),
    "greeter": ("hello-1.1.0", ""),
    "hello": ("hello-1.1.0", CANARY),
}


def write_shop(folder: Path, deployments: dict[str, tuple[str, str]]) -> None:
    """Write one manifest per deployment, in place of those that were there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, (component, more) in deployments.items():
        (folder / f"{name}.yaml").write_text(MANIFEST.format(name=name, component=component, more=more))


def airs(*arguments: str, state_dir: Path) -> bytes:
    """Run the program and return what it printed."""
    command = [sys.executable, "-m", "orchestrator", *arguments]
    environment = {**os.environ, "AIRS_STATE_DIR": str(state_dir)}
    return subprocess.run(command, env=environment, check=True, capture_output=True).stdout


def real_plan(work: Path) -> Plan:
    """Deploy, change what is wanted, and return the plan that leads from the one to the other."""
    shop, state_dir = work / "shop", work / "state"
    for component in ("calculator", "counter", "hello"):
        for built in (ROOT / "examples").glob(f"*-{component}/components/*"):
            shutil.copytree(built, shop / "components" / built.name)
    try:
        for wanted in (FIRST, THEN):
            write_shop(shop / "manifests", wanted)
            airs("apply", str(shop / "manifests"), state_dir=state_dir)
        airs("rollback", "greeter", state_dir=state_dir)
        write_shop(shop / "manifests", NOW)
        made = airs("plan", str(shop / "manifests"), "-o", "json", state_dir=state_dir)
    finally:
        airs("agent", "stop", state_dir=state_dir)
    return from_json(made.replace(str(shop).encode(), SHOWN_AS.encode()), Plan)


def picture(plan: Plan) -> str:
    """Draw a plan as `airs plan` prints it on a terminal."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    for line in plan_lines(plan):
        console.print(Text.assemble(*line.parts))
    return console.export_svg(title=f"airs plan {SHOWN_AS}/manifests", unique_id="plan")


def main(folder: Path = ROOT / "docs") -> None:
    """Write `plan.svg` into `folder` and print the text."""
    with tempfile.TemporaryDirectory(prefix="airs-docs-") as work:
        plan = real_plan(Path(work).resolve())
    (folder / "plan.svg").write_text(picture(plan), encoding="utf-8")
    sys.stdout.write(render_text(plan))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
