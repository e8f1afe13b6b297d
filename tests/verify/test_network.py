# SPDX-License-Identifier: Apache-2.0
"""Pods on every node reach each other, a service by its address, and the same service by its name."""

from __future__ import annotations

import ipaddress
import typing as t

import networks_of
import pytest
from cluster import Cluster, Inventory, Machine, on_machine, until

PORT = 8080
#: often enough that a rule which is missing for one of the pods behind a service is met
TRIES = 12


def test_pods_are_in_the_pod_network(inventory: Inventory, probes: dict[str, t.Any]) -> None:
    whole = ipaddress.ip_network(str(inventory.get("klubster_pod_network", "10.244.0.0/16")).split(",", maxsplit=1)[0])
    outside = {
        node: pod.status.pod_ip for node, pod in probes.items() if ipaddress.ip_address(pod.status.pod_ip) not in whole
    }
    assert outside == {}


def test_every_pod_reaches_every_pod(cluster: Cluster, namespace: str, probes: dict[str, t.Any]) -> None:
    for source in probes.values():
        for target in probes.values():
            answers = cluster.dial(namespace, source.metadata.name, target.status.pod_ip, PORT)
            assert answers == [target.metadata.name]


def test_every_pod_reaches_the_service_by_its_address(
    cluster: Cluster, namespace: str, probes: dict[str, t.Any], inner_service: t.Any
) -> None:
    names = {pod.metadata.name for pod in probes.values()}
    for source in probes.values():
        answers = cluster.dial(namespace, source.metadata.name, inner_service.spec.cluster_ip, 80, tries=TRIES)
        assert len(answers) >= 1
        assert set(answers) <= names


def test_the_service_spreads_over_all_its_pods(
    cluster: Cluster, namespace: str, probes: dict[str, t.Any], inner_service: t.Any
) -> None:
    source = next(iter(probes.values())).metadata.name
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.update(cluster.dial(namespace, source, inner_service.spec.cluster_ip, 80, tries=TRIES))
        return seen == {pod.metadata.name for pod in probes.values()}

    until(all_seen, "an answer from each pod behind the service", 20)


def test_every_pod_reaches_the_service_by_its_name(
    cluster: Cluster, namespace: str, probes: dict[str, t.Any], inventory: Inventory, inner_service: t.Any
) -> None:
    domain = inventory.get("klubster_dns_domain", "cluster.local")
    assert inner_service.metadata.name == "probe"
    for source in probes.values():
        for name in ("probe", f"probe.{namespace}", f"probe.{namespace}.svc.{domain}"):
            assert cluster.dial(namespace, source.metadata.name, name, 80), name


def test_the_dns_service_has_the_address_pods_are_told(cluster: Cluster, inventory: Inventory) -> None:
    found = cluster.core.read_namespaced_service("kube-dns", "kube-system")
    first = str(inventory.get("klubster_service_network", "10.96.0.0/16")).partition(",")[0]
    services = ipaddress.ip_network(first)
    assert found.spec.cluster_ip == str(services[10])


def test_the_cni_backend_is_the_inventorys(cluster: Cluster, inventory: Inventory) -> None:
    provider = str(inventory.get("klubster_cni", "flannel"))
    if provider not in SHOWN:
        pytest.skip(f"the network of {provider} is the user's")
    wanted = inventory.get("klubster_cni_backend") or networks_of.DEFAULTS[provider]
    found = SHOWN[provider](cluster)
    assert set(found.values()) == {wanted}, found


def flannels(cluster: Cluster) -> dict[str, t.Any]:
    nodes = cluster.core.list_node().items
    key = "flannel.alpha.coreos.com/backend-type"
    return {node.metadata.name: (node.metadata.annotations or {}).get(key) for node in nodes}


def calicos(cluster: Cluster) -> dict[str, t.Any]:
    pools = cluster.custom.list_cluster_custom_object("crd.projectcalico.org", "v1", "ippools")["items"]
    return {pool["metadata"]["name"]: networks_of.calicos(pool["spec"]) for pool in pools}


def ciliums(cluster: Cluster) -> dict[str, t.Any]:
    found = cluster.core.read_namespaced_config_map("cilium-config", "kube-system")
    return {"cilium-config": networks_of.ciliums(found.data)}


def kube_routers(cluster: Cluster) -> dict[str, t.Any]:
    found = cluster.apps.read_namespaced_daemon_set("kube-router", "kube-system")
    container = found.spec.template.spec.containers[0]
    return {"kube-router": networks_of.kube_routers([*(container.command or ()), *(container.args or ())])}


#: provider → what each of its objects says of the backend
SHOWN: dict[str, t.Callable[[Cluster], dict[str, t.Any]]] = {
    "flannel": flannels,
    "calico": calicos,
    "cilium": ciliums,
    "kube_router": kube_routers,
}


def test_machines_reach_the_service_too(inventory: Inventory, machines: list[Machine], inner_service: t.Any) -> None:
    """From a node itself, as kubelet and host-network pods do."""
    url = f"http://{inner_service.spec.cluster_ip}/hostname"
    script = f"import urllib.request; print(urllib.request.urlopen('{url}', timeout=5).read().decode())"
    for machine in machines:
        assert on_machine(inventory, machine.name, f'python3 -c "{script}"').strip().startswith("probe-"), machine.name
