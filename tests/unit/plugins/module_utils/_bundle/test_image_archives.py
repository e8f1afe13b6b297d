# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import image_archives
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.image_archives import ArchiveError, images_in
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest

sys.path.insert(0, str(Path(__file__).parent))
from own_archives import NAME, docker, oci, write
from small_bundle import make

DIGEST = "sha256:" + hashlib.sha256(b"{}").hexdigest()
PINNED = f"quay.io/cilium/cilium@{DIGEST}"


@pytest.mark.parametrize("note", ["io.containerd.image.name", "org.opencontainers.image.ref.name"])
@pytest.mark.parametrize("name", [NAME, PINNED, "localhost/web:v1", "registry:5000/web:v1"])
def test_names_of_an_oci_archive_are_as_they_are_written(tmp_path: Path, name: str, note: str) -> None:
    assert images_in(oci(tmp_path / "a.tar", name, note=note)) == {name: DIGEST}


def test_an_archive_may_hold_several_images_and_some_without_a_name(tmp_path: Path) -> None:
    assert images_in(oci(tmp_path / "a.tar", NAME, "", PINNED)) == {NAME: DIGEST, PINNED: DIGEST}


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("busybox:1", "docker.io/library/busybox:1"),
        ("calico/node:v3", "docker.io/calico/node:v3"),
        ("index.docker.io/calico/node:v3", "docker.io/calico/node:v3"),
        (NAME, NAME),
        ("localhost/web:v1", "localhost/web:v1"),
        ("registry:5000/web:v1", "registry:5000/web:v1"),
    ],
)
def test_names_of_docker_are_completed(tmp_path: Path, name: str, full: str) -> None:
    found = images_in(docker(tmp_path / "a.tar", name))
    assert list(found) == [full]
    other = images_in(docker(tmp_path / "b.tar", name, content=b'{"other": 1}'))
    assert found[full] != other[full], "another image is another one by the same name"


@pytest.mark.parametrize(
    ("name", "rule", "remedy"),
    [
        (f"quay.io/cilium/cilium:v1@{DIGEST}", "has a tag and a digest", f"by the name {PINNED}"),
        ("v1", "found by a full name only", "docker.io/library/name"),
        ("busybox:1", "found by a full name only", "docker.io/library/name"),
        ("docker.io/busybox:1", "found by a full name only", "docker.io/library/name"),
        ("quay.io/cilium/cilium", "found by a full name only", "docker.io/library/name"),
    ],
)
def test_a_name_by_which_nobody_finds_the_image(tmp_path: Path, name: str, rule: str, remedy: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        images_in(oci(tmp_path / "a.tar", name, note="org.opencontainers.image.ref.name"))
    assert rule in caught.value.rule
    assert remedy in caught.value.remedy


def test_a_digest_in_a_name_is_what_the_name_stands_for(tmp_path: Path) -> None:
    """One platform by the name of the list of all: containerd would believe it."""
    other = "quay.io/cilium/cilium@sha256:" + "0" * 64
    with pytest.raises(ArchiveError, match=rf"What is named {other} in it is {DIGEST}\. Export .* all platforms"):
        images_in(oci(tmp_path / "a.tar", other))


def raw(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


NO_ARCHIVE: dict[str, tuple[t.Callable[[Path], Path], str, str]] = {
    "text": (lambda path: raw(path, b"hello"), "no tar archive", "docker save"),
    "empty": (lambda path: raw(path, b""), "no tar archive", "skopeo copy"),
    "compressed": (lambda path: raw(path, gzip.compress(b"x")), "not compressed", "gzip -d a.tar"),
    "zstd": (lambda path: raw(path, b"\x28\xb5\x2f\xfd12"), "not compressed", "zstd -d a.tar"),
    "cut": (
        lambda path: raw(path, oci(path, content=b"x" * 5000).read_bytes()[:700]),
        "not a whole one",
        "regctl image export",
    ),
    "another tar": (lambda path: write(path, {"README": b"x"}), "neither an oci-layout", "docker save"),
    "no index": (lambda path: write(path, {"oci-layout": b"{}"}), "no index.json", "docker save"),
    "damaged": (lambda path: write(path, {"oci-layout": b"{}", "index.json": b"{"}), "damaged", "again"),
    "a list": (lambda path: write(path, {"oci-layout": b"{}", "index.json": b"[]"}), "damaged", "again"),
    "lacking": (
        lambda path: write(path, {"manifest.json": b'[{"Config": "c", "Layers": []}]'}),
        "c is named in it, but is not in it",
        "again",
    ),
    "lacking of oci": (
        lambda path: write(path, {"oci-layout": b"{}", "index.json": b'{"manifests": [{"digest": "sha256:0"}]}'}),
        "sha256:0 is named in it, but is not in it",
        "again",
    ),
    "no name": (lambda path: oci(path, ""), "No image in it has a name", "Give the image's name"),
    "no name of docker": (docker, "No image in it has a name", "Give the image's name"),
}


@pytest.mark.parametrize("kind", NO_ARCHIVE)
def test_what_is_no_archive_says_why_and_what_to_do(tmp_path: Path, kind: str) -> None:
    maker, rule, remedy = NO_ARCHIVE[kind]
    with pytest.raises(ArchiveError) as caught:
        images_in(maker(tmp_path / "a.tar"))
    assert rule in caught.value.rule
    assert remedy in caught.value.remedy


def test_an_entry_is_all_that_others_need_to_know(tmp_path: Path) -> None:
    path = oci(tmp_path / "a.tar")
    (entry,) = image_archives.entries([str(path)], tmp_path / "cache.json")
    assert entry == {
        "name": "a.tar",
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size": path.stat().st_size,
        "images": {NAME: DIGEST},
        "rule": "",
        "remedy": "",
    }
    assert image_archives.problems([entry]) == []


def test_an_unchanged_file_is_read_once_and_a_changed_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = image_archives.sha256_of
    monkeypatch.setattr(image_archives, "sha256_of", lambda path: read.append(path.name) or whole(path))
    path, cache = oci(tmp_path / "a.tar"), tmp_path / "cache.json"
    first = image_archives.entries([str(path)], cache)
    assert image_archives.entries([str(path)], cache) == first
    assert read == ["a.tar"]
    oci(path, content=b"another")
    os.utime(path, ns=(1, 1))
    second = image_archives.entries([str(path)], cache)
    assert second[0]["images"] != first[0]["images"]
    assert read == ["a.tar", "a.tar"]
    cache.write_text("no JSON")
    assert image_archives.entries([str(path)], cache) == second


def test_without_archives_nothing_is_written(tmp_path: Path) -> None:
    assert image_archives.entries([], tmp_path / "cache.json") == []
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_a_problem_of_the_variable(tmp_path: Path) -> None:
    good, gone = oci(tmp_path / "a.tar"), tmp_path / "b.tar"
    found = image_archives.entries([str(good), str(gone), str(tmp_path)], tmp_path / "cache.json")
    first, second = image_archives.problems(found)
    assert (first.variable, first.value) == ("klubster_image_archives[1]", str(gone))
    assert "no such file on the controller" in first.rule
    assert "regctl image export" in first.remedy
    assert second.variable == "klubster_image_archives[2]"
    with pytest.raises(ArchiveError, match=r"b.tar: There is no such file"):
        image_archives.with_archives(None, found)


def test_one_name_is_one_image(tmp_path: Path) -> None:
    paths = [oci(tmp_path / "a.tar"), oci(tmp_path / "b.tar"), oci(tmp_path / "c.tar", content=b"another")]
    found = image_archives.entries([str(path) for path in paths], tmp_path / "cache.json")
    (problem,) = image_archives.problems(found)
    assert problem.variable == "klubster_image_archives[2]"
    assert f"{NAME} in it is another image than that of this name in a.tar" in problem.rule


def test_images_of_the_bundle_are_not_the_users_to_bring(tmp_path: Path) -> None:
    manifest = Manifest.load(make(tmp_path / "bundle"))
    path = oci(tmp_path / "a.tar", "bundle.klubster.internal/agnhost:v1")
    found = image_archives.entries([str(path)], tmp_path / "cache.json")
    assert image_archives.problems(found) == []
    (problem,) = image_archives.problems(found, manifest)
    assert "bundle.klubster.internal/agnhost:v1 in it is an image of the bundle" in problem.rule
    assert "klubster_images" in problem.remedy


def test_archives_are_sent_as_files_of_the_bundle_are(tmp_path: Path) -> None:
    path = oci(tmp_path / "a.tar")
    found = image_archives.entries([str(path)], tmp_path / "cache.json")
    bundle = Manifest.load(make(tmp_path / "bundle"))
    for manifest in (image_archives.with_archives(None, found), image_archives.with_archives(bundle, found)):
        file = manifest.file("archives/a.tar")
        assert (file.path, file.sha256, file.size) == (path, found[0]["sha256"], found[0]["size"])
    assert manifest.image("agnhost") == bundle.image("agnhost")
