# SPDX-License-Identifier: Apache-2.0
"""Pools, advertisements and BGP in the model, where they are right; mistakes are in inventories.py."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import (
    BfdProfile,
    BgpAdvertisement,
    BgpPeer,
    Expression,
    L2Advertisement,
    LoadBalancer,
    Selector,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import Parsed, parse

sys.path.insert(0, str(Path(__file__).parent))
from inventories import CALICO, FRR, MACHINES, PEER, REMOVED, good

FAR = {"name": "far", "addresses": ["203.0.113.0/24", "198.51.100.16-198.51.100.31"], "announce": "bgp"}


def parsed(**changes: t.Any) -> Parsed:
    hosts, groups = good()
    for name in MACHINES:
        hosts[name] |= changes
        for key in [key for key, value in changes.items() if value is REMOVED]:
            del hosts[name][key]
    return parse(hosts, groups, bundle_dir="/srv/bundle")


def balancer(**changes: t.Any) -> LoadBalancer:
    return parsed(**changes).spec.load_balancer


def test_without_a_word_about_bgp_all_is_as_it_was() -> None:
    found = balancer()
    assert (found.mode, found.speaker, found.l2_advertisements, found.bgp.peers) == ("l2", "native", (), ())
    assert [pool.announce for pool in found.pools] == [("l2",), ("l2",)]


@pytest.mark.parametrize(
    ("mode", "announce", "ways"),
    [
        ("l2", None, ("l2",)),
        ("bgp", None, ("bgp",)),
        ("l2", "bgp", ("bgp",)),
        ("bgp", "l2", ("l2",)),
        ("l2", "both", ("l2", "bgp")),
    ],
)
def test_a_pool_says_how_it_is_announced_or_the_mode_does(mode: str, announce: str | None, ways: tuple[str]) -> None:
    pool = {"name": "a", "addresses": ["203.0.113.0/24"], **({"announce": announce} if announce else {})}
    found = balancer(
        klubster_load_balancer_mode=mode, klubster_pools=[pool], klubster_bgp={"asn": 65001, "peers": [PEER]}
    )
    assert found.pools[0].announce == ways


def test_a_pool_moves_to_bgp_and_back_by_one_word() -> None:
    """What only the other way reads may stay where it is."""
    bgp = {"asn": 65001, "peers": [PEER]}
    pool = {"name": "a", "addresses": ["203.0.113.0/24"], "interfaces": ["eth0"]}
    for announce in ("l2", "bgp", "both", "l2"):
        balancer(klubster_pools=[pool | {"announce": announce}], klubster_bgp=bgp)


def test_everything_of_the_native_speaker() -> None:
    found = balancer(
        klubster_pools=[
            FAR | {"priority": 10, "namespaces": ["web"], "service_selectors": [{"match_labels": {"app": "shop"}}]},
            {"name": "near", "addresses": ["192.168.1.240/29"]},
        ],
        klubster_l2_advertisements=[
            {"name": "cable", "interfaces": ["eth0"], "node_selectors": [{"match_labels": {"a": "b"}}]}
        ],
        klubster_bgp={
            "asn": "65001",
            "communities": {"customers": "65001:100", "stay": "no-export"},
            "peers": [
                PEER | {"hold_time": 9, "ebgp_multihop": True, "port": 1179, "router_id": "10.0.0.1"},
                {
                    "name": "router3",
                    "address": "192.168.1.3",
                    "asn": 4200000000,
                    "source_address": "192.168.1.13",
                    "node_selectors": [
                        {"match_labels": {"kubernetes.io/hostname": "node3"}},
                        {"match_expressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]},
                    ],
                },
            ],
            "advertisements": [
                {
                    "name": "wide",
                    "pools": ["far"],
                    "peers": ["router2"],
                    "aggregation_length": 28,
                    "local_preference": 200,
                    "communities": ["customers", "65001:7", "no-advertise"],
                }
            ],
        },
        klubster_bgp_passwords={"router2": "s3cret-word"},
    )
    assert found.pools[0].priority == 10
    assert found.pools[0].service_selectors == (Selector({"app": "shop"}),)
    assert found.l2_advertisements == (L2Advertisement("cable", (), ("eth0",), (Selector({"a": "b"}),)),)
    assert found.bgp.asn == 65001
    assert found.bgp.communities == {"customers": "65001:100", "stay": "65535:65281"}
    assert found.bgp.peers == (
        BgpPeer(
            "router2",
            "192.168.1.2",
            65010,
            port=1179,
            password=True,
            hold_time=9,
            ebgp_multihop=True,
            router_id="10.0.0.1",
        ),
        BgpPeer(
            "router3",
            "192.168.1.3",
            4200000000,
            source_address="192.168.1.13",
            node_selectors=(
                Selector({"kubernetes.io/hostname": "node3"}),
                Selector({}, (Expression("zone", "In", ("a", "b")),)),
            ),
        ),
    )
    assert found.bgp.advertisements == (
        BgpAdvertisement("wide", ("far",), ("router2",), 28, None, 200, ("customers", "65001:7", "65535:65282")),
    )


def test_what_frr_has_more() -> None:
    found = balancer(
        **FRR,
        klubster_pools=[{"name": "six", "addresses": ["2001:db8:5::/64", "203.0.113.0/24"], "announce": "bgp"}],
        klubster_bgp={
            "asn": 65001,
            "bfd_profiles": [{"name": "fast", "receive": 300, "transmit": 300, "multiplier": 3}],
            "peers": [
                {
                    "name": "router2",
                    "address": "2001:db8::2",
                    "dynamic_asn": "external",
                    "hold_time": 9,
                    "keepalive": 3,
                    "connect_time": 5,
                    "bfd_profile": "fast",
                    "graceful_restart": True,
                    "dual_stack": True,
                }
            ],
            "advertisements": [{"name": "six", "aggregation_length_v6": 64, "communities": ["65001:1:2"]}],
        },
    )
    assert found.speaker == "frr"
    assert found.bgp.bfd_profiles == (BfdProfile("fast", 300, 300, 3),)
    peer = found.bgp.peers[0]
    assert (peer.asn, peer.dynamic_asn, peer.keepalive, peer.connect_time) == (None, "external", 3, 5)
    assert found.bgp.advertisements[0].communities == ("large:65001:1:2",)


def test_frr_needs_layers_of_a_release() -> None:
    with pytest.raises(InvalidInput, match="The bundle has no FRR"):
        balancer(**FRR, klubster_layers_source="bundle")


def test_two_nodes_may_speak_to_one_router_each_in_its_own_way() -> None:
    peers = [
        PEER | {"name": name, "node_selectors": [{"match_labels": {"kubernetes.io/hostname": name}}]}
        for name in ("node2", "node3")
    ]
    assert len(balancer(klubster_bgp={"asn": 65001, "peers": peers}).bgp.peers) == 2


def test_preferences_may_differ_where_nothing_is_shared() -> None:
    apart: list[dict[str, t.Any]] = [
        {"pools": ["home"]},
        {"pools": ["special"]},
    ]
    ads = [{"name": f"a{n}", "local_preference": n * 100, **entry} for n, entry in enumerate(apart)]
    found = balancer(
        klubster_load_balancer_mode="bgp",
        klubster_bgp={"asn": 65001, "peers": [PEER], "advertisements": ads},
    )
    assert [one.local_preference for one in found.bgp.advertisements] == [0, 100]


def test_no_password_is_in_the_plan() -> None:
    spec = parsed(klubster_bgp={"asn": 65001, "peers": [PEER]}, klubster_bgp_passwords={"router2": "s3cret-word"}).spec
    assert "s3cret" not in json.dumps(spec.as_dict())
    assert "s3cret" not in repr(spec)
    assert spec.as_dict()["load_balancer"]["bgp"]["peers"][0]["password"] is True


def test_calicos_speaker() -> None:
    spec = parsed(**CALICO, klubster_pools=[{"name": "far", "addresses": ["203.0.113.0/24"]}]).spec
    found = spec.load_balancer
    assert (found.speaker, found.bgp.pods, found.pools[0].announce) == ("cni", False, ("bgp",))
    assert [name for name in spec.images if name.startswith("metallb")] == ["metallb-controller"]


def test_calicos_speaker_takes_one_router_in_several_ways() -> None:
    selectors = [[{"match_labels": {"site": site}}] for site in ("here", "there")]
    peers = [
        PEER | {"name": name, "hold_time": hold, "node_selectors": selector}
        for name, hold, selector in zip(("near", "far"), (9, 30), selectors)
    ]
    parsed(**CALICO | {"klubster_pools": [], "klubster_bgp": {"asn": 65001, "peers": peers}})


def test_calicos_speaker_has_ipv6_and_large_communities() -> None:
    six = {"name": "router6", "address": "fd00:1::2", "asn": 65010}
    given = CALICO | {
        "klubster_pod_network": "10.244.0.0/16,fd00:42::/56",
        "klubster_service_network": "10.96.0.0/16,fd00:43::/112",
        "klubster_pools": [{"name": "far", "addresses": ["203.0.113.0/24", "2001:db8:5::/120"]}],
        "klubster_bgp": {
            "asn": 65001,
            "pods": True,
            "peers": [PEER, six],
            "communities": {"big": "65001:1:2"},
            "advertisements": [{"name": "all", "communities": ["big"]}],
        },
    }
    found = balancer(**given).bgp
    assert (found.pods, found.communities) == (True, {"big": "large:65001:1:2"})
