# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import itertools
import re
import struct
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_release as release
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import K3sVersion
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput

V = K3sVersion.parse
VERSION = V("v1.34.2+k3s1")


def elf(machine: int) -> bytes:
    """The head of a program."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + b"the rest"


def problem(caught: pytest.ExceptionInfo[InvalidInput]) -> str:
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0])


@pytest.mark.parametrize("text", ["v1.34.2+k3s1", "v1.33.7+k3s3", "v1.35.0-rc2+k3s1", "v1.30.10+k3s12"])
def test_versions(text: str) -> None:
    assert str(V(text)) == str(V(text[1:])) == text


def test_parts_of_a_version() -> None:
    assert (VERSION.kubernetes, VERSION.line, VERSION.build) == ("1.34.2", "1.34", 1)
    assert V("v1.35.0-rc2+k3s1").kubernetes == "1.35.0-rc2"


def test_versions_in_order() -> None:
    texts = [
        "v1.33.13+k3s2",
        "v1.34.0-alpha1+k3s1",
        "v1.34.0-rc1+k3s1",
        "v1.34.0-rc2+k3s1",
        "v1.34.0+k3s1",
        "v1.34.2+k3s1",
        "v1.34.2+k3s2",
        "v1.34.2+k3s10",
        "v1.34.10+k3s1",
        "v2.0.0+k3s1",
    ]
    versions = [V(text) for text in texts]
    assert all(older < newer and newer >= older for older, newer in itertools.combinations(versions, 2))


TEST_NO_VERSIONS: list[tuple[t.Any, str]] = [
    ("v1.34.2", "Write 'v1.34.2+k3s1'."),
    ("1.34.2", "Write 'v1.34.2+k3s1'."),
    ("v1.34.2-k3s1", "Write 'v1.34.2+k3s1'."),
    ("v1.34.2%2Bk3s1", "Write 'v1.34.2+k3s1'."),
    (" v1.34.2+k3s1", "Write 'v1.34.2+k3s1'."),
    ("v1.34", "Write a whole version"),
    ("v1.34.02+k3s1", "Write a whole version"),
    ("v1.34.2+rke2r1", "Write a whole version"),
    ("v1.34.2+k3s", "Write a whole version"),
    ("v1.34.2+k3s0", "Write a whole version"),
    ("v1.34.2+k3s1\n", "Write 'v1.34.2+k3s1'."),
    ("vv1.34.2+k3s1", "Write a whole version"),
    ("v\u0661.34.2+k3s1", "Write a whole version"),
    ("stable", "names of channels are not resolved here"),
    ("", "Write a whole version"),
    (1.34, "Write a whole version in quotes"),
    (None, "Write a whole version"),
]


@pytest.mark.parametrize(("text", "remedy"), TEST_NO_VERSIONS)
def test_what_is_no_version(text: t.Any, remedy: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        V(text, "klubster_engine_version")
    said = problem(caught)
    assert said.startswith(f"klubster_engine_version = {text!r}: is not a version of k3s.")
    assert remedy in said


def test_version_of_output() -> None:
    assert release.version_of_output("k3s version v1.34.2+k3s1 (8e12a6b4)\ngo version go1.24.9\n") == VERSION
    for text in ("", "k3s", "Kubernetes v1.34.2", "k3s version"):
        with pytest.raises(InvalidInput, match=r"k3s --version = .*does not say"):
            release.version_of_output(text)


TEST_STEPS: list[tuple[str, str, str]] = [
    ("v1.34.2+k3s1", "v1.34.2+k3s1", "none"),
    ("v1.34.2+k3s1", "v1.34.2+k3s2", "patch"),
    ("v1.34.1+k3s1", "v1.34.2+k3s1", "patch"),
    ("v1.34.2-rc1+k3s1", "v1.34.2+k3s1", "patch"),
    ("v1.33.4+k3s1", "v1.34.2+k3s1", "minor"),
    ("v1.32.4+k3s1", "v1.34.2+k3s1", "skip"),
    ("v1.34.2+k3s1", "v2.0.0+k3s1", "skip"),
    ("v1.34.2+k3s2", "v1.34.2+k3s1", "downgrade"),
    ("v1.34.2+k3s1", "v1.34.2-rc1+k3s1", "downgrade"),
    ("v1.34.2+k3s1", "v1.33.9+k3s1", "downgrade"),
]


@pytest.mark.parametrize(("installed", "wanted", "step"), TEST_STEPS)
def test_steps(installed: str, wanted: str, step: str) -> None:
    assert release.step(V(installed), V(wanted)) == step
    if step in {"skip", "downgrade"}:
        with pytest.raises(InvalidInput, match=re.escape(f"klubster_engine_version = '{wanted}'")):
            release.check_step(V(installed), V(wanted), "klubster_engine_version")
    else:
        assert release.check_step(V(installed), V(wanted)) == step


def test_a_skip_names_the_stone_to_step_on() -> None:
    with pytest.raises(InvalidInput, match=r"Go to a release of 1\.33 first\."):
        release.check_step(V("v1.32.4+k3s1"), VERSION)


@pytest.mark.parametrize(
    ("agent", "may"), [("v1.34.9+k3s1", True), ("v1.31.0+k3s1", True), ("v1.30.0+k3s1", False), ("v1.35.0+k3s1", False)]
)
def test_skew(agent: str, may: bool) -> None:
    assert release.within_skew(VERSION, V(agent)) is may


TEST_MACHINES: list[tuple[str, tuple[str, str, str, str]]] = [
    ("x86_64", ("amd64", "k3s", "sha256sum-amd64.txt", "k3s-airgap-images-amd64.tar.zst")),
    ("amd64", ("amd64", "k3s", "sha256sum-amd64.txt", "k3s-airgap-images-amd64.tar.zst")),
    ("aarch64", ("arm64", "k3s-arm64", "sha256sum-arm64.txt", "k3s-airgap-images-arm64.tar.zst")),
    ("arm64", ("arm64", "k3s-arm64", "sha256sum-arm64.txt", "k3s-airgap-images-arm64.tar.zst")),
    ("armv7l", ("armhf", "k3s-armhf", "sha256sum-arm.txt", "k3s-airgap-images-arm.tar.zst")),
    ("armv8l", ("armhf", "k3s-armhf", "sha256sum-arm.txt", "k3s-airgap-images-arm.tar.zst")),
    ("armhf", ("armhf", "k3s-armhf", "sha256sum-arm.txt", "k3s-airgap-images-arm.tar.zst")),
]


@pytest.mark.parametrize(("machine", "names"), TEST_MACHINES)
def test_names_by_architecture(machine: str, names: tuple[str, str, str, str]) -> None:
    arch = release.architecture(machine)
    assert (arch.name, arch.binary, arch.sums, arch.images("tar.zst")) == names


@pytest.mark.parametrize("machine", ["armv6l", "i686", "riscv64", "ppc64le", "s390x", "aarch64_be", ""])
def test_machines_without_a_release(machine: str) -> None:
    with pytest.raises(InvalidInput, match=rf"= '{machine}': has no release of k3s; there are amd64, arm64, armhf\."):
        release.architecture(machine)


def test_the_official_place() -> None:
    assert release.places(VERSION, "k3s-arm64") == [
        "https://github.com/k3s-io/k3s/releases/download/v1.34.2%2Bk3s1/k3s-arm64"
    ]


def test_mirrors() -> None:
    mirrors = [
        "https://a.example/k3s/",
        "http://b.example/{dashed_tag}/{file}",
        "https://c.example/get?tag={tag}&name={file}",
    ]
    assert release.places(VERSION, "k3s", mirrors) == [
        "https://a.example/k3s/v1.34.2%2Bk3s1/k3s",
        "http://b.example/v1.34.2-k3s1/k3s",
        "https://c.example/get?tag=v1.34.2%2Bk3s1&name=k3s",
    ]


@pytest.mark.parametrize(
    "mirror", ["https://a/{version}/{file}", "https://a/{tag}", "ftp://a/", "a", "https://me:hush@a/{}"]
)
def test_mirrors_that_are_none(mirror: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        release.places(VERSION, "k3s", ["https://good.example", mirror], "klubster_k3s_mirrors")
    assert problem(caught).startswith("klubster_k3s_mirrors[1] = ")
    assert "hush" not in str(caught.value)


def test_what_is_to_be_fetched() -> None:
    base = "https://m.example/v1.34.2%2Bk3s1"
    assert release.release_files(VERSION, release.ARMHF, mirrors=["https://m.example"], images="tar.gz") == [
        {
            "kind": kind,
            "name": name,
            "mode": mode,
            "url": [f"{base}/{name}"],
            "sha256_list": [f"{base}/sha256sum-arm.txt"],
            "sha256_name": name,
            "sha256_list_name": "sha256sum-arm.txt",
        }
        for kind, name, mode in (("binary", "k3s-armhf", "0755"), ("images", "k3s-airgap-images-arm.tar.gz", "0644"))
    ]


def test_pinned_sums_need_no_list() -> None:
    files = release.release_files(VERSION, release.AMD64, sums={"k3s": "A" * 64})
    assert [(entry["name"], entry["sha256"], entry.get("sha256_list")) for entry in files] == [("k3s", "a" * 64, None)]
    with pytest.raises(InvalidInput, match=r"sha256 of k3s = 'abc'"):
        release.release_files(VERSION, release.AMD64, sums={"k3s": "abc"})
    with pytest.raises(InvalidInput, match=r"images = 'zip': is no form of the archive\. Use one of tar\.zst, tar\.gz"):
        release.release_files(VERSION, release.AMD64, images="zip")


def fill(folder: Path, arch: release.Architecture, **others: bytes) -> None:
    """An airgap folder as it should be."""
    files = {arch.binary: elf(arch.elf), arch.images("tar.zst"): b"images", **others}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    (folder / arch.sums).write_text("".join(lines), encoding="utf-8")


@pytest.mark.parametrize("arch", release.ARCHITECTURES.values(), ids=release.ARCHITECTURES)
def test_an_airgap_folder(tmp_path: Path, arch: release.Architecture) -> None:
    fill(tmp_path, arch)
    program, images = release.airgap_files(tmp_path, arch)
    assert program == {
        "kind": "binary",
        "name": arch.binary,
        "mode": "0755",
        "path": str(tmp_path / arch.binary),
        "sha256": hashlib.sha256(elf(arch.elf)).hexdigest(),
        "size": 28,
    }
    assert (images["kind"], images["name"], images["size"]) == ("images", arch.images("tar.zst"), 6)


def test_a_folder_by_version_comes_first(tmp_path: Path) -> None:
    fill(tmp_path, release.AMD64)
    assert Path(release.airgap_files(tmp_path, release.AMD64, VERSION)[0]["path"]).parent == tmp_path
    fill(tmp_path / "v1.34.2+k3s1", release.AMD64)
    assert Path(release.airgap_files(tmp_path, release.AMD64, VERSION)[0]["path"]).parent.name == "v1.34.2+k3s1"


def test_the_smallest_archive_is_taken_and_can_be_left_out(tmp_path: Path) -> None:
    fill(tmp_path, release.AMD64, **{"k3s-airgap-images-amd64.tar": b"bigger"})
    assert release.airgap_files(tmp_path, release.AMD64)[1]["name"].endswith(".tar.zst")
    (tmp_path / "k3s-airgap-images-amd64.tar.zst").unlink()
    assert release.airgap_files(tmp_path, release.AMD64)[1]["name"].endswith(".tar")
    (tmp_path / "k3s-airgap-images-amd64.tar").unlink()
    assert len(release.airgap_files(tmp_path, release.AMD64, images=False)) == 1


def refusal(folder: Path, arch: release.Architecture = release.AMD64) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        release.airgap_files(folder, arch, variable="klubster_airgap_dir")
    assert all(entry.variable == "klubster_airgap_dir" and entry.remedy for entry in caught.value.problems)
    return [entry.rule for entry in caught.value.problems]


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == ["is no folder on this machine."]
    assert refusal(tmp_path) == [
        "has no k3s; there is nothing.",
        "has no sha256sum-amd64.txt; there is nothing.",
        f"has no {' or '.join(release.AMD64.images(form) for form in release.IMAGE_FORMS)}; there is nothing.",
    ]
    fill(tmp_path, release.ARM64)
    assert refusal(tmp_path)[0] == (
        "has no k3s; there is k3s-airgap-images-arm64.tar.zst, k3s-arm64, sha256sum-arm64.txt."
    )


def test_an_airgap_folder_is_verified(tmp_path: Path) -> None:
    fill(tmp_path, release.AMD64)
    (tmp_path / "k3s").write_bytes(elf(62) + b"!")
    (tmp_path / "k3s-airgap-images-amd64.tar.zst").write_bytes(b"imagez")
    rules = refusal(tmp_path)
    assert len(rules) == 2
    assert all(
        re.search(r"has the sha256 [0-9a-f]{64}, but sha256sum-amd64\.txt says [0-9a-f]{64}", rule) for rule in rules
    )
    sums = tmp_path / "sha256sum-amd64.txt"
    sums.write_text(f"{'a' * 64}  k3s-arm64\n", encoding="utf-8")
    assert refusal(tmp_path)[0] == "has a sha256sum-amd64.txt that does not name k3s."
    sums.write_text("<html>\n", encoding="utf-8")
    assert refusal(tmp_path)[0].startswith("has a list of sums that is no use: ")


def test_a_program_under_the_wrong_name(tmp_path: Path) -> None:
    fill(tmp_path, release.AMD64, k3s=elf(183))
    assert refusal(tmp_path) == ["is a program for arm64, the machine is amd64."]


def test_a_build_of_the_users_own(tmp_path: Path) -> None:
    build = tmp_path / "k3s-mine"
    build.write_bytes(elf(183))
    digest = hashlib.sha256(elf(183)).hexdigest()
    want = {"kind": "binary", "name": "k3s", "mode": "0755", "path": str(build), "sha256": digest, "size": 28}
    assert release.own_build(build) == want
    assert release.own_build(build, digest.upper(), release.ARM64) == want
    with pytest.raises(InvalidInput, match=r"is a program for arm64, the machine is amd64\. Give the one for amd64"):
        release.own_build(build, arch=release.AMD64)
    with pytest.raises(InvalidInput, match=rf"has the sha256 {digest}, but {'0' * 64} was given"):
        release.own_build(build, "0" * 64)
    with pytest.raises(InvalidInput, match="mine_sha256 = 'abc': is not 64 hexadecimal digits"):
        release.own_build(build, "abc", variable="mine")
    with pytest.raises(InvalidInput, match="is no file on this machine"):
        release.own_build(tmp_path)
    build.write_bytes(elf(243))
    with pytest.raises(InvalidInput, match="is a program for ELF machine 243"):
        release.own_build(build, arch=release.AMD64)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"<html>a page of a proxy</html>"])
def test_what_is_no_program(tmp_path: Path, content: bytes) -> None:
    build = tmp_path / "k3s"
    build.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"binary = .*: is no program"):
        release.own_build(build)


def test_a_script_runs_everywhere(tmp_path: Path) -> None:
    build = tmp_path / "k3s"
    build.write_bytes(b"#!/bin/sh\nexec k3s\n")
    assert release.own_build(build, arch=release.ARMHF)["size"] == 19
