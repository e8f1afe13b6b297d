# SPDX-License-Identifier: Apache-2.0
"""The filters' edge: Ansible's values in, plain sets out, our errors as a filter's."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.filter import (
    cni_set,
    flannel_set,
    layer_sets,
    local_path_set,
    metallb_set,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import cni_layer, helm

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_model"))
from machines import plan

FILTERS = {
    name: function
    for module in (cni_set, flannel_set, layer_sets, local_path_set, metallb_set)
    for name, function in module.FilterModule().filters().items()
}


BUNDLED = {"source": "bundle", "directory": "", "mirrors": []}


def test_each_file_has_the_filter_of_its_name() -> None:
    assert set(FILTERS) == {"cni_set", "flannel_set", "layer_sets", "local_path_set", "metallb_set"}


@pytest.mark.parametrize("folder", ["", None])
def test_no_folder_is_told(folder: str | None) -> None:
    with pytest.raises(AnsibleFilterError, match="No folder of a source bundle was given"):
        FILTERS["local_path_set"](folder, path="/data")
    with pytest.raises(AnsibleFilterError, match="No folder of a source bundle was given"):
        FILTERS["layer_sets"]({"engine": {"bundle_dir": folder, "needs_bundle": True}, "layers": BUNDLED})


def test_no_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match=r"manifest\.json is missing"):
        FILTERS["metallb_set"](str(tmp_path), pools=[])


def test_a_bundle_without_a_manifest_is_told(tmp_path: Path) -> None:
    empty = {"schema": 1, "key": "k", "arch": "amd64", "go": "go1", "components": {}, "files": []}
    (tmp_path / "manifest.json").write_text(json.dumps(empty))
    with pytest.raises(AnsibleFilterError, match=r"The bundle has 0 manifests named kube-flannel\.yml"):
        FILTERS["flannel_set"](str(tmp_path), networks=["10.244.0.0/16"])


@pytest.mark.parametrize("layers", ["bundle", "release"])
@pytest.mark.parametrize(
    "choice",
    [
        {"klubster_cni": "cilium"},
        {"klubster_cni": "kube_router", "klubster_cni_service_proxy": True},
        {"klubster_cni": "calico", "klubster_cni_chart": "/srv/tigera-operator"},
        {"klubster_cni": "custom", "klubster_cni_manifests": ["MANIFEST"]},
        {"klubster_cni": "none"},
        {"klubster_cni": "flannel"},
    ],
    ids=lambda choice: choice["klubster_cni"],
)
def test_the_look_and_the_role_mean_the_same_network(
    choice: dict[str, t.Any], layers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "network.yml"
    manifest.write_text("{apiVersion: v1, kind: Namespace, metadata: {name: network}}\n")
    given = choice | ({"klubster_cni_manifests": [str(manifest)]} if "klubster_cni_manifests" in choice else {})
    # In k3s it is within the engine, and both say that there is no layer.
    engine = {
        "klubster_engine": "k3s",
        "klubster_engine_version": "1.34.2+k3s1",
        "klubster_kubelet_config": {},
        "klubster_layers_source": layers,
        "klubster_load_balancer": "servicelb",
        "klubster_pools": [],
        "klubster_storage": {"local_path": {"enabled": False}},
    }
    empty = {"schema": 1, "key": "k", "arch": "amd64", "go": "go1", "components": {}, "files": []}
    (tmp_path / "manifest.json").write_text(json.dumps(empty))
    wanted = plan(**engine, **given, klubster_bundle_dir=str(tmp_path))
    values: list[t.Any] = []

    def render(_plan: t.Any, given: t.Any) -> list[dict[str, t.Any]]:
        values.append(given)
        return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "chart"}}]

    monkeypatch.setattr(cni_layer.layer_set, "__defaults__", (render,))
    looked = FILTERS["layer_sets"](wanted, run=["cni"])
    assert looked[0] == FILTERS["cni_set"](wanted)
    assert len(values) in (0, 2)
    assert values[:1] == values[1:]


def test_a_chart_that_cannot_be_rendered_is_a_filters_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm, "find", lambda *_: None)
    with pytest.raises(AnsibleFilterError, match="neither the bundle nor the PATH has a Helm"):
        FILTERS["cni_set"](plan(klubster_cni="kube_router"))
