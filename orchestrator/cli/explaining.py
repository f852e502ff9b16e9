"""`airs plan --explain NAME`: one deployment's part of a plan, as its whole story."""

from orchestrator.cli.context import FORMS, Settings
from orchestrator.cli.planning import PLAN_STYLES
from orchestrator.cli.reading import PlanMade, observed_state
from orchestrator.cli.terminal import Text
from orchestrator.contract.codes import USAGE
from orchestrator.contract.problem import Failure
from orchestrator.manifest.printable import did_you_mean
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.observed import ObservedState
from orchestrator.plan.document import Plan
from orchestrator.plan.explain import Explanation, explain
from orchestrator.plan.explain_text import explained_lines


def print_explanation(settings: Settings, planned: PlanMade, name: str) -> Explanation:
    """Print the story of one deployment, and return it.

    Raises:
        Failure: there is no such deployment, in the source or here.
    """
    if settings.output not in FORMS:
        raise Failure(f"--explain is text or JSON, not {settings.output}", exit_code=USAGE)
    observed = planned.observed or observed_state(settings)
    key = DeploymentKey.parse(name)
    told = explain(planned.plan, observed.by_key().get(key), key)
    if told is None:
        known = [str(each) for each in _all_keys(planned.plan, observed)]
        why = "It is neither wanted by this source nor deployed."
        raise Failure(f"there is no deployment {key}", why, did_you_mean(str(key), known), USAGE)
    if settings.is_json:
        settings.print_json(told)
        return told
    for line in explained_lines(told):
        settings.out().print(Text.assemble(*((segment.text, PLAN_STYLES[segment.style]) for segment in line)))
    return told


def _all_keys(plan: Plan, observed: ObservedState) -> list[DeploymentKey]:
    return [*(each.key for each in plan.desired.deployments), *(each.record.key for each in observed.deployments)]
