# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  A mistake and what is said of it read best in one line.

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse, parts, passwords_of
from hypothesis import given, settings
from router_models import FULL, PASSWORDS, SERVICES, Data, all_services, full, routers


def problems(data: t.Any, **more: t.Any) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse(data, root="router", **more)
    return [str(problem) for problem in caught.value.problems]


def bgp(**more: t.Any) -> Data:
    return {"bgp": {"asn": 65010, "router_id": "10.0.0.1", **more}}


def peer(**more: t.Any) -> Data:
    return bgp(neighbors={"10.0.0.2": {"remote_as": 65001, "ipv4": {}, **more}})


def dhcp(**more: t.Any) -> Data:
    return {"dhcp": {"lan": {"subnet": "10.1.0.0/24", **more}}}


def source(**more: t.Any) -> Data:
    return {"nat": {"source": [{"interface": "eth1", "translation": "masquerade", **more}]}}


def destination(**more: t.Any) -> Data:
    return {"nat": {"destination": [{"interface": "eth1", "translation": "10.0.0.5", **more}]}}


def zones(**more: t.Any) -> Data:
    return {
        "firewall": {
            "ipv4": {"a": []},
            "zones": {"lan": {"interfaces": ["eth0"]}, "wan": {"interfaces": ["eth1"]}, **more},
        }
    }


def filtered(version: int = 4, **more: t.Any) -> Data:
    return {"firewall": {f"ipv{version}": {"a": [{"action": "accept", **more}]}}}


def rule(**more: t.Any) -> Data:
    return {"prefix_lists": {"a": [{"prefix": "10.0.0.0/8", **more}]}}


def step(**more: t.Any) -> Data:
    return {"route_maps": {"m": [{"seq": 10, **more}, {"seq": 20}]}}


REFUSED: list[tuple[t.Any, str]] = [
    ([], "router = []: It is a mapping. Write {} if nothing is to be said of it."),
    ({"bpg": {}}, "router.bpg = {}: There is no such key. Did you mean 'bgp'?"),
    # numbers and names
    ({"bgp": {"router_id": "10.0.0.1"}}, "router.bgp.asn = None: It is required."),
    (bgp(asn=0), "router.bgp.asn = 0: The number of an autonomous system is from 1 to 4294967294"),
    (bgp(asn=4294967295), "router.bgp.asn = 4294967295: The number of an autonomous system is from 1 to 4294967294"),
    (bgp(asn="1.10"), "router.bgp.asn = '1.10': The number of an autonomous system is"),
    (bgp(asn=True), "router.bgp.asn = True: The number of an autonomous system is"),
    (bgp(asn=23456), "router.bgp.asn = 23456: 23456 stands for numbers that an old router cannot say."),
    (bgp(asn=65535), "router.bgp.asn = 65535: 65535 is reserved."),
    (bgp(router_id="2001:db8::1"), "router.bgp.router_id = '2001:db8::1': It is an IPv4 address."),
    ({"bgp": {"asn": 1}}, "router.bgp.router_id = None: Nothing says by which address the router is known."),
    (bgp(multipath_relax="yes"), "router.bgp.multipath_relax = 'yes': It is true or false."),
    (bgp(ipv4={"paths": 65}), "router.bgp.ipv4.paths = 65: It is a whole number from 1 to 64."),
    (bgp(neighbors=["10.0.0.2"]), "router.bgp.neighbors = ['10.0.0.2']: It is a mapping from names to entries."),
    (bgp(neighbors={"10.0.0.2": 65001}), "router.bgp.neighbors.10.0.0.2 = 65001: It is a mapping."),
    (bgp(neighbors={"away": {"remote_as": 1}}), "router.bgp.neighbors.away.name = 'away': This is no IP address."),
    (bgp(peer_groups={"9a": {}}), "router.bgp.peer_groups.9a.name = '9a': A name begins with a letter"),
    (bgp(peer_groups={"a": {"name": "b"}}), "router.bgp.peer_groups.a.name = 'b': There is no such key: the name stands"),
    (peer(description="it's"), "router.bgp.neighbors.10.0.0.2.description = \"it's\": It has no quotes"),
    (peer(password="x"), "router.bgp.neighbors.10.0.0.2.password = '(not shown)': A password does not stand among"),
    # networks and addresses
    (rule(prefix="10.0.0.1/24"), "router.prefix_lists.a[0].prefix = '10.0.0.1/24': The address of a network has no bits"),
    (rule(prefix="10.0.0.0"), "router.prefix_lists.a[0].prefix = '10.0.0.0': A network has a prefix length."),
    (rule(prefix="ten"), "router.prefix_lists.a[0].prefix = 'ten': This is no network."),
    (rule(ge=8), "router.prefix_lists.a[seq 10].ge = 8: It is longer than the prefix, 9 to 32."),
    (rule(le=33), "router.prefix_lists.a[seq 10].le = 33: It is longer than the prefix, 9 to 32."),
    (rule(ge=24, le=16), "router.prefix_lists.a[seq 10].ge = 24: It is not above le, 16."),
    (rule(action="allow"), "router.prefix_lists.a[0].action = 'allow': It is one of permit, deny."),
    ({"prefix_lists": {"a": []}}, "router.prefix_lists.a = []: It is a list of at least one rule."),
    (
        {"prefix_lists": {"a": [{"prefix": "10.0.0.0/8"}, {"prefix": "2001:db8::/32"}]}},
        "router.prefix_lists.a[seq 20].prefix = '2001:db8::/32': The list begins with IPv4, and a list is of one family.",
    ),
    (
        {"prefix_lists": {"a": [{"prefix": "10.0.0.0/8", "seq": 5}, {"prefix": "11.0.0.0/8", "seq": 5}]}},
        "router.prefix_lists.a[1].seq = 5: Another rule has the number 5.",
    ),
    (
        {"interfaces": {"eth0": {"addresses": ["10.0.0.1"]}}},
        "router.interfaces.eth0.addresses[0] = '10.0.0.1': An interface's address has a prefix length.",
    ),
    (
        {"interfaces": {"eth0": {"addresses": ["10.0.0.0/24"]}}},
        "router.interfaces.eth0.addresses[0] = '10.0.0.0/24': This is the network, not an address in it.",
    ),
    ({"interfaces": {"Eth 0": {}}}, "router.interfaces.Eth 0.name = 'Eth 0': It is no name of an interface."),
    (
        {"interfaces": {"eth0": {"addresses": ["10.0.0.1/24"]}, "eth1": {"addresses": ["10.0.0.1/25"]}}},
        "router.interfaces.eth1.addresses = '10.0.0.1/25': eth0 has this address already.",
    ),
    (
        {"interfaces": {"eth0": {"addresses": ["10.0.0.1/24", "10.0.0.1/24"]}}},
        "router.interfaces.eth0.addresses = '10.0.0.1/24': It is there twice.",
    ),
    # static routes
    ({"static_routes": {"10.0.0.0/8": {}}}, "router.static_routes.10.0.0.0/8 = '10.0.0.0/8': A route has next hops, or"),
    (
        {"static_routes": {"10.0.0.0/8": {"next_hops": ["2001:db8::1"]}}},
        "router.static_routes.10.0.0.0/8.next_hops[0] = '2001:db8::1': It is not of the family of 10.0.0.0/8.",
    ),
    (
        {"static_routes": {"10.0.0.0/8": {"next_hops": ["10.0.0.1"], "distance": 5}}},
        "router.static_routes.10.0.0.0/8.distance = 5: It is the distance of a black hole.",
    ),
    (
        {"static_routes": {"10.0.0.0/8": {"next_hops": ["10.0.0.1", "10.0.0.1"]}}},
        "router.static_routes.10.0.0.0/8.next_hops[1] = '10.0.0.1': It is there twice.",
    ),
    (
        {"static_routes": {"2001:db8::/32": {"blackhole": True}, "2001:0db8::/32": {"blackhole": True}}},
        "router.static_routes.2001:0db8::/32 = '2001:0db8::/32': Another entry is the same, only written in another way.",
    ),
    # route maps
    (
        {**step(match={"prefix_list": "lann"}), "prefix_lists": {"lan": [{"prefix": "10.0.0.0/8"}]}},
        "router.route_maps.m[seq 10].match.prefix_list = 'lann': It is not in router.prefix_lists. Did you mean 'lan'?",
    ),
    (
        {**step(match={"prefix_list6": "lan"}), "prefix_lists": {"lan": [{"prefix": "10.0.0.0/8"}]}},
        "router.route_maps.m[seq 10].match.prefix_list6 = 'lan': This list is of IPv4. Name a list of IPv6 here.",
    ),
    ({**step(match={"as_path_list": "a"}), "as_path_lists": {}}, "match.as_path_list = 'a': It is not in router.as_path_lists"),
    (step(match={"community_exact": True}), "match.community_exact = True: It says how a community_list is compared"),
    (step(call="m"), "router.route_maps.m[seq 10].call = 'm': A route map does not call itself."),
    (step(goto=5), "router.route_maps.m[seq 10].goto = 5: It is the number of a later rule. Use one of 20."),
    (step(action="deny", go_on=True), "router.route_maps.m[seq 10].action = 'deny': What is refused does not go on"),
    (step(go_on=True, goto=20), "router.route_maps.m[seq 10].goto = 20: The next rule is given by go_on already."),
    (step(set={"communities": ["65010"]}), "set.communities[0] = '65010': A community is two numbers up to 65535"),
    (step(set={"communities": ["65536:1"]}), "set.communities[0] = '65536:1': A community is two numbers up to 65535"),
    (step(set={"communities": ["65535:7"]}), "set.communities[0] = '65535:7': Communities that begin with 65535 are"),
    (step(set={"communities_replace": True}), "set.communities_replace = True: There are no communities to put there."),
    (step(set={"no_communities": True, "communities": ["1:2"]}), "set.no_communities = True: Communities are taken away"),
    ({"community_lists": {"c": [{"pattern": "("}]}}, "router.community_lists.c[0].pattern = '(': It is no regular expression"),
    (
        {"as_path_lists": {"a": [{"pattern": "65010:.*"}]}},
        "router.as_path_lists.a[0].pattern = '65010:.*': A pattern for paths has digits and",
    ),
    (
        {"as_path_lists": {"a": [{"pattern": "_65001$"}, {"pattern": "_65001$"}]}},
        "router.as_path_lists.a[seq 20] = '_65001$': Rule 10 says the same. Leave one out.",
    ),
    # neighbours
    (bgp(neighbors={"10.0.0.2": {"ipv4": {}}}), "router.bgp.neighbors.10.0.0.2.remote_as = None: Nothing says which AS"),
    (
        bgp(neighbors={"10.0.0.2": {"remote_as": 65001}}),
        "router.bgp.neighbors.10.0.0.2 = '10.0.0.2': No address family is on, so nothing would be exchanged.",
    ),
    (peer(peer_group="nodes"), "router.bgp.neighbors.10.0.0.2.peer_group = 'nodes': It is not in router.bgp.peer_groups"),
    (
        bgp(peer_groups={"g": {"remote_as": 1}}, neighbors={"10.0.0.2": {"remote_as": 2, "peer_group": "g", "ipv4": {}}}),
        "router.bgp.neighbors.10.0.0.2.remote_as = 2: Its peer group g has a number already, 1.",
    ),
    (
        bgp(peer_groups={"g": {}}, listen={"10.0.0.0/24": {"peer_group": "g"}}),
        "router.bgp.listen.10.0.0.0/24.peer_group = 'g': Who comes by listen has the number of its peer group",
    ),
    (bgp(listen={"10.0.0.0/24": {"peer_group": "g"}}), "router.bgp.listen.10.0.0.0/24.peer_group = 'g': It is not in"),
    (bgp(listen={"10.0.0.0/24": {}}), "router.bgp.listen.10.0.0.0/24.peer_group = None: It is required."),
    (bgp(listen_limit=5), "router.bgp.listen_limit = 5: It is how many neighbours may come by listen, and there is none."),
    (peer(multihop=2, ttl_security_hops=1), "ttl_security_hops = 1: multihop and ttl_security_hops exclude each other."),
    (peer(bfd_profile="p"), "router.bgp.neighbors.10.0.0.2.bfd_profile = 'p': It says how BFD is done, and bfd is not on."),
    ({**peer(bfd=True, bfd_profile="p"), "bfd_profiles": {}}, "bfd_profile = 'p': It is not in router.bfd_profiles."),
    (peer(keepalive=5), "router.bgp.neighbors.10.0.0.2.keepalive = 5: keepalive and hold_time are given together."),
    (bgp(keepalive=5, hold_time=9), "router.bgp.keepalive = 5: Three of them fit into hold_time, 9;"),
    (peer(ipv4={"route_reflector_client": True}), "ipv4.route_reflector_client = True: Only a neighbour of our own AS"),
    (peer(ipv4={"default_originate_route_map": "a"}), "default_originate_route_map = 'a': It says when the default route"),
    ({**peer(ipv4={"route_map_in": "x"}), "route_maps": {}}, "ipv4.route_map_in = 'x': It is not in router.route_maps."),
    (
        {**peer(ipv6={"prefix_list_in": "a"}), **rule()},
        "router.bgp.neighbors.10.0.0.2.ipv6.prefix_list_in = 'a': This list is of IPv4.",
    ),
    (
        {**peer(), "interfaces": {"eth0": {"addresses": ["10.0.0.2/24"]}}},
        "router.bgp.neighbors.10.0.0.2 = '10.0.0.2': It is the router's own address, on eth0.",
    ),
    (bgp(ipv4={"networks": {"2001:db8::/32": {}}}), "networks.2001:db8::/32 = '2001:db8::/32': It is no network of IPv4."),
    (bgp(ipv4={"redistribute": {"ospf": {}}}), "ipv4.redistribute.ospf.source = 'ospf': It is one of connected, kernel"),
    # DNS, DHCP
    ({"dns": {"listen": ["10.0.0.1"]}}, "router.dns.allow_from = []: Without it nobody is answered."),
    ({"dns": {"listen": [], "allow_from": ["10.0.0.0/8"]}}, "router.dns.listen = []: Without it nobody is answered."),
    (
        {"dns": {"listen": ["10.0.0.1"], "allow_from": ["10.0.0.0/8"], "domains": {"a b": ["10.0.0.9"]}}},
        "router.dns.domains.a b.name = 'a b': It is no domain's name.",
    ),
    (dhcp(subnet="10.1.0.1/24"), "router.dhcp.lan.subnet = '10.1.0.1/24': The address of a network has no bits"),
    (dhcp(gateway="10.2.0.1"), "router.dhcp.lan.gateway = '10.2.0.1': It is not in 10.1.0.0/24."),
    (dhcp(ranges=[{"start": "10.1.0.9", "stop": "10.1.0.2"}]), "dhcp.lan.ranges[0].stop = '10.1.0.2': It comes before"),
    (
        dhcp(ranges=[{"start": "10.1.0.2", "stop": "10.1.0.9"}, {"start": "10.1.0.9", "stop": "10.1.0.12"}]),
        "router.dhcp.lan.ranges[1].start = '10.1.0.9': It is in another range too.",
    ),
    (dhcp(hosts={"a": {"mac": 5, "address": "10.1.0.3"}}), "dhcp.lan.hosts.a.mac = 5: It is no hardware address."),
    (
        {**dhcp(), "interfaces": {"eth0": {"addresses": ["10.9.0.1/24"]}}},
        "router.dhcp.lan.subnet = '10.1.0.0/24': No interface of the router has an address in it.",
    ),
    # VRRP
    (
        {"vrrp": {"a": {"interface": "eth0", "id": 1, "addresses": ["10.0.0.1/24"]},
                  "b": {"interface": "eth0", "id": 1, "addresses": ["10.0.0.2/24"]}}},
        "router.vrrp.b.id = 1: The group a has this number on eth0 already.",
    ),
    (
        {"vrrp": {"a": {"interface": "eth1", "id": 1, "addresses": ["10.0.0.1/24"]}}, "interfaces": {"eth0": {}}},
        "router.vrrp.a.interface = 'eth1': It is not in router.interfaces. Did you mean 'eth0'?",
    ),
    (
        {"vrrp": {"a": {"interface": "eth0", "id": 256, "addresses": ["10.0.0.1/24"]}}},
        "router.vrrp.a.id = 256: It is a whole number from 1 to 255.",
    ),
    (
        dhcp(hosts={"a": {"mac": "52:54:00:00:00:01", "address": "10.1.0.3"}, "b": {"mac": "52:54:00:00:00:01", "address": "10.1.0.4"}}),
        "router.dhcp.lan.hosts.b.mac = '52:54:00:00:00:01': a has it already.",
    ),
    (
        dhcp(hosts={"a": {"mac": "52:54:00:00:00:01", "address": "10.1.0.3"}, "b": {"mac": "52:54:00:00:00:02", "address": "10.1.0.3"}}),
        "router.dhcp.lan.hosts.b.address = '10.1.0.3': a has it already.",
    ),
    # NAT
    ({"nat": {"source": [{"translation": "192.0.2.1"}]}}, "router.nat.source[seq 10] = '192.0.2.1': It would rewrite everything that passes."),
    ({"nat": {"source": [{"exclude": True}]}}, "router.nat.source[seq 10] = None: It would rewrite everything that passes."),
    ({"nat": {"source": [{"source": "10.0.0.0/8", "translation": "masquerade"}]}},
     "router.nat.source[seq 10].interface = None: The address is that of the interface"),
    ({"nat": {"destination": [{"translation": "192.0.2.1"}]}}, "router.nat.destination[seq 10] = '192.0.2.1': It would redirect everything that passes."),
    ({"nat": {"source": [{"interface": "eth1"}]}}, "router.nat.source[seq 10].translation = None: Nothing says what the address becomes."),
    (source(exclude=True), "router.nat.source[seq 10].translation = 'masquerade': What is excluded keeps its address."),
    (source(translation="2001:db8::1"), "router.nat.source[0].translation = '2001:db8::1': It is an IPv4 address."),
    (source(source="2001:db8::/32"), "router.nat.source[0].source = '2001:db8::/32': It is an IPv4 address or network."),
    (source(source="10.0.0.1/8"), "router.nat.source[0].source = '10.0.0.1/8': The address of a network has no bits"),
    (source(source_port=25), "router.nat.source[seq 10].source_port = '25': Only tcp, udp, tcp_udp have ports."),
    (source(protocol="tcp", source_port=65536), "router.nat.source[0].source_port = 65536: Ports are numbers from 1 to 65535"),
    (source(protocol="tcp", source_port=0), "router.nat.source[0].source_port = 0: Ports are numbers from 1 to 65535"),
    (source(protocol="tcp", source_port="90-80"), "router.nat.source[0].source_port = '90-80': Ports are numbers from 1 to 65535"),
    (source(protocol="tcp", source_port=[80, "70-90"]), "source_port = [80, '70-90']: Two of the ports are the same or follow each other."),
    (source(protocol="sctp"), "router.nat.source[0].protocol = 'sctp': It is one of tcp, udp"),
    (source(seq=1000000), "router.nat.source[0].seq = 1000000: It is a whole number from 1 to 999999."),
    (destination(translation_port=80), "router.nat.destination[seq 10].translation_port = 80: Only tcp, udp, tcp_udp have ports."),
    (destination(protocol="tcp", translation_port=70000), "destination[0].translation_port = 70000: It is a whole number from 1 to 65535."),
    ({**source(), "interfaces": {"eth0": {}}}, "router.nat.source[seq 10].interface = 'eth1': It is not in interfaces. Did you mean 'eth0'?"),
    # firewall
    (zones(lan={"interfaces": ["eth0", "eth1"]}), "router.firewall.zones.wan.interfaces = 'eth1': It is in lan already."),
    (zones(lan={"interfaces": ["eth0", "eth0"]}), "router.firewall.zones.lan.interfaces = 'eth0': It is there twice."),
    (zones(lan={}), "router.firewall.zones.lan = []: A zone has interfaces, or is the router itself."),
    (zones(lan={"interfaces": ["eth0"], "local": True}), "router.firewall.zones.lan = ['eth0']: A zone has interfaces, or is"),
    (zones(lan={"interfaces": ["lo"]}), "router.firewall.zones.lan.interfaces = 'lo': What the router sends to itself passes no zone."),
    (zones(one={"local": True}, two={"local": True}), "router.firewall.zones.two.local = True: one is the router itself already."),
    (zones(lan={"interfaces": ["eth0"], "sources": {"wann": {"ipv4": "a"}}}),
     "zones.lan.sources.wann = 'wann': It is not in firewall.zones. Did you mean 'wan'?"),
    (zones(lan={"interfaces": ["eth0"], "sources": {"lan": {"ipv4": "a"}}}), "zones.lan.sources.lan = 'lan': Inside of a zone everything passes."),
    (zones(lan={"interfaces": ["eth0"], "sources": {"wan": {"ipv4": "b"}}}), "zones.lan.sources.wan.ipv4 = 'b': It is not in firewall.ipv4."),
    (zones(lan={"interfaces": ["eth0"], "sources": {"wan": {}}}), "router.firewall.zones.lan.sources.wan = None: No rule set is named."),
    ({**zones(), "interfaces": {"eth0": {}}}, "router.firewall.zones.wan.interfaces = 'eth1': It is not in interfaces."),
    (filtered(source="2001:db8::/32"), "router.firewall.ipv4.a[seq 10].source = '2001:db8::/32': These are rules for IPv4. Put it into ipv6."),
    (filtered(6, source="10.0.0.0/8"), "router.firewall.ipv6.a[seq 10].source = '10.0.0.0/8': These are rules for IPv6. Put it into ipv4."),
    (filtered(protocol="ipv6-icmp"), "router.firewall.ipv4.a[seq 10].protocol = 'ipv6-icmp': IPv4 has no such protocol. Give icmp."),
    (filtered(6, protocol="icmp"), "router.firewall.ipv6.a[seq 10].protocol = 'icmp': IPv6 has no such protocol. Give ipv6-icmp."),
    (filtered(destination_port=80), "router.firewall.ipv4.a[seq 10].destination_port = '80': Only tcp, udp, tcp_udp have ports."),
    (filtered(states=["old"]), "router.firewall.ipv4.a[0].states[0] = 'old': It is one of established"),
    ({"firewall": {"established": "allow"}}, "router.firewall.established = 'allow': It is one of accept, drop, reject."),
]  # fmt: skip


@pytest.mark.parametrize(("data", "said"), REFUSED, ids=[said[:60] for data, said in REFUSED])
def test_mistakes_are_refused_with_their_remedy(data: t.Any, said: str) -> None:
    found = problems(data)
    assert len(found) == 1, found
    assert said in found[0]


def test_all_mistakes_are_told_at_once() -> None:
    found = problems({"bgp": {"asn": 0}, "prefix_lists": {"a": [{"prefix": "x"}]}, "nat": {"source": 5}})
    assert len(found) == 3, found


@pytest.mark.parametrize(
    ("passwords", "said"),
    [
        ({"10.0.0.2": "with blank"}, "passwords.10.0.0.2 = '(not shown)': A password has no blanks"),
        ({"10.0.0.2": "x" * 81}, "passwords.10.0.0.2 = '(not shown)': A password has 1 to 80 characters."),
        ({"10.0.0.2": 5}, "passwords.10.0.0.2 = '(not shown)': A password has 1 to 80 characters."),
        ({"10.0.0.3": "fine"}, "passwords.10.0.0.3 = '(not shown)': No neighbour and no peer group has this name."),
    ],
)
def test_passwords_are_checked_and_not_shown(passwords: Data, said: str) -> None:
    found = problems(peer(), passwords=passwords)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        ({"bgp": ["x"]}, "foreign.bgp = ['x']: There is no such part with names."),
        (
            {"prefix_list": ["x"]},
            "foreign.prefix_list = ['x']: There is no such part with names. Did you mean 'prefix_lists'?",
        ),
        ({"prefix_lists": "x"}, "foreign.prefix_lists = 'x': It is a list of names."),
        ({"prefix_lists": ["a"]}, "router.prefix_lists.a = 'a': It is among the foreign names too."),
        ({"forwarding": ["x"]}, "foreign.forwarding = ['x']: There is no such part with names."),
    ],
)
def test_foreign_names_are_checked(foreign: Data, said: str) -> None:
    found = problems(rule(), foreign=foreign)
    assert len(found) == 1
    assert said in found[0]


def test_a_foreign_list_can_be_used() -> None:
    data = {**peer(ipv4={"prefix_list_in": "theirs"}), "prefix_lists": {}}
    parse(data, foreign={"prefix_lists": ["theirs"]})


def test_a_part_that_is_not_ours_can_be_used() -> None:
    parse(peer(ipv4={"prefix_list_in": "theirs", "route_map_out": "theirs"}, bfd=True, bfd_profile="theirs"))


def test_equal_models_are_equal_however_they_are_written() -> None:
    one = {
        **bgp(
            neighbors={"2001:DB8::0:1": {"remote_as": "65001", "ipv6": {}}, "10.0.0.2": {"remote_as": 1, "ipv4": {}}}
        ),
        "route_maps": {"m": [{"seq": 20}, {"set": {"communities": ["no-export", "65010:2", "65010:01"]}, "seq": 10}]},
    }
    other = {
        "route_maps": {
            "m": {"rules": [{"seq": 10, "set": {"communities": ["65010:1", "65010:2", "65535:65281"]}}, {}]}
        },
        **bgp(neighbors={"10.0.0.2": {"remote_as": 1, "ipv4": {}}, "2001:db8::1": {"remote_as": 65001, "ipv6": {}}}),
    }
    assert parse(one)[0] == parse(other)[0]


def test_rules_without_numbers_get_some() -> None:
    data: Data = {
        "prefix_lists": {"a": [{"prefix": f"10.{n}.0.0/16", **more} for n, more in enumerate(({}, {"seq": 15}, {}))]}
    }
    lists = parse(data)[0].prefix_lists
    assert lists is not None
    assert [one.seq for one in lists[0].rules] == [10, 15, 20]


def test_everything_can_be_written_as_data_without_passwords() -> None:
    router = full()
    data = dump(router)
    assert "s3cret" not in repr(data)
    assert parse(data, PASSWORDS)[0] == router
    assert passwords_of(router) == PASSWORDS


@given(routers())
@settings(max_examples=60, deadline=None)
def test_any_router_can_be_written_as_data(data: Data) -> None:
    untouched = copy.deepcopy(data)
    router = parse(data)[0]
    assert parse(dump(router))[0] == router
    assert data == untouched


@given(all_services())
@settings(max_examples=30, deadline=None)
def test_any_services_can_be_written_as_data(data: Data) -> None:
    router = parse(data)[0]
    assert parse(dump(router))[0] == router


def test_full_has_every_part() -> None:
    assert {*FULL, *SERVICES} == set(parts())
    assert parse({})[0] == Router()
