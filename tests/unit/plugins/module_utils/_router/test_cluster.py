# SPDX-License-Identifier: Apache-2.0
"""Both sides of a session come from one inventory: what MetalLB may announce is what the router lets in."""

from __future__ import annotations

import ipaddress
import re
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.filter.bgp_router import FilterModule
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.announcing import bgp_advertisements
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.metallb_objects import custom_resources
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse as read_inventory
from ansible_collections.kateskit.klubster.plugins.module_utils._router import frr, frr_text, vyos
from ansible_collections.kateskit.klubster.plugins.module_utils._router.cluster import router_data
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import Foreign, parse
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "_model"))
from inventories import FRR, MACHINES, OPENELB_BGP, PEER, REMOVED, good

FAR = {"name": "far", "addresses": ["203.0.113.0/24", "198.51.100.13-198.51.100.22"], "announce": "bgp"}
NEAR = {"name": "near", "addresses": ["192.168.1.240/29"]}
BGP: dict[str, t.Any] = {"asn": 65001, "peers": [PEER]}


def plan(**changes: t.Any) -> dict[str, t.Any]:
    hosts, groups = good()
    for name in MACHINES:
        hosts[name] |= {"klubster_pools": [FAR, NEAR], "klubster_bgp": BGP, **changes}
        for key in [key for key, value in changes.items() if value is REMOVED]:
            del hosts[name][key]
    found: dict[str, t.Any] = read_inventory(hosts, groups, bundle_dir="/b").spec.as_dict()
    return found


def test_a_router_hears_the_cluster() -> None:
    peers = [PEER | {"hold_time": 9}, {"name": "router3", "address": "192.168.1.3", "asn": 65010}]
    found = router_data(plan(klubster_bgp=BGP | {"peers": peers}), "router2")
    assert found == {
        "prefix_lists": {
            "klubster-home-in": [
                {"prefix": "198.51.100.13/32"},
                {"prefix": "198.51.100.14/31", "ge": 32, "le": 32},
                {"prefix": "198.51.100.16/30", "ge": 32, "le": 32},
                {"prefix": "198.51.100.20/31", "ge": 32, "le": 32},
                {"prefix": "198.51.100.22/32"},
                {"prefix": "203.0.113.0/24", "ge": 32, "le": 32},
            ],
            "klubster-home-out": [{"prefix": "0.0.0.0/0", "le": 32, "action": "deny"}],
        },
        "bgp": {
            "asn": 65010,
            "peer_groups": {
                "klubster-home": {
                    "remote_as": 65001,
                    "ipv4": {
                        "prefix_list_in": "klubster-home-in",
                        "prefix_list_out": "klubster-home-out",
                        "maximum_prefix": 266,
                    },
                }
            },
            "ipv4": {"paths": 3},
            "neighbors": {
                address: {"peer_group": "klubster-home", "keepalive": 3, "hold_time": 9}
                for address in ("192.168.1.11", "192.168.1.12", "192.168.1.13")
            },
        },
    }


FILTER = FilterModule().filters()["bgp_router"]
REST = {
    "interfaces": {"eth0": {"addresses": ["192.168.1.2/24"]}},
    "bgp": {"router_id": "192.168.1.2", "neighbors": {"172.30.0.3": {"remote_as": 65020, "ipv4": {}}}},
}
EVERYTHING = {
    **FRR,
    "klubster_pools": [FAR | {"addresses": ["203.0.113.0/24", "2001:db8:5::/120"]}, NEAR],
    "klubster_bgp": {
        "asn": 65001,
        "bfd_profiles": [{"name": "fast", "receive": 300, "multiplier": 3, "minimum_ttl": 5}],
        "peers": [
            PEER | {"dual_stack": True, "bfd_profile": "fast", "ebgp_multihop": True, "keepalive": 2, "hold_time": 9}
        ],
        "advertisements": [{"name": "a", "aggregation_length": 28, "aggregation_length_v6": 124}],
    },
}


@pytest.mark.parametrize("listen", [[], ["192.168.1.0/24"]])
@pytest.mark.parametrize("changes", [{}, EVERYTHING])
def test_every_kind_of_router_takes_it(changes: dict[str, t.Any], listen: list[str]) -> None:
    data = FILTER(plan(**changes), peer="router2", over=REST, listen=listen)
    router, _foreign = parse(data, {"klubster-home": "s3cret-word"}, root="router")
    frr.refuse(router)
    found = frr.gather(frr_text.parse(frr_text.write(frr.render(router))))
    assert (parse(found.data, found.passwords)[0], found.strange) == (frr.canonical(router), ())
    for version in ("1.4", "1.5"):
        vyos.refuse(router, t.cast("t.Any", version), "router")
        assert vyos.difference(frozenset(), router, Foreign(), t.cast("t.Any", version)).commands
    assert "172.30.0.3" in data["bgp"]["neighbors"]


def test_bfd_further_routers_and_both_families() -> None:
    found = router_data(plan(**EVERYTHING), "router2")
    assert found["bfd_profiles"] == {"klubster-home-fast": {"receive": 300, "multiplier": 3}}
    group = found["bgp"]["peer_groups"]["klubster-home"]
    assert (group["bfd"], group["bfd_profile"], group["multihop"]) == (True, "klubster-home-fast", 255)
    assert found["prefix_lists"]["klubster-home-in"] == [{"prefix": "203.0.113.0/24", "ge": 28, "le": 28}]
    assert found["prefix_lists"]["klubster-home-in6"] == [{"prefix": "2001:db8:5::/120", "ge": 124, "le": 124}]
    assert found["prefix_lists"]["klubster-home-out6"] == [{"prefix": "::/0", "le": 128, "action": "deny"}]
    assert (group["ipv4"]["maximum_prefix"], group["ipv6"]["maximum_prefix"]) == (16, 16)
    assert found["bgp"]["neighbors"]["192.168.1.11"] == {"peer_group": "klubster-home", "keepalive": 2, "hold_time": 9}


def test_of_openelb_every_node_announces_all_nodes() -> None:
    """Prefixes are counted once for each next hop, and one speaker is enough for all of them."""
    bgp = {"asn": 65001, "peers": [PEER | {"node_selectors": [{"match_labels": {"kubernetes.io/hostname": "node1"}}]}]}
    found = router_data(plan(**{**OPENELB_BGP, "klubster_bgp": bgp}), "router2")
    group = found["bgp"]["peer_groups"]["klubster-home"]
    assert group["ipv4"]["maximum_prefix"] == 256 * 3
    assert list(found["bgp"]["neighbors"]) == ["192.168.1.11"]
    assert found["bgp"]["ipv4"] == {"paths": 3}


def test_nodes_may_come_from_a_network() -> None:
    found = router_data(plan(), "router2", listen=["192.168.1.0/24"])
    assert found["bgp"]["listen"] == {"192.168.1.0/24": {"peer_group": "klubster-home"}}
    assert found["bgp"]["listen_limit"] == 3
    assert "neighbors" not in found["bgp"]


def test_a_router_of_the_clusters_own_system() -> None:
    found = router_data(plan(klubster_bgp={"asn": 65001, "peers": [PEER | {"asn": 65001}]}), "router2")
    assert found["bgp"]["asn"] == found["bgp"]["peer_groups"]["klubster-home"]["remote_as"] == 65001
    assert found["bgp"]["ipv4"] == {"paths_internal": 3}


def test_what_is_announced_to_another_is_not_let_in() -> None:
    peers = [PEER, {"name": "router3", "address": "192.168.1.3", "asn": 65030}]
    ads = [{"name": "only", "pools": ["far"], "peers": ["router3"]}]
    found = plan(klubster_bgp={"asn": 65001, "peers": peers, "advertisements": ads})
    nothing = [{"prefix": "0.0.0.0/0", "le": 32, "action": "deny"}]
    assert router_data(found, "router2")["prefix_lists"]["klubster-home-in"] == nothing
    assert router_data(found, "router3")["prefix_lists"]["klubster-home-in"] != nothing


TEST_SELECTORS: list[tuple[list[dict[str, t.Any]], list[int]]] = [
    ([{"match_labels": {"kubernetes.io/hostname": "node3"}}], [13]),
    ([{"match_labels": {"example.org/disk": "ssd"}}], [11, 12, 13]),
    ([{"match_labels": {"example.org/disk": "hdd"}}], [11, 12]),
    (
        [{"match_expressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1", "node2"]}]}],
        [11, 12],
    ),
    ([{"match_expressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["node1"]}]}], [12, 13]),
    ([{"match_expressions": [{"key": "example.org/disk", "operator": "DoesNotExist"}]}], [11, 12]),
    ([{"match_expressions": [{"key": "example.org/disk", "operator": "Exists"}]}], [11, 12, 13]),
    (
        [{"match_labels": {"kubernetes.io/hostname": "node1"}}, {"match_labels": {"kubernetes.io/hostname": "node2"}}],
        [11, 12],
    ),
]


@pytest.mark.parametrize(("selectors", "numbers"), TEST_SELECTORS)
def test_nodes_that_surely_do_not_speak_are_left_out(selectors: list[dict[str, t.Any]], numbers: list[int]) -> None:
    """A label that the inventory does not give may have been given by hand."""
    found = plan(klubster_bgp={"asn": 65001, "peers": [PEER | {"node_selectors": selectors}]})
    neighbors = router_data(found, "router2")["bgp"]["neighbors"]
    assert list(neighbors) == [f"192.168.1.{number}" for number in numbers]


BAD: list[tuple[dict[str, t.Any], dict[str, t.Any], str]] = [
    ({}, {"peer": "router"}, "peer = 'router': It is not in klubster_bgp.peers. Did you mean 'router2'?"),
    ({"klubster_bgp": {}, "klubster_pools": [NEAR]}, {"peer": "router2"}, "It is not in klubster_bgp.peers. Add it"),
    ({"klubster_bgp": BGP | {"peers": [PEER | {"port": 1179}]}}, {"peer": "router2"}, "says port 1179"),
    ({}, {"peer": "router2", "asn": 65011}, "klubster_bgp says 65010 for router2. Leave it out"),
    (
        FRR | {"klubster_bgp": BGP | {"peers": [PEER | {"asn": REMOVED, "dynamic_asn": "external"}]}},
        {"peer": "router2"},
        "does not know the number of router2",
    ),
]


@pytest.mark.parametrize(("changes", "options", "said"), BAD)
def test_what_cannot_be_derived_is_told(changes: dict[str, t.Any], options: dict[str, t.Any], said: str) -> None:
    for peer in changes.get("klubster_bgp", {}).get("peers", []):
        for key in [key for key, value in peer.items() if value is REMOVED]:
            del peer[key]
    with pytest.raises(InvalidInput, match=re.escape(said)):
        router_data(plan(**changes), **options)
    with pytest.raises(AnsibleFilterError, match=re.escape(said)):
        FILTER(plan(**changes), **options)


def _lets_in(rules: list[dict[str, t.Any]], prefix: t.Any) -> bool:
    """What a router makes of a prefix list."""
    for rule in rules:
        net = ipaddress.ip_network(rule["prefix"])
        low, high = rule.get("ge", net.prefixlen), rule.get("le", (rule.get("ge") and 32) or net.prefixlen)
        if prefix.subnet_of(net) and low <= prefix.prefixlen <= high:
            return bool(rule.get("action", "permit") == "permit")
    return False


@settings(deadline=None, max_examples=60)
@given(first=st.integers(0, 200), size=st.integers(1, 55), length=st.integers(24, 32), inside=st.integers(0, 54))
def test_the_router_lets_in_what_metallb_announces_and_nothing_beside(
    first: int, size: int, length: int, inside: int
) -> None:
    base = int(ipaddress.ip_address("203.0.113.0")) + first
    text = f"{ipaddress.ip_address(base)}-{ipaddress.ip_address(base + size - 1)}"
    pool = {"name": "far", "addresses": [text], "announce": "bgp"}
    bgp = BGP | {"advertisements": [{"name": "a", "aggregation_length": length}]}
    try:
        found = plan(klubster_pools=[pool], klubster_bgp=bgp)
    except InvalidInput:
        # Wider than the pool: refused, so nobody announces it.
        return
    rules = router_data(found, "router2")["prefix_lists"]["klubster-home-in"]
    # As MetalLB does it: the service's address, cut to the length.
    announced = ipaddress.ip_network((base + inside % size, length), strict=False)
    assert _lets_in(rules, announced)
    for strange in (announced.supernet(), ipaddress.ip_network("203.0.112.7/32"), ipaddress.ip_network("0.0.0.0/0")):
        assert not _lets_in(rules, strange)
    if length < 32:
        assert not _lets_in(rules, next(announced.subnets()))


def test_both_sides_say_the_same() -> None:
    found = plan(**EVERYTHING)
    objects = custom_resources(found["load_balancer"])
    (peer,) = [obj["spec"] for obj in objects if obj["kind"] == "BGPPeer"]
    router = router_data(found, "router2")["bgp"]
    assert (peer["peerASN"], peer["myASN"]) == (router["asn"], router["peer_groups"]["klubster-home"]["remote_as"])
    names = [one["name"] for one in bgp_advertisements(found["load_balancer"])]
    assert names == [obj["metadata"]["name"] for obj in objects if obj["kind"] == "BGPAdvertisement"]
