# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "verify"))

from networks_of import AGENTS, DEFAULTS, calicos, ciliums, kube_routers, parts_everywhere


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({}, ["kube-proxy", "flannel", "speaker"]),
        ({"klubster_engine": "k3s"}, ["speaker"]),
        ({"klubster_engine": "k3s", "klubster_cni": "calico"}, ["calico-node", "speaker"]),
        ({"klubster_engine": "k3s"} | {"klubster_load_balancer": "servicelb"}, []),
        ({"klubster_cni": "cilium", "klubster_cni_service_proxy": True}, ["cilium", "speaker"]),
        ({"klubster_cni": "kube_router", "klubster_cni_service_proxy": "true"}, ["kube-router", "speaker"]),
        ({"klubster_cni": "calico", "klubster_metallb_speaker": "cni"}, ["kube-proxy", "calico-node"]),
        ({"klubster_cni": "custom"}, ["kube-proxy", "speaker"]),
    ],
    ids=str,
)
def test_what_runs_on_every_node(given: dict[str, t.Any], parts: list[str]) -> None:
    def value(name: str, default: t.Any) -> t.Any:
        return given.get(name, default)

    # k3s keeps kube-proxy within itself.
    assert parts_everywhere(value) == parts


def test_backends_are_read_from_what_the_providers_show() -> None:
    pools = [{"vxlanMode": "Always", "ipipMode": "Never"}, {"ipipMode": "Always"}, {"vxlanMode": "Never"}]
    assert [calicos(pool) for pool in pools] == ["vxlan", "ipip", "bgp"]
    maps = [{"routing-mode": "native"}, {"routing-mode": "tunnel", "tunnel-protocol": "geneve"}, {}]
    assert [ciliums(settings) for settings in maps] == ["native", "geneve", "vxlan"]
    assert [kube_routers(arguments) for arguments in (["--enable-overlay=false"], [])] == ["host-gw", "ipip"]


def test_defaults_are_those_that_users_get() -> None:
    assert {name: row.backends[0].name for name, row in PROVIDERS.items() if row.backends} == DEFAULTS
    assert set(AGENTS) == set(DEFAULTS)
