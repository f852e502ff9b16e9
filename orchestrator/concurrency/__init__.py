"""Nouns of time and threads that several packages share: work in steps, a table read without a lock, the clock.

    work    a call into a guest as a coroutine; it pauses, and its driver says on which thread and when it goes on
    table   a mapping that one thread changes and all read
    clock   time, and calls that are due later; `supervise/timers` is the real one, simulations have their own

Threads themselves are made in `supervise`; nothing here starts one.
"""
