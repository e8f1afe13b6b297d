# SPDX-License-Identifier: Apache-2.0
"""Verification of a living cluster from outside. Usage: pytest tests/verify --inventory inventories/lab"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import typing as t
import uuid
from pathlib import Path

import pytest
from kubernetes import client

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cluster import ROOT, Cluster, Inventory, Machine, enter_network, room, until
from parts import service, template

NAMESPACE = "klubster-verify"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("klubster")
    group.addoption("--inventory", default=os.environ.get("KLUBSTER_INVENTORY", str(ROOT / "inventories" / "lab")))
    group.addoption("--lifecycle", action="store_true", help="also run tests that run site.yml with another inventory")
    group.addoption("--outages", action="store_true", help="also pull the plug of servers; only for machines of a lab")
    group.addoption(
        "--expect", default=None, metavar="VERSION", help="the version of all nodes, if not the inventory's"
    )
    group.addoption("--upgrade", default=None, metavar="VERSION", help="also upgrade the cluster to this version")
    group.addoption("--said", action="append", default=[], help="what a run printed, to be searched for secrets")
    group.addoption("--watched", action="append", default=[], help="what exec_watch.py has seen, to be searched too")
    group.addoption("--secrets", action="store_true", help="also search all files and facts of the machines")
    group.addoption("--cis", action="store_true", help="also see that the CIS profile of k3s holds on every machine")
    group.addoption("--network", default=None, help="network namespace to look from; by default the lab's")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lifecycle: changes the cluster by running site.yml")
    config.addinivalue_line("markers", "outages: pulls the plug of servers")
    config.addinivalue_line("markers", "upgrade: brings the cluster to another version")
    config.addinivalue_line("markers", "said: reads what a run has printed")
    config.addinivalue_line("markers", "watched: reads with what programs were started")
    config.addinivalue_line("markers", "cis: the checklist of the CIS profile")
    config.addinivalue_line("markers", "secrets: searches all files and facts of the machines")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marks = ("lifecycle", "outages", "upgrade", "said", "watched", "secrets", "cis")
    unwanted = [mark for mark in marks if not config.getoption(f"--{mark}")]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in unwanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def inventory(request: pytest.FixtureRequest) -> Inventory:
    found = Inventory(str(request.config.getoption("--inventory")))
    chosen = request.config.getoption("--network") or found.vars("lab_controller").get("lab_network_namespace")
    if chosen:
        enter_network(Path(chosen))
    return found


@pytest.fixture(scope="session")
def machines(inventory: Inventory) -> list[Machine]:
    return inventory.machines


@pytest.fixture(scope="session")
def cluster(inventory: Inventory) -> Cluster:
    default = f"~/.kube/klubster-{inventory.get('klubster_name')}.yaml"
    return Cluster(Path(str(inventory.get("klubster_kubeconfig") or default)).expanduser())


@pytest.fixture(scope="session")
def as_made(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Arguments that site.yml was given for this cluster: without its version, the inventory's would upgrade it."""
    version = request.config.getoption("--expect")
    return ("-e", f"klubster_engine_version={version}") if version else ()


@pytest.fixture(scope="session")
def image(inventory: Inventory, request: pytest.FixtureRequest) -> str:
    """The bundle's test image; klubster_images brings it to every node, for there is no registry."""
    version = request.config.getoption("--expect") or inventory.get("klubster_engine_version", "1.34.2")
    return f"bundle.klubster.internal/agnhost:v{str(version).partition('+')[0]}"


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> t.Iterator[str]:
    with room(cluster, f"{NAMESPACE}-{uuid.uuid4().hex[:6]}") as name:
        yield name


@pytest.fixture(scope="session")
def probes(cluster: Cluster, namespace: str, image: str, machines: list[Machine]) -> dict[str, t.Any]:
    """One pod on every node, servers included: node name → pod."""
    labels = client.V1LabelSelector(match_labels={"app": "probe"})
    cluster.apps.create_namespaced_daemon_set(
        namespace,
        client.V1DaemonSet(
            metadata=client.V1ObjectMeta(name="probe"),
            spec=client.V1DaemonSetSpec(selector=labels, template=template(image, "probe")),
        ),
    )
    cluster.wait(
        cluster.apps.list_namespaced_daemon_set,
        namespace,
        lambda found: (found.status.number_ready or 0) == len(machines),
        f"a ready pod on each of {len(machines)} nodes",
        90,
    )
    pods = cluster.core.list_namespaced_pod(namespace, label_selector="app=probe").items
    return {pod.spec.node_name: pod for pod in pods}


@pytest.fixture(scope="session")
def inner_service(cluster: Cluster, namespace: str, probes: dict[str, t.Any]) -> t.Any:
    """A service of all the probes, and every node knows it.

    kube-proxy writes its rules at most once a second: first the service without endpoints, which it makes refuse
    connections, then the endpoints. No event tells when a node is done; but once it is, no connection may fail.
    """
    made = cluster.core.create_namespaced_service(namespace, service("probe", "probe"))
    for pod in probes.values():

        def answers(name: str = pod.metadata.name) -> bool:
            with contextlib.suppress(AssertionError):
                return bool(cluster.dial(namespace, name, made.spec.cluster_ip, 80))
            return False

        until(answers, f"{pod.spec.node_name} knows the service", 10)
    return made


@pytest.fixture(scope="session")
def web(cluster: Cluster, namespace: str, image: str) -> client.V1Service:
    """A web page behind an address of the load balancer."""
    labels = client.V1LabelSelector(match_labels={"app": "web"})
    cluster.apps.create_namespaced_deployment(
        namespace,
        client.V1Deployment(
            metadata=client.V1ObjectMeta(name="web"),
            spec=client.V1DeploymentSpec(replicas=2, selector=labels, template=template(image, "web")),
        ),
    )
    cluster.core.create_namespaced_service(namespace, service("web", "web", "LoadBalancer"))
    cluster.wait(
        cluster.apps.list_namespaced_deployment,
        namespace,
        lambda found: found.metadata.name == "web" and (found.status.ready_replicas or 0) == 2,
        "two ready pods of the page",
        90,
    )
    found: client.V1Service = cluster.wait(
        cluster.core.list_namespaced_service,
        namespace,
        lambda entry: entry.metadata.name == "web" and bool(entry.status.load_balancer.ingress),
        "an address for the service of type LoadBalancer",
        30,
    )
    return found


@pytest.fixture(scope="session")
def web_address(web: client.V1Service) -> str:
    """The page's address. What was learned about it from an earlier service says nothing about who announces it now."""
    address = str(web.status.load_balancer.ingress[0].ip)
    subprocess.run(["ip", "neighbour", "flush", "to", address], check=True, capture_output=True)
    return address
