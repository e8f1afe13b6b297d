# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import BundleError, Manifest

DATA: dict[str, t.Any] = {
    "schema": 1,
    "key": "abc",
    "arch": "amd64",
    "go": "go1.26.8",
    "components": {"kubernetes": {"version": "1.34.2"}},
    "files": [
        {"path": "bin/kubelet", "kind": "binary", "component": "kubernetes", "sha256": "1", "size": 5},
        {
            "path": "images/pause.tar",
            "kind": "image",
            "component": "kubernetes",
            "reference": "r/pause:3",
            "sha256": "2",
            "size": 6,
        },
    ],
}


def write(folder: Path, data: t.Any) -> Path:
    (folder / "manifest.json").write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return folder


def test_finds_files_and_images(tmp_path: Path) -> None:
    manifest = Manifest.load(write(tmp_path, DATA))
    kubelet = manifest.file("bin/kubelet")
    assert (kubelet.path, kubelet.sha256, kubelet.size) == (tmp_path / "bin/kubelet", "1", 5)
    pause = manifest.image("pause")
    assert (pause.path, pause.reference, pause.sha256) == (tmp_path / "images/pause.tar", "r/pause:3", "2")
    assert [entry.name for entry in manifest.of_kind("binary")] == ["bin/kubelet"]


def test_names_what_is_missing(tmp_path: Path) -> None:
    manifest = Manifest.load(write(tmp_path, DATA))
    with pytest.raises(BundleError, match="no file 'bin/kubeadm'"):
        manifest.file("bin/kubeadm")
    with pytest.raises(BundleError, match="no image 'etcd'; it has: pause"):
        manifest.image("etcd")


def test_says_how_to_get_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"No bundle in .*playbooks/bundle\.yml"):
        Manifest.load(tmp_path / "nothing")


TEST_DAMAGED: list[tuple[t.Any, str]] = [
    ("{", "cannot be read"),
    ([], "has schema None"),
    ({**DATA, "schema": 2}, "has schema 2, this collection reads 1"),
    ({key: value for key, value in DATA.items() if key != "files"}, "is damaged"),
    ({**DATA, "files": [{"path": "bin/x"}]}, "is damaged"),
    ({**DATA, "files": [{**DATA["files"][0], "path": "../x"}]}, "leaves the bundle"),
    ({**DATA, "files": [{**DATA["files"][0], "path": "/etc/x"}]}, "leaves the bundle"),
]


@pytest.mark.parametrize(("data", "message"), TEST_DAMAGED)
def test_refuses_a_damaged_manifest(tmp_path: Path, data: t.Any, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Manifest.load(write(tmp_path, data))
