# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""The bundle against the outside: the same bits twice, and what kubeadm asks for."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue, gomodule, images
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.builder import Builder
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import upstream
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run


def builder(cache: Path) -> Builder:
    content = catalogue.load()
    tools = gomodule.toolchain(run)
    return Builder(catalogue.Cache(cache), content.files, tools, tools.arch, run)


# runc is small and has the hard part: C, linked statically. The image maker's own bits are the second.
@pytest.mark.parametrize("name", ["runc", "regclient"])
def test_two_builds_in_different_folders_are_the_same_bits(tmp_path: Path, name: str) -> None:
    component = catalogue.load().component(name)
    first = builder(tmp_path / "a").build(component)
    second = builder(tmp_path / "another" / "folder").build(component)
    assert first.directory != second.directory
    assert [(one.path, one.sha256) for one in first.files] == [(one.path, one.sha256) for one in second.files]
    for text in (str(tmp_path), str(gomodule.toolchain(run).module_cache)):
        for entry in first.files:
            assert text.encode() not in (first.directory / entry.path).read_bytes(), f"{entry.path} names {text}"


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    folder = catalogue.default_bundle_dir()
    if not (folder / "manifest.json").exists():
        pytest.skip(f"no bundle in {folder}; playbooks/bundle.yml builds it")
    return Manifest.load(folder)


def test_manifests_of_verified_modules_have_the_sums_of_those_that_are_fetched(
    manifest: Manifest,
) -> None:
    bundled = [one for one in upstream.ALL if one.bundled]
    assert {one.name: manifest.file(f"manifests/{one.name}").sha256 for one in bundled} == {
        one.name: one.sha256 for one in bundled
    }


def test_manifests_that_no_bundle_has_are_those_of_verified_modules_too() -> None:
    for one in upstream.ALL:
        component = catalogue.load().component(one.component)
        folder = Path(gomodule.toolchain(run).module_cache) / f"{component.module}@v{component.version}"
        if not one.bundled and folder.is_dir():
            assert hashlib.sha256((folder / one.path).read_bytes()).hexdigest() == one.sha256


def test_two_images_of_the_same_parts_are_the_same_bits(tmp_path: Path, manifest: Manifest) -> None:
    content = catalogue.load()
    image = next(one for one in content.images if one.name == "etcd")
    regctl = builder(catalogue.default_cache().root).build(content.component("regclient")).directory / "tool/regctl"
    sums: list[bytes] = []
    for name in ("a", "b/c"):
        work = tmp_path / name
        work.mkdir(parents=True)
        program = work / "etcd"
        shutil.copyfile(manifest.file("bin/etcd").path, program)
        images.write_layer(work / "layer.tar", {**images.base_content(), "usr/local/bin/etcd": program})
        target = tmp_path / f"{len(sums)}.tar"
        images.write_archive(
            target, image, "r.internal/etcd:1", [work / "layer.tar"], arch="amd64", regctl=regctl, work=work
        )
        sums.append(target.read_bytes())
    assert sums[0] == sums[1]


def test_the_bundle_has_every_image_that_kubeadm_names(tmp_path: Path, manifest: Manifest) -> None:
    content = catalogue.load()
    config = tmp_path / "kubeadm.yaml"
    config.write_text(
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
        f"kubernetesVersion: v{content.component('kubernetes').version}\nimageRepository: {content.registry}\n",
        encoding="utf-8",
    )
    kubeadm = manifest.file("bin/kubeadm").path
    argv = [str(kubeadm), "config", "images", "list", "--config", str(config)]
    wanted = set(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())
    assert len(wanted) == 7
    assert wanted <= {image.reference for image in manifest.images}


def test_the_manifest_names_every_image_and_program_of_the_catalogue(manifest: Manifest) -> None:
    content = catalogue.load()
    components = content.of_sets(["cluster"])
    names = {component.name for component in components}
    assert names <= set(manifest.components)
    wanted = {content.reference(image) for image in content.images if image.component in names}
    assert wanted <= {image.reference for image in manifest.images}
    programs: t.Iterable[catalogue.Program] = (program for component in components for program in component.programs)
    for program in programs:
        if program.kind in ("binary", "cni"):
            assert manifest.file(program.path).kind == program.kind
