# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  Lines of configuration are not cut.

from __future__ import annotations

import copy
import json
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._router import nft, nft_tables, services
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from hypothesis import given, settings
from nft_json import printed
from router_models import SERVICES, Data, all_services

#: what the routers' programs shall read, written by hand
NAT = """\
table ip klubster_nat
delete table ip klubster_nat
table ip klubster_nat {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "eth1.20" tcp dport 443 dnat to 10.10.0.40:8443 comment "10"
    ip saddr 192.0.2.0/24 ip daddr 172.30.0.2 return comment "20"
    iifname "eth1.20" meta l4proto { tcp, udp } th dport { 53, 8053-8060 } dnat to 10.10.0.9 comment "30"
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "eth1.20" ip saddr 10.10.0.0/24 ip daddr 203.0.113.0/24 return comment "10"
    oifname "eth1.20" ip saddr 10.10.0.0/24 masquerade comment "20 way out"
    ip saddr 10.10.0.25 tcp sport 25 snat to 172.30.0.2 comment "100"
  }
}
"""
FIREWALL = """\
table inet klubster_firewall
delete table inet klubster_firewall
table inet klubster_firewall {
  chain rules4_in {
    ip daddr 10.10.0.40 tcp dport { 80, 443 } accept comment "10"
    meta l4proto icmp ct state established,new accept comment "20"
    ip saddr 192.0.2.0/24 log drop comment "30 noise"
    meta l4proto { tcp, udp } th sport 1024-65535 reject comment "40"
    reject comment "default"
  }
  chain rules4_out {
    accept comment "default"
  }
  chain rules6_in6 {
    meta l4proto ipv6-icmp accept comment "10"
    ip6 saddr 2001:db8::/32 accept comment "20"
    drop comment "default"
  }
  chain to_lan {
    iifname "eth0" accept comment "inside"
    iifname "eth1.20" meta nfproto ipv4 jump rules4_in
    iifname "eth1.20" meta nfproto ipv6 jump rules6_in6
    drop comment "default"
  }
  chain to_wan {
    iifname "eth1.20" accept comment "inside"
    iifname "eth0" meta nfproto ipv4 jump rules4_out
    reject comment "default"
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established accept
    ct state related accept
    ct state invalid drop
    oifname "eth0" jump to_lan comment "home"
    oifname "eth1.20" jump to_wan
  }
  chain to_self {
    iifname "lo" accept comment "inside"
    iifname "eth0" meta nfproto ipv4 jump rules4_out
    iifname "eth0" meta nfproto ipv6 jump rules6_in6
    drop comment "default"
  }
  chain from_self {
    oifname "lo" accept comment "inside"
    oifname "eth0" meta nfproto ipv4 jump rules4_out
    drop comment "default"
  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established accept
    ct state related accept
    ct state invalid drop
    jump to_self
  }
  chain output {
    type filter hook output priority filter; policy accept;
    ct state established accept
    ct state related accept
    ct state invalid drop
    jump from_self
  }
}
"""
ACCESS = """\
table inet klubster_dns
delete table inet klubster_dns
table inet klubster_dns {
  chain input {
    type filter hook input priority filter; policy accept;
    ip saddr != 10.10.0.0/24 ip daddr 10.10.0.2 meta l4proto { tcp, udp } th dport 53 drop
  }
}
"""
HEAD = "# Written by kateskit.klubster; changes are overwritten.\n"
DNS = f"""\
{HEAD}no-resolv
no-hosts
bind-dynamic
pid-file=
listen-address=10.10.0.2
server=172.30.0.53
server=/lb.example.com/172.30.0.53
server=/lb.example.com/172.30.0.54
local=/lab.example/
host-record=lab.example,203.0.113.11
host-record=www.lab.example,203.0.113.10
host-record=www.lab.example,2001:db8::10
"""
DHCP = f"""\
{HEAD}port=0
bind-dynamic
pid-file=
dhcp-authoritative
dhcp-leasefile=/var/lib/klubster-router/dhcp.leases
dhcp-range=set:lan,10.10.0.50,10.10.0.99,255.255.255.0,3600
dhcp-range=set:lan,10.10.0.150,10.10.0.199,255.255.255.0,3600
dhcp-option=tag:lan,option:router,10.10.0.1
dhcp-option=tag:lan,option:dns-server,10.10.0.2
dhcp-host=52:54:00:12:34:56,set:printer,10.10.0.20
"""
VRRP = f"""\
{HEAD}vrrp_instance lan {{
    state BACKUP
    # first router
    interface eth0
    virtual_router_id 10
    priority 200
    advert_int 2
    nopreempt
    virtual_ipaddress {{
        10.10.0.1/24
    }}
}}
"""


def router(**parts: t.Any) -> Router:
    return parse({**SERVICES, **parts})[0]


def read_back(model: Router) -> services.Gathered:
    """Through the text that the kernel would print, and the files."""
    tables = {
        part: nft.read(json.loads(json.dumps(printed(table))), table.family, table.name)
        for part, table in services.tables(model).items()
        if table is not None
    }
    return services.gather(tables, {part: text for part, text in services.texts(model).items() if text is not None})


def test_rules_are_those_that_were_written_by_hand() -> None:
    found = {part: table.text() for part, table in services.tables(router()).items() if table is not None}
    assert found == {"nat": NAT, "firewall": FIREWALL, "dns": ACCESS}


def test_files_are_those_that_were_written_by_hand() -> None:
    assert services.texts(router()) == {"dns": DNS, "dhcp": DHCP, "vrrp": VRRP}


def test_everything_is_read_back() -> None:
    found = read_back(router())
    assert found.strange == ()
    assert parse(found.data)[0] == services.canonical(router())


@given(all_services())
@settings(max_examples=30, deadline=None)
def test_any_service_is_read_back(data: Data) -> None:
    model = parse(data)[0]
    found = read_back(model)
    assert found.strange == ()
    wanted = services.canonical(model)
    # A part without anything has no table or file, so it is not there when it is read.
    empty = {part: getattr(wanted, part) for part in ("dhcp", "vrrp", "nat", "firewall") if part not in found.data}
    assert [empty[part] for part in empty] == [getattr(parse({part: {}})[0], part) for part in empty]
    again = parse({**found.data, **{part: {} for part in empty}})[0]
    assert again == wanted


@given(all_services())
@settings(max_examples=30, deadline=None)
def test_what_the_kernel_prints_is_the_table_that_was_written(data: Data) -> None:
    for table in nft_tables.tables(parse(data)[0]).values():
        again = nft.read(json.loads(json.dumps(printed(table))), table.family, table.name)
        assert again.strange == ()
        assert {chain.name: chain for chain in again.chains} == {chain.name: chain for chain in table.chains}


def test_a_part_that_is_not_ours_has_no_text() -> None:
    model = parse({"static_routes": {}})[0]
    assert (services.tables(model), services.texts(model)) == ({}, {})


def test_an_empty_part_has_neither_table_nor_program() -> None:
    model = parse({"nat": {}, "dhcp": {}, "vrrp": {}})[0]
    assert services.tables(model) == {"nat": None}
    assert services.texts(model) == {"dhcp": None, "vrrp": None}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rule: rule["expr"].insert(0, {"limit": {"rate": 5, "per": "second"}}), "chain postrouting: limit"),
        (lambda rule: rule["expr"].insert(0, {"match": {"op": "<", "left": {"meta": {"key": "mark"}}, "right": 5}}),
         "chain postrouting: {'meta': {'key': 'mark'}} <"),
        (lambda rule: rule["expr"].insert(0, {"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 5}}), "chain postrouting: mark"),
        (lambda rule: rule["expr"][0]["match"].update(op="!="), "chain postrouting: oifname !="),
        (lambda rule: rule["expr"].append({"masquerade": {"flags": "random"}}), "chain postrouting: masquerade {'flags': 'random'}"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_ours_is_strange_and_equal_to_none(change: t.Callable[[t.Any], None], said: str) -> None:
    table = services.tables(router())["nat"]
    assert table is not None
    listing = copy.deepcopy(printed(table))
    change(listing["nftables"][-3]["rule"])
    found = nft.read(listing, table.family, table.name)
    assert found.strange == (said,)
    assert found != table


@pytest.mark.parametrize(("part", "chain"), [("nat", "postrouting"), ("firewall", "rules4_in")])
def test_a_rule_without_a_number_is_told(part: str, chain: str) -> None:
    table = services.tables(router())[part]
    assert table is not None
    stranger = nft.Rule("drop", destination=("192.0.2.4",))
    chains = [replace(one, rules=(*one.rules, stranger)) if one.name == chain else one for one in table.chains]
    found = services.gather({part: replace(table, chains=tuple(chains))}, {})
    assert found.strange == (f"{part}: chain {chain}: ip daddr 192.0.2.4 drop",)
    assert parse(found.data)[0] == parse({part: SERVICES[part]})[0]


def test_a_policy_and_a_set_of_others_are_strange() -> None:
    table = services.tables(router())["nat"]
    assert table is not None
    listing = printed(table)
    listing["nftables"][2]["chain"]["policy"] = "drop"
    listing["nftables"].append({"set": {"name": "theirs"}})
    assert nft.read(listing, table.family, table.name).strange == ("chain prerouting: policy drop", "set theirs")


@pytest.mark.parametrize(
    ("part", "line"),
    [("dns", "log-queries"), ("dns", "host-record=www.elsewhere,10.0.0.1"), ("dhcp", "dhcp-boot=x"), ("vrrp", "track_interface eth1")],
)  # fmt: skip
def test_lines_without_words_in_the_model_are_told(part: str, line: str) -> None:
    text = services.texts(router())[part] or ""
    text = text.replace("    nopreempt\n", f"    nopreempt\n    {line}\n") if part == "vrrp" else f"{text}{line}\n"
    found = services.gather({}, {part: text})
    said = f"vrrp: vrrp_instance lan / {line}" if part == "vrrp" else f"{part}: {line}"
    assert found.strange == (said,)


def test_everybody_may_ask_where_no_rule_says_otherwise() -> None:
    model = router(dns={**SERVICES["dns"], "listen": ["10.10.0.2", "2001:db8::2"], "allow_from": ["0.0.0.0/0", "::/0"]})
    table = services.tables(model)["dns"]
    assert table is not None
    assert table.chain("input") == ()
    assert parse(read_back(model).data)[0].dns == model.dns


def test_networks_that_overlap_are_one() -> None:
    model = router(dns={**SERVICES["dns"], "allow_from": ["10.10.0.0/24", "10.0.0.0/8"]})
    assert "saddr != 10.0.0.0/8 " in (services.tables(model)["dns"] or nft.Table("", "")).text()
    assert parse(read_back(model).data)[0].dns == services.canonical(model).dns


def test_a_server_that_asks_nobody_and_knows_nothing_is_refused() -> None:
    with pytest.raises(
        InvalidInput, match=r"router.dns.servers = \[\]: On a machine with FRR names are asked of other"
    ):
        services.refuse(parse({"dns": {"listen": ["10.0.0.1"], "allow_from": ["10.0.0.0/8"]}})[0], "router")
