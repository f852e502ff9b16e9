"""Makes the adapter of an actor: code that passes messages through memory, past wasmtime's value by value copies.

`component/loaded` calls `wrap.wrap` once per artifact, before wasmtime compiles it. Bytes go in, bytes come out;
nothing here knows an engine, a store or a running guest. At run time `call/frames` writes a message into the adapter's
own memory as the canonical ABI wants it, the adapter calls the guest, the host reads the answer there; `call/stand_ins`
serves in the same way the guest's calls out. Only airs and the adapter's few lines of code reach that memory, so its
content after a trap is still true.

    when       into the guest (inbound)        out of the guest (outbound)      reads and judges the guest's bytes
    ---------  ------------------------------  -------------------------------  ----------------------------------
    built      text     a part beside it       text     a shim beside it        binary   sections, indexes
    appended   within   after its last section                                  lifted   what its handlers are made of
    rewritten                                  rewritten  its lowered imports
               inside   the code itself        outward    the code itself       window   offsets both sides share

`wrap` takes the way furthest to the bottom that a component allows: code within the guest where its sections are
understood, parts beside it where not, and `Unadapted` where neither is safe.
"""
