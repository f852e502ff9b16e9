import contextlib
import hashlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.snapshot import Artifact, Content, Known, KnownEmpty, Listing, Unknown, Unreadable
from orchestrator.model.world import ArtifactFault
from orchestrator.source import folder as folder_module
from orchestrator.source import gather as gather_module
from orchestrator.source.artifacts import ArtifactCache
from orchestrator.source.folder import FolderDirectory, FolderFile, FolderSource, opened_root
from orchestrator.source.spec import parse_source
from orchestrator.source.walk import Kind, PathFault, located
from tests.source.conftest import Wanted, references, write


def test_a_snapshot_holds_the_manifests_and_everything_they_refer_to(project, read):
    answer = read(project / "app/manifests", project)

    assert isinstance(answer, Known)
    snapshot = answer.snapshot
    assert snapshot.manifests == ("app/manifests/a.yaml",)
    assert snapshot.folder == "app/manifests"
    assert snapshot.files["app/components/hello/Component.toml"] == Content(b"artifact hello.wasm\n")
    artifact = snapshot.files["app/components/hello/hello.wasm"]
    assert isinstance(artifact, Artifact)
    assert artifact.data == b"wasm 1"
    assert artifact.digest == "sha256:" + hashlib.sha256(b"wasm 1").hexdigest()
    assert set(snapshot.files) == {
        "app/manifests/a.yaml",
        "app/components/hello/Component.toml",
        "app/components/hello/hello.wasm",
    }


def test_every_file_is_asked_about_once(project, artifacts):
    asked = []

    def counting(files, manifests):
        asked.append((sorted(files), list(manifests)))
        return references(files, manifests)

    FolderSource(
        parse_source(str(project / "app/manifests"), root=str(project), cwd=project), counting, artifacts
    ).read()
    assert asked == [
        (["app/manifests/a.yaml"], ["app/manifests/a.yaml"]),
        (["app/components/hello/Component.toml"], []),
        (["app/components/hello/hello.wasm"], []),
    ]


def test_manifests_are_found_below_and_sorted_and_editors_files_are_not(tmp_path, read):
    folder = tmp_path / "m"
    for name in ("z.yaml", "b/c.yml", "a.yaml"):
        write(folder / name, "x")
    for name in (
        ".hidden.yaml",
        ".vscode/x.yaml",
        "a.yaml~",
        ".#a.yaml",
        "#a.yaml#",
        ".a.yaml.swp",
        "4913",
        "notes.txt",
    ):
        write(folder / name, "x")

    assert read(folder).snapshot.manifests == ("m/a.yaml", "m/b/c.yml", "m/z.yaml")


def test_a_folder_without_manifests_is_known_to_be_empty(tmp_path, read):
    (tmp_path / "m").mkdir()
    assert isinstance(read(tmp_path / "m"), KnownEmpty)


@pytest.mark.parametrize("turned_into", ["nothing", "a file", "a link out", "a link to itself"])
def test_a_folder_that_is_gone_is_unknown_never_empty(project, artifacts, turned_into):
    folder = project / "app/manifests"
    source = FolderSource(parse_source(str(folder), root=str(project / "app"), cwd=project), references, artifacts)
    shutil.rmtree(folder)
    match turned_into:
        case "a file":
            folder.write_text("x")
        case "a link out":
            folder.symlink_to("/etc")
        case "a link to itself":
            folder.symlink_to("manifests")

    answer = source.read()

    assert isinstance(answer, Unknown)
    assert str(folder) in answer.failure.summary
    assert answer.failure.source == str(folder)


def test_a_root_that_is_gone_is_unknown(project, artifacts):
    source = FolderSource(parse_source(str(project / "app/manifests"), cwd=project), references, artifacts)
    shutil.rmtree(project / "app")
    assert isinstance(source.read(), Unknown)


def test_more_manifests_than_a_snapshot_may_hold_are_unknown_not_cut_off(tmp_path, read, monkeypatch):
    monkeypatch.setattr(gather_module, "MAX_MANIFESTS", 3)
    for number in range(4):
        write(tmp_path / f"m/{number}.yaml", "x")
    answer = read(tmp_path / "m")
    assert isinstance(answer, Unknown)
    assert "more than 3 manifests" in answer.failure.detail


def test_directories_nested_too_deep_are_unknown(tmp_path, read):
    write(tmp_path / "m" / "/".join(["d"] * 33) / "a.yaml", "x")
    assert "32 deep" in read(tmp_path / "m").failure.detail


def test_a_single_manifest_is_read_alone(project, read):
    write(project / "app/manifests/b.yaml", "x")
    assert read(project / "app/manifests/a.yaml", project).snapshot.manifests == ("app/manifests/a.yaml",)


@pytest.mark.parametrize(
    ("link", "target", "kind"),
    [
        ("hello.wasm", "../../../secret", "escapes"),
        ("hello.wasm", "/etc/passwd", "escapes"),
        ("hello.wasm", "../other/other.wasm", "escapes"),
        ("hello.wasm", "{project}/app/components/other/other.wasm", "escapes"),
        ("hello.wasm", "{project}/app/components", "escapes"),
        ("hello.wasm", "hello.wasm", "link"),
        ("hello.wasm", "nowhere", "missing"),
        ("hello.wasm", ".", "not-a-file"),
        ("hello.wasm", "Component.toml/x", "missing"),
        ("Component.toml", "../../../../secret", "escapes"),
        ("Component.toml", "../../../../../../../../../../etc/passwd", "escapes"),
    ],
)
def test_a_link_is_followed_only_while_it_stays_where_it_must(project, read, link, target, kind):
    write(project / "secret", "wasm secret")
    write(project / "app/components/other/other.wasm", "wasm other")
    path = project / "app/components/hello" / link
    path.unlink()
    path.symlink_to(target.format(project=project))

    entry = read(project / "app/manifests", project).snapshot.files[f"app/components/hello/{link}"]

    assert isinstance(entry, Unreadable)
    assert entry.kind == kind


def test_a_single_manifest_that_is_gone_is_unknown(project, artifacts):
    path = project / "app/manifests/a.yaml"
    source = FolderSource(parse_source(str(path), cwd=project), references, artifacts)
    path.unlink()
    assert isinstance(source.read(), Unknown)


def test_more_bytes_than_a_snapshot_may_hold_are_unknown_and_equal_artifacts_count_once(project, read, monkeypatch):
    monkeypatch.setattr(gather_module, "MAX_TOTAL_BYTES", 10_000)
    for name in ("one", "two"):
        write(project / f"app/components/{name}/Component.toml", "artifact x.wasm\n")
        write(project / f"app/components/{name}/x.wasm", "wasm " + "x" * 6_000)
        write(project / f"app/manifests/{name}.yaml", f"component app/components/{name}\n")
    assert isinstance(read(project / "app/manifests", project), Known)
    write(project / "app/components/two/x.wasm", "wasm " + "y" * 6_000)
    assert isinstance(read(project / "app/manifests", project), Unknown)


def test_of_two_references_to_one_path_the_stricter_counts(project, artifacts):
    write(project / "app/shared.wasm", "wasm shared")
    path = project / "app/components/hello/hello.wasm"
    path.unlink()
    path.symlink_to("../../shared.wasm")

    def both(files, manifests):
        loose = Wanted("app/components/hello/hello.wasm", True, "app")
        return (loose, *references(files, manifests)) if not manifests else references(files, manifests)

    spec = parse_source(str(project / "app/manifests"), root=str(project), cwd=project)
    files = FolderSource(spec, both, artifacts).read().snapshot.files
    assert files["app/components/hello/hello.wasm"].kind == "escapes"


NAMES = ("a", "b", "c")
TARGETS = st.one_of(
    st.lists(st.sampled_from((*NAMES, "..", ".", "secret")), min_size=1, max_size=5).map("/".join),
    st.lists(st.sampled_from((*NAMES, "..")), max_size=3).map(lambda parts: "/".join(["{root}", *parts])),
    st.sampled_from(["/etc/passwd", "{root}/../secret", "{root}x/secret"]),
)
PATHS = st.lists(st.sampled_from((*NAMES, "..")), min_size=1, max_size=5).map("/".join)


@settings(max_examples=150, deadline=None)
@given(
    links=st.dictionaries(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join), TARGETS, max_size=6),
    files=st.sets(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join), max_size=6),
    path=PATHS,
    confined_to=st.sampled_from([None, *NAMES]),
)
def test_whatever_links_there_are_only_what_lies_inside_is_read(links, files, path, confined_to):
    with tempfile.TemporaryDirectory() as name:
        top = Path(os.path.realpath(name))
        root = top / "root"
        for outside in (top / "secret", top / "rootx/secret"):
            write(outside, "outside")
        for file in sorted(files):
            _try(write, root / file, file)
        for link, target in sorted(links.items()):
            _try(_link, root / link, target.format(root=root))
        root.mkdir(exist_ok=True)
        try:
            with (
                opened_root(str(root)) as opened,
                located(opened, path, confined_to) as (directory, last),
                directory.opened(last) as found,
            ):
                content = found.read(1000)
        except PathFault:
            return
        real = os.path.realpath(root / path)
        inside = os.path.realpath(root / (confined_to or ""))
        assert real.startswith(f"{inside}/")
        assert content == Path(real).read_bytes() != b"outside"


def _link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _try(act, *arguments):
    with contextlib.suppress(OSError):
        act(*arguments)


def test_links_inside_are_followed(project, read):
    hello = project / "app/components/hello"
    write(hello / "build/v1/out.wasm", "wasm built")
    (hello / "build/current").symlink_to("v1")
    (hello / "hello.wasm").unlink()
    (hello / "hello.wasm").symlink_to(hello / "build/current/../current/out.wasm")

    entry = read(project / "app/manifests", project).snapshot.files["app/components/hello/hello.wasm"]

    assert isinstance(entry, Artifact)
    assert entry.data == b"wasm built"


def test_a_directory_on_the_way_that_is_a_link_out_is_refused(project, read, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    shutil.move(project / "app/components/hello", outside / "hello")
    (project / "app/components/hello").symlink_to(outside / "hello")
    entry = read(project / "app/manifests", project).snapshot.files["app/components/hello/Component.toml"]
    assert entry.kind == "escapes"


def test_dots_after_a_link_go_up_from_where_the_link_leads(tmp_path):
    write(tmp_path / "root/real/deep/x", "1")
    write(tmp_path / "root/real/y", "here")
    (tmp_path / "root/link").symlink_to("real/deep")
    with (
        opened_root(str(tmp_path / "root")) as root,
        located(root, "link/../y") as (directory, name),
        directory.opened(name) as file,
    ):
        assert file.read(10) == b"here"


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "a/b/../../../secret"])
def test_dots_never_leave_the_root(tmp_path, path):
    write(tmp_path / "secret", "x")
    write(tmp_path / "root/a/b/c", "x")
    with opened_root(str(tmp_path / "root")) as root, pytest.raises(PathFault) as fault, located(root, path):
        pass
    assert fault.value.kind == "escapes"


def test_a_file_swapped_for_a_link_between_look_and_open_is_not_followed(tmp_path):
    write(tmp_path / "secret", "secret")
    write(tmp_path / "root/a.yaml", "fine")

    class Swapping(FolderDirectory):
        def look(self, name):
            kind = super().look(name)
            os.unlink(tmp_path / "root/a.yaml")
            os.symlink(tmp_path / "secret", tmp_path / "root/a.yaml")
            return kind

    root = Swapping.at(str(tmp_path / "root"))
    with located(root, "a.yaml") as (directory, name), pytest.raises(OSError, match="symbolic"), directory.opened(name):
        pass
    root.close()


@pytest.mark.parametrize("what", ["fifo", "socket", "device"])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(project, read, what, monkeypatch):
    path = project / "app/components/hello/hello.wasm"
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("hello.wasm")
    entry = read(project / "app/manifests", project).snapshot.files["app/components/hello/hello.wasm"]
    assert entry.kind == ("escapes" if what == "device" else "not-a-file")


def test_a_pipe_that_takes_a_files_place_after_the_look_does_not_make_opening_wait(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    with opened_root(str(tmp_path)) as root, pytest.raises(PathFault) as fault, root.opened("a.yaml"):
        pass
    assert fault.value.kind == "not-a-file"


def test_every_kind_of_file_has_its_size_limit(project, read, monkeypatch):
    monkeypatch.setattr(gather_module, "MAX_ARTIFACT_BYTES", 5)
    write(project / "app/manifests/big.yaml", "x" * (4 * 1024 * 1024 + 1))
    write(project / "app/manifests/b.yaml", "component app/components/b\n")
    write(project / "app/components/b/Component.toml", "x" * (64 * 1024 + 1))

    files = read(project / "app/manifests", project).snapshot.files

    assert files["app/manifests/big.yaml"] == Unreadable("too-large", "it is larger than 4 MiB")
    assert files["app/components/b/Component.toml"] == Unreadable("too-large", "it is larger than 64 KiB")
    assert files["app/components/hello/hello.wasm"].kind == "too-large"


def test_a_sparse_giant_is_refused_by_its_size_before_a_byte_is_read(project, read):
    os.truncate(project / "app/components/hello/hello.wasm", 2**40)
    assert (
        read(project / "app/manifests", project).snapshot.files["app/components/hello/hello.wasm"].kind == "too-large"
    )


def test_a_manifest_that_cannot_be_read_does_not_hide_the_others(project, read):
    (project / "app/manifests/b.yaml").symlink_to("/etc/hostname")
    snapshot = read(project / "app/manifests", project).snapshot
    assert snapshot.files["app/manifests/b.yaml"].kind == "escapes"
    assert isinstance(snapshot.files["app/manifests/a.yaml"], Content)


def test_a_name_that_is_not_utf8_is_shown_and_refused(tmp_path, read):
    write(tmp_path / "m/a.yaml", "x")
    (tmp_path / os.fsdecode(b"m/\xff.yaml")).write_text("x")
    write(tmp_path / "m/new\nline.yaml", "x")
    snapshot = read(tmp_path / "m").snapshot
    assert snapshot.manifests == ("m/\\xff.yaml", "m/a.yaml", "m/new\\nline.yaml")
    assert snapshot.files["m/\\xff.yaml"].kind == "io"
    assert snapshot.files["m/new\\nline.yaml"].kind == "io"


def test_a_kubernetes_style_volume_is_read_once_and_follows_the_swap(tmp_path, read):
    volume = tmp_path / "volume"
    write(volume / "..2024_1/a.yaml", "old")
    (volume / "..data").symlink_to("..2024_1")
    (volume / "a.yaml").symlink_to("..data/a.yaml")

    first = read(volume).snapshot
    write(volume / "..2024_2/a.yaml", "new")
    (volume / "..data_tmp").symlink_to("..2024_2")
    os.rename(volume / "..data_tmp", volume / "..data")
    second = read(volume).snapshot

    assert first.manifests == second.manifests == ("volume/a.yaml",)
    assert first.files["volume/a.yaml"] == Content(b"old")
    assert second.files["volume/a.yaml"] == Content(b"new")


def test_a_folder_named_by_a_link_follows_the_link_each_time(tmp_path, artifacts):
    write(tmp_path / "releases/1/a.yaml", "one")
    write(tmp_path / "releases/2/a.yaml", "two")
    (tmp_path / "current").symlink_to("releases/1")
    source = FolderSource(parse_source("current", cwd=tmp_path), references, artifacts)
    first = source.read().snapshot
    (tmp_path / "next").symlink_to("releases/2")
    os.rename(tmp_path / "next", tmp_path / "current")
    assert (first.files["current/a.yaml"], source.read().snapshot.files["current/a.yaml"]) == (
        Content(b"one"),
        Content(b"two"),
    )


def test_a_folder_whose_manifests_keep_changing_is_unknown(tmp_path, artifacts):
    write(tmp_path / "m/0.yaml", "x")
    names = iter(range(1, 100))

    def meddling(files, manifests):
        write(tmp_path / f"m/{next(names)}.yaml", "x")
        return ()

    answer = FolderSource(parse_source("m", cwd=tmp_path), meddling, artifacts).read()
    assert isinstance(answer, Unknown)
    assert next(names) == 1 + folder_module.MAX_ATTEMPTS


def test_a_folder_replaced_while_it_is_read_is_read_again(tmp_path, artifacts):
    write(tmp_path / "m/a.yaml", "old")
    write(tmp_path / "next/a.yaml", "new")

    def replacing(files, manifests):
        if (tmp_path / "next").exists():
            os.rename(tmp_path / "m", tmp_path / "gone")
            os.rename(tmp_path / "next", tmp_path / "m")
        return ()

    answer = FolderSource(parse_source("m", cwd=tmp_path), replacing, artifacts).read()
    assert answer.snapshot.files["m/a.yaml"] == Content(b"new")


def test_a_file_written_to_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    path = write(tmp_path / "a.yaml", "half")
    once = FolderFile._read_once

    def reading(self, limit):
        data = once(self, limit)
        if data == b"half":
            path.write_text("whole")
        return data

    monkeypatch.setattr(FolderFile, "_read_once", reading)
    with opened_root(str(tmp_path)) as root, root.opened("a.yaml") as file:
        assert file.read(100) == b"whole"


def test_a_file_written_to_all_the_time_is_unreadable(tmp_path, monkeypatch):
    path = write(tmp_path / "a.yaml", "x")
    once = FolderFile._read_once

    def reading(self, limit):
        data = once(self, limit)
        with path.open("a") as file:
            file.write("x")
        return data

    monkeypatch.setattr(FolderFile, "_read_once", reading)
    with opened_root(str(tmp_path)) as root, root.opened("a.yaml") as file, pytest.raises(PathFault) as fault:
        file.read(100)
    assert fault.value.detail == "it is being written to"


def test_an_unchanged_artifact_is_inspected_once(project, read, inspector):
    for _ in range(3):
        read(project / "app/manifests", project)
    write(project / "app/components/hello/hello.wasm", "wasm 2")
    read(project / "app/manifests", project)
    assert inspector.asked == [b"wasm 1", b"wasm 2"]


def test_what_an_artifact_is_refused_for_is_in_its_entry(project, read):
    write(project / "app/components/hello/hello.wasm", "core module")
    entry = read(project / "app/manifests", project).snapshot.files["app/components/hello/hello.wasm"]
    assert isinstance(entry.world, ArtifactFault)
    assert entry.world.summary == "not a component"


def test_a_file_changed_lately_has_no_identity_since_its_next_change_may_not_show(tmp_path):
    path = write(tmp_path / "x.wasm", "1")
    descriptor = os.open(path, os.O_RDONLY)
    changed = os.fstat(descriptor).st_ctime_ns
    young = FolderFile(descriptor, now_ns=lambda: changed + folder_module.YOUNG_NS - 1)
    old = FolderFile(descriptor, now_ns=lambda: changed + folder_module.YOUNG_NS)
    assert young.identity is None
    assert old.identity is not None
    os.close(descriptor)


def test_a_rewrite_of_equal_size_with_its_old_modification_time_is_seen(project, read):
    path = project / "app/components/hello/hello.wasm"
    status = path.stat()
    read(project / "app/manifests", project)
    path.write_text("wasm 2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(project / "app/manifests", project).snapshot.files["app/components/hello/hello.wasm"].data == b"wasm 2"


def test_a_known_identity_is_not_read_again(artifacts):
    first = artifacts.artifact(("id", 1), lambda: b"wasm 1")
    assert artifacts.artifact(("id", 1), lambda: pytest.fail("read again")) is first


def test_the_cache_keeps_no_more_bytes_than_it_may(inspector):
    cache = ArtifactCache(inspector, max_held_bytes=10)
    cache.artifact("a", lambda: b"wasm aaaa")
    cache.artifact("b", lambda: b"wasm bbbb")
    reread = []
    cache.artifact("a", lambda: reread.append(1) or b"wasm aaaa")
    assert reread == [1]
    assert inspector.asked == [b"wasm aaaa", b"wasm bbbb"]


def test_no_descriptor_is_left_open(project, read):
    read(project / "app/manifests", project)
    before = len(os.listdir("/proc/self/fd"))
    (project / "app/components/hello/Component.toml").unlink()
    (project / "app/components/hello/Component.toml").symlink_to("../../../../x")
    for _ in range(5):
        read(project / "app/manifests", project)
    assert len(os.listdir("/proc/self/fd")) == before


def test_kinds_are_told_apart_without_following(tmp_path):
    write(tmp_path / "file", "x")
    (tmp_path / "link").symlink_to("file")
    with opened_root(str(tmp_path)) as root:
        assert [root.look(n) for n in ("file", "link", "none")] == [Kind.FILE, Kind.LINK, Kind.MISSING]


def test_a_manifest_is_read_again_only_when_its_inode_or_times_say_so(project, artifacts, monkeypatch):
    monkeypatch.setattr(folder_module, "YOUNG_NS", 0)
    manifest = project / "app/manifests/a.yaml"
    spec = parse_source(str(project / "app/manifests"), root=str(project), cwd=project)
    source = FolderSource(spec, references, artifacts)
    first, second = (source.read().snapshot.files["app/manifests/a.yaml"] for _ in range(2))
    assert first is second
    write(manifest, "component app/components/hello\n# changed\n")
    assert source.read().snapshot.files["app/manifests/a.yaml"].data.endswith(b"# changed\n")
    os.rename(write(project / "app/other", "# other\n"), manifest)
    assert source.read().snapshot.files["app/manifests/a.yaml"].data == b"# other\n"


def test_a_young_manifest_is_always_read_again(project, artifacts):
    spec = parse_source(str(project / "app/manifests"), root=str(project), cwd=project)
    source = FolderSource(spec, references, artifacts)
    first, second = (source.read().snapshot.files["app/manifests/a.yaml"] for _ in range(2))
    assert first == second
    assert first is not second


def test_a_base_is_read_with_the_folder_that_names_it_and_all_below_it(project, read):
    write(project / "env/o.yaml", "base app/manifests\nbase gone\nbase ../out\n")
    write(project / "app/manifests/sub/b.yml", "component app/components/other\nbase env\n")
    write(project / "app/manifests/.hidden.yaml", "component app/components/x\n")
    snapshot = read(project / "env", project).snapshot
    assert snapshot.manifests == ("env/o.yaml",)
    assert snapshot.files["app/manifests/"] == Listing(("app/manifests/a.yaml", "app/manifests/sub/b.yml"))
    assert snapshot.files["env/"] == Listing(("env/o.yaml",))
    assert snapshot.files["gone/"] == Unreadable("missing", "there is no gone")
    assert snapshot.files["../out/"].kind == "escapes"
    assert {"app/components/hello/hello.wasm", "app/components/other/Component.toml"} <= snapshot.files.keys()


def test_a_base_that_leads_out_of_the_root_is_not_read(project, read, tmp_path_factory):
    write(tmp_path_factory.mktemp("outside") / "x.yaml", "component app/components/hello\n")
    outside = next(tmp_path_factory.getbasetemp().glob("outside*"))
    (project / "app/linked").symlink_to(outside)
    write(project / "env/o.yaml", "base app/linked\nbase app/manifests/a.yaml\n")
    files = read(project / "env", project).snapshot.files
    assert files["app/linked/"].kind == "escapes"
    assert files["app/manifests/a.yaml/"].kind == "not-a-file"
    assert not any("x.yaml" in path for path in files)
