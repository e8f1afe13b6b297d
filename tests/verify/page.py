# SPDX-License-Identifier: Apache-2.0
"""A page behind an address of the load balancer and somebody who reads it, while the cluster is changed."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
import typing as t

from cluster import Cluster, Inventory, on_machine, until
from kubernetes import client

#: a request that gets no answer within this time has failed; none is ever sent twice
PATIENCE = 3.0
REQUESTS = 1000
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


def processes(inventory: Inventory) -> dict[str, str]:
    """What runs on each machine, with pid and moment of its start."""
    return {machine.name: on_machine(inventory, machine.name, PROCESSES) for machine in inventory.machines}


def changes(said: str) -> dict[str, int]:
    """Host → changed, from the recap."""
    recap = said.partition("PLAY RECAP")[2]
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s+:.*changed=(\d+)", recap, re.MULTILINE)}


def changed_tasks(said: str) -> list[str]:
    """Host and task of what a run changed."""
    found, task = [], ""
    for line in said.splitlines():
        if line.startswith("TASK ["):
            task = line.partition("[")[2].rpartition("]")[0]
        elif line.startswith("changed: ["):
            found.append(f"{line.partition('[')[2].partition(']')[0]}: {task}")
    return found


def deploy_page(cluster: Cluster, namespace: str, image: str) -> str:
    """A page with a budget, behind an address of the load balancer. Its pods say goodbye before they go."""
    sleep = client.V1Lifecycle(pre_stop=client.V1LifecycleHandler(sleep=client.V1SleepAction(seconds=6)))
    container = client.V1Container(
        name="page",
        image=image,
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
    address = address_of_page(cluster, namespace)
    names: set[str] = set()

    def all_answer() -> bool:
        connection = http.client.HTTPConnection(address, 80, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", "/hostname")
            names.add(connection.getresponse().read().decode())
        return len(names) == 3

    until(all_answer, "three pods of the page", 90)
    return address


def address_of_page(cluster: Cluster, namespace: str) -> str:
    """Once the load balancer has given one."""
    found = cluster.wait(
        cluster.core.list_namespaced_service,
        namespace,
        lambda entry: entry.metadata.name == "page" and bool(entry.status.load_balancer.ingress),
        "an address for the page",
        60,
    )
    return str(found.status.load_balancer.ingress[0].ip)


def budget(cluster: Cluster, namespace: str, name: str, app: str, **spec: t.Any) -> None:
    client.PolicyV1Api(cluster.api).create_namespaced_pod_disruption_budget(
        namespace,
        client.V1PodDisruptionBudget(
            metadata=client.V1ObjectMeta(name=name),
            spec=client.V1PodDisruptionBudgetSpec(selector=client.V1LabelSelector(match_labels={"app": app}), **spec),
        ),
    )
