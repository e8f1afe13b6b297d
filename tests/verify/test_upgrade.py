# SPDX-License-Identifier: Apache-2.0
"""Running nodes are changed one after the other, and the cluster goes to another version while it is used.

pytest tests/verify/test_upgrade.py --upgrade VERSION, on a cluster of an older version. The inventory names the old one
until somebody writes the new one into it, so nothing else of tests/verify runs after it.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from cluster import Cluster, Inventory, ansible, on_machine, until
from kubernetes import client
from page import Client, budget, changed_tasks, changes, deploy_page, processes
from test_outages import Prober

pytestmark = pytest.mark.upgrade

#: seconds without an answer of the API while a server's API starts anew
LONGEST_GAP = 10.0


def versions(cluster: Cluster) -> dict[str, str]:
    return {
        node.metadata.name: node.status.node_info.kubelet_version.lstrip("v") for node in cluster.core.list_node().items
    }


def closed(cluster: Cluster) -> list[str]:
    return [node.metadata.name for node in cluster.core.list_node().items if node.spec.unschedulable]


@pytest.fixture(scope="module")
def wanted(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--upgrade"))


@pytest.fixture(scope="module")
def before(cluster: Cluster, wanted: str) -> str:
    found = set(versions(cluster).values())
    assert len(found) == 1, f"a cluster of one version goes to another, this one has {found}"
    assert wanted not in found, f"all nodes run {wanted} already"
    return found.pop()


@pytest.fixture(scope="module")
def page(cluster: Cluster, namespace: str, before: str) -> str:
    return deploy_page(cluster, namespace, f"bundle.klubster.internal/agnhost:v{before}")


def run(inventory: Inventory, playbook: str, *arguments: str) -> tuple[int, str, float]:
    began = time.monotonic()
    done = ansible(inventory.source, "ansible-playbook", f"playbooks/{playbook}", *arguments)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began


def test_one_key_on_one_server_touches_that_server_only(
    inventory: Inventory, before: str, cluster: Cluster, tmp_path: Path
) -> None:
    server = inventory.hosts("servers")[-1]
    was = processes(inventory)
    beside = tmp_path / "one-key.yml"
    beside.write_text(json.dumps({"all": {"hosts": {server: {"klubster_node_kubelet_config": {"maxPods": 99}}}}}))
    rc, said, seconds = run(inventory, "site.yml", "-i", str(beside), "-e", f"klubster_engine_version={before}")
    assert rc == 0, said[-4000:]
    assert {name for name, count in changes(said).items() if count} == {server}, changed_tasks(said)
    now = processes(inventory)
    assert {name for name in was if was[name] != now[name]} == {server}
    lines = set(was[server].splitlines()) ^ set(now[server].splitlines())
    assert {line.split()[0] for line in lines} == {"(kubelet)"}, lines
    node = cluster.core.read_node(server)
    assert node.status.capacity["pods"] == "99"
    assert closed(cluster) == []
    print(f"one key on one server: {seconds:.1f} s")
    rc, said, dummy = run(inventory, "site.yml", "-e", f"klubster_engine_version={before}")
    assert rc == 0, said[-4000:]


def test_a_budget_that_allows_nothing_stops_the_upgrade(
    cluster: Cluster, inventory: Inventory, namespace: str, before: str, wanted: str
) -> None:
    """It stands in the way of the first server; nothing is changed, and the node takes pods again."""
    server = inventory.hosts("servers")[0]
    pod = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "stubborn"}),
        spec=client.V1PodSpec(
            node_selector={"kubernetes.io/hostname": server},
            tolerations=[client.V1Toleration(key="node-role.kubernetes.io/control-plane", operator="Exists")],
            automount_service_account_token=False,
            termination_grace_period_seconds=1,
            containers=[
                client.V1Container(
                    name="stubborn",
                    image=f"bundle.klubster.internal/agnhost:v{before}",
                    image_pull_policy="Never",
                    args=["pause"],
                )
            ],
        ),
    )
    cluster.apps.create_namespaced_deployment(
        namespace,
        client.V1Deployment(
            metadata=client.V1ObjectMeta(name="stubborn"),
            spec=client.V1DeploymentSpec(
                selector=client.V1LabelSelector(match_labels={"app": "stubborn"}), replicas=1, template=pod
            ),
        ),
    )
    budget(cluster, namespace, "stubborn", "stubborn", min_available=1)
    cluster.wait(
        cluster.apps.list_namespaced_deployment,
        namespace,
        lambda found: found.metadata.name == "stubborn" and (found.status.ready_replicas or 0) == 1,
        "the stubborn pod",
        60,
    )
    was = processes(inventory)
    more = ("-e", f"klubster_engine_version={wanted}", "-e", "klubster_drain_timeout=8")
    try:
        rc, said, seconds = run(inventory, "upgrade.yml", *more)
    finally:
        # Left behind it would stand in the way of the upgrade too.
        client.PolicyV1Api(cluster.api).delete_namespaced_pod_disruption_budget("stubborn", namespace)
        cluster.apps.delete_namespaced_deployment("stubborn", namespace)
    print(f"stopped by a budget: {seconds:.1f} s")
    assert rc != 0
    flat = " ".join(said.split())
    assert "A PodDisruptionBudget forbids it" in flat, said[-4000:]
    assert "The disruption budget stubborn needs 1 healthy pods" in flat
    assert "The way back:" in flat
    assert "Nothing on it was changed" in flat
    assert closed(cluster) == []
    assert set(versions(cluster).values()) == {before}
    assert processes(inventory) == was


def test_the_page_answers_while_the_cluster_is_upgraded(
    cluster: Cluster, inventory: Inventory, page: str, before: str, wanted: str
) -> None:
    began = time.monotonic()
    prober, asker = Prober(cluster), Client(page)
    try:
        with prober, asker:
            rc, said, dummy = run(inventory, "upgrade.yml", "-e", f"klubster_engine_version={wanted}")
    finally:
        # An upgrade that was cut short has been measured too.
        print(f"{before} to {wanted}: {time.monotonic() - began:.0f} s, {asker.sent} requests,")
        print(f"{len(asker.failures)} failed {asker.failures[:10]}; API silent for {prober.gap:.1f} s at most")
    assert rc == 0, said[-6000:]
    assert set(versions(cluster).values()) == {wanted}
    assert closed(cluster) == []
    assert not asker.failures, asker.failures[:10]
    if len(inventory.hosts("servers")) > 2:
        assert prober.gap <= LONGEST_GAP
    server = inventory.hosts("servers")[0]
    kept = on_machine(inventory, server, "stat -c '%a %n' /var/lib/klubster/snapshots/*.db")
    assert re.search(rf"^600 \S+-{re.escape(before)}-\S+\.db$", kept, re.MULTILINE), kept


def test_all_of_the_cluster_has_the_version(cluster: Cluster, inventory: Inventory, wanted: str, before: str) -> None:
    def everywhere() -> bool:
        selectors = [f"component={name}" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")]
        return all(images(cluster, selector, wanted) for selector in (*selectors, "k8s-app=kube-proxy"))

    until(everywhere, f"the control plane and kube-proxy in {wanted} everywhere", 90)
    assert before != wanted
    assert on_machine(inventory, inventory.hosts("servers")[0], "kubeadm version -o short").strip() == f"v{wanted}"


def images(cluster: Cluster, selector: str, wanted: str) -> bool:
    pods = cluster.core.list_namespaced_pod("kube-system", label_selector=selector).items
    return bool(pods) and all(pod.spec.containers[0].image.endswith(f":v{wanted}") for pod in pods)


def test_again_nothing_is_changed(inventory: Inventory, wanted: str, before: str) -> None:
    was = processes(inventory)
    rc, said, seconds = run(inventory, "upgrade.yml", "-e", f"klubster_engine_version={wanted}")
    assert rc == 0, said[-4000:]
    assert before != wanted
    assert not any(changes(said).values()), changes(said)
    assert processes(inventory) == was
    print(f"upgrade with nothing to do: {seconds:.1f} s")


def test_the_way_back_is_refused(inventory: Inventory, before: str, wanted: str) -> None:
    was = processes(inventory)
    rc, said, dummy = run(inventory, "upgrade.yml", "-e", f"klubster_engine_version={before}")
    assert rc != 0
    flat = " ".join(said.split())
    assert f"klubster_engine_version = '{before}': Kubernetes does not go back" in flat, said[-4000:]
    assert wanted in flat
    assert not any(changes(said).values()), changes(said)
    assert processes(inventory) == was


def test_a_version_in_no_reach_is_refused(inventory: Inventory, before: str) -> None:
    rc, said, dummy = run(inventory, "upgrade.yml", "-e", "klubster_engine_version=1.36.0")
    assert before
    assert rc != 0
    assert "klubster_engine_version" in said
    assert not any(changes(said).values())
