# SPDX-License-Identifier: Apache-2.0
"""Running nodes are changed one after the other, and the cluster goes to another version while it is used.

pytest tests/verify/test_upgrade.py --upgrade VERSION, on a cluster of an older version. The inventory names the old one
until somebody writes the new one into it, so nothing else of tests/verify runs after it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
import time
import typing as t
from pathlib import Path

import pytest
from cluster import Cluster, Inventory, ansible, on_machine, until
from kubernetes import client
from test_outages import Prober

pytestmark = pytest.mark.upgrade

#: a request that gets no answer within this time has failed; none is ever sent twice
PATIENCE = 3.0
REQUESTS = 1000
#: seconds without an answer of the API while a server's API starts anew
LONGEST_GAP = 10.0
WATCHED = "kubelet|containerd|etcd|kube-apiserver|kube-controller|kube-scheduler|kube-proxy|flanneld"
PROCESSES = (
    f"for p in $(pgrep -x '{WATCHED}'); "
    'do read -r _ name _ < /proc/$p/stat; echo "$name $p $(cut -d" " -f22 /proc/$p/stat)"; done | sort'
)


class Client:
    """Asks a page again and again, each time by a new connection and only once, until it is told to stop."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._end = threading.Event()
        self.sent = 0
        self.failures: list[str] = []

    def __enter__(self) -> Client:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        until(lambda: self.sent >= REQUESTS, f"{REQUESTS} requests", 600)
        self._end.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._end.wait(0.05):
            self.sent += 1
            began = time.monotonic()
            connection = http.client.HTTPConnection(self._address, 80, timeout=PATIENCE)
            try:
                with contextlib.closing(connection):
                    connection.request("GET", "/hostname")
                    answer = connection.getresponse()
                    name = answer.read().decode()
                if answer.status != 200 or not name.startswith("page-"):
                    self.failures.append(f"request {self.sent}: {answer.status} {name}")
            except (OSError, http.client.HTTPException) as exc:
                at = time.strftime("%H:%M:%S")
                self.failures.append(f"request {self.sent} at {at} after {time.monotonic() - began:.1f} s: {exc!r}")


def versions(cluster: Cluster) -> dict[str, str]:
    return {
        node.metadata.name: node.status.node_info.kubelet_version.lstrip("v") for node in cluster.core.list_node().items
    }


def closed(cluster: Cluster) -> list[str]:
    return [node.metadata.name for node in cluster.core.list_node().items if node.spec.unschedulable]


def processes(inventory: Inventory) -> dict[str, str]:
    """What runs on each machine, with pid and moment of its start."""
    return {machine.name: on_machine(inventory, machine.name, PROCESSES) for machine in inventory.machines}


def changes(said: str) -> dict[str, int]:
    """Host → changed, from the recap."""
    recap = said.partition("PLAY RECAP")[2]
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s+:.*changed=(\d+)", recap, re.MULTILINE)}


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
    """A page with a budget, behind an address of the load balancer. Its pods say goodbye before they go."""
    sleep = client.V1Lifecycle(pre_stop=client.V1LifecycleHandler(sleep=client.V1SleepAction(seconds=6)))
    container = client.V1Container(
        name="page",
        image=f"bundle.klubster.internal/agnhost:v{before}",
        image_pull_policy="Never",
        args=["netexec", "--http-port=8080"],
        lifecycle=sleep,
        readiness_probe=client.V1Probe(
            http_get=client.V1HTTPGetAction(path="/hostname", port=8080), period_seconds=1, timeout_seconds=2
        ),
    )
    labels = client.V1LabelSelector(match_labels={"app": "page"})
    spread = client.V1TopologySpreadConstraint(
        max_skew=1, topology_key="kubernetes.io/hostname", when_unsatisfiable="ScheduleAnyway", label_selector=labels
    )
    pod = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "page"}),
        spec=client.V1PodSpec(
            containers=[container],
            termination_grace_period_seconds=20,
            automount_service_account_token=False,
            topology_spread_constraints=[spread],
        ),
    )
    cluster.apps.create_namespaced_deployment(
        namespace,
        client.V1Deployment(
            metadata=client.V1ObjectMeta(name="page"),
            spec=client.V1DeploymentSpec(replicas=3, selector=labels, template=pod),
        ),
    )
    budget(cluster, namespace, "page", "page", max_unavailable=1)
    port = client.V1ServicePort(port=80, target_port=8080)
    cluster.core.create_namespaced_service(
        namespace,
        client.V1Service(
            metadata=client.V1ObjectMeta(name="page"),
            spec=client.V1ServiceSpec(type="LoadBalancer", selector={"app": "page"}, ports=[port]),
        ),
    )
    found = cluster.wait(
        cluster.core.list_namespaced_service,
        namespace,
        lambda entry: entry.metadata.name == "page" and bool(entry.status.load_balancer.ingress),
        "an address for the page",
        60,
    )
    address = str(found.status.load_balancer.ingress[0].ip)
    names: set[str] = set()

    def all_answer() -> bool:
        connection = http.client.HTTPConnection(address, 80, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", "/hostname")
            names.add(connection.getresponse().read().decode())
        return len(names) == 3

    until(all_answer, "three pods of the page", 90)
    return address


def budget(cluster: Cluster, namespace: str, name: str, app: str, **spec: t.Any) -> None:
    client.PolicyV1Api(cluster.api).create_namespaced_pod_disruption_budget(
        namespace,
        client.V1PodDisruptionBudget(
            metadata=client.V1ObjectMeta(name=name),
            spec=client.V1PodDisruptionBudgetSpec(selector=client.V1LabelSelector(match_labels={"app": app}), **spec),
        ),
    )


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
    assert {name for name, count in changes(said).items() if count} == {server}
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
    prober, asker = Prober(cluster.url), Client(page)
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
