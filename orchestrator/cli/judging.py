"""The policies that a plan on the command line is judged by: those named, else the agent's, else those configured."""

import os
from pathlib import Path

from msgspec.structs import replace

from orchestrator.cli.context import Settings
from orchestrator.cli.machine_limits import machine_limits
from orchestrator.cli.show import show_diagnostics
from orchestrator.contract.codes import INVALID, USAGE
from orchestrator.contract.problem import Failure
from orchestrator.model.policy import NO_POLICY, PolicySet
from orchestrator.model.snapshot import SourceAnswer, Unknown
from orchestrator.model.world import World
from orchestrator.plan.ruled import Judging
from orchestrator.policy.read import read_policies
from orchestrator.source.access import Access, no_access
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.open import open_source
from orchestrator.source.spec import SourceRefused, parse_source
from orchestrator.store.layout import TRUST
from orchestrator.store.trust import TrustStore
from orchestrator.time_of_day import wall_ms

FLAG, VARIABLE = "--policy", "AIRS_POLICY"


def judging_for(settings: Settings) -> Judging:
    """Return the policies for a plan that this command makes, and the time.

    Raises:
        Failure: they cannot be read, or one is wrong.
    """
    client = settings.connection()
    if FLAG not in settings.flags and client.answers():
        return _judging(settings, client.policy())
    place, machine = configured_place(settings), machine_limits(settings)
    rules = policies_at(settings, place) if place else NO_POLICY
    return _judging(settings, replace(rules, machine=machine))


def configured_place(settings: Settings) -> str:
    """Return the place of policies by the flag, the variable or the file; empty for none."""
    is_said = FLAG in settings.flags or os.environ.get(VARIABLE) or settings.found.file is not None
    return settings.configured.policy if is_said else ""


def policies_at(settings: Settings, place: str) -> PolicySet:
    """Read the policies at a place, and print what is wrong with them.

    Raises:
        Failure: they cannot be read, or one is wrong.
    """
    from orchestrator.cli.reading import git_access  # which asks for this module in turn

    answer = read_place(place, Path.cwd(), settings.state_dir / "git", git_access(settings))
    if isinstance(answer, Unknown):
        why = answer.failure
        raise Failure(f"the policies cannot be read: {why.summary}", why.detail, why.suggestion, USAGE)
    found = read_policies(answer.snapshot)
    show_diagnostics(settings.err(), found.diagnostics)
    if found.rules.problem:
        raise Failure(f"the policies of {place} cannot be used", found.rules.problem, exit_code=INVALID)
    return found.rules


def read_place(place: str, cwd: Path, work_dir: Path, access: Access = no_access) -> SourceAnswer:
    """Read the documents at a place, a folder, a file or REPOSITORY#ref:path."""
    try:
        spec = parse_source(place, name=place, cwd=cwd)
    except SourceRefused as refused:
        raise Failure(refused.summary, refused.detail, refused.suggestion, USAGE) from None
    passed_on = {name: os.environ[name] for name in ("SSH_AUTH_SOCK",) if name in os.environ}
    return open_source(
        spec, references=lambda _files, _manifests: (), artifacts=ArtifactCache(_no_artifact), work_dir=work_dir,
        passed_on=passed_on, access=access,
    ).read()  # fmt: skip


def _judging(settings: Settings, rules: PolicySet) -> Judging:
    trust = TrustStore(settings.state_dir / TRUST).read()
    return Judging(rules=replace(rules), now_ms=wall_ms(), trust=trust)


def _no_artifact(_data: bytes, _name: str) -> World:
    raise AssertionError("a policy names no artifact")
