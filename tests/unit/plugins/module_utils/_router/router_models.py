# SPDX-License-Identifier: Apache-2.0
"""Routers to test with: one with everything, and as many others as one likes."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from hypothesis import strategies as st

Data = dict[str, t.Any]

#: every key that the model has, at least once; it holds for FRR and for VyOS
FULL: Data = {
    "forwarding": True,
    "interfaces": {
        "eth0": {"addresses": ["10.10.0.2/24", "2001:db8:10::2/64"], "description": "net1 cluster LAN"},
        "eth1.20": {"addresses": ["172.30.0.2/24"]},
        "lo": {"addresses": ["10.255.0.2/32"]},
    },
    "static_routes": {
        "0.0.0.0/0": {"next_hops": ["172.30.0.254", {"address": "172.30.0.253", "distance": 250}]},
        "192.0.2.0/24": {"blackhole": True, "distance": 254},
        "198.51.101.0/24": {"next_hops": [{"interface": "eth0"}]},
        "2001:db8:99::/48": {"next_hops": ["2001:db8:10::99"]},
    },
    "prefix_lists": {
        "services": [
            {"prefix": "203.0.113.0/24", "ge": 32, "le": 32},
            {"prefix": "0.0.0.0/0", "le": 32, "action": "deny"},
        ],
        "services6": [{"prefix": "2001:db8:5::/64", "ge": 128}],
    },
    "community_lists": {"ours": [{"pattern": "65010:.*"}, {"pattern": "65020:1", "action": "deny"}]},
    "large_community_lists": {"ours-large": [{"pattern": "65010:1:.*"}]},
    "as_path_lists": {"upstream": [{"pattern": "^65020_"}]},
    "route_maps": {
        "in": [
            {
                "seq": 5,
                "description": "services of the cluster",
                "match": {
                    "prefix_list": "services",
                    "prefix_list6": "services6",
                    "next_hop_prefix_list": "services",
                    "community_list": "ours",
                    "community_exact": True,
                    "large_community_list": "ours-large",
                    "as_path_list": "upstream",
                    "interface": "eth0",
                    "origin": "igp",
                    "metric": 5,
                    "tag": 8,
                },
                "set": {
                    "local_preference": 200,
                    "metric": 7,
                    "weight": 9,
                    "origin": "incomplete",
                    "next_hop": "10.0.0.1",
                    "next_hop6": "2001:db8::5",
                    "tag": 6,
                    "prepend": [65010, 65010],
                    "communities": ["65010:100", "no-export"],
                    "large_communities": ["65010:1:2"],
                },
                "call": "out",
                "go_on": True,
            },
            {
                "match": {"peer": "172.30.0.3"},
                "set": {
                    "communities": ["65010:1"],
                    "communities_replace": True,
                    "large_communities": ["65010:1:3"],
                    "large_communities_replace": True,
                },
                "goto": 30,
            },
            {"seq": 30, "set": {"no_communities": True}},
        ],
        "out": [{"action": "deny"}],
    },
    "bfd_profiles": {"fast": {"receive": 250, "transmit": 250, "multiplier": 4}, "plain": {}},
    "bgp": {
        "asn": 65010,
        "router_id": "10.255.0.2",
        "log_neighbor_changes": False,
        "requires_policy": True,
        "network_import_check": True,
        "multipath_relax": True,
        "graceful_restart": True,
        "keepalive": 3,
        "hold_time": 9,
        "peer_groups": {
            "nodes": {
                "remote_as": 65001,
                "bfd": True,
                "bfd_profile": "fast",
                "passive": True,
                "ipv4": {
                    "prefix_list_in": "services",
                    "prefix_list_out": "services",
                    "route_map_in": "in",
                    "route_map_out": "out",
                    "maximum_prefix": 100,
                    "soft_reconfiguration": True,
                },
                "ipv6": {"prefix_list_in": "services6"},
            }
        },
        "neighbors": {
            "172.30.0.3": {
                "remote_as": 65020,
                "description": "up stream",
                "bfd": True,
                "multihop": 5,
                "update_source": "10.255.0.2",
                "keepalive": 10,
                "hold_time": 30,
                "connect_retry": 5,
                "graceful_restart": "helper",
                "ipv4": {
                    "default_originate": True,
                    "default_originate_route_map": "out",
                    "next_hop_self": True,
                    "remove_private_as": True,
                    "allow_own_as": 2,
                },
            },
            "172.30.0.4": {
                "remote_as": "external",
                "shutdown": True,
                "ttl_security_hops": 2,
                "update_source": "eth1.20",
                "graceful_restart": "disable",
                "ipv4": {"default_originate": True, "allow_own_as": 3},
            },
            "172.30.0.6": {
                "remote_as": "internal",
                "graceful_restart": "enable",
                "ipv4": {"route_reflector_client": True},
            },
            "10.10.0.11": {"peer_group": "nodes"},
            "2001:db8:10::9": {"remote_as": 65030, "ipv6": {}},
        },
        "listen": {"10.10.0.0/24": {"peer_group": "nodes"}},
        "listen_limit": 16,
        "ipv4": {
            "networks": {"198.51.100.0/24": {}, "198.51.101.0/24": {"route_map": "out"}},
            "aggregates": {
                "203.0.113.0/24": {"summary_only": True},
                "203.0.112.0/24": {"as_set": True, "summary_only": True, "route_map": "out"},
            },
            "redistribute": {"connected": {}, "static": {"metric": 5, "route_map": "out"}},
            "paths": 8,
            "paths_internal": 4,
        },
        "ipv6": {"networks": {"2001:db8:1::/48": {}}},
    },
}
#: parts that VyOS does itself, and other programs on a machine with FRR
SERVICES: Data = {
    "vrrp": {
        "lan": {
            "interface": "eth0",
            "id": 10,
            "addresses": ["10.10.0.1/24"],
            "priority": 200,
            "preempt": False,
            "interval": 2,
            "description": "first router",
        }
    },
    "dns": {
        "listen": ["10.10.0.2"],
        "allow_from": ["10.10.0.0/24"],
        "servers": ["172.30.0.53"],
        "domains": {"lb.example.com": ["172.30.0.53", "172.30.0.54"]},
        "zones": {"lab.example": {"records": {"www": ["203.0.113.10", "2001:db8::10"], "@": ["203.0.113.11"]}}},
    },
    "dhcp": {
        "lan": {
            "subnet": "10.10.0.0/24",
            "id": 1,
            "gateway": "10.10.0.1",
            "name_servers": ["10.10.0.2"],
            "lease": 3600,
            "ranges": [{"start": "10.10.0.50", "stop": "10.10.0.99"}, {"start": "10.10.0.150", "stop": "10.10.0.199"}],
            "hosts": {"printer": {"mac": "52:54:00:12:34:56", "address": "10.10.0.20"}},
        }
    },
}
SERVICES["nat"] = {
    "source": [
        {"interface": "eth1.20", "source": "10.10.0.0/24", "destination": "203.0.113.0/24", "exclude": True},
        {"interface": "eth1.20", "source": "10.10.0.0/24", "translation": "masquerade", "description": "way out"},
        {"source": "10.10.0.25", "protocol": "tcp", "source_port": "25", "translation": "172.30.0.2", "seq": 100},
    ],
    "destination": [
        {
            "interface": "eth1.20",
            "protocol": "tcp",
            "destination_port": 443,
            "translation": "10.10.0.40",
            "translation_port": 8443,
        },
        {"destination": "172.30.0.2", "source": "192.0.2.0/24", "exclude": True},
        {
            "interface": "eth1.20",
            "protocol": "tcp_udp",
            "destination_port": [53, "8053-8060"],
            "translation": "10.10.0.9",
        },
    ],
}
SERVICES["firewall"] = {
    "established": "accept",
    "related": "accept",
    "invalid": "drop",
    "ipv4": {
        "in": {
            "default": "reject",
            "rules": [
                {"action": "accept", "protocol": "tcp", "destination_port": [80, 443], "destination": "10.10.0.40"},
                {"action": "accept", "protocol": "icmp", "states": ["new", "established"]},
                {"action": "drop", "source": "192.0.2.0/24", "log": True, "description": "noise"},
                {"action": "reject", "protocol": "tcp_udp", "source_port": "1024-65535"},
            ],
        },
        "out": {"default": "accept"},
    },
    "ipv6": {"in6": [{"action": "accept", "protocol": "ipv6-icmp"}, {"action": "accept", "source": "2001:db8::/32"}]},
    "zones": {
        "lan": {
            "interfaces": ["eth0"],
            "description": "home",
            "sources": {"wan": {"ipv4": "in", "ipv6": "in6"}, "self": {"ipv4": "out"}},
        },
        "wan": {"interfaces": ["eth1.20"], "default": "reject", "sources": {"lan": {"ipv4": "out"}}},
        "self": {"local": True, "sources": {"lan": {"ipv4": "out", "ipv6": "in6"}}},
    },
}
PASSWORDS = {"nodes": "s3cret", "172.30.0.3": "w0rd"}


def full() -> Router:
    return parse(FULL, PASSWORDS)[0]


# --- any router


def _maybe(draw: t.Any, into: Data, name: str, strategy: st.SearchStrategy[t.Any]) -> None:
    if draw(st.booleans()):
        into[name] = draw(strategy)


def _words(rule: Data) -> str:
    return repr(sorted(rule.items()))


def _addresses(family: int) -> st.SearchStrategy[str]:
    if family == 4:
        return st.integers(0x0A000001, 0x0A00FFFE).map(lambda value: str(ipaddress.IPv4Address(value)))
    low = int(ipaddress.IPv6Address("2001:db8::1"))
    return st.integers(low, low + 0xFFFF).map(lambda value: str(ipaddress.IPv6Address(value)))


@st.composite
def networks(draw: t.Any, family: int) -> str:
    length = draw(st.integers(8, 28) if family == 4 else st.integers(16, 112))
    return str(ipaddress.ip_interface(f"{draw(_addresses(family))}/{length}").network)


names = st.sampled_from(["a", "lan", "to-home", "net_2", "X.1", "services", "zz9"])
texts = st.sampled_from(["up stream", "net1", "a longer line, with 3 words: yes", "x"])
communities = st.tuples(st.integers(1, 65000), st.integers(0, 65535)).map(lambda two: f"{two[0]}:{two[1]}")
patterns = st.sampled_from(["65010:.*", "65010:1", "65010:(1|2)", "^6501[0-9]:7$"])
path_patterns = st.sampled_from(["^65020_", "_65001$", "^65010(_65020)*$", "^$"])


@st.composite
def prefix_rules(draw: t.Any, family: int) -> Data:
    prefix = draw(networks(family))
    rule: Data = {"prefix": prefix, "action": draw(st.sampled_from(["permit", "deny"]))}
    shortest, longest = int(prefix.split("/")[1]) + 1, 32 if family == 4 else 128
    bounds = sorted(draw(st.lists(st.integers(shortest, longest), min_size=2, max_size=2)))
    _maybe(draw, rule, "ge", st.just(bounds[0]))
    _maybe(draw, rule, "le", st.just(bounds[1]))
    return rule


@st.composite
def matches(draw: t.Any, data: Data) -> Data:
    match: Data = {}
    four = [name for name, rules in data["prefix_lists"].items() if ":" not in rules[0]["prefix"]]
    six = [name for name in data["prefix_lists"] if name not in four]
    for key, known in (
        ("prefix_list", four),
        ("prefix_list6", six),
        ("next_hop_prefix_list", four),
        ("community_list", list(data["community_lists"])),
        ("as_path_list", list(data["as_path_lists"])),
    ):
        if known:
            _maybe(draw, match, key, st.sampled_from(known))
    if "community_list" in match:
        _maybe(draw, match, "community_exact", st.booleans())
    _maybe(draw, match, "metric", st.integers(1, 65535))
    _maybe(draw, match, "origin", st.sampled_from(["igp", "egp", "incomplete"]))
    return match


@st.composite
def changes(draw: t.Any) -> Data:
    change: Data = {}
    _maybe(draw, change, "local_preference", st.integers(0, 4294967295))
    _maybe(draw, change, "metric", st.integers(0, 4294967295))
    _maybe(draw, change, "prepend", st.lists(st.integers(64512, 64530), min_size=1, max_size=3))
    _maybe(draw, change, "next_hop", _addresses(4))
    kind = draw(st.sampled_from(["", "add", "replace", "none"]))
    if kind in ("add", "replace"):
        change["communities"] = draw(st.lists(communities, min_size=1, max_size=3, unique=True))
        change["communities_replace"] = kind == "replace"
    elif kind:
        change["no_communities"] = True
    return change


@st.composite
def peer_families(draw: t.Any, data: Data, family: int) -> Data:
    found: Data = {}
    lists = [name for name, rules in data["prefix_lists"].items() if (":" in rules[0]["prefix"]) == (family == 6)]
    for way in ("in", "out"):
        if lists:
            _maybe(draw, found, f"prefix_list_{way}", st.sampled_from(lists))
        if data["route_maps"]:
            _maybe(draw, found, f"route_map_{way}", st.sampled_from(list(data["route_maps"])))
    _maybe(draw, found, "maximum_prefix", st.integers(1, 4294967295))
    _maybe(draw, found, "allow_own_as", st.integers(1, 10))
    for key in ("soft_reconfiguration", "default_originate", "next_hop_self", "remove_private_as"):
        _maybe(draw, found, key, st.booleans())
    return found


@st.composite
def peers(draw: t.Any, data: Data) -> Data:
    peer: Data = {"remote_as": draw(st.one_of(st.integers(64512, 65534), st.just("external")))}
    _maybe(draw, peer, "description", texts)
    _maybe(draw, peer, "shutdown", st.booleans())
    _maybe(draw, peer, "bfd", st.booleans())
    if peer.get("bfd") and data["bfd_profiles"]:
        _maybe(draw, peer, "bfd_profile", st.sampled_from(list(data["bfd_profiles"])))
    _maybe(draw, peer, draw(st.sampled_from(["multihop", "ttl_security_hops"])), st.integers(2, 254))
    _maybe(draw, peer, "update_source", _addresses(4))
    _maybe(draw, peer, "ipv4", peer_families(data, 4))
    if draw(st.booleans()) or "ipv4" not in peer:
        peer["ipv6"] = draw(peer_families(data, 6))
    return peer


@st.composite
def families(draw: t.Any, data: Data, family: int) -> Data:
    found: Data = {}
    maps = st.none() if not data["route_maps"] else st.one_of(st.none(), st.sampled_from(list(data["route_maps"])))
    found["networks"] = {
        prefix: {"route_map": draw(maps)} for prefix in draw(st.lists(networks(family), max_size=2, unique=True))
    }
    found["aggregates"] = {
        prefix: {"summary_only": draw(st.booleans()), "as_set": draw(st.booleans()), "route_map": draw(maps)}
        for prefix in draw(st.lists(networks(family), max_size=2, unique=True))
    }
    sources = draw(st.lists(st.sampled_from(["connected", "static", "kernel"]), max_size=2, unique=True))
    found["redistribute"] = {source: {"route_map": draw(maps)} for source in sources}
    _maybe(draw, found, "paths", st.integers(1, 64))
    _maybe(draw, found, "paths_internal", st.integers(1, 64))
    return found


@st.composite
def routers(draw: t.Any) -> Data:
    """A router without mistakes, as plain data."""
    data: Data = {"prefix_lists": {}, "community_lists": {}, "as_path_lists": {}, "route_maps": {}, "bfd_profiles": {}}
    for name in draw(st.lists(names, max_size=3, unique=True)):
        family = draw(st.sampled_from([4, 6]))
        data["prefix_lists"][name] = draw(st.lists(prefix_rules(family), min_size=1, max_size=3, unique_by=_words))
    for part in ("community_lists", "as_path_lists"):
        for name in draw(st.lists(names, max_size=2, unique=True)):
            pattern = patterns if part == "community_lists" else path_patterns
            rule = st.fixed_dictionaries({"pattern": pattern, "action": st.sampled_from(["permit", "deny"])})
            data[part][name] = draw(st.lists(rule, min_size=1, max_size=2, unique_by=_words))
    for name in draw(st.lists(names, max_size=2, unique=True)):
        rules = []
        for dummy in range(draw(st.integers(1, 3))):
            rule = {"match": draw(matches(data)), "set": draw(changes())}
            _maybe(draw, rule, "description", texts)
            rules.append(rule)
        data["route_maps"][name] = rules
    for name in draw(st.lists(names, max_size=2, unique=True)):
        profile: Data = {}
        for key in ("receive", "transmit"):
            _maybe(draw, profile, key, st.integers(10, 60000))
        _maybe(draw, profile, "multiplier", st.integers(2, 255))
        data["bfd_profiles"][name] = profile
    data["static_routes"] = {}
    for family in (4, 6):
        for prefix in draw(st.lists(networks(family), max_size=2, unique=True)):
            hops = draw(st.lists(_addresses(family), max_size=2, unique=True))
            data["static_routes"][prefix] = {"next_hops": hops} if hops else {"blackhole": True}
    data["bgp"] = draw(bgps(data))
    return data


@st.composite
def bgps(draw: t.Any, data: Data) -> Data:
    bgp: Data = {"asn": draw(st.integers(64512, 65534)), "router_id": draw(_addresses(4))}
    for key in (
        "log_neighbor_changes",
        "requires_policy",
        "network_import_check",
        "multipath_relax",
        "graceful_restart",
    ):
        _maybe(draw, bgp, key, st.booleans())
    if draw(st.booleans()):
        bgp["keepalive"] = draw(st.integers(1, 100))
        bgp["hold_time"] = bgp["keepalive"] * 3
    bgp["peer_groups"] = {name: draw(peers(data)) for name in draw(st.lists(names, max_size=2, unique=True))}
    bgp["neighbors"] = {}
    for address in draw(st.lists(_addresses(draw(st.sampled_from([4, 6]))), max_size=3, unique=True)):
        if bgp["peer_groups"] and draw(st.booleans()):
            neighbor: Data = {"peer_group": draw(st.sampled_from(list(bgp["peer_groups"])))}
        else:
            neighbor = draw(peers(data))
        _maybe(draw, neighbor, "connect_retry", st.integers(1, 65535))
        _maybe(draw, neighbor, "graceful_restart", st.sampled_from(["enable", "disable", "helper"]))
        bgp["neighbors"][address] = neighbor
    if bgp["peer_groups"]:
        ranges = draw(st.lists(networks(4), max_size=2, unique=True))
        bgp["listen"] = {one: {"peer_group": draw(st.sampled_from(list(bgp["peer_groups"])))} for one in ranges}
        if ranges:
            _maybe(draw, bgp, "listen_limit", st.integers(1, 5000))
    for family in (4, 6):
        _maybe(draw, bgp, f"ipv{family}", families(data, family))
    return bgp


# --- what other programs do beside FRR

addresses4 = _addresses(4)
some_ports = st.sampled_from(["53", "80,443", "1024-65535", "22,80,8000-8010"])


@st.composite
def endpoints(draw: t.Any, family: int) -> str:
    return draw(networks(family)) if draw(st.booleans()) else draw(_addresses(family))


@st.composite
def packets(draw: t.Any, family: int) -> Data:
    """Which packets a rule is about."""
    rule: Data = {}
    _maybe(draw, rule, "source", endpoints(family))
    _maybe(draw, rule, "destination", endpoints(family))
    _maybe(draw, rule, "protocol", st.sampled_from(["tcp", "udp", "tcp_udp", "icmp" if family == 4 else "ipv6-icmp"]))
    if rule.get("protocol") in ("tcp", "udp", "tcp_udp"):
        _maybe(draw, rule, "source_port", some_ports)
        _maybe(draw, rule, "destination_port", some_ports)
    _maybe(draw, rule, "description", texts)
    return rule


@st.composite
def nats(draw: t.Any) -> Data:
    found: Data = {"source": [], "destination": []}
    for dummy in range(draw(st.integers(0, 3))):
        rule = {"interface": draw(st.sampled_from(["eth0", "eth1"])), **draw(packets(4))}
        rule.update(
            {"exclude": True} if draw(st.booleans()) else {"translation": draw(addresses4 | st.just("masquerade"))}
        )
        found["source"].append(rule)
    for dummy in range(draw(st.integers(0, 3))):
        rule = {"interface": "eth1", **draw(packets(4)), "translation": draw(addresses4)}
        if rule.get("protocol") in ("tcp", "udp", "tcp_udp"):
            _maybe(draw, rule, "translation_port", st.integers(1, 65535))
        found["destination"].append(rule)
    return found


@st.composite
def firewalls(draw: t.Any) -> Data:
    found: Data = {"ipv4": {}, "ipv6": {}, "zones": {}}
    for state in ("established", "related", "invalid"):
        _maybe(draw, found, state, st.sampled_from(["accept", "drop", "reject"]))
    states = st.lists(st.sampled_from(["established", "invalid", "new", "related"]), max_size=3, unique=True)
    for family in (4, 6):
        for name in draw(st.lists(names, max_size=2, unique=True)):
            rules = []
            for dummy in range(draw(st.integers(0, 3))):
                action = draw(st.sampled_from(["accept", "drop", "reject"]))
                rules.append(
                    {"action": action, "states": draw(states), "log": draw(st.booleans()), **draw(packets(family))}
                )
            found[f"ipv{family}"][name] = {
                "default": draw(st.sampled_from(["accept", "drop", "reject"])),
                "rules": rules,
            }
    zones = draw(st.lists(names, max_size=3, unique=True))
    for number, name in enumerate(zones):
        local = number == 2
        zone: Data = (
            {"local": True} if local else {"interfaces": [f"eth{number}", f"eth{number}.7"][: draw(st.integers(1, 2))]}
        )
        zone["default"] = draw(st.sampled_from(["drop", "reject"]))
        _maybe(draw, zone, "description", texts)
        zone["sources"] = {}
        for other in zones:
            used: Data = {}
            for family in ("ipv4", "ipv6"):
                if found[family] and other != name:
                    _maybe(draw, used, family, st.sampled_from(sorted(found[family])))
            if used:
                zone["sources"][other] = used
        found["zones"][name] = zone
    return found


@st.composite
def dhcps(draw: t.Any) -> Data:
    found: Data = {}
    for number, name in enumerate(draw(st.lists(names, max_size=3, unique=True))):
        low = draw(st.integers(10, 100))
        network: Data = {"subnet": f"10.{number}.0.0/24", "id": number + 1}
        _maybe(draw, network, "gateway", st.just(f"10.{number}.0.1"))
        _maybe(draw, network, "lease", st.integers(60, 4294967295))
        network["name_servers"] = draw(st.lists(addresses4, max_size=2, unique=True))
        network["ranges"] = [
            {
                "start": f"10.{number}.0.{low + 40 * index}",
                "stop": f"10.{number}.0.{low + 40 * index + draw(st.integers(0, 39))}",
            }
            for index in range(draw(st.integers(0, 2)))
        ]
        network["hosts"] = {
            host: {"mac": f"52:54:00:00:00:{index:02x}", "address": f"10.{number}.0.{index + 2}"}
            for index, host in enumerate(draw(st.lists(names, max_size=2, unique=True)))
        }
        found[name] = network
    return found


@st.composite
def dnses(draw: t.Any) -> Data:
    mixed = st.lists(_addresses(4) | _addresses(6), min_size=1, max_size=3, unique=True)
    found: Data = {"listen": draw(mixed), "servers": draw(mixed)}
    found["allow_from"] = draw(
        st.sampled_from([["10.0.0.0/8", "2001:db8::/32"], ["192.168.0.0/16", "::/0"], ["0.0.0.0/0", "::/0"]])
    )
    found["domains"] = {
        f"{one}.example": draw(mixed) for one in draw(st.lists(st.sampled_from("abc"), max_size=2, unique=True))
    }
    found["zones"] = {
        f"{one}.test": {
            "records": {
                record: draw(mixed)
                for record in draw(st.lists(st.sampled_from(["@", "www", "a.b"]), max_size=2, unique=True))
            }
        }
        for one in draw(st.lists(st.sampled_from(["x", "y.x"]), max_size=2, unique=True))
    }
    # Who may ask is said only of families by which the router listens.
    families_of = {":" in one for one in found["listen"]}
    found["allow_from"] = [one for one in found["allow_from"] if (":" in one) in families_of]
    return found


@st.composite
def vrrps(draw: t.Any) -> Data:
    found: Data = {}
    for number, name in enumerate(draw(st.lists(names, max_size=3, unique=True))):
        group: Data = {
            "interface": "eth0",
            "id": number + 1,
            "addresses": [f"10.9.{number}.1/24"],
            "preempt": draw(st.booleans()),
        }
        _maybe(draw, group, "priority", st.integers(1, 255))
        _maybe(draw, group, "interval", st.integers(1, 255))
        _maybe(draw, group, "description", texts)
        found[name] = group
    return found


@st.composite
def all_services(draw: t.Any) -> Data:
    """A router with all that is beside FRR."""
    return {
        "nat": draw(nats()),
        "firewall": draw(firewalls()),
        "dhcp": draw(dhcps()),
        "dns": draw(dnses()),
        "vrrp": draw(vrrps()),
    }
