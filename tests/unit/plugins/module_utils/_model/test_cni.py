# SPDX-License-Identifier: Apache-2.0
"""The table of pod networks, and what follows from a row."""

from __future__ import annotations

import itertools
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._model import cni
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import BY_NAME
from ansible_collections.kateskit.klubster.plugins.module_utils._node.probe import FEATURES

sys.path.insert(0, str(Path(__file__).parent))
from machines import plan

CHART = {"klubster_cni_chart": "/srv/tigera-operator"}
FURTHER = {"calico": CHART, "custom": {"klubster_cni_manifests": ["/srv/network.yml"]}}
CHOICES = [(row.name, backend.name) for row in cni.PROVIDERS.values() for backend in row.backends]


def chosen(provider: str, **changes: t.Any) -> dict[str, t.Any]:
    further: dict[str, t.Any] = {**FURTHER.get(provider, {}), **changes}
    return plan(klubster_cni=provider, **further)


def test_each_row_is_a_choice_and_each_feature_is_looked_for() -> None:
    assert BY_NAME["klubster_cni"].choices == tuple(cni.PROVIDERS)
    wanted = {
        feature for provider, backend in CHOICES for feature in cni.features_of(provider, backend, service_proxy=True)
    }
    assert wanted <= set(FEATURES)


@pytest.mark.parametrize("provider", cni.PROVIDERS)
def test_the_first_backend_is_the_default(provider: str) -> None:
    row = cni.PROVIDERS[provider]
    assert chosen(provider)["cni"]["backend"] == (row.backends[0].name if row.backends else "")


@pytest.mark.parametrize(("provider", "backend"), CHOICES)
def test_a_backend_opens_its_ports_for_machines_only(provider: str, backend: str) -> None:
    found = chosen(provider, klubster_cni_backend=backend)["firewall"]
    for port in cni.ports_of(provider, backend):
        matching = [
            entry
            for entry in found["openings"]["agent"]
            if entry["protocol"] == port.protocol
            and entry["sources"] == ["machines"]
            and (not port.ports or port.ports in entry["ports"].split(","))
        ]
        assert matching, port
        if port.protocol == "udp":
            pods = [entry for entry in found["openings"]["agent"] if entry["sources"] == ["pods"]]
            ranges = [
                part.split("-") for entry in pods if entry["protocol"] == "udp" for part in entry["ports"].split(",")
            ]
            inside = [one for one in ranges if int(one[0]) <= int(port.ports.split("-")[0]) <= int(one[-1])]
            assert not inside, "pods would speak in the overlay"


def test_the_engine_is_told_no_more_than_it_needs() -> None:
    found = chosen("cilium", klubster_cni_service_proxy=True)["cni"]
    assert found["node"] == {
        "kept": {
            "provider": "cilium",
            "backend": "vxlan",
            "networks": "10.244.0.0/16",
            "service_proxy": "true",
        },
        "service_proxy": True,
        "plugins": False,
    }


def test_what_a_cluster_keeps_differs_for_any_two_choices() -> None:
    choices = [*CHOICES, ("custom", ""), ("none", "")]
    for (one, by), (other, other_by) in itertools.combinations(choices, 2):
        kept = cni.kept(one, by, ["10.244.0.0/16"], service_proxy=False)
        wanted = cni.kept(other, other_by, ["10.244.0.0/16"], service_proxy=False)
        assert any(kept.get(key, value) != value for key, value in wanted.items()), (one, other)
        assert set(kept) <= set(cni.VARIABLES)


@pytest.mark.parametrize("provider", ["kube_router", "cilium"])
def test_the_service_proxy_is_kept_where_it_can_be_chosen(provider: str) -> None:
    assert cni.kept(provider, "", [], service_proxy=True)["service_proxy"] == "true"
    assert "service_proxy" not in cni.kept("flannel", "vxlan", [], service_proxy=False)


@pytest.mark.parametrize(
    ("provider", "changes", "needed"),
    [
        ("flannel", {}, True),
        ("cilium", {}, True),
        ("cilium", {"klubster_cni_chart": "/srv/cilium.tgz"}, False),
        ("calico", {}, False),
        ("kube_router", {}, False),
        ("custom", {}, False),
        ("none", {}, False),
    ],
)
def test_the_bundle_is_needed_for_what_is_in_it(provider: str, changes: dict[str, str], needed: bool) -> None:
    further = {
        "klubster_engine": "k3s",
        "klubster_engine_version": "1.34.2+k3s1",
        "klubster_load_balancer": "servicelb",
        "klubster_pools": [],
        "klubster_storage": {"local_path": {"enabled": False}},
        "klubster_kubelet_config": {},
    }
    found = chosen(provider, **further, **changes)
    # Flannel is within k3s.
    assert found["engine"]["needs_bundle"] is (needed and provider != "flannel")
    assert found["cni"]["layer"] == ("none" if provider == "flannel" else provider)


def test_home_is_known_in_paths() -> None:
    found = chosen("custom", klubster_cni_manifests=["~/network.yml"])["cni"]
    assert found["manifests"][0].startswith("/")
    assert found["manifests"][0].endswith("/network.yml")
