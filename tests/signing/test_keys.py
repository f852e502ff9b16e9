import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.signing.keys import (
    KeyRefused,
    PassphraseNeeded,
    is_signed,
    key_id,
    private_pem,
    public_of,
    public_pem,
    read_private,
    read_public,
    sign,
)
from tests.signing.samples import KEY, SEED


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(("openssl", *arguments), input=data, capture_output=True, check=True, timeout=30).stdout


@pytest.mark.parametrize("passphrase", [b"", b"correct horse"])
def test_openssl_reads_our_keys_and_signs_the_same(tmp_path, passphrase: bytes):
    file, message = tmp_path / "key.pem", tmp_path / "message"
    file.write_bytes(private_pem(SEED, passphrase))
    message.write_bytes(b"to be signed")
    passin = ("-passin", f"pass:{passphrase.decode()}")
    assert openssl("pkey", "-in", str(file), "-pubout", *passin) == public_pem(public_of(SEED))
    signature = openssl("pkeyutl", "-sign", "-inkey", str(file), "-rawin", "-in", str(message), *passin)
    assert signature == sign(SEED, b"to be signed")
    assert is_signed(public_of(SEED), b"to be signed", signature)
    assert read_private(file.read_bytes(), passphrase) == SEED


@pytest.mark.parametrize("passphrase", [b"", b"correct horse"])
def test_keys_of_openssl_are_read(tmp_path, passphrase: bytes):
    made = tmp_path / "made.pem"
    cipher = ("-aes-256-cbc", "-pass", f"pass:{passphrase.decode()}") if passphrase else ()
    made.write_bytes(openssl("genpkey", "-algorithm", "ed25519", *cipher))
    seed = read_private(made.read_bytes(), passphrase)
    public = openssl("pkey", "-in", str(made), "-pubout", "-passin", f"pass:{passphrase.decode()}")
    assert read_public(public) == public_of(seed)


def test_the_id_of_a_key_is_what_its_digest_begins_with():
    der = openssl("pkey", "-pubin", "-outform", "DER", data=public_pem(public_of(SEED)))
    digest = openssl("dgst", "-sha256", "-r", data=der).split()[0].decode()
    assert digest[:32] == key_id(public_of(SEED)).removeprefix("ed25519:") == KEY.removeprefix("ed25519:")


def test_a_passphrase_is_needed_and_has_to_be_the_right_one():
    pem = private_pem(SEED, b"correct horse")
    with pytest.raises(PassphraseNeeded):
        read_private(pem)
    with pytest.raises(KeyRefused, match="passphrase is another"):
        read_private(pem, b"battery staple")


PUBLIC, PRIVATE = public_pem(public_of(SEED)), private_pem(SEED)
REFUSED = {
    b"": "it is not PEM",
    b"ssh-ed25519 AAAA": "it is not PEM",
    PUBLIC + PUBLIC: "it has 2 PEM blocks",
    PUBLIC.replace(b"MCow", b"M!ow"): "not base64",
    PUBLIC.replace(b"MCow", b"MCox"): "it is no Ed25519 public key",
    PRIVATE: "it is a private key",
    PUBLIC.replace(b"PUBLIC KEY", b"CERTIFICATE"): "it is a certificate",
    b"x" * (17 << 10): "more than 16 KiB",
}


@pytest.mark.parametrize(("data", "why"), [*REFUSED.items()])
def test_a_file_that_is_no_public_key_is_told_with_why(data: bytes, why: str):
    with pytest.raises(KeyRefused, match=why):
        read_public(data)


def test_an_rsa_key_and_a_public_key_do_not_sign():
    with pytest.raises(KeyRefused, match="no Ed25519 private key"):
        read_private(openssl("genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
    with pytest.raises(KeyRefused, match="only the private one signs"):
        read_private(PUBLIC)


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda b: b"-----BEGIN PUBLIC KEY-----\n" + b)))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused_as_keys(data: bytes):
    for read in (read_public, read_private):
        with pytest.raises(KeyRefused):
            read(data)


def test_a_signature_or_a_key_of_another_length_is_none():
    public, message = public_of(SEED), b"a message"
    signature = sign(SEED, message)
    assert is_signed(public, message, signature)
    assert not is_signed(public + b"\0", message, signature), "it would be the same key under another id"
    assert not is_signed(public, signature[60:] + message, signature[:60]), "the same bytes, divided elsewhere"
    assert not is_signed(public[:31], message, signature)
    assert not is_signed(b"", message, signature)


GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)


def test_a_signature_has_no_second_form():
    message = b"a message"
    signature = sign(SEED, message)
    scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    assert not is_signed(public_of(SEED), message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_key_under_which_anything_is_signed_is_none(point):
    public = bytes.fromhex(point)
    identity = bytes.fromhex(SMALL_ORDER[0])
    for commitment in (identity, public):
        assert not is_signed(public, b"anything", commitment + bytes(32))
