"""Where things lie in the linear memory of an adapter or a shim, which the host writes and reads between calls.

Both sides are made from these offsets: `text` when it writes the WebAssembly, `call/frames` and `call/stand_ins`
when they put values there. Nothing but the adapter's own code and the host ever touches these memories.
"""

VERSION = 5  # of what `wrap` makes: it goes into the name of what is compiled

PAGE_BYTES = 65_536
PAGES = 40  # a message and its reply of 1 MiB each, and their headers; address space until it is touched
MAX_PAGES = 16_383  # also the mark by which `memory` knows these memories: they count against an allowance of their own
MAX_MEMORIES, MAX_CORE_INSTANCES = 2, 16  # an adapter's and a shim's, with those that wasmtime puts between them
ALLOWANCE_BYTES = 8 << 20  # of an instance's adapter and shim together; more than that counts as the guest's

TOP = 0  # u32: the first free byte; `realloc` hands out what lies there
STARTED = 4  # u32: how many messages of a batch have been begun
ANSWER = 16  # result<option<list<u8>>, wasm-error> of the last message, 16 bytes
BATCH = 32  # how many messages, then the addresses of entries, payloads and verdicts
RECORD = 64  # component-message
RECORD_BYTES = 104
PAYLOAD_FIELD, TIME_FIELD = 24, 72  # within the record: address and length; seconds and nanoseconds
BODY = RECORD + RECORD_BYTES  # what a record points to, and then the heap

ENTRY_BYTES = 16  # of each message of a batch: seconds, nanoseconds, the payload's length
VERDICT_BYTES = 12  # of each message of a batch: a mark, then address and length of an error's text
VERDICT_TEXT_MAX = 4_096
HANDLED, REFUSED = 1, 2  # marks; a refusal's mark is REFUSED + its case

ARGUMENTS = 64  # of a host call: 8 bytes each
RESULT = 192  # of a host call
PLACES = RESULT - 4  # u32: a bit for each of its words that is the address of something, with the length after it
RESULT_BYTES = 64
MUST_WAIT = 0xFFFFFFFF  # the answer to a host call that has to wait, instead of how far to grow
SHIM_HEAP = RESULT + RESULT_BYTES
