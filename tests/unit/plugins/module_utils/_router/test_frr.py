# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._router import frr, frr_text
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from hypothesis import given, settings
from router_models import FULL, PASSWORDS, Data, full, routers

#: what FRR 8.4.4 prints for FULL, line by line
FULL_TEXT = """\
!
ip route 0.0.0.0/0 172.30.0.254
ip route 0.0.0.0/0 172.30.0.253 250
ip route 192.0.2.0/24 blackhole 254
ip route 198.51.101.0/24 eth0
!
ipv6 route 2001:db8:99::/48 2001:db8:10::99
!
interface eth0
 description net1 cluster LAN
 ip address 10.10.0.2/24
 ipv6 address 2001:db8:10::2/64
exit
!
interface eth1.20
 ip address 172.30.0.2/24
exit
!
interface lo
 ip address 10.255.0.2/32
exit
!
router bgp 65010
 bgp router-id 10.255.0.2
 bgp graceful-restart
 bgp bestpath as-path multipath-relax
 timers bgp 3 9
 no bgp default ipv4-unicast
 neighbor nodes peer-group
 neighbor nodes remote-as 65001
 neighbor nodes bfd
 neighbor nodes bfd profile fast
 neighbor nodes password s3cret
 neighbor nodes passive
 neighbor 10.10.0.11 peer-group nodes
 neighbor 172.30.0.3 remote-as 65020
 neighbor 172.30.0.3 description up stream
 neighbor 172.30.0.3 bfd
 neighbor 172.30.0.3 password w0rd
 neighbor 172.30.0.3 ebgp-multihop 5
 neighbor 172.30.0.3 update-source 10.255.0.2
 neighbor 172.30.0.3 timers connect 5
 neighbor 172.30.0.3 timers 10 30
 neighbor 172.30.0.3 graceful-restart-helper
 neighbor 172.30.0.4 remote-as external
 neighbor 172.30.0.4 shutdown
 neighbor 172.30.0.4 ttl-security hops 2
 neighbor 172.30.0.4 update-source eth1.20
 neighbor 172.30.0.4 graceful-restart-disable
 neighbor 172.30.0.6 remote-as internal
 neighbor 172.30.0.6 graceful-restart
 neighbor 2001:db8:10::9 remote-as 65030
 bgp listen limit 16
 bgp listen range 10.10.0.0/24 peer-group nodes
 address-family ipv4 unicast
  network 198.51.100.0/24
  network 198.51.101.0/24 route-map out
  aggregate-address 203.0.112.0/24 as-set summary-only route-map out
  aggregate-address 203.0.113.0/24 summary-only
  redistribute connected
  redistribute static metric 5 route-map out
  neighbor nodes activate
  neighbor nodes soft-reconfiguration inbound
  neighbor nodes maximum-prefix 100
  neighbor nodes prefix-list services in
  neighbor nodes prefix-list services out
  neighbor nodes route-map in in
  neighbor nodes route-map out out
  neighbor 172.30.0.3 activate
  neighbor 172.30.0.3 next-hop-self
  neighbor 172.30.0.3 remove-private-AS
  neighbor 172.30.0.3 default-originate route-map out
  neighbor 172.30.0.3 allowas-in 2
  neighbor 172.30.0.4 activate
  neighbor 172.30.0.4 default-originate
  neighbor 172.30.0.4 allowas-in
  neighbor 172.30.0.6 activate
  neighbor 172.30.0.6 route-reflector-client
  maximum-paths ibgp 4
  maximum-paths 8
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:1::/48
  neighbor nodes activate
  neighbor nodes prefix-list services6 in
  neighbor 2001:db8:10::9 activate
 exit-address-family
exit
!
ip prefix-list services seq 10 permit 203.0.113.0/24 ge 32 le 32
ip prefix-list services seq 20 deny 0.0.0.0/0 le 32
!
ipv6 prefix-list services6 seq 10 permit 2001:db8:5::/64 ge 128
!
bgp community-list expanded ours seq 10 permit 65010:.*
bgp community-list expanded ours seq 20 deny 65020:1
bgp large-community-list expanded ours-large seq 10 permit 65010:1:.*
bgp as-path access-list upstream seq 10 permit ^65020_
!
route-map in permit 5
 description services of the cluster
 call out
 on-match next
 match ip address prefix-list services
 match ipv6 address prefix-list services6
 match ip next-hop prefix-list services
 match community ours exact-match
 match large-community ours-large
 match as-path upstream
 match interface eth0
 match origin igp
 match metric 5
 match tag 8
 set local-preference 200
 set metric 7
 set weight 9
 set origin incomplete
 set ip next-hop 10.0.0.1
 set ipv6 next-hop global 2001:db8::5
 set tag 6
 set as-path prepend 65010 65010
 set community 65010:100 no-export additive
 set large-community 65010:1:2 additive
exit
!
route-map in permit 10
 on-match goto 30
 match peer 172.30.0.3
 set community 65010:1
 set large-community 65010:1:3
exit
!
route-map in permit 30
 set community none
exit
!
route-map out deny 10
exit
!
bfd
 profile fast
  detect-multiplier 4
  transmit-interval 250
  receive-interval 250
 exit
 profile plain
 exit
exit
!
"""

#: a configuration that only partly is ours, as FRR prints it
RUNNING = """\
Building configuration...

Current configuration:
!
frr version 8.4.4
frr defaults traditional
hostname r1
no ip forwarding
service integrated-vtysh-config
!
ip route 10.9.0.0/16 10.10.0.9
ip route 10.8.0.0/16 10.10.0.9
!
vrf red
 ip route 10.7.0.0/16 10.10.0.9
exit-vrf
!
interface eth0
 description old
 ip address 10.10.0.1/24
 ip ospf area 0
exit
!
interface eth9
 ip address 10.99.0.1/24
exit
!
router bgp 65010
 neighbor 10.0.0.1 remote-as 65001
 !
 address-family ipv4 unicast
  neighbor 10.0.0.1 route-map RM in
 exit-address-family
exit
!
router bgp 65010 vrf red
 neighbor 10.0.0.2 remote-as 65002
exit
!
router ospf
 network 10.0.0.0/8 area 0
exit
!
ip prefix-list mine seq 5 permit any
ip prefix-list theirs seq 5 permit any
!
route-map RM permit 10
 match ip address prefix-list mine
exit
!
bfd
 profile mine
  detect-multiplier 9
 exit
 !
 peer 10.0.0.3
 exit
 !
exit
!
end
"""


def texts(entries: t.Iterable[frr_text.Entry]) -> list[str]:
    return sorted(" / ".join(path) for path in frr_text.paths(entries))


def read_back(router: Router) -> tuple[Router, tuple[str, ...]]:
    found = frr.gather(frr_text.parse(frr_text.write(frr.render(router))))
    return parse(found.data, found.passwords)[0], found.strange


def test_everything_is_said_in_frrs_words() -> None:
    assert frr_text.write(frr.render(full())) == FULL_TEXT


def test_everything_is_read_back() -> None:
    router = full()
    again, strange = read_back(router)
    assert strange == ()
    assert again == frr.canonical(replace(router, forwarding=None))


@given(routers())
@settings(max_examples=120, deadline=None)
def test_any_router_is_read_back(data: Data) -> None:
    router = parse(data)[0]
    again, strange = read_back(router)
    assert strange == ()
    # A part without anything in it leaves no line.
    wanted = frr.canonical(router)
    assert replace(again, **{part: getattr(wanted, part) for part in data if not getattr(wanted, part)}) == wanted


@given(routers())
@settings(max_examples=60, deadline=None)
def test_text_is_read_as_it_was_written(data: Data) -> None:
    entries = frr.render(parse(data)[0])
    assert frr_text.parse(frr_text.write(entries)) == entries


def test_what_frr_keeps_silent_about_is_not_written() -> None:
    data: Data = {
        "bgp": {
            "asn": 65010,
            "router_id": "10.0.0.1",
            "keepalive": 60,
            "hold_time": 180,
            "stalepath_time": 360,
            "peer_groups": {"nodes": {"remote_as": 65001}},
            "listen": {"10.0.0.0/24": {"peer_group": "nodes"}},
            "listen_limit": 100,
        },
        "static_routes": {"10.1.0.0/16": {"next_hops": [{"address": "10.0.0.9", "distance": 1}]}},
        "bfd_profiles": {"usual": {"receive": 300, "transmit": 300, "multiplier": 3}},
    }
    text = frr_text.write(frr.render(parse(data)[0]))
    for silent in ("timers", "limit", "stalepath", "10.0.0.9 1", "interval", "multiplier"):
        assert silent not in text


@pytest.mark.parametrize(
    ("model", "ours"),
    [
        ({}, []),
        ({"static_routes": {}}, ["ip route 10.8.0.0/16 10.10.0.9", "ip route 10.9.0.0/16 10.10.0.9"]),
        ({"prefix_lists": {}}, ["ip prefix-list mine seq 5 permit any"]),
        ({"route_maps": {}}, ["route-map RM permit 10 / match ip address prefix-list mine"]),
        ({"bfd_profiles": {}}, ["bfd / profile mine", "bfd / profile mine / detect-multiplier 9"]),
        ({"interfaces": {}}, []),
        (
            {"interfaces": {"eth0": {}}},
            ["interface eth0 / description old", "interface eth0 / ip address 10.10.0.1/24"],
        ),
        ({"forwarding": True}, ["no ip forwarding"]),
        (
            {"bgp": {"asn": 1, "router_id": "1.1.1.1"}},
            [
                "router bgp 65010 / address-family ipv4 unicast",
                "router bgp 65010 / address-family ipv4 unicast / neighbor 10.0.0.1 route-map RM in",
                "router bgp 65010 / neighbor 10.0.0.1 remote-as 65001",
            ],
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_ours_is_what_the_model_has(model: Data, ours: list[str]) -> None:
    foreign = {"prefix_lists": ["theirs"]}
    router, others = parse(model, foreign=foreign)
    entries = frr_text.parse(RUNNING)
    found = frr.split(entries, router, others)
    assert texts(found.ours) == ours
    # Nothing is lost, and nothing is counted twice.
    assert frr_text.paths(found.ours) | frr_text.paths(found.others) == frr_text.paths(entries)
    assert not frr_text.paths(found.ours) & frr_text.paths(found.others)


def test_what_belongs_to_others_is_written_as_it_was() -> None:
    router, foreign = parse(
        {
            "interfaces": {"eth0": {"addresses": ["10.10.0.5/24"]}},
            "bfd_profiles": {"new": {"multiplier": 5}},
            "route_maps": {},
            "forwarding": True,
        }
    )
    entries = frr_text.parse(RUNNING)
    new = frr.wanted(router, frr.split(entries, router, foreign).others)
    before, after = set(texts(entries)), set(texts(new))
    assert before - after == {
        "no ip forwarding",
        "interface eth0 / description old",
        "interface eth0 / ip address 10.10.0.1/24",
        "route-map RM permit 10 / match ip address prefix-list mine",
        "bfd / profile mine",
        "bfd / profile mine / detect-multiplier 9",
    }
    assert after - before == {
        "ip forwarding",
        "ipv6 forwarding",
        "interface eth0 / ip address 10.10.0.5/24",
        "bfd / profile new",
        "bfd / profile new / detect-multiplier 5",
    }
    # One block for both owners.
    assert sum(entry.text in ("bfd", "interface eth0") for entry in new) == 2
    assert frr_text.parse(frr_text.write(new)) == new


def test_lines_without_words_in_the_model_are_told() -> None:
    found = frr.gather(frr_text.parse("router bgp 65010\n bgp cluster-id 1.2.3.4\nexit\nip route 10.0.0.0/8 Null0\n"))
    assert found.strange == (
        "router bgp 65010 / (without) no bgp default ipv4-unicast",
        "router bgp 65010 / bgp cluster-id 1.2.3.4",
        "ip route 10.0.0.0/8 Null0",
    )


def test_passwords_are_kept_apart() -> None:
    found = frr.gather(frr_text.parse(FULL_TEXT))
    assert found.passwords == PASSWORDS
    assert "s3cret" not in repr(found.data)
    assert "s3cret" not in repr(full())


@pytest.mark.parametrize(
    ("model", "daemons"),
    [
        ({"static_routes": {}}, ()),
        ({"bgp": {"asn": 1, "router_id": "1.1.1.1"}}, ("bgpd",)),
        ({"bfd_profiles": {"a": {}}}, ("bfdd",)),
        (FULL, ("bgpd", "bfdd")),
    ],
)
def test_daemons_are_those_that_it_takes(model: Data, daemons: tuple[str, ...]) -> None:
    assert frr.daemons(parse(model)[0]) == daemons


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {"route_maps": {"a": [{"match": {"peer": "10.0.0.1", "interface": "eth0"}}]}},
            "router.route_maps.a[seq 10].match.peer = '10.0.0.1': FRR looks at a neighbour or at an interface.",
        ),
    ],
)
def test_what_frr_cannot_do_is_refused(model: Data, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        frr.refuse(parse(model)[0], "router")
    assert said in str(caught.value)
