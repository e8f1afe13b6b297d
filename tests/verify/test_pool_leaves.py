# SPDX-License-Identifier: Apache-2.0
"""A pool that leaves the inventory takes its addresses with it; when it is back, the service answers again."""

from __future__ import annotations

import typing as t

import pytest
from cluster import ROOT, Cluster, Inventory, ansible, fetch, until
from kubernetes import client

pytestmark = pytest.mark.lifecycle


def site(inventory: Inventory, *more: str) -> str:
    done = ansible(
        inventory.source, "ansible-playbook", str(ROOT / "playbooks" / "site.yml"), "--tags", "load_balancer", *more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def address_of(cluster: Cluster, namespace: str) -> str | None:
    status = cluster.core.read_namespaced_service("web", namespace).status.load_balancer
    return str(status.ingress[0].ip) if status and status.ingress else None


def silent(url: str) -> bool:
    try:
        fetch(url, timeout=1.0)
    except OSError:
        return True
    return False


@pytest.fixture
def without_pools(inventory: Inventory) -> t.Iterator[None]:
    site(inventory, "--extra-vars", '{"klubster_pools": []}')
    yield
    site(inventory)


def test_the_address_goes_with_the_pool(
    cluster: Cluster, namespace: str, web: client.V1Service, web_address: str, without_pools: None
) -> None:
    found = cluster.custom.list_cluster_custom_object("metallb.io", "v1beta1", "ipaddresspools")["items"]
    assert found == []
    assert address_of(cluster, namespace) is None
    until(lambda: silent(f"http://{web_address}/"), f"silence at {web_address}", 10)


def test_the_page_is_back_with_the_pool(cluster: Cluster, namespace: str, web: client.V1Service) -> None:
    address = until(lambda: address_of(cluster, namespace), "an address again", 30)
    until(lambda: fetch(f"http://{address}/hostname"), f"the page at {address}", 20)
