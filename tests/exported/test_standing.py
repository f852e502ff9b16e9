"""What a plan is compared with where no agent is asked."""

import pytest

from orchestrator.exported.document import ExportedSource
from orchestrator.exported.standing import as_running, placed_as, taken_for, with_secrets_of
from orchestrator.manifest.identity import identified
from orchestrator.model.secret import SecretUse
from orchestrator.plan.make import make_plan
from tests.plan.build import deployment, desired, observed, revision


def of(*names_and_paths: tuple[str, str]) -> tuple[ExportedSource, ...]:
    return tuple(ExportedSource(name=name, place="/srv", path=path) for name, path in names_and_paths)


PROD, STAGING, TWIN = ("prod", "env/prod"), ("staging", "env/staging"), ("prod-2", "env/prod")


@pytest.mark.parametrize(
    ("identity", "path", "sources", "taken"),
    [
        ("/ci/env/prod", "env/prod", (PROD, STAGING), ["prod"]),  # a checkout elsewhere, by its path
        ("prod", "other", (PROD, STAGING), ["prod"]),  # by its name
        ("prod", "env/staging", (PROD, STAGING), ["prod"]),  # which comes first
        ("/ci/env/prod", "env/prod", (PROD, TWIN), ["prod", "prod-2"]),  # the caller has to say
        ("/ci/env/dev", "env/dev", (PROD, STAGING), []),
        ("/ci/env", "\0", (("x", ""),), []),  # in no work tree, nothing has the same path
    ],
)
def test_a_checkout_is_taken_for_the_source_of_its_name_or_its_path(
    identity: str, path: str, sources: tuple[tuple[str, str], ...], taken: list[str]
):
    found = taken_for(identity, path, of(*sources))
    assert [one.name for one in found.sources] == taken
    assert (found.source is not None) == (len(taken) == 1)


def test_nothing_is_to_be_done_where_everything_has_arrived():
    wanted = desired(deployment("a"), deployment("b", version="2.0.0", replicas=3))
    assert make_plan(wanted, as_running(wanted)).actions == ()


def test_secrets_are_as_the_state_has_them_and_a_new_one_is_missing_nowhere():
    def using(*uses: SecretUse) -> object:
        return deployment(revision=identified(revision(secrets=uses)))

    known, unknown = SecretUse(name="token", env="TOKEN", fingerprint="ab"), SecretUse(name="new", env="NEW")
    state = observed(using(known))  # type: ignore[arg-type]
    same = with_secrets_of(desired(using(SecretUse(name="token", env="TOKEN"))), state)  # type: ignore[arg-type]
    assert make_plan(same, state).actions == ()
    more = with_secrets_of(desired(using(SecretUse(name="token", env="TOKEN"), unknown)), state)  # type: ignore[arg-type]
    (action,) = make_plan(more, state).actions
    assert [reason.value for reason in action.reasons] == ["secrets-changed"]
    assert more.lacking == ()


def test_policies_are_asked_about_the_root_that_the_agent_reads():
    (source,) = of(PROD)
    assert placed_as(desired(root="/ci"), source).root == "/srv"
    assert placed_as(desired(root="/srv", root_reason="here"), source).root_reason == "here"
