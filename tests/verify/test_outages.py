# SPDX-License-Identifier: Apache-2.0
"""Servers are lost one after the other, and all together; the API is back in time and forgets nothing.

Only for machines of a lab, whose plug can be pulled: pytest tests/verify --outages
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
import typing as t
import urllib.parse

import pytest
from cluster import Cluster, Inventory, ansible, on_machine, until
from kubernetes import client
from plugs import plug

pytestmark = pytest.mark.outages

#: seconds without an answer while the address moves to another server: two missed advertisements, or a check that
#: fails twice, and the time that a busy machine takes to answer
LONGEST_GAP = 10.0


class Prober:
    """Asks the API five times a second and keeps the longest time without an answer."""

    def __init__(self, cluster: Cluster) -> None:
        self._address = urllib.parse.urlsplit(cluster.url)
        self._context = ssl._create_unverified_context()  # noqa: S323 it only looks whether somebody is there
        # k3s answers nobody whom it does not know.
        settings = cluster.api.configuration
        self._context.load_cert_chain(settings.cert_file, settings.key_file)
        self._end = threading.Event()
        self.gap, self.answers = 0.0, 0

    def __enter__(self) -> Prober:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _ask(self) -> None:
        last = time.monotonic()
        while not self._end.wait(0.2):
            if self._ready():
                now = time.monotonic()
                self.gap, last = max(self.gap, now - last), now
                self.answers += 1
        self.gap = max(self.gap, time.monotonic() - last)

    def _ready(self) -> bool:
        connection = http.client.HTTPSConnection(
            self._address.hostname or "", self._address.port, timeout=1, context=self._context
        )
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False


@contextlib.contextmanager
def off(inventory: Inventory, *machines: str) -> t.Iterator[None]:
    """They have no power meanwhile, and get it back whatever happens: the tests after this one need them."""
    plug(inventory, "off", *machines)
    try:
        yield
    finally:
        plug(inventory, "on", *machines)


def all_ready(cluster: Cluster, count: int) -> bool:
    nodes = cluster.core.list_node().items
    ready = [
        node
        for node in nodes
        if any(entry.type == "Ready" and entry.status == "True" for entry in node.status.conditions)
    ]
    return len(ready) == count == len(nodes)


def note(cluster: Cluster, namespace: str, name: str) -> None:
    """Write something; what the API has acknowledged must never be lost."""

    def write() -> bool:
        try:
            cluster.core.create_namespaced_config_map(
                namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data={"name": name})
            )
        except client.ApiException as exc:
            # The answer to the first attempt may have been lost on its way.
            return exc.status == 409
        return True

    until(write, f"the API takes {name}", 30)


@pytest.fixture(scope="module")
def servers(inventory: Inventory) -> list[str]:
    found = inventory.hosts("servers")
    assert len(found) >= 3, "a cluster that outlives a server has three or more"
    return found


def test_the_api_goes_on_while_any_server_is_down(
    cluster: Cluster, inventory: Inventory, servers: list[str], namespace: str
) -> None:
    count = len(inventory.machines)
    gaps: dict[str, float] = {}
    for server in servers:
        with Prober(cluster) as prober:
            with off(inventory, server):
                note(cluster, namespace, f"without-{server}")
            until(lambda: all_ready(cluster, count), f"{server} is back", 180)
        gaps[server] = round(prober.gap, 1)
        assert prober.answers > 10
    kept = {entry.metadata.name for entry in cluster.core.list_namespaced_config_map(namespace).items}
    assert {f"without-{server}" for server in servers} <= kept
    print("longest time without an answer:", gaps)
    assert max(gaps.values()) <= LONGEST_GAP, gaps


def test_the_api_goes_on_while_a_minority_is_down(
    cluster: Cluster, inventory: Inventory, servers: list[str], namespace: str
) -> None:
    """All that etcd bears at the same time, the first servers among them."""
    lost = servers[: (len(servers) - 1) // 2]
    with Prober(cluster) as prober:
        with off(inventory, *lost):
            note(cluster, namespace, "without-a-minority")
        until(lambda: all_ready(cluster, len(inventory.machines)), f"{', '.join(lost)} are back", 180)
    print(f"longest time without an answer, without {', '.join(lost)}: {prober.gap:.1f} s")
    assert cluster.core.read_namespaced_config_map("without-a-minority", namespace).data
    assert prober.gap <= LONGEST_GAP


def test_site_starts_servers_that_were_all_stopped(
    cluster: Cluster, inventory: Inventory, servers: list[str], namespace: str, as_made: tuple[str, ...]
) -> None:
    note(cluster, namespace, "before-the-stop")
    plug(inventory, "off", *servers)
    plug(inventory, "on", *servers)
    for server in servers:
        on_machine(inventory, server, "systemctl stop k3s kubelet containerd klubster-api-address || true")
    done = ansible(inventory.source, "ansible-playbook", "playbooks/site.yml", *as_made)
    assert done.returncode == 0, done.stdout[-4000:]
    until(lambda: all_ready(cluster, len(inventory.machines)), "all nodes are ready", 180)
    assert cluster.core.read_namespaced_config_map("before-the-stop", namespace).data == {"name": "before-the-stop"}
    again = ansible(inventory.source, "ansible-playbook", "playbooks/site.yml", *as_made)
    recap = t.cast("str", again.stdout).partition("PLAY RECAP")[2]
    assert again.returncode == 0
    assert "changed=0" in recap
    assert not any(f"changed={number}" in recap for number in range(1, 10)), again.stdout[-8000:]
