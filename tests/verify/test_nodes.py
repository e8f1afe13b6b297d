# SPDX-License-Identifier: Apache-2.0
"""Every machine of the inventory is a node that works, and nothing else is one."""

from __future__ import annotations

import ipaddress
import typing as t

import pytest
from cluster import Cluster, Inventory, Machine, on_machine
from networks_of import parts_everywhere


def condition(node: t.Any, kind: str) -> str:
    return next((str(entry.status) for entry in node.status.conditions if entry.type == kind), "absent")


def test_the_nodes_are_the_machines(cluster: Cluster, machines: list[Machine]) -> None:
    found = {
        node.metadata.name: next(entry.address for entry in node.status.addresses if entry.type == "InternalIP")
        for node in cluster.core.list_node().items
    }
    assert found == {machine.node_name: machine.address for machine in machines}


def test_every_node_is_ready(cluster: Cluster) -> None:
    states = {node.metadata.name: condition(node, "Ready") for node in cluster.core.list_node().items}
    assert set(states.values()) == {"True"}, states


def test_no_node_is_short_of_anything(cluster: Cluster) -> None:
    for node in cluster.core.list_node().items:
        pressed = [
            kind for kind in ("MemoryPressure", "DiskPressure", "PIDPressure") if condition(node, kind) != "False"
        ]
        assert not pressed, f"{node.metadata.name}: {pressed}"


def test_servers_run_the_control_plane(cluster: Cluster, machines: list[Machine]) -> None:
    label = "node-role.kubernetes.io/control-plane"
    found = {node.metadata.name for node in cluster.core.list_node(label_selector=label).items}
    assert found == {machine.node_name for machine in machines if machine.group == "servers"}


def test_every_node_has_the_version_of_the_inventory(
    request: pytest.FixtureRequest, cluster: Cluster, inventory: Inventory
) -> None:
    default = {"k3s": "1.34.2+k3s1"}.get(str(inventory.get("klubster_engine")), "1.34.2")
    given = request.config.getoption("--expect") or inventory.get("klubster_engine_version", default)
    assert {node.status.node_info.kubelet_version for node in cluster.core.list_node().items} == {f"v{given}"}


def test_pod_networks_of_the_nodes_are_in_the_inventorys(cluster: Cluster, inventory: Inventory) -> None:
    whole = ipaddress.ip_network(str(inventory.get("klubster_pod_network", "10.244.0.0/16")).split(",", maxsplit=1)[0])
    for node in cluster.core.list_node().items:
        assert ipaddress.ip_network(node.spec.pod_cidr).subnet_of(whole), node.metadata.name  # type: ignore[arg-type]


def test_everything_in_the_cluster_runs(cluster: Cluster, namespace: str) -> None:
    """Outside our own namespace: all pods ready, all replicas there."""
    waiting = []
    for pod in cluster.core.list_pod_for_all_namespaces().items:
        if pod.metadata.namespace == namespace or pod.status.phase == "Succeeded":
            continue
        ready = next((entry.status for entry in pod.status.conditions or () if entry.type == "Ready"), "False")
        if ready != "True":
            waiting.append(f"{pod.metadata.namespace}/{pod.metadata.name}: {pod.status.phase}")
    assert waiting == []
    for found in cluster.apps.list_deployment_for_all_namespaces().items:
        assert found.spec.replicas, f"{found.metadata.name} is scaled to nothing"
        assert found.status.ready_replicas == found.spec.replicas, found.metadata.name
    for found in cluster.apps.list_daemon_set_for_all_namespaces().items:
        assert found.status.number_ready == found.status.desired_number_scheduled, found.metadata.name


def test_what_a_cluster_needs_is_there(cluster: Cluster, inventory: Inventory, machines: list[Machine]) -> None:
    """By what does the work, not by who made it."""
    sets = {entry.metadata.name: entry.status for entry in cluster.apps.list_daemon_set_for_all_namespaces().items}
    everywhere = [name for name, status in sets.items() if status.number_ready == len(machines)]
    for part in parts_everywhere(inventory.get):
        assert any(part in name for name in everywhere), f"{part} does not run on every node; everywhere: {everywhere}"
    names = [entry.metadata.name for entry in cluster.apps.list_deployment_for_all_namespaces().items]
    for part in ("coredns", "controller", "local-path"):
        assert any(part in name for name in names), f"no {part} in {names}"


def test_no_unit_of_a_machine_has_failed(inventory: Inventory, machines: list[Machine]) -> None:
    for machine in machines:
        failed = on_machine(inventory, machine.name, "systemctl list-units --failed --no-legend --plain")
        assert failed.strip() == "", f"{machine.name}: {failed}"


def test_secrets_on_the_machines_are_for_root_only(inventory: Inventory, machines: list[Machine]) -> None:
    """What holds a private key or a kubeconfig's credentials, wherever it is, no other user may read."""
    line = (
        "find /etc/kubernetes /etc/rancher /etc/klubster /var/lib/kubelet /var/lib/klubster "
        "/var/lib/rancher/k3s/server /root/.kube -xdev -type f -perm /077 "
        "-exec grep -lE 'PRIVATE KEY|client-key-data|bootstrap-token|^K10' {} + 2>/dev/null || true"
    )
    for machine in machines:
        assert on_machine(inventory, machine.name, line).strip() == "", machine.name
