# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A router, whoever makes it. ``parse.py`` fills it, FRR and VyOS render it and read it back.

A part that is None is not ours: nothing of it is looked at or touched. A part that is empty is ours and has nothing
in it, so what is on the router goes away.
"""

# ruff: noqa: RUF009  option() is dataclasses.field() with a rule in it; its defaults are frozen.

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._router import words
from ansible_collections.kateskit.klubster.plugins.module_utils._router.filtering import Firewall, Nat
from ansible_collections.kateskit.klubster.plugins.module_utils._router.options import (
    Listed,
    Many,
    Named,
    Numbered,
    One,
    by_address,
    needed,
    option,
    secret,
)

_ACTION = words.choice("permit", "deny")
_SECONDS = words.number(1, 65535)


@dataclass(frozen=True)
class Interface:
    """A network interface that is there; its addresses and its description become ours."""

    name: str = needed(words.interface)
    addresses: tuple[str, ...] = option(Many(words.host, order=words.address_order), ())
    description: t.Optional[str] = option(words.text)


@dataclass(frozen=True)
class NextHop:
    """Where a static route leads: to another router, or out of an interface."""

    address: t.Optional[str] = option(words.address)
    interface: t.Optional[str] = option(words.interface)
    distance: t.Optional[int] = option(words.number(1, 255))


def _hop_order(hop: NextHop) -> t.Any:
    return (hop.distance or 1, words.address_order(hop.address or ""), hop.interface or "")


@dataclass(frozen=True)
class StaticRoute:
    """A route by hand."""

    prefix: str = needed(words.network)
    next_hops: tuple[NextHop, ...] = option(Listed(One(NextHop, short="address"), _hop_order), ())
    blackhole: bool = option(words.flag, False)
    distance: t.Optional[int] = option(words.number(1, 255))


@dataclass(frozen=True)
class PrefixRule:
    """One line of a prefix list."""

    seq: int = needed(words.number(1, 65535))
    prefix: str = needed(words.network)
    action: str = option(_ACTION, "permit")
    ge: t.Optional[int] = option(words.number(0, 128))
    le: t.Optional[int] = option(words.number(0, 128))


@dataclass(frozen=True)
class PrefixList:
    """Which prefixes pass; all of one family."""

    name: str = needed(words.name)
    rules: tuple[PrefixRule, ...] = needed(Numbered(PrefixRule))

    @property
    def family(self) -> int:
        return words.family_of(self.rules[0].prefix) if self.rules else 4


@dataclass(frozen=True)
class PatternRule:
    """One line of a list of regular expressions."""

    seq: int = needed(words.number(1, 65535))
    pattern: str = needed(words.pattern)
    action: str = option(_ACTION, "permit")


@dataclass(frozen=True)
class PatternList:
    """Which communities pass."""

    name: str = needed(words.name)
    rules: tuple[PatternRule, ...] = needed(Numbered(PatternRule))


@dataclass(frozen=True)
class PathRule(PatternRule):
    """One line of a list of paths."""

    pattern: str = needed(words.path_pattern)


@dataclass(frozen=True)
class PathList:
    """Which paths pass."""

    name: str = needed(words.name)
    rules: tuple[PathRule, ...] = needed(Numbered(PathRule))


@dataclass(frozen=True)
class Match:
    """What a rule of a route map looks at; everything has to fit."""

    prefix_list: t.Optional[str] = option(words.name)
    prefix_list6: t.Optional[str] = option(words.name)
    next_hop_prefix_list: t.Optional[str] = option(words.name)
    community_list: t.Optional[str] = option(words.name)
    community_exact: bool = option(words.flag, False)
    large_community_list: t.Optional[str] = option(words.name)
    as_path_list: t.Optional[str] = option(words.name)
    interface: t.Optional[str] = option(words.interface)
    peer: t.Optional[str] = option(words.address)
    origin: t.Optional[str] = option(words.choice("igp", "egp", "incomplete"))
    metric: t.Optional[int] = option(words.number(1, 65535))
    tag: t.Optional[int] = option(words.number(1, 65535))


@dataclass(frozen=True)
class Change:
    """What a rule of a route map does to a route."""

    local_preference: t.Optional[int] = option(words.number(0, 4294967295))
    metric: t.Optional[int] = option(words.number(0, 4294967295))
    weight: t.Optional[int] = option(words.number(0, 4294967295))
    origin: t.Optional[str] = option(words.choice("igp", "egp", "incomplete"))
    next_hop: t.Optional[str] = option(words.address4)
    next_hop6: t.Optional[str] = option(words.address6)
    tag: t.Optional[int] = option(words.number(1, 65535))
    prepend: tuple[int, ...] = option(Many(words.asn, repeated=True), ())
    communities: tuple[str, ...] = option(Many(words.community, order=words.community_order), ())
    communities_replace: bool = option(words.flag, False)
    no_communities: bool = option(words.flag, False)
    large_communities: tuple[str, ...] = option(Many(words.large_community, order=words.large_order), ())
    large_communities_replace: bool = option(words.flag, False)


@dataclass(frozen=True)
class RouteMapRule:
    """One rule of a route map: what it fits is changed and passes, or is refused."""

    seq: int = needed(words.number(1, 65535))
    action: str = option(_ACTION, "permit")
    description: t.Optional[str] = option(words.text)
    match: Match = option(One(Match), Match())
    set: Change = option(One(Change), Change())
    call: t.Optional[str] = option(words.name)
    go_on: bool = option(words.flag, False)
    goto: t.Optional[int] = option(words.number(1, 65535))


@dataclass(frozen=True)
class RouteMap:
    """Rules for routes; what no rule fits is refused."""

    name: str = needed(words.name)
    rules: tuple[RouteMapRule, ...] = needed(Numbered(RouteMapRule))


@dataclass(frozen=True)
class PeerFamily:
    """What is exchanged with a neighbour of one address family. That it is there at all switches the family on."""

    prefix_list_in: t.Optional[str] = option(words.name)
    prefix_list_out: t.Optional[str] = option(words.name)
    route_map_in: t.Optional[str] = option(words.name)
    route_map_out: t.Optional[str] = option(words.name)
    maximum_prefix: t.Optional[int] = option(words.number(1, 4294967295))
    soft_reconfiguration: bool = option(words.flag, False)
    default_originate: bool = option(words.flag, False)
    default_originate_route_map: t.Optional[str] = option(words.name)
    next_hop_self: bool = option(words.flag, False)
    remove_private_as: bool = option(words.flag, False)
    route_reflector_client: bool = option(words.flag, False)
    allow_own_as: t.Optional[int] = option(words.number(1, 10))


@dataclass(frozen=True)
class Peer:
    """A neighbour, or what a group of neighbours has in common."""

    name: str = needed(words.name)
    remote_as: t.Union[int, str, None] = option(words.remote_as)
    description: t.Optional[str] = option(words.text)
    password: t.Optional[str] = secret(words.password)
    bfd: bool = option(words.flag, False)
    bfd_profile: t.Optional[str] = option(words.name)
    passive: bool = option(words.flag, False)
    shutdown: bool = option(words.flag, False)
    multihop: t.Optional[int] = option(words.number(2, 255))
    ttl_security_hops: t.Optional[int] = option(words.number(1, 254))
    update_source: t.Optional[str] = option(words.source)
    ipv4: t.Optional[PeerFamily] = option(One(PeerFamily))
    ipv6: t.Optional[PeerFamily] = option(One(PeerFamily))


@dataclass(frozen=True)
class PeerGroup(Peer):
    """Settings for all neighbours that are in it."""


@dataclass(frozen=True)
class Neighbor(Peer):
    """A neighbour by its address."""

    name: str = needed(words.address)
    peer_group: t.Optional[str] = option(words.name)
    keepalive: t.Optional[int] = option(_SECONDS)
    hold_time: t.Optional[int] = option(words.number(3, 65535))
    connect_retry: t.Optional[int] = option(_SECONDS)
    graceful_restart: t.Optional[str] = option(words.choice("enable", "disable", "helper"))


@dataclass(frozen=True)
class Listen:
    """Neighbours that need not be known by their addresses."""

    range: str = needed(words.network)
    peer_group: str = needed(words.name)


@dataclass(frozen=True)
class Announced:
    """A network that is announced."""

    prefix: str = needed(words.network)
    route_map: t.Optional[str] = option(words.name)


@dataclass(frozen=True)
class Aggregate:
    """A network that is announced while a part of it is known."""

    prefix: str = needed(words.network)
    as_set: bool = option(words.flag, False)
    summary_only: bool = option(words.flag, False)
    route_map: t.Optional[str] = option(words.name)


@dataclass(frozen=True)
class Redistributed:
    """Routes of another origin that are announced."""

    source: str = needed(words.choice("connected", "kernel", "static"))
    metric: t.Optional[int] = option(words.number(1, 4294967295))
    route_map: t.Optional[str] = option(words.name)


@dataclass(frozen=True)
class Family:
    """What BGP announces of one address family."""

    networks: tuple[Announced, ...] = option(Named(Announced, "prefix", by_address), ())
    aggregates: tuple[Aggregate, ...] = option(Named(Aggregate, "prefix", by_address), ())
    redistribute: tuple[Redistributed, ...] = option(Named(Redistributed, "source"), ())
    paths: t.Optional[int] = option(words.number(1, 64))
    paths_internal: t.Optional[int] = option(words.number(1, 64))


@dataclass(frozen=True)
class Bgp:
    """The router's part in BGP."""

    asn: int = needed(words.asn)
    router_id: t.Optional[str] = option(words.address4)
    log_neighbor_changes: bool = option(words.flag, True)
    requires_policy: bool = option(words.flag, False)
    network_import_check: bool = option(words.flag, False)
    multipath_relax: bool = option(words.flag, False)
    graceful_restart: bool = option(words.flag, False)
    stalepath_time: t.Optional[int] = option(words.number(1, 4095))
    keepalive: t.Optional[int] = option(_SECONDS)
    hold_time: t.Optional[int] = option(words.number(3, 65535))
    peer_groups: tuple[PeerGroup, ...] = option(Named(PeerGroup), ())
    neighbors: tuple[Neighbor, ...] = option(Named(Neighbor, order=by_address), ())
    listen: tuple[Listen, ...] = option(Named(Listen, "range", by_address), ())
    listen_limit: t.Optional[int] = option(words.number(1, 5000))
    ipv4: Family = option(One(Family), Family())
    ipv6: Family = option(One(Family), Family())


@dataclass(frozen=True)
class BfdProfile:
    """How fast a dead neighbour is noticed: ``receive`` times ``multiplier`` milliseconds."""

    name: str = needed(words.name)
    receive: t.Optional[int] = option(words.number(10, 60000))
    transmit: t.Optional[int] = option(words.number(10, 60000))
    multiplier: t.Optional[int] = option(words.number(2, 255))


@dataclass(frozen=True)
class VrrpGroup:
    """An address that one of several routers has."""

    name: str = needed(words.name)
    interface: str = needed(words.interface)
    id: int = needed(words.number(1, 255))
    addresses: tuple[str, ...] = needed(Many(words.host, order=words.address_order))
    priority: t.Optional[int] = option(words.number(1, 255))
    preempt: bool = option(words.flag, True)
    interval: t.Optional[int] = option(words.number(1, 255))
    description: t.Optional[str] = option(words.text)


@dataclass(frozen=True)
class DnsDomain:
    """A domain that other servers are asked for."""

    name: str = needed(words.domain)
    servers: tuple[str, ...] = needed(Many(words.address, order=words.address_order))


@dataclass(frozen=True)
class DnsRecord:
    """The addresses of a name in a zone."""

    name: str = needed(words.record)
    addresses: tuple[str, ...] = needed(Many(words.address, order=words.address_order))


@dataclass(frozen=True)
class DnsZone:
    """A domain whose names the router itself knows."""

    name: str = needed(words.domain)
    records: tuple[DnsRecord, ...] = option(Named(DnsRecord, short="addresses"), ())


@dataclass(frozen=True)
class Dns:
    """The router answers questions for names: itself, or by asking others. With nothing in it, it answers none."""

    listen: tuple[str, ...] = option(Many(words.address, order=words.address_order), ())
    allow_from: tuple[str, ...] = option(Many(words.network, order=words.address_order), ())
    servers: tuple[str, ...] = option(Many(words.address, order=words.address_order), ())
    domains: tuple[DnsDomain, ...] = option(Named(DnsDomain, short="servers"), ())
    zones: tuple[DnsZone, ...] = option(Named(DnsZone), ())


@dataclass(frozen=True)
class DhcpRange:
    """Addresses that are handed out, both ends included."""

    start: str = needed(words.address4)
    stop: str = needed(words.address4)


def _range_order(one: DhcpRange) -> t.Any:
    return words.address_order(one.start)


@dataclass(frozen=True)
class DhcpHost:
    """A machine that always gets the same address."""

    name: str = needed(words.name)
    mac: str = needed(words.mac)
    address: str = needed(words.address4)


@dataclass(frozen=True)
class DhcpNetwork:
    """A network in which addresses are handed out."""

    name: str = needed(words.name)
    subnet: str = needed(words.network)
    id: t.Optional[int] = option(words.number(1, 4294967295))
    gateway: t.Optional[str] = option(words.address4)
    name_servers: tuple[str, ...] = option(Many(words.address4, order=words.address_order), ())
    lease: t.Optional[int] = option(words.number(60, 4294967295))
    ranges: tuple[DhcpRange, ...] = option(Listed(One(DhcpRange), _range_order), ())
    hosts: tuple[DhcpHost, ...] = option(Named(DhcpHost), ())


@dataclass(frozen=True)
class Router:
    """Everything; what is None belongs to others."""

    forwarding: t.Optional[bool] = option(words.flag)
    interfaces: t.Optional[tuple[Interface, ...]] = option(Named(Interface))
    static_routes: t.Optional[tuple[StaticRoute, ...]] = option(Named(StaticRoute, "prefix", by_address))
    prefix_lists: t.Optional[tuple[PrefixList, ...]] = option(Named(PrefixList, short="rules"))
    community_lists: t.Optional[tuple[PatternList, ...]] = option(Named(PatternList, short="rules"))
    large_community_lists: t.Optional[tuple[PatternList, ...]] = option(Named(PatternList, short="rules"))
    as_path_lists: t.Optional[tuple[PathList, ...]] = option(Named(PathList, short="rules"))
    route_maps: t.Optional[tuple[RouteMap, ...]] = option(Named(RouteMap, short="rules"))
    bfd_profiles: t.Optional[tuple[BfdProfile, ...]] = option(Named(BfdProfile))
    bgp: t.Optional[Bgp] = option(One(Bgp))
    vrrp: t.Optional[tuple[VrrpGroup, ...]] = option(Named(VrrpGroup))
    dns: t.Optional[Dns] = option(One(Dns))
    dhcp: t.Optional[tuple[DhcpNetwork, ...]] = option(Named(DhcpNetwork))
    nat: t.Optional[Nat] = option(One(Nat))
    firewall: t.Optional[Firewall] = option(One(Firewall))


__all__ = (
    "Aggregate",
    "Announced",
    "BfdProfile",
    "Bgp",
    "Change",
    "DhcpHost",
    "DhcpNetwork",
    "DhcpRange",
    "Dns",
    "DnsDomain",
    "DnsRecord",
    "DnsZone",
    "Family",
    "Interface",
    "Listen",
    "Match",
    "Neighbor",
    "NextHop",
    "PathList",
    "PathRule",
    "PatternList",
    "PatternRule",
    "Peer",
    "PeerFamily",
    "PeerGroup",
    "PrefixList",
    "PrefixRule",
    "Redistributed",
    "RouteMap",
    "RouteMapRule",
    "Router",
    "StaticRoute",
    "VrrpGroup",
)
