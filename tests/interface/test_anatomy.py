import wasmtime

from orchestrator.interface.anatomy import MAX_NAME, Anatomy, Producer, anatomy

NESTED = """
(component
  (@producers (processed-by "wit-component" "1.2"))
  (core module (@producers (language "C" "17") (processed-by "clang" "19")) (func))
  (component (core module (func) (func) (@producers (language "Rust" "1.80"))) (component (core module))))
"""
HEADER = b"\0asm\x0d\0\x01\0"


def custom(body: bytes) -> bytes:
    content = b"\x09producers" + body
    return HEADER + b"\0" + bytes([len(content)]) + content


def test_core_modules_and_producers_are_found_at_every_depth():
    found = anatomy(bytes(wasmtime.wat2wasm(NESTED)))
    assert found.core_modules == 3
    assert found.core_bytes > 3 * len(HEADER)
    assert found.producers == (
        Producer(role="language", name="C", version="17"),
        Producer(role="language", name="Rust", version="1.80"),
        Producer(role="processed-by", name="clang", version="19"),
        Producer(role="processed-by", name="wit-component", version="1.2"),
    )


def test_a_producers_section_may_hold_anything():
    for body in (b"", b"\x01", b"\xff" * 20, b"\x01\x01a\xff\xff\xff\xff\x0f", b"\x05\x01a\x01\x01\xff\x01\xfe"):
        anatomy(custom(body))
    assert anatomy(custom(b"\x01\x01a\x01\x7f" + b"x" * 10)).producers == ()


def test_a_producers_name_is_cut():
    (producer,) = anatomy(custom(b"\x01\x01a\x01\x65" + b"x" * 101 + b"\x011")).producers
    assert len(producer.name) == MAX_NAME


def test_bytes_cut_off_anywhere_are_read_to_their_end():
    whole = bytes(wasmtime.wat2wasm(NESTED))
    for at in range(len(whole)):
        anatomy(whole[:at])
    assert anatomy(b"") == Anatomy(core_modules=0, core_bytes=0, producers=())


def test_components_within_components_are_looked_into_so_far():
    data = HEADER
    for _ in range(100):
        size = len(data)
        length = bytes((size >> shift & 0x7F) | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7))
        data = HEADER + b"\x04" + length + data
    assert anatomy(data).core_modules == 0
