# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_release as release
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import K3sVersion
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput

V = K3sVersion.parse
VERSION = V("v1.34.2+k3s1")


def problem(caught: pytest.ExceptionInfo[InvalidInput]) -> str:
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0])


@pytest.mark.parametrize("text", ["v1.34.2+k3s1", "v1.33.7+k3s3", "v1.35.0-rc2+k3s1", "v1.30.10+k3s12"])
def test_versions(text: str) -> None:
    assert str(V(text)) == str(V(text[1:])) == text


def test_parts_of_a_version() -> None:
    assert (VERSION.kubernetes, VERSION.build) == ("1.34.2", 1)
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
