# SPDX-License-Identifier: Apache-2.0
"""A page through an address of a pool, from machines that are no nodes."""

from __future__ import annotations

import typing as t

import pytest
from cluster import Cluster, Inventory, fetch, in_pool, on_machine, until

REQUESTS = 20
READ = "import urllib.request; print(urllib.request.urlopen('{url}', timeout=10).read().decode())"


def test_the_address_is_from_a_pool(inventory: Inventory, web_address: str) -> None:
    pools = inventory.get("klubster_pools") or []
    assert in_pool(web_address, pools), f"{web_address} is in none of {pools}"


def test_the_page_answers_from_outside(web_address: str) -> None:
    """Announcing has no event of its own to wait for, nor has kube-proxy; but once both pods answer, they always do."""
    names: set[str] = set()

    def both() -> bool:
        names.add(fetch(f"http://{web_address}/hostname"))
        return len(names) == 2

    until(both, f"both pods of the page at {web_address}", 20, interval=0.1)
    assert {fetch(f"http://{web_address}/hostname") for dummy in range(REQUESTS)} == names


def test_the_page_answers_on_a_machine_that_is_no_node(inventory: Inventory, web_address: str) -> None:
    if not inventory.bystanders:
        pytest.skip("the inventory has no machine that is not a node")
    script = READ.format(url=f"http://{web_address}/hostname")
    for name in inventory.bystanders:
        line = f'ip neigh flush to {web_address}; python3 -c "{script}"'
        assert on_machine(inventory, name, line).strip().startswith("web-"), name


def test_one_machine_alone_answers_for_the_address(inventory: Inventory, web_address: str) -> None:
    """ARP replies for it all carry one hardware address."""
    if not inventory.bystanders:
        pytest.skip("the inventory has no machine that is not a node")
    script = READ.format(url=f"http://{web_address}/hostname")
    line = f'ip neigh flush to {web_address}; python3 -c "{script}"; ip neigh show {web_address}'
    shown = on_machine(inventory, inventory.bystanders[0], line)
    assert "lladdr" in shown, shown


def test_the_pools_are_those_of_the_inventory(cluster: Cluster, inventory: Inventory) -> None:
    found: dict[str, t.Any] = {}
    for group in cluster.custom.list_cluster_custom_object("metallb.io", "v1beta1", "ipaddresspools")["items"]:
        found[group["metadata"]["name"]] = sorted(group["spec"]["addresses"])
    wanted = {pool["name"]: sorted(map(str, pool["addresses"])) for pool in inventory.get("klubster_pools") or []}
    assert found == wanted
