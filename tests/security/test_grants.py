"""Grants against canonical values: deny by default, whole segments, the own namespace for a bare name."""

import pytest

from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Grant
from orchestrator.security.grants import may_send, may_use_own_storage, patterns_for

SENDER = DeploymentKey(namespace="shop", name="cart")


@pytest.mark.parametrize(
    ("pattern", "target", "allowed"),
    [
        ("ledger", "shop/ledger", True),
        ("ledger", "other/ledger", False),
        ("ledger", "shop/ledger-2", False),
        ("led", "shop/ledger", False),
        ("ledger-2", "shop/ledger", False),
        ("billing/*", "billing/invoices", True),
        ("billing/*", "bill/invoices", False),
        ("bill/*", "billing/invoices", False),
        ("billing/invoices", "billing/invoices", True),
        ("billing/invoices", "billing/invoice", False),
        ("billing/inv*", "billing/invoices", False),
    ],
)
def test_a_message_may_go_where_a_pattern_names_the_whole_target(pattern, target, allowed):
    grants = (Grant(capability="messaging.send", patterns=("nothing-else", pattern)),)
    assert may_send(grants, SENDER, DeploymentKey.parse(target)) is allowed


def test_nothing_is_allowed_by_default():
    assert not may_send((), SENDER, SENDER)
    assert not may_use_own_storage((), "storage.read")


def test_a_grant_of_one_capability_is_none_of_another():
    grants = (Grant(capability="storage.read", patterns=("self",)),)
    assert may_use_own_storage(grants, "storage.read")
    assert not may_use_own_storage(grants, "storage.write")
    assert not may_send(grants, SENDER, DeploymentKey.parse("self", "shop"))
    assert patterns_for(grants, "storage.write") == ()
