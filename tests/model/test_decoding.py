"""Real here: msgspec and threads, in a process of their own, since what is tested would end it."""

import subprocess
import sys

import pytest

ROUNDS = 300  # without the lock, one round in twenty ends the process

PROGRAM = f"""
import sys, threading, types
from msgspec import json, msgpack
from orchestrator.decoding import from_json, from_msgpack, from_plain

PLAIN = {{"mid": {{"leaf": {{"items": [1]}}}}, "other": {{"items": [1]}}}}
READ = {{
    "from_json": lambda kind: from_json(json.encode(PLAIN), kind),
    "from_msgpack": lambda kind: from_msgpack(msgpack.encode(PLAIN), kind),
    "from_plain": lambda kind: from_plain(PLAIN, kind),
}}
CLASSES = '''
import msgspec
class Leaf(msgspec.Struct):
    items: "tuple[int, ...]" = ()
class Mid(msgspec.Struct):
    leaf: "Leaf"
class Top(msgspec.Struct):
    mid: "Mid"
    other: "Leaf"
'''
sys.setswitchinterval(1e-6)

def together(*reads):
    begin = threading.Barrier(len(reads))
    def run(read):
        begin.wait()
        assert read().other.items == (1,)
    threads = [threading.Thread(target=run, args=[read]) for read in reads]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

for number in range({ROUNDS}):
    module = sys.modules[f"new_{{number}}"] = types.ModuleType(f"new_{{number}}")
    exec(CLASSES, vars(module))
    together(*[lambda: READ[sys.argv[1]](module.Top)] * 8)
"""


@pytest.mark.parametrize("read", ["from_json", "from_msgpack", "from_plain"])
def test_threads_that_read_a_class_for_the_first_time_at_once_all_get_their_values(read: str):
    ended = subprocess.run([sys.executable, "-c", PROGRAM, read], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
