"""Turns an artifact's bytes into a `Loaded` component: checked, adapted, compiled or cached, described, linked.

    bytes → artifact.check → adapter.wrap → native.compiled ⇄ `compiled` → description.describe → call.link → Loaded

`loaded` is the way through, and holds what is loaded so that equal bytes are loaded once. `description` and `walk` say
what a component imports and exports, `lifecycle` whether it is an actor, `probe` which parts of WASI wasmtime refuses.
Compiled code on disk is only trusted when its MAC says that airs wrote it (`compiled`). Nothing runs here.
"""
