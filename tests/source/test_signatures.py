"""How a raw commit or tag comes apart into a signature and the bytes that were signed."""

import pytest

from orchestrator.source.signatures import (
    NotSigned,
    SignatureKind,
    SignedObject,
    parents,
    signed_commit,
    signed_tag,
    tagged,
)

ID = "a" * 40
SSH = b"-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----"
PGP = b"-----BEGIN PGP SIGNATURE-----\n\niHUE\n-----END PGP SIGNATURE-----"
PLAIN = b"tree 1\nparent 2\nparent 3\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nsubject\n\ngpgsig no header\n"


def header(signature: bytes, name: bytes = b"gpgsig") -> bytes:
    return name + b" " + signature.replace(b"\n", b"\n ") + b"\n"


def signed(*headers: bytes, more: bytes = b"") -> bytes:
    head, message = PLAIN.split(b"\n\n", 1)
    return head + b"\n" + b"".join(headers) + more + b"\n" + message


@pytest.mark.parametrize(("signature", "kind"), [(SSH, SignatureKind.SSH), (PGP, SignatureKind.OPENPGP)])
def test_a_commit_is_what_it_is_without_its_signature(signature: bytes, kind: SignatureKind):
    assert signed_commit(signed(header(signature)), ID) == SignedObject(kind, PLAIN, signature + b"\n")
    long = signed(header(signature, b"gpgsig-sha256"))
    assert signed_commit(long, "a" * 64) == SignedObject(kind, PLAIN, signature + b"\n")
    with pytest.raises(NotSigned, match="not signed"):
        signed_commit(long, ID)


def test_a_header_behind_the_signature_is_signed_too():
    taken = signed_commit(signed(header(SSH), more=b"encoding x\n continued\n"), ID)
    assert b"\nencoding x\n continued\n\nsubject" in taken.payload


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (PLAIN, "not signed"),
        (b"", "not signed"),
        (signed(header(SSH), header(PGP)), "more than one"),
        (signed(header(SSH), header(SSH, b"gpgsig-sha256")), "more than one"),
        (signed(header(SSH + b"\n" + PGP)), "one whole block"),
        (signed(header(b"junk\n" + SSH)), "no known kind"),
        (signed(header(SSH + b"\njunk")), "one whole block"),
        (signed(header(SSH[:40])), "one whole block"),
    ],
)
def test_a_commit_that_can_be_read_in_two_ways_is_refused(data: bytes, why: str):
    with pytest.raises(NotSigned, match=why):
        signed_commit(data, ID)


TAG = b"object " + ID.encode() + b"\ntype commit\ntag v1\ntagger a <a> 1 +0000\n\nmessage\n"


def test_a_tags_signature_stands_at_its_end():
    assert signed_tag(TAG + SSH + b"\n") == SignedObject(SignatureKind.SSH, TAG, SSH + b"\n")
    assert signed_tag(TAG + SSH + b"\n" + PGP + b"\n").payload == TAG + SSH + b"\n"  # the last one, as git has it
    assert tagged(TAG) == ("v1", ID, True)
    assert not tagged(TAG.replace(b"commit", b"tree")).is_commit
    assert tagged(b"tag other\ntag v1\n").name == "other"


@pytest.mark.parametrize(
    "data", [TAG, b"", TAG + SSH + b"\nmore\n", TAG.replace(b"tagger", header(PGP) + b"tagger") + SSH]
)
def test_a_tag_without_one_whole_signature_is_refused(data: bytes):
    with pytest.raises(NotSigned):
        signed_tag(data)


def test_parents_are_named_in_their_order():
    assert parents(PLAIN) == ("2", "3")
