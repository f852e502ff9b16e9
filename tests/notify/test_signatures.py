"""Who knows a secret: the habits of each forge, with the examples of their own documents."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.notify.signatures import claim_of, standard_signature

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
GITHUB = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"  # of GitHub's documents
NOW = 1_614_265_330
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the Standard Webhooks' documents
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(NOW),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def is_proven(kind: str, headers: dict[str, str], body: bytes = BODY, secrets=(SECRET,), header="X-Sig", now=NOW):
    claim = claim_of(kind, header, headers, now)
    if claim is None:
        return None
    proof = claim.against(secrets)
    for index in range(0, len(body), 5):
        proof.update(body[index : index + 5])
    return proof.holds()


def digest(body: bytes = BODY, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


HOLD = [
    ("github", {"x-hub-signature-256": GITHUB}),
    ("gitea", {"x-gitea-signature": digest()}),
    ("gitea", {"x-forgejo-signature": digest()}),
    ("forgejo", {"x-forgejo-signature": digest()}),
    ("forgejo", {"x-gitea-signature": digest()}),
    ("gitlab", {"x-gitlab-token": SECRET}),
    ("generic", {"x-sig": digest()}),
    ("generic", {"x-sig": "sha256=" + digest()}),
    ("generic", {"x-sig": digest().upper()}),
]


@pytest.mark.parametrize(("kind", "headers"), HOLD)
def test_each_forge_proves_its_secret_in_its_own_way(kind, headers):
    assert is_proven(kind, headers) is True
    assert is_proven(kind, headers, secrets=("another one", SECRET)) is True  # as while it changes
    assert is_proven(kind, headers, secrets=("another one",)) is False
    if kind != "gitlab":
        assert is_proven(kind, headers, BODY + b"!") is False


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("github", {}),
        ("github", {"x-hub-signature": "sha1=" + "0" * 40}),
        ("github", {"x-hub-signature-256": ""}),
        ("github", {"x-hub-signature-256": "sha256=" + "0" * 63}),
        ("github", {"x-hub-signature-256": "sha256=" + "g" * 64}),
        ("github", {"x-gitlab-token": SECRET}),
        ("gitlab", {}),
        ("gitlab", {"x-gitlab-token": ""}),
        ("gitlab", {"x-hub-signature-256": GITHUB}),
        ("generic", {"x-hub-signature-256": GITHUB}),
    ],
)
def test_a_request_without_a_claim_of_its_forge_claims_nothing(kind, headers):
    assert is_proven(kind, headers) is None


@pytest.mark.parametrize("kind", ["gitlab", "generic"])
def test_a_standard_webhook_is_signed_with_its_time(kind):
    def proven(changed=None, body=STANDARD_BODY, now=NOW):
        return is_proven(kind, {**STANDARD, **(changed or {})}, body, (STANDARD_SECRET,), now=now)

    assert proven() is True
    assert proven({"webhook-signature": "v1,AAAA v2,x " + STANDARD["webhook-signature"]}) is True
    assert proven({"webhook-id": "another"}) is False
    assert proven(body=STANDARD_BODY + b" ") is False
    assert proven({"webhook-timestamp": str(NOW + 1)}) is False
    assert proven(now=NOW + 299) is True
    assert [proven(now=NOW + by) for by in (301, -301)] == [None, None]  # a replay
    for wrong in ("", "-1", "1e9", "9" * 30, "١٢"):
        assert proven({"webhook-timestamp": wrong}) is None
    for wrong in ("", "v1", "v1,", "v2,AAAA", "v1,not base64!"):
        assert proven({"webhook-signature": wrong}) is None


def test_a_signature_of_ours_is_one_of_the_standard():
    made = standard_signature(STANDARD_SECRET, STANDARD["webhook-id"], NOW, STANDARD_BODY)
    assert made == STANDARD["webhook-signature"]
    plain = standard_signature("a secret", "id", NOW, b"")
    assert base64.b64decode(plain.removeprefix("v1,")) == hmac.digest(b"a secret", f"id.{NOW}.".encode(), "sha256")


@given(
    kind=st.sampled_from(["github", "gitlab", "gitea", "forgejo", "generic"]),
    headers=st.dictionaries(
        st.sampled_from(["x-hub-signature-256", "x-gitlab-token", "x-gitea-signature", "x-sig", *STANDARD]),
        st.text(st.characters(max_codepoint=255), max_size=80),
    ),
    body=st.binary(max_size=40),
)
def test_whatever_a_stranger_says_proves_nothing(kind, headers, body):
    assert not is_proven(kind, headers, body, ("never guessed",))
