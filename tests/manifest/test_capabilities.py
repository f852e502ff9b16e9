"""What may be asked for and granted of the machine: whole directories, the network as a whole, nothing forbidden."""

import pytest

from orchestrator.manifest import resolve
from orchestrator.model.spec import Grant
from orchestrator.patterns.folders import FORBIDDEN, forbidden_by, in_both

from .samples import TOML, deployment, said, snapshot

ASKS = TOML.replace(
    'messaging.send = ["ledger", "billing/*"]',
    'filesystem.read = ["/srv/in/**", "/etc/**"]\nfilesystem.write = ["/srv/out/**"]\nnetwork.connect = ["**"]',
)


def granting(grants: str):
    return resolve(snapshot(deployment(spec=f"  grants: {{{grants}}}\n"), ASKS))


def test_what_was_asked_for_is_granted_and_lies_in_the_revision():
    found = granting('filesystem.read: ["/srv/in/**"], network.connect: ["**"]')
    assert said(found) == []
    assert found.desired.deployments[0].revision.grants == (
        Grant(capability="filesystem.read", patterns=("/srv/in/**",)),
        Grant(capability="network.connect", patterns=("**",)),
    )


def test_a_directory_inside_one_that_was_asked_for_may_be_granted():
    assert said(granting('filesystem.read: ["/srv/in/today/**"]')) == []


REFUSED = {
    "not asked for": ('filesystem.read: ["/srv/**"]', "6:30: grants `filesystem.read` on `/srv/**`, which"),
    "only its beginning": ('filesystem.read: ["/srv/inner/**"]', "6:30: grants `filesystem.read` on `/srv/inner/**`"),
    "asked for reading": ('filesystem.write: ["/srv/in/**"]', "6:31: grants `filesystem.write` on `/srv/in/**`, which"),
    "holds a secret": ('filesystem.read: ["/etc/**"]', "6:30: `/etc/**` cannot be granted: it holds /etc/gshadow"),
    "a secret": ('filesystem.read: ["/etc/ssh/**"]', "6:30: `/etc/ssh/**` cannot be granted: it is /etc/ssh, which is"),
    "in a secret": ('filesystem.read: ["/etc/ssh/x/**"]', "6:30: `/etc/ssh/x/**` cannot be granted: it lies in"),
    "not a directory": ('filesystem.read: ["/srv/in"]', "6:30: `spec.grants.filesystem.read[0]` is `/srv/in`,"),
    "files of one": ('filesystem.read: ["/srv/in/*.csv"]', "6:30: `spec.grants.filesystem.read[0]` is `/srv/in/*"),
    "relative": ('filesystem.read: ["in/**"]', "6:30: `spec.grants.filesystem.read[0]` is `in/**`, which is"),
    "upwards": ('filesystem.read: ["/srv/in/../../etc/**"]', "6:30: `spec.grants.filesystem.read[0]` is `/srv/in/"),
    "all": ('filesystem.read: ["/**"]', "6:30: `spec.grants.filesystem.read[0]` is `/**`, which is"),
    "empty names": ('filesystem.read: ["/srv//in/**"]', "6:30: `spec.grants.filesystem.read[0]` is `/srv//in"),
    "one host": ('network.connect: ["a.example:443"]', "6:30: `a.example:443` is narrower than what can be"),
    "no host": ('network.connect: ["a b"]', "6:30: `spec.grants.network.connect[0]` is `a b`, which is not `**`"),
}


@pytest.mark.parametrize(("grants", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_held_is_refused_where_it_is_written(grants, expected):
    (line,) = said(granting(grants))
    assert line.startswith(f"./manifests/app.yaml:{expected}"), line


def test_a_narrower_network_names_what_could_hold_it():
    (found,) = granting('network.connect: ["a.example:443"]').diagnostics
    assert "`airssys:network`" in found.detail
    assert found.suggestion == 'write `network.connect: ["**"]`, or remove it'


def test_a_directory_is_forbidden_by_what_it_is_lies_in_or_holds_and_by_nothing_that_only_begins_like_it():
    assert forbidden_by("/proc") == "/proc"
    assert forbidden_by("/proc/1/root") == "/proc"
    assert forbidden_by("/etc") in FORBIDDEN
    assert forbidden_by("/") in FORBIDDEN
    assert forbidden_by("/process") is None
    assert forbidden_by("/srv") is None


def test_two_lists_of_directories_allow_what_both_do():
    assert in_both(("/a/**", "/b/**"), ("/a/x/**", "/c/**", "/b/**")) == ("/a/x/**", "/b/**")
    assert in_both(("/a/**",), ()) == ()
    assert in_both(("/ab/**",), ("/a/**",)) == ()
