from orchestrator.interface.text import world_text
from tests.interface.worlds import world_of

RICH = """
(component
  (import "my:things/store@1.0.0" (instance $s
    (export "bucket" (type $b (sub resource)))
    (type $k0 (record (field "type" string) (field "size" u32)))
    (export "key" (type $k (eq $k0)))
    (export "again" (type (eq $k)))
    (type $f0 (flags "a" "use"))
    (export "mode" (type $f (eq $f0)))
    (type $v0 (variant (case "none") (case "one" $k)))
    (export "some" (type $v (eq $v0)))
    (type $e0 (enum "x" "y"))
    (export "axis" (type $e (eq $e0)))
    (type $t0 (tuple f32 f64 char))
    (export "three" (type $t (eq $t0)))
    (export "[constructor]bucket" (func (param "name" string) (result (own $b))))
    (export "[method]bucket.get" (func (param "self" (borrow $b)) (param "k" $k) (result (option (list u8)))))
    (export "[static]bucket.merge" (func (param "a" (own $b)) (param "b" (borrow $b)) (result (result $v (error $e)))))
    (export "[method]bucket.stream" (func async (param "self" (borrow $b)) (result (stream u8))))
    (export "wait" (func async (param "m" $f) (param "t" $t) (result (future))))))
  (alias export $s "bucket" (type $bucket))
  (alias export $s "key" (type $key))
  (import "my:things/use-it@1.0.0" (instance
    (alias outer 1 $bucket (type $b0))
    (export "pail" (type $b (eq $b0)))
    (alias outer 1 $key (type $k0))
    (export "key" (type $k (eq $k0)))
    (export "look" (func (param "b" (borrow $b)) (param "k" $k) (result (result (own $b)))))))
  (type $own0 (record (field "n" u8)))
  (import "own" (type $own (eq $own0)))
  (import "top" (func (param "k" $key) (param "o" $own) (result (result (error string)))))
  (import "plain" (instance (export "f" (func (result (result))))))
  (import "mod" (core module (import "a" "b" (func)))))
"""

TEXT = """\
package root:component;

world root {
  import my:things/store@1.0.0;
  import my:things/use-it@1.0.0;
  import plain: interface {
    f: func() -> result;
  }
  use my:things/store@1.0.0.{key};
  record unnamed-1 {
    n: u8,
  }
  import top: func(k: key, o: unnamed-1) -> result<_, string>;
  // import mod: core module
}

package my:things@1.0.0 {
  interface store {
    resource bucket {
      constructor(name: string);
      get: func(k: key) -> option<list<u8>>;
      merge: static func(a: bucket, b: borrow<bucket>) -> result<some, axis>;
      %stream: async func() -> stream<u8>;
    }
    record key {
      %type: string,
      size: u32,
    }
    type again = key;
    flags mode {
      a,
      %use,
    }
    variant some {
      none,
      one(key),
    }
    enum axis {
      x,
      y,
    }
    type three = tuple<f32, f64, char>;
    wait: async func(m: mode, t: three) -> future;
  }
  interface use-it {
    use store.{key, bucket as pail};
    look: func(b: borrow<pail>, k: key) -> result<pail>;
  }
}
"""


def test_every_kind_of_type_is_written_as_wit():
    assert world_text(world_of(RICH).types) == TEXT


def test_an_empty_component_has_an_empty_world():
    assert world_text(world_of("(component)").types) == "package root:component;\n\nworld root {\n}\n"
