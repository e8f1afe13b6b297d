# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ipaddress
import typing as t

import pytest
import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._status.balance import (
    parse_range,
    pools_of,
    services_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

Change = t.Callable[[Snapshot], None]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10.77.0.200-10.77.0.220", 21),
        ("10.77.0.200 - 10.77.0.200", 1),
        ("10.77.1.0/29", 8),
        ("10.77.1.7/32", 1),
        ("fd00::/120", 256),
        ("fd00::1-fd00::a", 10),
    ],
)
def test_ranges(text: str, size: int) -> None:
    found = parse_range(text)
    assert found is not None
    assert found[1] - found[0] + 1 == size


@pytest.mark.parametrize("text", ["", "pool", "10.77.0.1-fd00::1", "10.77.0.300/24"])
def test_what_is_no_range(text: str) -> None:
    assert parse_range(text) is None


@settings(deadline=None)
@given(first=st.integers(0, 2**32 - 1), length=st.integers(0, 700))
def test_addresses_without_the_buggy_ones_are_counted_right(first: int, length: int) -> None:
    last = min(first + length, 2**32 - 1)
    found = snapshots.snapshot()
    text = f"{ipaddress.IPv4Address(first)}-{ipaddress.IPv4Address(last)}"
    snapshots.find(found, "IPAddressPool", "house")["spec"] = {"addresses": [text], "avoidBuggyIPs": True}
    wanted = sum(1 for number in range(first, last + 1) if number % 256 not in (0, 255))
    assert pools_of(found)[0]["size"] == wanted


def test_pools_count_what_services_use() -> None:
    house, reserve = pools_of(snapshots.snapshot())
    assert (house["name"], house["size"], house["used"], house["free"], house["auto_assign"]) == (
        "house",
        21,
        1,
        20,
        True,
    )
    assert (reserve["name"], reserve["size"], reserve["used"], reserve["auto_assign"]) == ("reserve", 8, 0, False)


def test_an_address_shared_by_two_services_is_used_once() -> None:
    found = snapshots.snapshot()
    web = snapshots.find(found, "Service", "web")
    snapshots.put(found, {**web, "metadata": {**web["metadata"], "name": "web-dns"}})
    assert pools_of(found)[0]["used"] == 1
    assert len(services_of(found, pools_of(found))) == 2


def test_a_service_tells_who_answers_and_who_stands_behind() -> None:
    found = snapshots.snapshot()
    assert services_of(found, pools_of(found)) == [
        {
            "namespace": "shop",
            "name": "web",
            "addresses": ["10.77.0.200"],
            "ports": ["80"],
            "pool": "house",
            "announced_by": ["agent1"],
            "endpoints": 2,
            "why": "",
        }
    ]


def _waiting(found: Snapshot, **spec: t.Any) -> dict[str, t.Any]:
    service = snapshots.find(found, "Service", "web")
    service["metadata"]["annotations"] = {}
    service["spec"].update(spec)
    service["status"] = {"loadBalancer": {}}
    return service


def _class(found: Snapshot) -> None:
    _waiting(found, loadBalancerClass="example.com/other")


def _no_metallb(found: Snapshot) -> None:
    _waiting(found)
    found["pools"] = None


def _outside(found: Snapshot) -> None:
    _waiting(found, loadBalancerIP="10.99.0.1")


def _outside_by_annotation(found: Snapshot) -> None:
    _waiting(found)["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": "10.77.0.201,10.99.0.1"}


def _unknown_pool(found: Snapshot) -> None:
    _waiting(found)["metadata"]["annotations"] = {"metallb.io/address-pool": "attic"}


def _full(found: Snapshot) -> None:
    taken = snapshots.find(found, "Service", "web")
    snapshots.put(found, {**taken, "metadata": {"name": "first", "namespace": "shop"}})
    _waiting(found)
    snapshots.find(found, "IPAddressPool", "house")["spec"]["addresses"] = ["10.77.0.200/32"]


def _on_request_only(found: Snapshot) -> None:
    _waiting(found)
    snapshots.find(found, "IPAddressPool", "house")["spec"]["autoAssign"] = False


def _unknown(found: Snapshot) -> None:
    _waiting(found)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_class, "it waits for a load balancer of class example.com/other"),
        (_no_metallb, "the cluster has no load balancer that hands out addresses"),
        (_outside, "it asks for 10.99.0.1, which is in no pool"),
        (_outside_by_annotation, "it asks for 10.99.0.1, which is in no pool"),
        (_unknown_pool, "it asks for the pool attic, which does not exist"),
        (_full, "all addresses are taken (1 address in house)"),
        (_on_request_only, "no pool hands out addresses by itself (auto_assign)"),
        (_unknown, "the load balancer has not given it an address"),
    ],
)
def test_why_a_service_waits(change: Change, why: str) -> None:
    found = snapshots.snapshot()
    change(found)
    assert [service["why"] for service in services_of(found, pools_of(found)) if service["name"] == "web"] == [why]


@pytest.mark.parametrize(
    ("spec", "announced"),
    [
        ({}, True),
        ({"ipAddressPools": ["house"]}, True),
        ({"ipAddressPools": ["reserve"]}, False),
        ({"ipAddressPoolSelectors": [{"matchLabels": {"side": "house"}}]}, True),
        ({"ipAddressPoolSelectors": [{"matchLabels": {"side": "garden"}}]}, False),
        ({"ipAddressPoolSelectors": [{"matchExpressions": [{"key": "side", "operator": "Exists"}]}]}, True),
    ],
)
def test_which_pools_an_advertisement_covers(spec: dict[str, t.Any], announced: bool) -> None:
    found = snapshots.snapshot()
    snapshots.find(found, "IPAddressPool", "house")["metadata"]["labels"] = {"side": "house"}
    found["advertisements"] = [{"kind": "L2Advertisement", "metadata": {"name": "a"}, "spec": spec}]
    assert pools_of(found)[0]["announced"] is announced
