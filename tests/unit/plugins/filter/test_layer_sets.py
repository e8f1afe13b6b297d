# SPDX-License-Identifier: Apache-2.0
"""The filters' edge: Ansible's values in, plain sets out, our errors as a filter's."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.filter.layer_sets import FilterModule
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import helm

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_model"))
from machines import plan

layer_sets = FilterModule().filters()["layer_sets"]
BUNDLED = {"source": "bundle", "directory": "", "mirrors": []}


def wanted(tmp_path: Path, **given: t.Any) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", plan(klubster_bundle_dir=str(tmp_path), **given))


def empty_bundle(folder: Path) -> None:
    empty = {"schema": 1, "key": "k", "arch": "amd64", "go": "go1", "components": {}, "files": []}
    (folder / "manifest.json").write_text(json.dumps(empty))


@pytest.mark.parametrize("folder", ["", None])
def test_no_folder_is_told(folder: str | None) -> None:
    with pytest.raises(AnsibleFilterError, match="No folder of a source bundle was given"):
        layer_sets({"engine": {"bundle_dir": folder, "needs_bundle": True}, "layers": BUNDLED})


def test_no_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match=r"manifest\.json is missing"):
        layer_sets(wanted(tmp_path))


def test_a_bundle_without_a_manifest_is_told(tmp_path: Path) -> None:
    empty_bundle(tmp_path)
    with pytest.raises(AnsibleFilterError, match=r"The bundle has 0 manifests named kube-flannel\.yml"):
        layer_sets(wanted(tmp_path), run=["cni"])


def test_a_chart_that_cannot_be_rendered_is_a_filters_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_bundle(tmp_path)
    monkeypatch.setattr(helm, "find", lambda *_: None)
    with pytest.raises(AnsibleFilterError, match="neither the bundle nor the PATH has a Helm"):
        layer_sets(wanted(tmp_path, klubster_cni="kube_router"), run=["cni"])


def test_without_layers_of_ours_nothing_is_read(tmp_path: Path) -> None:
    engine = {
        "klubster_engine": "k3s",
        "klubster_engine_version": "1.34.2+k3s1",
        "klubster_kubelet_config": {},
        "klubster_load_balancer": "servicelb",
        "klubster_pools": [],
        "klubster_storage": {"local_path": {"enabled": False}},
    }
    found = layer_sets(wanted(tmp_path, **engine))
    assert {one["name"]: one.get("state") for one in found} == {
        "cni": None,
        "cni-policies": "absent",
        "storage-local-path": "absent",
        "load-balancer": "absent",
        "load-balancer-openelb": "absent",
        "service-names": "absent",
    }
