from collections.abc import Callable, Mapping
from typing import Any

VERSION: int

def bind(
    functions: Mapping[str, int | None], places: tuple[int, int, int, int, int], answers: tuple[object, ...]
) -> None: ...

class Call:
    future: int
    def __init__(
        self,
        context: int,
        func: int,
        arguments: int,
        argument_count: int,
        result: int,
        result_count: int,
        error: int,
        place: int,
        /,
    ) -> None: ...
    def run(self, data: bytes, fuel: int, keeps_lock: bool, /) -> Any: ...
    def handle(self, frame: tuple[bytes, bytes, int], fuel: int, keeps_lock: bool, /) -> Any: ...

class Callback:
    address: int
    function: int
    def __init__(self, body: Callable[[int, bytes], bytes | None], /) -> None: ...
