"""Two revisions side by side: every field of one, and exports that are known, the same, or not known."""

from msgspec.structs import replace

from orchestrator.model.spec import Revision
from orchestrator.plan.revisions import NumberedRevision, compare_revisions

from .build import LIMITS, grant, revision
from .test_callers import ADD, BOTH

ONE, OTHER = revision("1.0.0"), revision("2.0.0")
WORLDS = {ONE.artifact: BOTH, OTHER.artifact: ADD}


def compared(old, new, worlds=WORLDS):
    first, second = (
        (NumberedRevision(namespace="default", name="a", number=n, version=each.version, revision=each.id), each)
        for n, each in enumerate((old, new), 1)
    )
    return compare_revisions(first, second, worlds.get)


def test_content_grants_and_exports_are_compared():
    new = replace(OTHER, config='{"a":1}', grants=(grant("storage.read", "self"),), accepts=("json",),
                  limits=replace(LIMITS, fuel=1))  # fmt: skip
    found = compared(ONE, new)
    assert [change.field for change in found.changes] == [
        "version", "artifact", "config.a", "limits.fuel", "codec.accepts",
    ]  # fmt: skip
    assert [(each.capability, each.added) for each in found.capabilities] == [("storage.read", True)]
    assert found.world is not None
    assert not found.world.compatible
    back = compared(new, ONE)
    assert [(each.capability, each.added) for each in back.capabilities] == [("storage.read", False)]
    assert back.world is not None
    assert back.world.compatible


def test_equal_ones_are_the_same_and_unknown_exports_are_named():
    assert compared(ONE, ONE).same
    assert compared(ONE, ONE).world is None
    found = compared(ONE, OTHER, {ONE.artifact: BOTH})
    assert (found.world, found.unknown) == (None, (OTHER.artifact,))


def test_every_field_of_a_revision_is_compared():
    """A field more in a revision has to be told of here, or be part of what is told already."""
    assert set(Revision.__struct_fields__) == {
        "id", "component", "version", "artifact", "stateful", "config", "grants", "limits", "job", "accepts", "mounts",
        "manifest", "origin", "secrets",
    }  # fmt: skip
