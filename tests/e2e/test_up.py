"""`airs up`: save a file and the new version serves."""

from tests.e2e.conftest import Airs, wait_until


def test_a_saved_manifest_brings_the_new_version(airs: Airs):
    example = airs.copy_example("01-hello")
    manifest = example / "manifests" / "hello.yaml"
    running = airs.background("up", example / "manifests")
    wait_until(lambda: airs.client().answers() and airs.phase() == "running")
    manifest.write_text(manifest.read_text().replace("hello-1.0.0", "hello-1.1.0"))
    wait_until(lambda: airs.version() == "1.1.0")
    assert airs.run("request", "hello", "Ada").stdout.strip()
    assert running.end() == 0
