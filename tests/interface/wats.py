"""Components in WAT, in the manner of the component model's own tests, and what each comes to as WIT.

Each is a name, the component, and what is found in the text: lines of the world, or comments where WIT has no word.
"""

EXACT = [
    ("an alias of a resource", """(component (import "w:h/types@0.2.0" (instance
        (export "fields" (type $f (sub resource)))
        (export "headers" (type $h (eq $f)))
        (export "trailers" (type $t (eq $h)))
        (export "[constructor]fields" (func (result (own $f))))
        (export "[method]fields.get" (func (param "self" (borrow $f)) (param "name" string) (result (list u8))))
        (export "look" (func (param "h" (own $h)) (param "t" (borrow $t)))))))""",
     ["resource fields {", "type headers = fields;", "type trailers = headers;",
      "look: func(h: headers, t: borrow<trailers>);"]),
    ("a future of a result with a named enum", """(component (import "a:b/c" (instance
        (type $e0 (enum "io" "closed"))
        (export "error-code" (type $e (eq $e0)))
        (type $r (result (error $e))) (type $f (future $r)) (type $s (stream $e))
        (export "send" (func async (param "data" $s) (result $f))))))""",
     ["send: async func(data: %stream<error-code>) -> future<result<_, error-code>>;".replace("%", "")]),
    ("two records that look alike", """(component (import "a:b/c" (instance
        (type $0 (record (field "x" u32))) (export "one" (type $one (eq $0)))
        (type $1 (record (field "x" u32))) (export "two" (type $two (eq $1)))
        (export "f" (func (param "a" $two) (param "b" $one) (result $two))))))""",
     ["f: func(a: two, b: one) -> two;"]),
    ("a use of a use", """(component
        (import "a:b/x" (instance $x (type $0 (record (field "n" u8))) (export "r" (type (eq $0)))))
        (alias export $x "r" (type $r))
        (import "a:b/y" (instance $y (alias outer 1 $r (type $0)) (export "r" (type (eq $0)))))
        (alias export $y "r" (type $q))
        (import "c:d/z" (instance (alias outer 1 $q (type $0)) (export "s" (type $s (eq $0)))
          (export "f" (func (param "s" $s))))))""",
     ["use x.{r};", "use a:b/y.{r as s};"]),
    ("a resource that is used under another name", """(component
        (import "a:b/x" (instance $x (export "bucket" (type (sub resource)))))
        (alias export $x "bucket" (type $r))
        (import "a:b/y" (instance $y (alias outer 1 $r (type $0)) (export "pail" (type $p (eq $0)))
          (export "f" (func (param "p" (borrow $p)) (result (own $p)))))))""",
     ["use x.{bucket as pail};", "f: func(p: borrow<pail>) -> pail;"]),
    ("the world's own types", """(component
        (type $0 (record (field "n" u8))) (import "rec" (type $rec (eq $0)))
        (type $1 (flags "a" "b")) (import "mode" (type $mode (eq $1)))
        (import "thing" (type $thing (sub resource)))
        (import "[constructor]thing" (func (result (own $thing))))
        (import "[static]thing.all" (func (result (list (own $thing)))))
        (import "f" (func $f (param "r" $rec) (param "m" $mode) (result (own $thing))))
        (export "g" (func $f)))""",
     ["resource thing {", "constructor();", "all: static func() -> list<thing>;",
      "import f: func(r: rec, m: mode) -> thing;", "export g: func(r: rec, m: mode) -> thing;"]),
    ("names that are words of WIT", """(component (import "type:record/enum" (instance
        (type $0 (record (field "list" u8) (field "own" string))) (export "variant" (type $v (eq $0)))
        (type $1 (variant (case "some") (case "option" $v))) (export "use" (type $u (eq $1)))
        (export "interface" (func (param "func" $u) (result $v)))))
        (import "world" (instance (export "package" (func)))))""",
     ["import %type:%record/%enum;", "%interface: func(%func: %use) -> %variant;", "import %world: interface {"]),
    ("versions of one interface", """(component
        (import "a:b/c@1.0.0" (instance (export "f" (func)))) (import "a:b/c@2.0.0-rc.1" (instance (export "g" (func))))
        (import "a:b/c" (instance (export "h" (func)))))""",
     ["import a:b/c@1.0.0;", "import a:b/c@2.0.0-rc.1;", "import a:b/c;", "package a:b@2.0.0-rc.1 {"]),
    ("every kind of type", """(component (import "a:b/c" (instance
        (type $t0 (tuple f32 f64 char)) (export "three" (type $t (eq $t0)))
        (type $l0 (list $t)) (export "threes" (type $l (eq $l0)))
        (type $m0 (map string $t)) (export "by-name" (type $m (eq $m0)))
        (type $x0 (list u8 4)) (export "four" (type $x (eq $x0)))
        (type $o (option $l)) (type $r (result $o)) (type $n (result)) (type $e (result (error $n)))
        (export "n" (type (eq $n)))
        (type $u0 u64) (export "size" (type $u (eq $u0)))
        (export "r" (type $res (sub resource)))
        (type $own (own $res)) (export "owned" (type (eq $own)))
        (type $c (result $own (error string)))
        (export "[constructor]r" (func (param "s" $u) (result $c)))
        (export "f" (func (param "m" $m) (param "x" $x) (param "r" $r) (param "s" $u) (result $e)))
        (export "g" (func (result (stream))))
        (export "h" (func (param "f" (future)) (result (tuple (own $res) s8 s16 s32 s64 u16 u32 bool))))
        (export "[method]r.wait" (func async (param "self" (borrow $res)) (result (option (own $res))))))))""",
     ["type by-name = map<string, three>;", "type four = list<u8, 4>;", "constructor(s: size) -> result<r, string>;",
      "f: func(m: by-name, x: four, r: result<option<threes>>, s: size) -> result<_, result>;",
      "wait: async func() -> option<r>;", "type owned = own<r>;"]),
    ("an interface that a component within it exports", """(component
        (import "a:b/t" (instance $t (type $0 (enum "x" "y")) (export "e" (type (eq $0)))
          (export "f" (func (result 1)))))
        (alias export $t "e" (type $e)) (alias export $t "f" (func $f))
        (component $shim
          (type $0 (enum "x" "y")) (import "import-type-e" (type $e (eq $0)))
          (import "import-f" (func $f (result $e)))
          (export $x "e" (type $e))
          (export "f" (func $f) (func (result $x))))
        (instance $i (instantiate $shim (with "import-type-e" (type $e)) (with "import-f" (func $f))))
        (export "c:d/again" (instance $i)))""",
     ["use a:b/t.{e};", "f: func() -> e;", "export c:d/again;"]),
    ("a resource of its own", """(component
        (core module $m (func (export "drop") (param i32)))
        (core instance $c (instantiate $m))
        (type $r (resource (rep i32) (dtor (core func $c "drop"))))
        (component $shim (import "r" (type $r (sub resource))) (export "thing" (type $r)))
        (instance $i (instantiate $shim (with "r" (type $r))))
        (export "a:b/c" (instance $i)))""",
     ["resource thing;", "export a:b/c;"]),
    ("asynchronous built-ins around what it exports", """(component
        (core module $libc (memory (export "m") 1)) (core instance $libc (instantiate $libc))
        (type $fu (future u8))
        (core func (canon task.cancel)) (core func (canon future.new $fu))
        (core func (canon future.read $fu async (memory (core memory $libc "m"))))
        (core func (canon future.cancel-read $fu async)) (core func (canon future.drop-readable $fu))
        (core func (canon waitable-set.new)) (core func (canon waitable-set.poll (memory (core memory $libc "m"))))
        (core func (canon context.get i32 0)) (core func (canon backpressure.inc))
        (core func (canon subtask.cancel async))
        (core func (canon task.return (result u32)))
        (core module $m (func (export "f") (result i32) i32.const 1)) (core instance $c (instantiate $m))
        (func (export "f") (result u32) (canon lift (core func $c "f"))))""",
     ["export f: func() -> u32;"]),
    ("one name imported and exported", """(component
        (import "f" (func $f)) (export "g" (func $f)) (import "k" (func)) (export "k" (func $f)))""",
     ["import k: func();", "export k: func();"]),
]  # fmt: skip

TOLD = [
    ("the package that worlds are printed in", """(component (import "root:component/root" (instance
        (export "f" (func)))))""",
     ["package root:component-n2;", "import root:component/root;"]),
    ("core modules and components", """(component (import "m" (core module)) (import "c" (component)))""",
     ["// import m: a core module, which WIT has no name for here", "// import c: a component, which WIT"]),
    ("an instance within an instance", """(component
        (import "i" (instance (export "j" (instance)) (export "f" (func)))))""",
     ["// j: an instance that WIT has no name for here", "f: func();"]),
    ("a type that is exported", """(component
        (type $0 (record (field "n" u8))) (export $r "rec" (type $0))
        (core module $m (func (export "f") (result i32) i32.const 1)) (core instance $c (instantiate $m))
        (func (export "f") (result $r) (canon lift (core func $c "f"))))""",
     ["// export rec: a type, for which WIT has no exports", "record rec {", "export f: func() -> rec;"]),
    ("a resource that is exported", """(component
        (type $0 (resource (rep i32))) (export $r "thing" (type $0))
        (core module $m (func (export "f") (result i32) i32.const 1)) (core instance $c (instantiate $m))
        (func (export "f") (result (own $r)) (canon lift (core func $c "f"))))""",
     ["// export thing: a type with a resource", "// export f: a function that cannot be written here"]),
    ("a resource of an interface that has no name of its own", """(component
        (import "plain" (instance $p (export "r" (type (sub resource)))))
        (alias export $p "r" (type $r))
        (import "f" (func (param "r" (borrow $r)))) (import "g" (func)))""",
     ["// import f: a function that cannot be written here: its resource is r of import plain", "import g: func();"]),
    ("a record of an interface that has no name of its own", """(component
        (import "plain" (instance $p (type $0 (record (field "n" u8))) (export "r" (type (eq $0)))))
        (alias export $p "r" (type $r))
        (import "f" (func (param "r" $r))))""",
     ["record r {", "import f: func(r: r);"]),
    ("one interface in two forms", """(component
        (import "a:b/c" (instance (type $0 (record (field "n" u8))) (export "r" (type $r (eq $0)))
          (export "f" (func (param "r" $r)))))
        (type $0 (record (field "n" u16)))
        (instance $i (export "r" (type $0)))
        (export "a:b/c" (instance $i)))""",
     ["import a:b/c;", "// export a:b/c: not the interface of that name which is imported", "n: u16"]),
    ("an interface of which less is imported than exported", """(component
        (import "a:b/c" (instance $i (export "f" (func))))
        (alias export $i "f" (func $f)) (instance $j (export "f" (func $f)) (export "g" (func $f)))
        (export "a:b/c" (instance $j)))""",
     ["// imported without g:", "import a:b/c;", "export a:b/c;"]),
    ("a use that only the exported half has", """(component
        (import "a:b/c" (instance (type $0 (enum "x")) (export "e" (type (eq $0)))))
        (component $t (type $0 (flags "f")) (export "t" (type $0)))
        (instance $t (instantiate $t)) (export $d "a:b/d" (instance $t))
        (alias export $d "t" (type $f))
        (component $u (type $0 (flags "f")) (import "t" (type $1 (eq $0))) (export "t" (type $1)))
        (instance $u (instantiate $u (with "t" (type $f)))) (export "a:b/c" (instance $u)))""",
     ["// WIT has a:b/d imported too, as a:b/c uses it where it is exported; the component does not"]),
    ("a resource that is passed on", """(component
        (import "a:b/c" (instance $i (export "r" (type (sub resource)))))
        (export "a:b/c" (instance $i)))""",
     ["// export a:b/c: not the interface", "it is passed on as it was imported"]),
    ("a method of somebody else's resource", """(component
        (import "a:b/x" (instance $x (export "r" (type (sub resource)))))
        (alias export $x "r" (type $r))
        (import "a:b/y" (instance (alias outer 1 $r (type $0)) (export "r" (type $q (eq $0)))
          (export "[method]r.f" (func (param "self" (borrow $q)))) (export "g" (func)))))""",
     ["// [method]r.f: a thing that WIT has no name for here", "g: func();"]),
    ("a type of the world within an interface", """(component
        (type $0 (record (field "n" u8))) (import "rec" (type $rec (eq $0)))
        (import "a:b/c" (instance (alias outer 1 $rec (type $r)) (export "f" (func (param "r" $r))))))""",
     ["record rec {", "f: func(r: rec);"]),
]  # fmt: skip
