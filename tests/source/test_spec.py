import os
import subprocess

import pytest

from orchestrator.model.source import FolderSpec, GitSpec
from orchestrator.source.spec import SourceRefused, parse_source
from tests.source.conftest import write


@pytest.fixture
def bare(tmp_path):
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "repo.git")], check=True)
    return tmp_path / "repo.git"


def folder(text, cwd, **options):
    spec = parse_source(text, cwd=cwd, **options)
    assert isinstance(spec, FolderSpec)
    return spec


def test_the_root_of_a_folder_is_the_git_work_tree_around_it(tmp_path):
    (tmp_path / "work/.git").mkdir(parents=True)
    (tmp_path / "work/apps/manifests").mkdir(parents=True)
    spec = folder("apps/manifests", tmp_path / "work")
    assert (spec.root, spec.folder) == (str(tmp_path / "work"), "apps/manifests")
    assert "git work tree" in spec.root_reason


def test_a_linked_work_tree_has_a_file_named_git(tmp_path):
    write(tmp_path / "work/.git", "gitdir: elsewhere")
    (tmp_path / "work/m").mkdir()
    assert folder("work/m", tmp_path).root == str(tmp_path / "work")


def test_outside_a_work_tree_the_root_is_the_parent(tmp_path):
    (tmp_path / "apps/manifests").mkdir(parents=True)
    spec = folder("apps/manifests", tmp_path)
    assert (spec.root, spec.folder) == (str(tmp_path / "apps"), "manifests")
    assert "parent" in spec.root_reason


def test_a_home_kept_in_git_is_never_the_root(tmp_path):
    (tmp_path / "home/.git").mkdir(parents=True)
    (tmp_path / "home/apps/manifests").mkdir(parents=True)
    assert folder("home/apps/manifests", tmp_path, home=tmp_path / "home").root == str(tmp_path / "home/apps")
    assert folder("home/apps/manifests", tmp_path, home=tmp_path).root == str(tmp_path / "home")


def test_root_overrides_and_must_hold_the_folder(tmp_path):
    (tmp_path / "a/b/manifests").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    spec = folder("a/b/manifests", tmp_path, root="a")
    assert (spec.root, spec.folder, spec.root_reason) == (str(tmp_path / "a"), "b/manifests", "named with --root")
    with pytest.raises(SourceRefused, match="outside the root"):
        folder("a/b/manifests", tmp_path, root="other")
    with pytest.raises(SourceRefused, match="not a directory"):
        folder("a/b/manifests", tmp_path, root="nowhere")


def test_a_root_is_not_held_by_a_name_it_only_begins_with(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app-two").mkdir()
    with pytest.raises(SourceRefused):
        folder("app-two", tmp_path, root="app")


def test_a_files_folder_plays_the_part_of_the_folder(tmp_path):
    write(tmp_path / "apps/manifests/a.yaml", "x")
    spec = folder("apps/manifests/a.yaml", tmp_path)
    assert (spec.root, spec.folder, spec.file) == (str(tmp_path / "apps"), "manifests", "a.yaml")
    assert spec.identity == str(tmp_path / "apps/manifests/a.yaml")


@pytest.mark.parametrize("text", ["m", "./m", "m/", "../{here}/m", "{absolute}/m", "x/../m"])
def test_one_folder_has_one_identity_however_it_is_typed(tmp_path, text):
    (tmp_path / "m").mkdir()
    (tmp_path / "x").mkdir()
    typed = text.format(here=tmp_path.name, absolute=tmp_path)
    assert folder(typed, tmp_path).identity == str(tmp_path / "m")


def test_a_name_is_the_identity(tmp_path, bare):
    (tmp_path / "m").mkdir()
    assert folder("m", tmp_path, name="prod").identity == "prod"
    assert parse_source(f"{bare}#main", name="prod", cwd=tmp_path).identity == "prod"


def test_a_link_out_of_its_own_root_is_what_it_leads_to(tmp_path):
    (tmp_path / "real/manifests").mkdir(parents=True)
    (tmp_path / "links").mkdir()
    (tmp_path / "links/m").symlink_to(tmp_path / "real/manifests")
    assert folder("links/m", tmp_path).root == str(tmp_path / "real")


@pytest.mark.parametrize(
    ("cwd", "shown"),
    [
        ("", "work/apps/manifests/a.yaml"),
        ("work", "apps/manifests/a.yaml"),
        ("work/apps", "manifests/a.yaml"),
        ("elsewhere", "{work}/apps/manifests/a.yaml"),
        ("work/other", "{work}/apps/manifests/a.yaml"),
    ],
)
def test_paths_are_shown_as_someone_in_the_current_directory_types_them(tmp_path, read, artifacts, cwd, shown):
    from orchestrator.source.folder import FolderSource

    (tmp_path / "work/.git").mkdir(parents=True)
    write(tmp_path / "work/apps/manifests/a.yaml", "x")
    (tmp_path / cwd).mkdir(exist_ok=True)
    spec = folder(str(tmp_path / "work/apps/manifests"), tmp_path / cwd)
    snapshot = FolderSource(spec, lambda files, manifests: (), artifacts).read().snapshot
    assert snapshot.shown(snapshot.manifests[0]) == shown.format(work=tmp_path / "work")


@pytest.mark.parametrize(
    ("text", "transport", "host", "port"),
    [
        ("https://git.example.org/a/b.git#main:m", "https", "git.example.org", 443),
        ("https://git.example.org:8443/a", "https", "git.example.org", 8443),
        ("ssh://git@git.example.org:2222/a", "ssh", "git.example.org", 2222),
        ("git@git.example.org:a/b.git#v1", "ssh", "git.example.org", 22),
        ("http://localhost:8000/a", "http", "localhost", 8000),
        ("http://127.0.0.1/a", "http", "127.0.0.1", 80),
        ("http://[::1]:8000/a", "http", "::1", 8000),
    ],
)
def test_urls_are_git(tmp_path, text, transport, host, port):
    spec = parse_source(text, cwd=tmp_path)
    assert isinstance(spec, GitSpec)
    assert (spec.transport, spec.host, spec.port) == (transport, host, port)


@pytest.mark.parametrize(
    ("place", "ref", "path"),
    [
        ("", "HEAD", ""),
        ("#", "HEAD", ""),
        ("#main", "main", ""),
        ("#main:m", "main", "m"),
        ("#:m/", "HEAD", "m"),
        ("#feature/x:./a//b/", "feature/x", "a/b"),
        ("#1.0:a:b", "1.0", "a:b"),
    ],
)
def test_ref_and_path_stand_behind_the_hash(tmp_path, bare, place, ref, path):
    spec = parse_source(f"repo.git{place}", cwd=tmp_path)
    assert isinstance(spec, GitSpec)
    assert (spec.ref, spec.path, spec.repository) == (ref, path, str(bare))
    assert spec.identity == f"{bare}#{ref}:{path}"


REFUSED = [
    "",
    "nowhere",
    "nowhere#main",
    "nowhere.git#main:m",
    "-m",
    "--upload-pack=touch x",
    "-oProxyCommand=x#main",
    "ext::sh -c touch% x",
    "ext::sh -c x#main",
    "fd::17#main",
    "transport::address",
    "EXT::x",
    "git://git.example.org/a",
    "ftp://git.example.org/a",
    "rsync://git.example.org/a",
    "file://other.example.org/a",
    "file:///nowhere#main",
    "javascript://x",
    "http://git.example.org/a",
    "http://localhost.example.org/a",
    "http://169.254.169.254/latest/meta-data",
    "https://169.254.169.254/a",
    "https://2852039166/a",
    "https://0xA9FEA9FE/a",
    "https://0251.0376.0251.0376/a",
    "https://[::ffff:169.254.169.254]/a",
    "https://[64:ff9b::a9fe:a9fe]/a",
    "https://[fd00:ec2::254]/a",
    "https://[fe80::1]/a",
    "https://[fe80::1%25eth0]/a",
    "https://100.100.100.200/a",
    "https://0.0.0.0/a",
    "https://224.0.0.1/a",
    "ssh://169.254.169.254/a",
    "git@169.254.169.254:a",
    "https://user:secret@git.example.org/a",
    "https://token@git.example.org/a",
    "ssh://git:secret@git.example.org/a",
    "https:///a",
    "https://git.example.org:99999/a",
    "https://git.example.org/a%0ahost=evil",
    "https://git.example.org/a?b=c",
    "ssh://-oProxyCommand=x/a",
    "ssh://-oProxyCommand=x@host/a",
    "ssh://git.example.org/-x",
    "git@-oProxyCommand=x:a",
    "git@git.example.org:-x",
    "https://git.example.org/a#main:../x",
    "https://git.example.org/a#main:/etc",
    "https://git.example.org/a#main:a/../../x",
    "https://git.example.org/a\n#main",
    "https://git.example.org/a#ma\nin",
    "a\x00b",
    "a\x1b[31mb",
    "\udcff",
    "x" * 5000,
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda t: ascii(t)[:60])
def test_hostile_and_mistaken_sources_are_refused_with_a_sentence(tmp_path, text):
    with pytest.raises(SourceRefused) as refused:
        parse_source(text, cwd=tmp_path)
    said = f"{refused.value.summary} {refused.value.detail} {refused.value.suggestion}"
    assert refused.value.summary
    assert said.isprintable()
    assert "secret" not in said


BAD_REFS = [
    "-x",
    "--upload-pack=x",
    "a b",
    "a..b",
    "a~1",
    "a^",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "@{-1}",
    "@",
    "a@{1}",
    ".a",
    "a/.b",
    "a.lock",
    "a.lock/b",
    "a/",
    "a.",
    "/a",
    "a//b",
    "main --upload-pack=x",
    "x" * 300,
]


@pytest.mark.parametrize("ref", BAD_REFS)
def test_what_is_no_ref_is_refused(tmp_path, bare, ref):
    with pytest.raises(SourceRefused, match="is not a ref"):
        parse_source(f"{bare}#{ref}", cwd=tmp_path)


@pytest.mark.parametrize("name", ["Component.toml", "hello.wasm", "pipe.yaml"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path, name):
    if name == "pipe.yaml":
        os.mkfifo(tmp_path / name)
    else:
        write(tmp_path / name, "x")
    with pytest.raises(SourceRefused, match="is not a manifest"):
        parse_source(name, cwd=tmp_path)


def test_a_folder_whose_name_has_a_hash_is_a_folder(tmp_path):
    (tmp_path / "c#").mkdir()
    assert folder("c#", tmp_path).folder == "c#"


def test_root_means_nothing_for_a_repository(tmp_path, bare):
    with pytest.raises(SourceRefused, match="--root"):
        parse_source(f"{bare}#main", root=".", cwd=tmp_path)


def test_a_folder_read_as_a_repository_says_how_to_read_it_as_a_folder(tmp_path):
    (tmp_path / "m").mkdir()
    with pytest.raises(SourceRefused) as refused:
        parse_source("m#main", cwd=tmp_path)
    assert "Leave the # away" in refused.value.suggestion
