"""Calls as wasmtime's own binding declares them, for where its values are not laid out as the fast path writes them.

Values go through the binding's declarations, by the names of fields: no size or offset is assumed. Wasmtime's other
functions take addresses and numbers only (`capi.BOTH`). The binding's own conversions are not used: they take the
case of an option or a result from a value's Python type, and so cannot pass, say, the err of a
`result<option<list<u8>>, variant>`. Calls hold their thread, there is no adapter, and each value is converted field by
field, which takes several times as long; results, limits and exit reasons are the same.
"""
