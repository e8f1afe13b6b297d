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
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import cni_layer, helm

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


K3S = {
    "klubster_engine": "k3s",
    "klubster_engine_version": "1.34.2+k3s1",
    "klubster_kubelet_config": {},
    "klubster_load_balancer": "servicelb",
    "klubster_pools": [],
    "klubster_storage": {"local_path": {"enabled": False}},
}


@pytest.mark.parametrize("layers", ["bundle", "release"])
@pytest.mark.parametrize(
    ("choice", "asked"),
    [
        ({"klubster_cni": "cilium"}, 1),
        ({"klubster_cni": "kube_router", "klubster_cni_service_proxy": True}, 1),
        ({"klubster_cni": "calico", "klubster_cni_chart": "/srv/tigera-operator"}, 1),
        ({"klubster_cni": "custom", "klubster_cni_manifests": ["MANIFEST"]}, 1),
        ({"klubster_cni": "none"}, 0),
        ({"klubster_cni": "flannel"}, 0),
    ],
    ids=lambda choice: choice["klubster_cni"] if isinstance(choice, dict) else "",
)
def test_every_network_is_made_from_either_source(
    choice: dict[str, t.Any], asked: int, layers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "network.yml"
    manifest.write_text("{apiVersion: v1, kind: Namespace, metadata: {name: network}}\n")
    given = choice | ({"klubster_cni_manifests": [str(manifest)]} if "klubster_cni_manifests" in choice else {})
    empty_bundle(tmp_path)
    values: list[t.Any] = []

    def render(_plan: t.Any, given: t.Any) -> list[dict[str, t.Any]]:
        values.append(given)
        return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "chart"}}]

    monkeypatch.setattr(cni_layer.layer_set, "__defaults__", (render,))
    found = layer_sets(wanted(tmp_path, **K3S, **given, klubster_layers_source=layers), run=["cni"])
    assert [one["name"] for one in found] == ["cni", "cni-policies"]
    assert len(values) == asked, "how often a chart is asked for"


def test_without_layers_of_ours_nothing_is_read(tmp_path: Path) -> None:
    found = layer_sets(wanted(tmp_path, **K3S))
    assert {one["name"]: one.get("state") for one in found} == {
        "cni": None,
        "cni-policies": "absent",
        "storage-local-path": "absent",
        "load-balancer": "absent",
        "load-balancer-openelb": "absent",
        "service-names": "absent",
    }
