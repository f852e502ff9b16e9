"""Worlds made by chance, as WIT: interfaces in packages that use one another's types, and a world of them."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

SIMPLE = ("bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string")
KEYS = ("bool", "u8", "s32", "u64", "char", "string")
WORDS = (
    "a", "b1", "some-thing", "A-b-C2", "%type", "%record", "%stream", "%own", "x", "y", "zed", "north-west", "%list",
    "k", "result-of", "e", "%use", "%func", "payload", "first", "%option", "q", "w", "%static", "%async", "id", "size",
)  # fmt: skip
PACKAGES = ("a:b@1.0.0", "c:d", "e:%type@0.2.0-rc.1")


@dataclass
class Scope:
    """Names within one interface or world: those of types with values, and of resources."""

    free: list[str]
    values: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def name(self) -> str:
        return self.free.pop()


@st.composite
def scopes(draw):
    return Scope(list(draw(st.permutations(WORDS))))


@st.composite
def types(draw, scope: Scope, depth: int = 2):
    leaves = [*SIMPLE, *scope.values, *scope.values, *scope.resources]
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(leaves))
    inner = types(scope, depth - 1)
    match draw(st.sampled_from(("list", "option", "tuple", "result", "future", "stream", "map", "own"))):
        case "tuple":
            return f"tuple<{', '.join(draw(st.lists(inner, min_size=1, max_size=3)))}>"
        case "result":
            ok, err = draw(st.none() | inner), draw(st.none() | inner)
            return ("result" if ok is None else f"result<{ok}>") if err is None else f"result<{ok or '_'}, {err}>"
        case "future":
            carried = draw(st.none() | inner)
            return "future" if carried is None else f"future<{carried}>"
        case "stream":
            carried = draw(st.none() | inner.filter(lambda kind: kind != "char"))
            return "stream" if carried is None else f"stream<{carried}>"
        case "map":
            return f"map<{draw(st.sampled_from(KEYS))}, {draw(inner)}>"
        case "own" if scope.resources:
            return f"own<{draw(st.sampled_from(scope.resources))}>"
        case "list" | "option" as word:
            return f"{word}<{draw(inner)}>"
        case _:
            return draw(inner)


@st.composite
def functions(draw, scope: Scope):
    names = draw(st.permutations(WORDS))
    count = draw(st.integers(0, 3))
    kinds = [
        f"borrow<{draw(st.sampled_from(scope.resources))}>"
        if scope.resources and draw(st.integers(0, 3)) == 0
        else draw(types(scope))
        for _ in range(count)
    ]
    params = ", ".join(f"{name}: {kind}" for name, kind in zip(names, kinds, strict=False))
    result = draw(st.none() | types(scope))
    word = draw(st.sampled_from(("func", "func", "async func")))
    return f"{word}({params})" + ("" if result is None else f" -> {result}")


@st.composite
def definitions(draw, scope: Scope):
    """Write one type down, and make its name known."""
    kind, name = draw(st.sampled_from(("record", "variant", "enum", "flags", "type", "type", "resource"))), scope.name()
    labels = draw(st.permutations(WORDS))[: draw(st.integers(1, 3))]
    match kind:
        case "record":
            body = ", ".join(f"{label}: {draw(types(scope))}" for label in labels)
        case "variant":
            body = ", ".join(f"{label}({draw(types(scope))})" if draw(st.booleans()) else label for label in labels)
        case "enum" | "flags":
            body = ", ".join(labels)
        case "resource":
            members = [f"{label}: {draw(functions(scope))};" for label in labels]
            members += [f"constructor({', '.join(f'{label}: {draw(types(scope))}' for label in labels)});"]
            scope.lines.append(f"resource {name} {{ {' '.join(members[draw(st.integers(0, 2)) :])} }}")
            scope.resources.append(name)
            return
        case _:
            of = draw(types(scope))
            scope.lines.append(f"type {name} = {of};")
            (scope.resources if of in scope.resources else scope.values).append(name)
            return
    scope.lines.append(f"{kind} {name} {{ {body} }}")
    scope.values.append(name)


@st.composite
def uses(draw, scope: Scope, path: str, other: Scope):
    """Use a type of an interface."""
    kind = draw(st.sampled_from([name for name in ("values", "resources") if getattr(other, name)]))
    original = draw(st.sampled_from(getattr(other, kind)))
    name = scope.name()
    scope.lines.append(f"use {path}.{{{original} as {name}}};")
    getattr(scope, kind).append(name)


@st.composite
def filled(draw, before: dict[str, Scope], package: str = ""):
    """Make an interface that uses some that were made before it; those of its package by their last names."""
    scope = draw(scopes())
    for path, other in before.items():
        if (other.values or other.resources) and draw(st.booleans()):
            is_near = package and path.startswith(f"{package}/")
            draw(uses(scope, path.partition("/")[2].partition("@")[0] if is_near else path, other))
    for _ in range(draw(st.integers(0, 4))):
        draw(definitions(scope))
    for _ in range(draw(st.integers(0, 2))):
        scope.lines.append(f"{scope.name()}: {draw(functions(scope))};")
    return scope


@st.composite
def worlds(draw):
    """Write a world down, with its packages."""
    known: dict[str, Scope] = {}
    texts = []
    for package in PACKAGES[: draw(st.integers(1, 3))]:
        base, _, version = package.partition("@")
        inner = []
        for name in draw(st.permutations(("types", "%import", "more")))[: draw(st.integers(1, 3))]:
            scope = draw(filled(known, base))
            known[f"{base}/{name}" + (f"@{version}" if version else "")] = scope
            inner.append(f"interface {name} {{ {' '.join(scope.lines)} }}")
        texts.append(f"package {package} {{ {' '.join(inner)} }}")
    world = draw(scopes())
    lines = [f"{word} {path};" for word in ("import", "export") for path in known if draw(st.booleans())]
    for path, other in known.items():
        if (other.values or other.resources) and draw(st.booleans()):
            draw(uses(world, path, other))
    for _ in range(draw(st.integers(0, 2))):
        draw(definitions(world))
    for word in ("import", "export"):
        if draw(st.booleans()):
            lines.append(f"{word} {world.name()}: interface {{ {' '.join(draw(filled(known)).lines)} }}")
        for _ in range(draw(st.integers(0, 2))):
            lines.append(f"{word} {world.name()}: {draw(functions(world))};")
    return f"package my:own-world; world w {{ {' '.join((*world.lines, *lines))} }} {' '.join(texts)}"
