"""The encoding that a message names: the multicodec prefix, an unsigned varint before the payload.

See https://github.com/multiformats/multicodec and https://github.com/multiformats/unsigned-varint. airs reads the
prefix and translates nothing.
"""

CODES = {
    "protobuf": 0x50,
    "cbor": 0x51,
    "raw": 0x55,
    "dag-pb": 0x70,
    "dag-cbor": 0x71,
    "dag-json": 0x0129,
    "json": 0x0200,
    "messagepack": 0x0201,
}
VARINT_MAX_BYTES = 9


def varint(number: int) -> bytes:
    """Encode an unsigned varint."""
    written = bytearray()
    while number > 0x7F:
        written.append(0x80 | number & 0x7F)
        number >>= 7
    written.append(number)
    return bytes(written)


def read_varint(data: bytes) -> tuple[int, int] | None:
    """Decode the unsigned varint that `data` begins with: number and length; None where it begins with none.

    One that is longer than it need be, or than nine bytes, is none.
    """
    number = 0
    for index, byte in enumerate(data[:VARINT_MAX_BYTES]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return None if byte == 0 and index else (number, index + 1)
    return None


def prefix(codec: str) -> bytes:
    """Return the prefix of a codec's payloads."""
    return varint(CODES[codec])


def named(payload: bytes) -> str | None:
    """Return the codec that a payload names, None where it names none that is known."""
    found = read_varint(payload)
    return None if found is None else _NAMES.get(found[0])


def why_not(payload: bytes, accepts: frozenset[str]) -> str | None:
    """Say why a payload is not for one who accepts these codecs; None where it is, or names no codec."""
    codec = named(payload)
    if codec is None or codec in accepts:
        return None
    return f"it is {codec}, and {', '.join(sorted(accepts))} is accepted; convert it first, as airs never translates"


_NAMES = {code: name for name, code in CODES.items()}
