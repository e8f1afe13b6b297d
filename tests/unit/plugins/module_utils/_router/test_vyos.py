# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  Commands are not cut.

from __future__ import annotations

import copy
import re
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._router import vyos, vyos_paths
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import Foreign, parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_paths import Path
from hypothesis import example, given, settings
from router_models import FULL, PASSWORDS, SERVICES, Data, all_services, full, routers

versions = pytest.mark.parametrize("version", vyos.VERSIONS)

#: words with one value, of VyOS's grammar; written apart from the tables on purpose
ONE_VALUE = re.compile(
    # Profiles have names, many of them; a neighbour has one of them.
    r"(?!protocols bfd profile$).* (remote-as|description|password|profile|ebgp-multihop|hops|update-source|peer-group|keepalive|holdtime|connect"
    r"|import|export|maximum-prefix|number|ebgp|ibgp|metric|action|prefix|ge|le|regex|call|goto|prefix-list"
    r"|community-list|large-community-list|as-path|origin|local-preference|weight|ip-next-hop|global|tag|prepend"
    r"|default-router|lease|subnet-id|start|stop|mac|mac-address|ip-address"
    r"|receive|transmit|multiplier|router-id|system-as|limit|stalepath-time|distance|route-map|graceful-restart)"
    r"|(nat|firewall) .* (address|port|protocol|default-action)|(nat|firewall zone) .* (name|ipv6-name)"
    r"|high-availability .* (interface|vrid|priority|advertise-interval)"
)


def commands(data: Data, running: str = "", *, version: vyos.Version = "1.4", **more: t.Any) -> list[str]:
    router, foreign = parse(data, **more)
    vyos.refuse(router, version)
    return list(vyos.difference(vyos_paths.parse(running), router, foreign, version).commands)


def bgp(**more: t.Any) -> Data:
    return {"bgp": {"asn": 65010, "router_id": "10.255.0.2", "log_neighbor_changes": False, **more}}


POLICY = {
    "route_map_in": "A",
    "route_map_out": "B",
    "prefix_list_in": "C",
    "prefix_list_out": "D",
    "soft_reconfiguration": True,
}
BGP = ["set protocols bgp system-as 65010", "set protocols bgp parameters router-id 10.255.0.2"]

#: what a model says, without what every BGP says
CASES: list[tuple[str, Data, list[str]]] = [
    ("address", {"interfaces": {"eth0": {"addresses": ["10.10.0.2/24"]}}},
     ["set interfaces ethernet eth0 address 10.10.0.2/24"]),
    ("two addresses", {"interfaces": {"eth0": {"addresses": ["10.10.0.2/24", "2001:db8::2/64"]}}},
     ["set interfaces ethernet eth0 address 10.10.0.2/24", "set interfaces ethernet eth0 address 2001:db8::2/64"]),
    ("blanks", {"interfaces": {"eth0": {"description": "net1 cluster LAN"}}},
     ["set interfaces ethernet eth0 description 'net1 cluster LAN'"]),
    ("loopback", {"interfaces": {"lo": {"addresses": ["10.255.0.2/32"]}}},
     ["set interfaces loopback lo address 10.255.0.2/32"]),
    ("vlan", {"interfaces": {"eth0.10": {"addresses": ["10.20.0.1/24"]}}},
     ["set interfaces ethernet eth0 vif 10 address 10.20.0.1/24"]),
    ("dummy", {"interfaces": {"dum0": {"addresses": ["10.20.0.1/32"]}}},
     ["set interfaces dummy dum0 address 10.20.0.1/32"]),
    ("route", {"static_routes": {"0.0.0.0/0": {"next_hops": [{"address": "172.30.0.254", "distance": 250}]}}},
     ["set protocols static route 0.0.0.0/0 next-hop 172.30.0.254 distance 250"]),
    ("black hole", {"static_routes": {"203.0.113.0/24": {"blackhole": True, "distance": 254}}},
     ["set protocols static route 203.0.113.0/24 blackhole distance 254"]),
    ("black hole, plain", {"static_routes": {"203.0.113.0/24": {"blackhole": True}}},
     ["set protocols static route 203.0.113.0/24 blackhole"]),
    ("route6", {"static_routes": {"2001:db8::/48": {"next_hops": ["2001:db8::1"]}}},
     ["set protocols static route6 2001:db8::/48 next-hop 2001:db8::1"]),
    ("route by interface", {"static_routes": {"10.1.0.0/16": {"next_hops": [{"interface": "eth1"}]}}},
     ["set protocols static route 10.1.0.0/16 interface eth1"]),
    ("prefix list", {"prefix_lists": {"LB": [{"prefix": "203.0.113.0/24", "ge": 32, "le": 32}]}},
     ["set policy prefix-list LB rule 10 action permit", "set policy prefix-list LB rule 10 prefix 203.0.113.0/24",
      "set policy prefix-list LB rule 10 ge 32", "set policy prefix-list LB rule 10 le 32"]),
    ("prefix list 6", {"prefix_lists": {"LB6": [{"prefix": "2001:db8::/64", "action": "deny"}]}},
     ["set policy prefix-list6 LB6 rule 10 action deny", "set policy prefix-list6 LB6 rule 10 prefix 2001:db8::/64"]),
    ("community list", {"community_lists": {"CL": [{"pattern": "65010:100"}]}},
     ["set policy community-list CL rule 10 action permit", "set policy community-list CL rule 10 regex 65010:100"]),
    ("as path list", {"as_path_lists": {"AP": [{"pattern": "^65020_"}]}},
     ["set policy as-path-list AP rule 10 action permit", "set policy as-path-list AP rule 10 regex '^65020_'"]),
    ("large list", {"large_community_lists": {"L": [{"pattern": "1:2:.*", "seq": 7}]}},
     ["set policy large-community-list L rule 7 action permit", "set policy large-community-list L rule 7 regex '1:2:.*'"]),
    ("communities are added", {"route_maps": {"RM": [{"set": {"communities": ["65010:200", "65010:100"]}}]}},
     ["set policy route-map RM rule 10 action permit", "set policy route-map RM rule 10 set community add 65010:100",
      "set policy route-map RM rule 10 set community add 65010:200"]),
    ("communities replace", {"route_maps": {"RM": [{"set": {"communities": ["1:2"], "communities_replace": True}}]}},
     ["set policy route-map RM rule 10 action permit", "set policy route-map RM rule 10 set community replace 1:2"]),
    ("no communities", {"route_maps": {"RM": [{"set": {"no_communities": True}}]}},
     ["set policy route-map RM rule 10 action permit", "set policy route-map RM rule 10 set community none"]),
    ("prepend", {"route_maps": {"RM": [{"set": {"prepend": [65010, 65010]}}]}},
     ["set policy route-map RM rule 10 action permit",
      "set policy route-map RM rule 10 set as-path prepend '65010 65010'"]),
    ("match", {"route_maps": {"RM": [{"match": {"prefix_list": "A", "prefix_list6": "B"}, "action": "deny"}]}},
     ["set policy route-map RM rule 10 action deny", "set policy route-map RM rule 10 match ip address prefix-list A",
      "set policy route-map RM rule 10 match ipv6 address prefix-list B"]),
    ("next hop", {"route_maps": {"RM": [{"set": {"next_hop": "10.0.0.1", "local_preference": 200}}]}},
     ["set policy route-map RM rule 10 action permit", "set policy route-map RM rule 10 set local-preference 200",
      "set policy route-map RM rule 10 set ip-next-hop 10.0.0.1"]),
    ("match community", {"route_maps": {"RM": [{"match": {"community_list": "CL", "community_exact": True}}]}},
     ["set policy route-map RM rule 10 action permit",
      "set policy route-map RM rule 10 match community community-list CL",
      "set policy route-map RM rule 10 match community exact-match"]),
    ("bfd profile", {"bfd_profiles": {"P": {"receive": 300, "transmit": 300, "multiplier": 3}}},
     ["set protocols bfd profile P interval receive 300", "set protocols bfd profile P interval transmit 300",
      "set protocols bfd profile P interval multiplier 3"]),
    ("vrrp", {"vrrp": {"lan": {"interface": "eth0", "id": 10, "addresses": ["10.10.0.1/24"], "priority": 200,
                               "preempt": False}}},
     ["set high-availability vrrp group lan interface eth0", "set high-availability vrrp group lan vrid 10",
      "set high-availability vrrp group lan address 10.10.0.1/24", "set high-availability vrrp group lan priority 200",
      "set high-availability vrrp group lan no-preempt"]),
    ("bgp", bgp(), BGP),
    ("logging", {"bgp": {"asn": 65010, "router_id": "10.255.0.2"}},
     [*BGP, "set protocols bgp parameters log-neighbor-changes"]),
    ("policy is required", bgp(requires_policy=True), [*BGP, "set protocols bgp parameters ebgp-requires-policy"]),
    ("relax", bgp(multipath_relax=True), [*BGP, "set protocols bgp parameters bestpath as-path multipath-relax"]),
    ("graceful restart", bgp(graceful_restart=True), [*BGP, "set protocols bgp parameters graceful-restart"]),
    ("import check", bgp(network_import_check=True), [*BGP, "set protocols bgp parameters network-import-check"]),
    ("timers", bgp(keepalive=3, hold_time=9),
     [*BGP, "set protocols bgp timers keepalive 3", "set protocols bgp timers holdtime 9"]),
    ("ecmp", bgp(ipv4={"paths": 8}), [*BGP, "set protocols bgp address-family ipv4-unicast maximum-paths ebgp 8"]),
    ("network", bgp(ipv4={"networks": {"198.51.100.0/24": {}}}),
     [*BGP, "set protocols bgp address-family ipv4-unicast network 198.51.100.0/24"]),
    ("redistribute", bgp(ipv4={"redistribute": {"connected": {}}}),
     [*BGP, "set protocols bgp address-family ipv4-unicast redistribute connected"]),
    ("aggregate", bgp(ipv4={"aggregates": {"203.0.113.0/24": {"summary_only": True}}}),
     [*BGP, "set protocols bgp address-family ipv4-unicast aggregate-address 203.0.113.0/24 summary-only"]),
    ("neighbour", bgp(neighbors={"172.30.0.3": {"remote_as": 65020, "ipv4": {}}}),
     [*BGP, "set protocols bgp neighbor 172.30.0.3 remote-as 65020",
      "set protocols bgp neighbor 172.30.0.3 address-family ipv4-unicast"]),
    ("external", bgp(neighbors={"172.30.0.3": {"remote_as": "external", "ipv6": {"maximum_prefix": 5}}}),
     [*BGP, "set protocols bgp neighbor 172.30.0.3 remote-as external",
      "set protocols bgp neighbor 172.30.0.3 address-family ipv6-unicast maximum-prefix 5"]),
    ("timers of a neighbour",
     bgp(neighbors={"172.30.0.3": {"remote_as": 1, "ipv4": {}, "keepalive": 3, "hold_time": 9, "connect_retry": 5}}),
     [*BGP, "set protocols bgp neighbor 172.30.0.3 remote-as 1",
      "set protocols bgp neighbor 172.30.0.3 timers keepalive 3",
      "set protocols bgp neighbor 172.30.0.3 timers holdtime 9", "set protocols bgp neighbor 172.30.0.3 timers connect 5",
      "set protocols bgp neighbor 172.30.0.3 address-family ipv4-unicast"]),
    ("helper", bgp(neighbors={"172.30.0.3": {"remote_as": 1, "ipv4": {}, "graceful_restart": "helper"}}),
     [*BGP, "set protocols bgp neighbor 172.30.0.3 remote-as 1",
      "set protocols bgp neighbor 172.30.0.3 graceful-restart restart-helper",
      "set protocols bgp neighbor 172.30.0.3 address-family ipv4-unicast"]),
    ("group", bgp(peer_groups={"METALLB": {"remote_as": 65001, "bfd": True, "passive": True}}),
     [*BGP, "set protocols bgp peer-group METALLB remote-as 65001", "set protocols bgp peer-group METALLB bfd",
      "set protocols bgp peer-group METALLB passive"]),
    ("listen", bgp(peer_groups={"M": {"remote_as": "external"}}, listen={"10.10.0.0/24": {"peer_group": "M"}},
                   listen_limit=16),
     [BGP[0], BGP[1], "set protocols bgp listen limit 16", "set protocols bgp peer-group M remote-as external",
      "set protocols bgp listen range 10.10.0.0/24 peer-group M"]),
    ("policy of a group", bgp(peer_groups={"M": {"ipv4": POLICY}}),
     [*BGP, *(f"set protocols bgp peer-group M address-family ipv4-unicast {word}" for word in (
         "prefix-list import C", "prefix-list export D", "route-map import A", "route-map export B",
         "soft-reconfiguration inbound"))]),
    ("odds", bgp(neighbors={"172.30.0.3": {"remote_as": 1, "multihop": 5, "update_source": "eth0", "ipv4": {
        "default_originate": True, "next_hop_self": True, "allow_own_as": 2, "remove_private_as": True}}}),
     [*BGP, *(f"set protocols bgp neighbor 172.30.0.3 {word}" for word in (
         "remote-as 1", "ebgp-multihop 5", "update-source eth0", "address-family ipv4-unicast default-originate",
         "address-family ipv4-unicast nexthop-self", "address-family ipv4-unicast remove-private-as",
         "address-family ipv4-unicast allowas-in number 2"))]),
    ("default by a map", {**bgp(neighbors={"172.30.0.3": {"remote_as": 1, "ttl_security_hops": 2, "ipv4": {
        "default_originate": True, "default_originate_route_map": "A"}}})},
     [*BGP, *(f"set protocols bgp neighbor 172.30.0.3 {word}" for word in (
         "remote-as 1", "ttl-security hops 2", "address-family ipv4-unicast default-originate route-map A"))]),
]  # fmt: skip


@versions
@pytest.mark.parametrize(("data", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_commands_of_a_model(data: Data, said: list[str], version: vyos.Version) -> None:
    assert commands(data, version=version) == said
    assert commands(data, "\n".join(said), version=version) == [], "a second time there is nothing to do"


def test_passwords_are_typed_and_not_shown() -> None:
    data = bgp(peer_groups={"M": {"remote_as": 65001}})
    router, foreign = parse(data, {"M": "s3cret"})
    found = vyos.difference([], router, foreign, "1.4")
    assert found.commands[-1] == "set protocols bgp peer-group M password s3cret"
    assert found.shown()[-1] == "set protocols bgp peer-group M password ********"


LINES = """\
set interfaces ethernet eth0 address '10.10.0.1/24'
set interfaces ethernet eth0 hw-id '52:54:00:00:00:01'
set interfaces ethernet eth9 address '10.99.0.1/24'
set policy prefix-list OLD rule 10 action 'permit'
set policy prefix-list OLD rule 10 prefix '10.0.0.0/8'
set policy prefix-list THEIRS rule 10 action 'permit'
set policy route-map RM rule 10 action 'permit'
set policy route-map RM rule 100 action 'permit'
set protocols bgp system-as '65010'
set protocols bgp parameters router-id '10.255.0.2'
set protocols bgp neighbor 10.0.0.1 remote-as '65001'
set protocols bgp neighbor 10.0.0.1 description 'an old one'
set protocols bgp neighbor 10.0.0.1 address-family ipv4-unicast prefix-list import 'OLD'
set protocols bgp neighbor 10.0.0.10 remote-as '65001'
set protocols bgp neighbor 10.0.0.10 address-family ipv4-unicast
set protocols ospf area 0 network '10.0.0.0/8'
set service ssh port '22'
"""
TEN = {"remote_as": 65001, "ipv4": {}}

DIFFERENCES: list[tuple[str, Data, list[str]]] = [
    ("nothing is ours", {}, []),
    ("a neighbour goes with all that is in it", bgp(neighbors={"10.0.0.10": TEN}),
     ["delete protocols bgp neighbor 10.0.0.1"]),
    ("its name begins as another's", bgp(neighbors={"10.0.0.1": {
        "remote_as": 65001, "description": "an old one", "ipv4": {"prefix_list_in": "OLD"}}}),
     ["delete protocols bgp neighbor 10.0.0.10"]),
    ("a value is replaced, not deleted", bgp(neighbors={"10.0.0.10": {**TEN, "remote_as": 65002}, "10.0.0.1": {
        "remote_as": 65001, "description": "a new one", "ipv4": {"prefix_list_in": "OLD"}}}),
     ["set protocols bgp neighbor 10.0.0.1 description 'a new one'",
      "set protocols bgp neighbor 10.0.0.10 remote-as 65002"]),
    ("a family stays when its last setting goes", bgp(neighbors={"10.0.0.10": TEN, "10.0.0.1": {
        "remote_as": 65001, "description": "an old one", "ipv4": {}}}),
     ["delete protocols bgp neighbor 10.0.0.1 address-family ipv4-unicast prefix-list",
      "set protocols bgp neighbor 10.0.0.1 address-family ipv4-unicast"]),
    ("a family gets its first setting", bgp(neighbors={"10.0.0.10": {"remote_as": 65001, "ipv4": {
        "maximum_prefix": 5}}, "10.0.0.1": {"remote_as": 65001, "description": "an old one", "ipv4": {
            "prefix_list_in": "OLD"}}}),
     ["set protocols bgp neighbor 10.0.0.10 address-family ipv4-unicast maximum-prefix 5"]),
    ("another list", {"prefix_lists": {"NEW": [{"prefix": "10.0.0.0/8"}]}},
     ["delete policy prefix-list OLD", "delete policy prefix-list THEIRS",
      "set policy prefix-list NEW rule 10 action permit", "set policy prefix-list NEW rule 10 prefix 10.0.0.0/8"]),
    ("no lists", {"prefix_lists": {}}, ["delete policy prefix-list OLD", "delete policy prefix-list THEIRS"]),
    ("one rule of a map", {"route_maps": {"RM": [{"seq": 100}]}}, ["delete policy route-map RM rule 10"]),
    ("an address", {"interfaces": {"eth0": {"addresses": ["10.10.0.2/24"]}}},
     ["delete interfaces ethernet eth0 address 10.10.0.1/24", "set interfaces ethernet eth0 address 10.10.0.2/24"]),
    ("no address", {"interfaces": {"eth0": {}}}, ["delete interfaces ethernet eth0 address"]),
]  # fmt: skip


@pytest.mark.parametrize(("data", "said"), [case[1:] for case in DIFFERENCES], ids=[case[0] for case in DIFFERENCES])
def test_commands_of_a_difference(data: Data, said: list[str]) -> None:
    assert commands(data, LINES) == said


def test_foreign_names_are_left_alone() -> None:
    found = commands({"prefix_lists": {}}, LINES, foreign={"prefix_lists": ["THEIRS"]})
    assert found == ["delete policy prefix-list OLD"]


@versions
def test_everything_is_read_back(version: vyos.Version) -> None:
    router, foreign = parse({**FULL, **SERVICES}, PASSWORDS)
    vyos.refuse(router, version)
    paths = vyos_paths.parse("\n".join(vyos.difference([], router, foreign, version).commands))
    found = vyos.gather(paths, version)
    assert found.strange == ()
    again = parse(found.data, found.passwords)[0]
    assert router.dhcp is not None
    # Only 1.5 has a number for each network.
    dhcp = router.dhcp if version == "1.5" else tuple(replace(network, id=None) for network in router.dhcp)
    assert again == replace(router, forwarding=None, dhcp=dhcp)
    assert "s3cret" not in repr(found.data)
    assert vyos.difference(paths, router, foreign, version).empty


FILTERED = """\
nat source rule 10 source address 10.10.0.0/24
nat source rule 10 destination address 203.0.113.0/24
nat source rule 10 outbound-interface name eth1.20
nat source rule 10 exclude
nat source rule 20 description 'way out'
nat source rule 20 source address 10.10.0.0/24
nat source rule 20 outbound-interface name eth1.20
nat source rule 20 translation address masquerade
nat source rule 100 protocol tcp
nat source rule 100 source address 10.10.0.25
nat source rule 100 source port 25
nat source rule 100 translation address 172.30.0.2
nat destination rule 10 protocol tcp
nat destination rule 10 destination port 443
nat destination rule 10 inbound-interface name eth1.20
nat destination rule 10 translation address 10.10.0.40
nat destination rule 10 translation port 8443
nat destination rule 20 source address 192.0.2.0/24
nat destination rule 20 destination address 172.30.0.2
nat destination rule 20 exclude
nat destination rule 30 protocol tcp_udp
nat destination rule 30 destination port '53,8053-8060'
nat destination rule 30 inbound-interface name eth1.20
nat destination rule 30 translation address 10.10.0.9
firewall global-options state-policy established action accept
firewall global-options state-policy related action accept
firewall global-options state-policy invalid action drop
firewall ipv4 name in default-action reject
firewall ipv4 name in rule 10 action accept
firewall ipv4 name in rule 10 protocol tcp
firewall ipv4 name in rule 10 destination address 10.10.0.40
firewall ipv4 name in rule 10 destination port '80,443'
firewall ipv4 name in rule 20 action accept
firewall ipv4 name in rule 20 protocol icmp
firewall ipv4 name in rule 20 state established
firewall ipv4 name in rule 20 state new
firewall ipv4 name in rule 30 action drop
firewall ipv4 name in rule 30 description noise
firewall ipv4 name in rule 30 source address 192.0.2.0/24
firewall ipv4 name in rule 30 log
firewall ipv4 name in rule 40 action reject
firewall ipv4 name in rule 40 protocol tcp_udp
firewall ipv4 name in rule 40 source port 1024-65535
firewall ipv4 name out default-action accept
firewall ipv6 name in6 default-action drop
firewall ipv6 name in6 rule 10 action accept
firewall ipv6 name in6 rule 10 protocol ipv6-icmp
firewall ipv6 name in6 rule 20 action accept
firewall ipv6 name in6 rule 20 source address 2001:db8::/32
firewall zone lan {member}interface eth0
firewall zone lan default-action drop
firewall zone lan description home
firewall zone lan from self firewall name out
firewall zone lan from wan firewall name in
firewall zone lan from wan firewall ipv6-name in6
firewall zone self local-zone
firewall zone self default-action drop
firewall zone self from lan firewall name out
firewall zone self from lan firewall ipv6-name in6
firewall zone wan {member}interface eth1.20
firewall zone wan default-action reject
firewall zone wan from lan firewall name out
"""


@versions
def test_nat_and_zones_are_said_as_their_version_says_them(version: vyos.Version) -> None:
    member = "member " if version == "1.5" else ""
    said = commands({part: SERVICES[part] for part in ("nat", "firewall")}, version=version)
    assert said == [f"set {line}" for line in FILTERED.format(member=member).splitlines()]


def test_other_rules_of_a_firewall_stay() -> None:
    running = "set firewall ipv4 name old default-action drop\nset nat source rule 5 exclude\nset nat64 source rule 1"
    running += "\nset firewall ipv4 forward filter default-action accept\nset firewall group network-group a network 10.0.0.0/8"
    assert commands({"firewall": {}}, running) == ["delete firewall ipv4 name"]
    assert commands({"nat": {}}, running) == ["delete nat source"]


DHCP = "service dhcp-server shared-network-name lan subnet 10.10.0.0/24"
DHCP_LINES = {
    "1.4": ["default-router 10.10.0.1", "name-server 10.10.0.2", "lease 3600"],
    "1.5": ["option default-router 10.10.0.1", "option name-server 10.10.0.2", "lease 3600", "subnet-id 1"],
}
MAC = {"1.4": "mac-address 52:54:00:12:34:56", "1.5": "mac 52:54:00:12:34:56"}


@versions
def test_dhcp_is_said_as_its_version_says_it(version: vyos.Version) -> None:
    lines = DHCP_LINES[version] + ["range 0 start 10.10.0.50", "range 0 stop 10.10.0.99"]
    lines += ["range 1 start 10.10.0.150", "range 1 stop 10.10.0.199"]
    lines += [f"static-mapping printer {MAC[version]}", "static-mapping printer ip-address 10.10.0.20"]
    said = commands({"dhcp": SERVICES["dhcp"]}, version=version)
    assert said == [f"set {DHCP} {line}" for line in lines]


@versions
def test_dns_is_said_the_same_in_both_versions(version: vyos.Version) -> None:
    lines = ["listen-address 10.10.0.2", "allow-from 10.10.0.0/24", "name-server 172.30.0.53"]
    lines += ["domain lb.example.com name-server 172.30.0.53", "domain lb.example.com name-server 172.30.0.54"]
    lines += [
        "authoritative-domain lab.example records a @ address 203.0.113.11",
        "authoritative-domain lab.example records a www address 203.0.113.10",
        "authoritative-domain lab.example records aaaa www address 2001:db8::10",
    ]
    assert commands({"dns": SERVICES["dns"]}, version=version) == [
        f"set service dns forwarding {line}" for line in lines
    ]


@versions
def test_an_empty_part_goes_with_what_is_below_it(version: vyos.Version) -> None:
    running = "\n".join(commands({"dns": SERVICES["dns"]}, version=version))
    assert commands({"dns": {}}, running, version=version) == ["delete service dns forwarding"]
    assert commands({"dns": {}}, "", version=version) == []
    assert commands({"forwarding": True}, running, version=version) == []


@versions
def test_one_of_several_values_goes_alone(version: vyos.Version) -> None:
    running = "\n".join(commands(SERVICES, version=version))
    model = copy.deepcopy(SERVICES)
    model["dns"]["domains"]["lb.example.com"] = ["172.30.0.54"]
    model["dhcp"]["lan"]["lease"] = 7200
    del model["dhcp"]["lan"]["ranges"][1]
    assert commands(model, running, version=version) == [
        f"delete {DHCP} range 1",
        "delete service dns forwarding domain lb.example.com name-server 172.30.0.53",
        f"set {DHCP} lease 7200",
    ]


def played(running: t.Collection[Path], said: t.Sequence[str], *, pruned: bool) -> set[Path]:
    """What a session of VyOS makes of commands; whether an empty node goes with what was in it is open."""
    nodes = {path[:length] for path in running for length in range(1, len(path) + 1)}
    for command in said:
        verb, *rest = command.split(" ", 1)
        (path,) = vyos_paths.parse(f"set {rest[0]}")
        if verb == "delete":
            assert path in nodes, f"VyOS has nothing to delete: {command}"
            nodes = {node for node in nodes if node[: len(path)] != path}
            parent = path[:-1]
            while pruned and parent and not any(node[:-1] == parent for node in nodes):
                nodes.discard(parent)
                parent = parent[:-1]
        else:
            if ONE_VALUE.fullmatch(" ".join(path[:-1])):
                nodes = {node for node in nodes if node[:-1] != path[:-1]}
            nodes |= {path[:length] for length in range(1, len(path) + 1)}
    return {node for node in nodes if not any(other[:-1] == node for other in nodes)}


@pytest.mark.parametrize("pruned", [True, False])
@given(before=all_services(), after=all_services())
@settings(max_examples=15, deadline=None)
def test_commands_make_any_services_of_any_others(before: Data, after: Data, pruned: bool) -> None:
    old, new = parse(before)[0], parse(after)[0]
    running = set(vyos.render(old, "1.5"))
    theirs = {("firewall", "ipv4", "forward", "filter", "default-action", "accept"), ("nat64", "source")}
    said = vyos.difference(running | theirs, new, Foreign(), "1.5").commands
    left = played(running | theirs, said, pruned=pruned)
    assert left >= theirs
    assert vyos.difference(left, new, Foreign(), "1.5").empty
    assert {path for path in left - theirs if path[0] in ("nat", "firewall") and len(path) > 3} == {
        path for path in vyos.render(new, "1.5") if path[0] in ("nat", "firewall")
    }


@pytest.mark.parametrize("pruned", [True, False])
@given(before=routers(), after=routers())
@example(before={"bfd_profiles": {}}, after={"bfd_profiles": {"a": {}, "lan": {}}})
@settings(max_examples=40, deadline=None)
def test_commands_make_any_router_of_any_other(before: Data, after: Data, pruned: bool) -> None:
    old, new = parse(before)[0], parse(after)[0]
    running = set(vyos.render(old, "1.4"))
    theirs = {("service", "ssh", "port", "22"), ("protocols", "ospf", "area", "0")}
    said = vyos.difference(running | theirs, new, Foreign(), "1.4").commands
    left = played(running | theirs, said, pruned=pruned)
    assert left >= theirs
    assert vyos.difference(left, new, Foreign(), "1.4").empty
    found = vyos.gather(left, "1.4")
    again = parse(found.data, found.passwords)[0]
    assert replace(again, **{part: getattr(new, part) for part in after if not getattr(new, part)}) == new


@given(routers())
@settings(max_examples=80, deadline=None)
def test_any_router_is_read_back(data: Data) -> None:
    router = parse(data)[0]
    paths = vyos.render(router, "1.4")
    assert vyos_paths.parse("\n".join(f"set {vyos_paths.join(path)}" for path in paths)) == frozenset(paths)
    found = vyos.gather(paths, "1.4")
    assert found.strange == ()
    again = parse(found.data, found.passwords)[0]
    assert replace(again, **{part: getattr(router, part) for part in data if not getattr(router, part)}) == router


def test_paths_without_words_in_the_model_are_told() -> None:
    found = vyos.gather(
        vyos_paths.parse("set protocols bgp parameters always-compare-med\nset service ssh port 22\n"), "1.4"
    )
    assert found.strange == (("protocols", "bgp", "parameters", "always-compare-med"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("set protocols 'open", "A quote is open in what the router printed: set protocols 'open"),
        ("show version secret thing", "The router printed something that is no 'set' command: show version secret"),
    ],
)
def test_other_output_is_refused(text: str, said: str) -> None:
    with pytest.raises(vyos_paths.Unreadable, match=re.escape(said)):
        vyos_paths.parse(text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"forwarding": False}, "router.forwarding = False: VyOS is always a router here."),
        (
            {"interfaces": {"wlan0": {}}},
            "router.interfaces.wlan0 = 'wlan0': VyOS knows an interface's kind by its name",
        ),
        (
            bgp(graceful_restart=True, stalepath_time=5),
            "router.bgp.stalepath_time = 5: With a time, VyOS sets the time",
        ),
    ],
)
def test_what_vyos_cannot_do_is_refused(data: Data, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        vyos.refuse(parse(data)[0], "1.5", "router")
    assert said in str(caught.value)


def test_full_fits_both() -> None:
    vyos.refuse(full(), "1.4")
