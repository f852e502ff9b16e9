"""The linked interfaces: the host's own with their types, and the functions of WASI 0.2 that wasmtime has.

Pure data. Tests hold the first to `wit/`, by the component that is made of it, and the second to wasmtime's linker.
"""

from orchestrator.model.wit import (
    EnumOf,
    FunctionType,
    ListOf,
    OptionOf,
    RecordOf,
    ResultOf,
    Scalar,
    TupleOf,
    VariantOf,
    WitType,
)

_STRING, _U64 = Scalar("string"), Scalar("u64")
_BYTES = ListOf(Scalar("u8"))
_ID = RecordOf((("namespace", _STRING), ("name", _STRING), ("instance", _STRING)))
_TIMESTAMP = RecordOf((("seconds", _U64), ("nanoseconds", Scalar("u32"))))
_LEVEL = EnumOf(("trace", "debug", "info", "warn", "error"))
_INFO = RecordOf((("id", _ID), ("name", _STRING), ("version", _STRING), ("health", _STRING)))
_USAGE = RecordOf((("used-bytes", _U64), ("quota-bytes", _U64), ("key-count", _U64)))
_MESSAGING_ERROR = VariantOf(
    (
        ("delivery-failed", _STRING),
        ("correlation-timeout", _STRING),
        ("invalid-message", _STRING),
        ("queue-full", None),
        ("target-not-found", _ID),
    )
)
_COMPONENT_ERROR = VariantOf(
    (
        ("initialization-failed", _STRING),
        ("already-initialized", None),
        ("not-initialized", None),
        ("shutdown-failed", _STRING),
        ("invalid-state", _STRING),
    )
)
_STORAGE_ERROR = VariantOf(
    (
        ("not-found", _STRING),
        ("already-exists", _STRING),
        ("quota-exceeded", None),
        ("invalid-key", _STRING),
        ("io-error", _STRING),
    )
)


def _sent(ok: WitType | None = None) -> ResultOf:
    return ResultOf(ok, _MESSAGING_ERROR)


def _stored(ok: WitType | None = None) -> ResultOf:
    return ResultOf(ok, _STORAGE_ERROR)


HOST: dict[str, dict[str, FunctionType]] = {
    "airssys:core/host-messaging@1.0.0": {
        "send": FunctionType((("target", _ID), ("payload", _BYTES)), _sent()),
        "request": FunctionType((("target", _ID), ("payload", _BYTES), ("timeout-ms", _U64)), _sent(_STRING)),
        "cancel-request": FunctionType((("request-id", _STRING),), _sent()),
        "broadcast": FunctionType((("targets", ListOf(_ID)), ("payload", _BYTES)), _sent()),
        "self-id": FunctionType((), _ID),
    },
    "airssys:core/host-pubsub@1.0.0": {
        "publish": FunctionType((("topic", _STRING), ("payload", _BYTES)), _sent(Scalar("u32"))),
        "subscribe": FunctionType((("pattern", _STRING),), _sent()),
        "unsubscribe": FunctionType((("pattern", _STRING),), _sent()),
        "current-topic": FunctionType((), OptionOf(_STRING)),
    },
    "airssys:core/host-services@1.0.0": {
        "log": FunctionType(
            (("level", _LEVEL), ("message", _STRING), ("context", OptionOf(ListOf(TupleOf((_STRING, _STRING)))))), None
        ),
        "current-time": FunctionType((), _TIMESTAMP),
        "current-time-millis": FunctionType((), _U64),
        "sleep-millis": FunctionType((("milliseconds", _U64),), None),
        "list-components": FunctionType((), ListOf(_ID)),
        "get-component-metadata": FunctionType((("id", _ID),), ResultOf(_INFO, _COMPONENT_ERROR)),
    },
    "airssys:core/storage@1.0.0": {
        "get": FunctionType((("key", _STRING),), _stored(OptionOf(_BYTES))),
        "set": FunctionType((("key", _STRING), ("value", _BYTES)), _stored()),
        "delete": FunctionType((("key", _STRING),), _stored()),
        "exists": FunctionType((("key", _STRING),), _stored(Scalar("bool"))),
        "list-keys": FunctionType((("prefix", OptionOf(_STRING)),), _stored(ListOf(_STRING))),
        "usage": FunctionType((), _stored(_USAGE)),
    },
}


def _methods(resource: str, names: str) -> tuple[str, ...]:
    return tuple(f"[method]{resource}.{name}" for name in names.split())


_BUFFERS = "receive-buffer-size set-receive-buffer-size send-buffer-size set-send-buffer-size"
_ENDS = f"start-bind finish-bind local-address remote-address address-family subscribe {_BUFFERS}"

WASI: dict[str, frozenset[str]] = {
    name: frozenset(functions)
    for name, functions in {
        "wasi:cli/environment": ("get-environment", "get-arguments", "initial-cwd"),
        "wasi:cli/exit": ("exit", "exit-with-code"),
        "wasi:cli/stdin": ("get-stdin",),
        "wasi:cli/stdout": ("get-stdout",),
        "wasi:cli/stderr": ("get-stderr",),
        "wasi:cli/terminal-input": (),
        "wasi:cli/terminal-output": (),
        "wasi:cli/terminal-stdin": ("get-terminal-stdin",),
        "wasi:cli/terminal-stdout": ("get-terminal-stdout",),
        "wasi:cli/terminal-stderr": ("get-terminal-stderr",),
        "wasi:clocks/wall-clock": ("now", "resolution"),
        "wasi:clocks/monotonic-clock": ("now", "resolution", "subscribe-instant", "subscribe-duration"),
        "wasi:filesystem/preopens": ("get-directories",),
        "wasi:filesystem/types": (
            "filesystem-error-code",
            *_methods("directory-entry-stream", "read-directory-entry"),
            *_methods(
                "descriptor",
                "read-via-stream write-via-stream append-via-stream advise sync-data get-flags get-type set-size "
                "set-times read write read-directory sync create-directory-at stat stat-at set-times-at link-at "
                "open-at readlink-at remove-directory-at rename-at symlink-at unlink-file-at is-same-object "
                "metadata-hash metadata-hash-at",
            ),
        ),
        "wasi:io/error": _methods("error", "to-debug-string"),
        "wasi:io/poll": ("poll", *_methods("pollable", "ready block")),
        "wasi:io/streams": (
            *_methods("input-stream", "read blocking-read skip blocking-skip subscribe"),
            *_methods(
                "output-stream",
                "check-write write blocking-write-and-flush flush blocking-flush subscribe write-zeroes "
                "blocking-write-zeroes-and-flush splice blocking-splice",
            ),
        ),
        "wasi:random/random": ("get-random-bytes", "get-random-u64"),
        "wasi:random/insecure": ("get-insecure-random-bytes", "get-insecure-random-u64"),
        "wasi:random/insecure-seed": ("insecure-seed",),
        "wasi:sockets/network": (),
        "wasi:sockets/instance-network": ("instance-network",),
        "wasi:sockets/ip-name-lookup": (
            "resolve-addresses",
            *_methods("resolve-address-stream", "resolve-next-address subscribe"),
        ),
        "wasi:sockets/tcp": _methods(
            "tcp-socket",
            f"{_ENDS} start-connect finish-connect start-listen finish-listen accept is-listening "
            "set-listen-backlog-size keep-alive-enabled set-keep-alive-enabled keep-alive-idle-time "
            "set-keep-alive-idle-time keep-alive-interval set-keep-alive-interval keep-alive-count "
            "set-keep-alive-count hop-limit set-hop-limit shutdown",
        ),
        "wasi:sockets/tcp-create-socket": ("create-tcp-socket",),
        "wasi:sockets/udp": (
            *_methods("udp-socket", f"{_ENDS} stream unicast-hop-limit set-unicast-hop-limit"),
            *_methods("incoming-datagram-stream", "receive subscribe"),
            *_methods("outgoing-datagram-stream", "check-send send subscribe"),
        ),
        "wasi:sockets/udp-create-socket": ("create-udp-socket",),
    }.items()
}  # the same for every 0.2.x: wasmtime links by the track of a version
