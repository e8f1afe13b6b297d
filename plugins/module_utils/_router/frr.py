# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A router in FRR's words, in the form in which FRR itself prints them, and read back from there.

Only what FRR prints is written: a line that says a default would differ from the running configuration for ever.
Seen with FRR 8.4.4.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._router import frr_text, model, table
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_text import Entry
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import (
    Bgp,
    Peer,
    PeerFamily,
    Router,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import Foreign
from ansible_collections.kateskit.klubster.plugins.module_utils._router.table import form

_FAMILIES = (("ipv4", "address-family ipv4 unicast"), ("ipv6", "address-family ipv6 unicast"))
_BGP_HEADER = re.compile(r"router bgp ([0-9]+)")
_OWN_INTERFACE_LINE = re.compile(r"(ip address|ipv6 address|description) (.+)")

_ROUTE_MAP_TAIL = form("route-map {route_map}")
_BGP = (
    form("bgp router-id {router_id}"),
    form("bgp log-neighbor-changes", log_neighbor_changes=True),
    form("no bgp ebgp-requires-policy", requires_policy=False),
    form("bgp graceful-restart stalepath-time {stalepath_time}"),
    form("bgp graceful-restart", graceful_restart=True),
    form("bgp bestpath as-path multipath-relax", multipath_relax=True),
    form("no bgp network import-check", network_import_check=False),
    form("timers bgp {keepalive} {hold_time}"),
)
# Without it a neighbour would exchange IPv4 that nobody asked for.
_EXPLICIT = "no bgp default ipv4-unicast"
_LISTEN_LIMIT = form("bgp listen limit {listen_limit}")
_LISTEN = form("bgp listen range {range} peer-group {peer_group}")
_PEER = (
    form("remote-as {remote_as}"),
    form("peer-group {peer_group}"),
    form("description {description...}"),
    form("shutdown", shutdown=True),
    form("bfd", bfd=True),
    form("bfd profile {bfd_profile}"),
    form("password {password}"),
    form("passive", passive=True),
    form("ebgp-multihop {multihop}"),
    form("ttl-security hops {ttl_security_hops}"),
    form("update-source {update_source}"),
    form("timers connect {connect_retry}"),
    form("timers {keepalive} {hold_time}"),
    form("graceful-restart", graceful_restart="enable"),
    form("graceful-restart-helper", graceful_restart="helper"),
    form("graceful-restart-disable", graceful_restart="disable"),
)
_PEER_FAMILY = (
    form("route-reflector-client", route_reflector_client=True),
    form("next-hop-self", next_hop_self=True),
    form("remove-private-AS", remove_private_as=True),
    form("default-originate", form("route-map {default_originate_route_map}"), default_originate=True),
    form("soft-reconfiguration inbound", soft_reconfiguration=True),
    form("maximum-prefix {maximum_prefix}"),
    form("allowas-in", allow_own_as=3),
    form("allowas-in {allow_own_as}"),
    form("prefix-list {prefix_list_in} in"),
    form("prefix-list {prefix_list_out} out"),
    form("route-map {route_map_in} in"),
    form("route-map {route_map_out} out"),
)
_ANNOUNCED = form("network {prefix}", _ROUTE_MAP_TAIL)
_AGGREGATE = form(
    "aggregate-address {prefix}", form("as-set", as_set=True), form("summary-only", summary_only=True), _ROUTE_MAP_TAIL
)
_REDISTRIBUTED = form("redistribute {source}", form("metric {metric}"), _ROUTE_MAP_TAIL)
_PATHS = (form("maximum-paths ibgp {paths_internal}"), form("maximum-paths {paths}"))
_PREFIX_RULE = form("seq {seq} {action} {prefix}", form("ge {ge}"), form("le {le}"))
_PATTERN_RULE = form("seq {seq} {action} {pattern}")
_RULE = (
    form("description {description...}"),
    form("call {call}"),
    form("on-match next", go_on=True),
    form("on-match goto {goto}"),
)
_MATCH = (
    form("match ip address prefix-list {prefix_list}"),
    form("match ipv6 address prefix-list {prefix_list6}"),
    form("match ip next-hop prefix-list {next_hop_prefix_list}"),
    form("match community {community_list}", form("exact-match", community_exact=True)),
    form("match large-community {large_community_list}"),
    form("match as-path {as_path_list}"),
    form("match interface {interface}"),
    form("match peer {peer}"),
    form("match origin {origin}"),
    form("match metric {metric}"),
    form("match tag {tag}"),
)
_CHANGE = (
    form("set local-preference {local_preference}"),
    form("set metric {metric}"),
    form("set weight {weight}"),
    form("set origin {origin}"),
    form("set ip next-hop {next_hop}"),
    form("set ipv6 next-hop global {next_hop6}"),
    form("set tag {tag}"),
    form("set as-path prepend {prepend...}"),
    form("set community {communities...} additive", communities_replace=False),
    form("set community none", no_communities=True),
    form("set community {communities...}", communities_replace=True),
    form("set large-community {large_communities...} additive", large_communities_replace=False),
    form("set large-community {large_communities...}", large_communities_replace=True),
)
_BFD_PROFILE = (
    form("detect-multiplier {multiplier}"),
    form("transmit-interval {transmit}"),
    form("receive-interval {receive}"),
)
#: parts that are lists in lines of their own: before the name, and what a rule looks like
_PATTERN_LISTS = {
    "community_lists": "bgp community-list expanded",
    "large_community_lists": "bgp large-community-list expanded",
    "as_path_lists": "bgp as-path access-list",
}
_LINE_PARTS: tuple[tuple[str, str], ...] = (
    ("static_routes", "ip route"),
    ("static_routes", "ipv6 route"),
    ("prefix_lists", "ip prefix-list"),
    ("prefix_lists", "ipv6 prefix-list"),
    # Lists that are not "expanded" have the same names, so they are ours too.
    ("community_lists", "bgp community-list standard"),
    ("large_community_lists", "bgp large-community-list standard"),
    *_PATTERN_LISTS.items(),
)
_DEFAULTS = {"keepalive": 60, "hold_time": 180}
_NOT_FORWARDING = ("no ip forwarding", "no ipv6 forwarding")
_FORWARDING = ("ip forwarding", "ipv6 forwarding")


def refuse(router: Router, root: str = "") -> None:
    """Refuse what FRR does not do. Parts that other programs do are in ``services.py``.

    :raises InvalidInput: with what is in the way.
    """
    prefix = f"{root}." if root else ""
    problems = []
    for rules in router.route_maps or ():
        for one in rules.rules:
            if one.match.interface and one.match.peer:
                where = f"{prefix}route_maps.{rules.name}[seq {one.seq}].match.peer"
                rule = "FRR looks at a neighbour or at an interface."
                problems.append(Problem(where, one.match.peer, rule, "Make two rules of it."))
    if problems:
        raise InvalidInput(problems)


def canonical(router: Router) -> Router:
    """The router as it is read back from FRR, which keeps silent about defaults."""
    changes: dict[str, t.Any] = {}
    if router.bgp is not None:
        bgp = router.bgp
        if (bgp.keepalive, bgp.hold_time) == (_DEFAULTS["keepalive"], _DEFAULTS["hold_time"]):
            bgp = dataclasses.replace(bgp, keepalive=None, hold_time=None)
        if bgp.listen_limit == 100:
            bgp = dataclasses.replace(bgp, listen_limit=None)
        if bgp.stalepath_time == 360:
            bgp = dataclasses.replace(bgp, stalepath_time=None)
        changes["bgp"] = bgp
    if router.bfd_profiles is not None:
        changes["bfd_profiles"] = tuple(
            dataclasses.replace(
                profile,
                receive=None if profile.receive == 300 else profile.receive,
                transmit=None if profile.transmit == 300 else profile.transmit,
                multiplier=None if profile.multiplier == 3 else profile.multiplier,
            )
            for profile in router.bfd_profiles
        )
    if router.static_routes is not None:
        changes["static_routes"] = tuple(_plain_distance(route) for route in router.static_routes)
    return dataclasses.replace(router, **changes)


def _plain_distance(route: model.StaticRoute) -> model.StaticRoute:
    hops = tuple(dataclasses.replace(hop, distance=None) if hop.distance == 1 else hop for hop in route.next_hops)
    return dataclasses.replace(route, next_hops=hops, distance=None if route.distance == 1 else route.distance)


# --- from the model


def render(router: Router) -> tuple[Entry, ...]:
    """Our entries, in the order in which FRR prints them."""
    router = canonical(router)
    entries: list[Entry] = []
    if router.forwarding is False:
        entries += [Entry(line) for line in _NOT_FORWARDING]
    for route in router.static_routes or ():
        entries += [Entry(line) for line in _route_lines(route)]
    for interface in router.interfaces or ():
        entries.append(Entry(f"interface {interface.name}", tuple(_interface(interface))))
    if router.bgp is not None:
        entries.append(_bgp(router.bgp))
    for entry in router.prefix_lists or ():
        head = "ipv6 prefix-list" if entry.family == 6 else "ip prefix-list"
        entries += [Entry(f"{head} {entry.name} {line}") for one in entry.rules for line in _said((_PREFIX_RULE,), one)]
    for part, head in _PATTERN_LISTS.items():
        for listed in getattr(router, part) or ():
            for one in listed.rules:
                entries += [Entry(f"{head} {listed.name} {line}") for line in _said((_PATTERN_RULE,), one)]
    for route_map in router.route_maps or ():
        for step in route_map.rules:
            inside = _said(_RULE, step) + _said(_MATCH, step.match) + _said(_CHANGE, step.set)
            header = f"route-map {route_map.name} {step.action} {step.seq}"
            entries.append(Entry(header, tuple(Entry(line) for line in inside)))
    profiles = [
        Entry(f"profile {profile.name}", tuple(Entry(line) for line in _said(_BFD_PROFILE, profile)))
        for profile in router.bfd_profiles or ()
    ]
    if profiles:
        entries.append(Entry("bfd", tuple(profiles)))
    return tuple(entries)


def _said(forms: t.Sequence[table.Form], entry: t.Any) -> list[str]:
    return [" ".join(words) for words in table.lines(forms, entry)]


def _route_lines(route: model.StaticRoute) -> list[str]:
    head = f"{'ipv6' if ':' in route.prefix else 'ip'} route {route.prefix}"
    ways = [("blackhole", route.distance)] if route.blackhole else []
    ways += [(hop.address or hop.interface or "", hop.distance) for hop in route.next_hops]
    return [f"{head} {way}" + (f" {distance}" if distance is not None else "") for way, distance in ways]


def _interface(interface: model.Interface) -> list[Entry]:
    lines = [f"description {interface.description}"] if interface.description else []
    lines += [f"{'ipv6' if ':' in address else 'ip'} address {address}" for address in interface.addresses]
    return [Entry(line) for line in lines]


def _bgp(bgp: Bgp) -> Entry:
    lines = _said(_BGP, bgp)
    lines.append(_EXPLICIT)
    for group in bgp.peer_groups:
        lines.append(f"neighbor {group.name} peer-group")
        lines += [f"neighbor {group.name} {line}" for line in _said(_PEER, group)]
    for neighbor in bgp.neighbors:
        lines += [f"neighbor {neighbor.name} {line}" for line in _said(_PEER, neighbor)]
    lines += _said((_LISTEN_LIMIT,), bgp)
    for listen in bgp.listen:
        lines += _said((_LISTEN,), listen)
    families = []
    for name, header in _FAMILIES:
        inside = _family(bgp, name)
        if inside:
            families.append(Entry(header, tuple(Entry(line) for line in inside)))
    return Entry(f"router bgp {bgp.asn}", (*(Entry(line) for line in lines), *families))


def _family(bgp: Bgp, name: str) -> list[str]:
    family: model.Family = getattr(bgp, name)
    lines = []
    for network in family.networks:
        lines += _said((_ANNOUNCED,), network)
    for aggregate in family.aggregates:
        lines += _said((_AGGREGATE,), aggregate)
    for source in family.redistribute:
        lines += _said((_REDISTRIBUTED,), source)
    peers: list[Peer] = [*bgp.peer_groups, *bgp.neighbors]
    for peer in peers:
        exchanged: t.Optional[PeerFamily] = getattr(peer, name)
        if exchanged is not None:
            lines.append(f"neighbor {peer.name} activate")
            lines += [f"neighbor {peer.name} {line}" for line in _said(_PEER_FAMILY, exchanged)]
    return lines + _said(_PATHS, family)


# --- whose a line is


@dataclass(frozen=True)
class Split:
    """A configuration, divided."""

    ours: tuple[Entry, ...]
    others: tuple[Entry, ...]


def split(entries: t.Iterable[Entry], router: Router, foreign: Foreign) -> Split:
    """Which lines are in the parts that the router has, and which belong to others."""
    ours: list[Entry] = []
    others: list[Entry] = []
    for entry in entries:
        mine, theirs = _divided(entry, router, foreign)
        if mine is not None:
            ours.append(mine)
        if theirs is not None:
            others.append(theirs)
    return Split(tuple(ours), tuple(others))


def _divided(entry: Entry, router: Router, foreign: Foreign) -> tuple[t.Optional[Entry], t.Optional[Entry]]:
    words = entry.text.split(" ")
    if words[0] == "interface" and router.interfaces is not None and len(words) == 2:
        if words[1] not in {interface.name for interface in router.interfaces}:
            return None, entry
        return _by_line(entry, lambda line: bool(_OWN_INTERFACE_LINE.fullmatch(line)))
    if entry.text == "bfd" and router.bfd_profiles is not None:
        names = foreign.names.get("bfd_profiles", frozenset())
        return _by_line(entry, lambda line: line.startswith("profile ") and line.split(" ")[1] not in names)
    return (entry, None) if _is_ours(entry, router, foreign) else (None, entry)


def _by_line(entry: Entry, is_ours: t.Callable[[str], bool]) -> tuple[t.Optional[Entry], t.Optional[Entry]]:
    mine = tuple(child for child in entry.inside if is_ours(child.text))
    theirs = tuple(child for child in entry.inside if not is_ours(child.text))
    # A block without anything in it is nobody's.
    return (Entry(entry.text, mine) if mine else None, Entry(entry.text, theirs) if theirs else None)


def _is_ours(entry: Entry, router: Router, foreign: Foreign) -> bool:
    if entry.text in (*_NOT_FORWARDING, *_FORWARDING):
        return router.forwarding is not None
    if _BGP_HEADER.fullmatch(entry.text):
        return router.bgp is not None
    for part, head in (*_LINE_PARTS, ("route_maps", "route-map")):
        if entry.text.startswith(f"{head} "):
            name = entry.text[len(head) + 1 :].split(" ")[0]
            return getattr(router, part) is not None and name not in foreign.names.get(part, ())
    return False


def wanted(router: Router, others: t.Sequence[Entry]) -> tuple[Entry, ...]:
    """The whole configuration: what belongs to others as it is, and what is ours."""
    merged: list[Entry] = []
    ours = list(render(router))
    for entry in others:
        same = next((one for one in ours if one.text == entry.text and one.inside), None)
        if same is not None:
            ours.remove(same)
            merged.append(Entry(entry.text, (*same.inside, *entry.inside)))
        else:
            merged.append(entry)
    if router.forwarding:
        # FRR does not print them, but sets the kernel by them when it starts.
        merged += [Entry(line) for line in _FORWARDING]
    return (*merged, *ours)


def compared(entries: t.Iterable[Entry]) -> frozenset[frr_text.Path]:
    """Lines as they are compared with those of the running configuration."""
    return frr_text.paths(entry for entry in entries if entry.text not in _FORWARDING and not _empty(entry))


def _empty(entry: Entry) -> bool:
    return not entry.inside and entry.text.split(" ")[0] in ("interface", "bfd")


def daemons(router: Router) -> tuple[str, ...]:
    """The daemons that have to run besides zebra and staticd."""
    found = []
    if router.bgp is not None:
        found.append("bgpd")
    peers = (*router.bgp.peer_groups, *router.bgp.neighbors) if router.bgp else ()
    if router.bfd_profiles or any(peer.bfd for peer in peers):
        found.append("bfdd")
    return tuple(found)


# --- back to the model


@dataclass(frozen=True)
class Gathered:
    """What a configuration says in the model's words.

    :param data: as :func:`parse` takes it, without passwords.
    :param passwords: by the names of neighbours and groups; never shown.
    :param strange: lines in our parts that the model has no words for.
    """

    data: dict[str, t.Any]
    passwords: dict[str, str]
    strange: tuple[str, ...]


def gather(entries: t.Iterable[Entry]) -> Gathered:
    """Read a configuration, every part of it."""
    return _Gatherer().gather(entries)


class _Gatherer:
    def __init__(self) -> None:
        self._data: dict[str, t.Any] = {}
        self._passwords: dict[str, str] = {}
        self._strange: list[str] = []

    def gather(self, entries: t.Iterable[Entry]) -> Gathered:
        for entry in entries:
            self._entry(entry)
        return Gathered(self._data, self._passwords, tuple(self._strange))

    def _part(self, name: str) -> dict[str, t.Any]:
        part: dict[str, t.Any] = self._data.setdefault(name, {})
        return part

    def _entry(self, entry: Entry) -> None:
        words = entry.text.split(" ")
        found = _BGP_HEADER.fullmatch(entry.text)
        if found:
            self._bgp(int(found.group(1)), entry.inside)
        elif words[0] == "interface" and len(words) == 2:
            self._interface(words[1], entry)
        elif words[:2] in (["ip", "route"], ["ipv6", "route"]):
            self._route(entry.text, words[2:])
        elif words[:2] in (["ip", "prefix-list"], ["ipv6", "prefix-list"]):
            self._rule("prefix_lists", words[2], " ".join(words[3:]), (_PREFIX_RULE,), entry.text)
        elif words[0] == "route-map" and len(words) == 4:
            self._route_map(words, entry)
        elif entry.text == "bfd":
            self._bfd(entry)
        elif entry.text in _NOT_FORWARDING:
            self._data["forwarding"] = False
        else:
            for part, head in _PATTERN_LISTS.items():
                if entry.text.startswith(f"{head} "):
                    name, dummy, rule = entry.text[len(head) + 1 :].partition(" ")
                    self._rule(part, name, rule, (_PATTERN_RULE,), entry.text)

    def _rule(self, part: str, name: str, rule: str, forms: tuple[table.Form, ...], whole: str) -> None:
        fields, strange = table.read(forms, [rule])
        if strange:
            self._strange.append(whole)
        else:
            self._part(part).setdefault(name, []).append(fields)

    def _interface(self, name: str, entry: Entry) -> None:
        fields: dict[str, t.Any] = {}
        for child in entry.inside:
            found = _OWN_INTERFACE_LINE.fullmatch(child.text)
            if found and found.group(1) == "description":
                fields["description"] = found.group(2)
            elif found:
                fields.setdefault("addresses", []).append(found.group(2))
        if fields:
            self._part("interfaces")[name] = fields

    def _route(self, whole: str, words: list[str]) -> None:
        if len(words) not in (2, 3) or (len(words) == 3 and not words[2].isdigit()):
            self._strange.append(whole)
            return
        route = self._part("static_routes").setdefault(words[0], {})
        distance = {"distance": int(words[2])} if len(words) == 3 else {}
        if words[1] == "blackhole":
            route.update({"blackhole": True, **distance})
        elif words[1] in ("reject", "Null0"):
            self._strange.append(whole)
        else:
            kind = "address" if re.fullmatch(r"[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*", words[1]) else "interface"
            route.setdefault("next_hops", []).append({kind: words[1], **distance})

    def _route_map(self, words: list[str], entry: Entry) -> None:
        lines = [child.text for child in entry.inside]
        rule, rest = table.read(_RULE, lines)
        match, rest = table.read(_MATCH, rest)
        change, rest = table.read(_CHANGE, rest)
        self._strange += [f"{entry.text} / {line}" for line in rest]
        fields = {"seq": int(words[3]), "action": words[2], **rule, "match": match, "set": change}
        self._part("route_maps").setdefault(words[1], []).append(fields)

    def _bfd(self, entry: Entry) -> None:
        for child in entry.inside:
            if child.text.startswith("profile "):
                fields, strange = table.read(_BFD_PROFILE, [line.text for line in child.inside])
                self._strange += [f"bfd / {child.text} / {line}" for line in strange]
                self._part("bfd_profiles")[child.text.split(" ")[1]] = fields

    # --- BGP

    def _bgp(self, asn: int, inside: t.Sequence[Entry]) -> None:
        families = dict(_FAMILIES)
        by_header = {header: name for name, header in families.items()}
        plain = [entry.text for entry in inside if not entry.inside and entry.text not in by_header]
        bgp, unread = table.read((*_BGP, _LISTEN_LIMIT), [line for line in plain if line != _EXPLICIT])
        if _EXPLICIT not in plain:
            self._strange.append(f"router bgp {asn} / (without) {_EXPLICIT}")
        rest = self._listen(bgp, unread)
        peers: dict[str, dict[str, t.Any]] = {}
        groups: list[str] = []
        for name, lines in _by_peer(rest, asn, self._strange).items():
            if "peer-group" in lines:
                groups.append(name)
            fields, strange = table.read(_PEER, [line for line in lines if line != "peer-group"])
            if "password" in fields:
                self._passwords[name] = fields.pop("password")
            self._strange += [f"router bgp {asn} / neighbor {name} {line}" for line in strange]
            peers[name] = fields
        for entry in inside:
            family = by_header.get(entry.text)
            if family is not None:
                bgp[family] = self._family(asn, family, entry, peers)
            elif entry.inside:
                self._strange.append(f"router bgp {asn} / {entry.text}")
        bgp["peer_groups"] = {name: peers.pop(name) for name in groups}
        bgp["neighbors"] = peers
        self._data["bgp"] = {"asn": asn, **bgp}

    def _listen(self, bgp: dict[str, t.Any], lines: t.Iterable[str]) -> list[str]:
        rest = []
        for line in lines:
            fields = _LISTEN.read(line, " ")
            if fields is None:
                rest.append(line)
            else:
                bgp.setdefault("listen", {})[fields.pop("range")] = fields
        return rest

    def _family(self, asn: int, name: str, entry: Entry, peers: t.Mapping[str, dict[str, t.Any]]) -> dict[str, t.Any]:
        fields, rest = table.read(_PATHS, [child.text for child in entry.inside])
        left = []
        for line in rest:
            for part, one, key in (
                ("networks", _ANNOUNCED, "prefix"),
                ("aggregates", _AGGREGATE, "prefix"),
                ("redistribute", _REDISTRIBUTED, "source"),
            ):
                said = one.read(line, " ")
                if said is not None:
                    fields.setdefault(part, {})[said.pop(key)] = said
                    break
            else:
                left.append(line)
        place = entry.text
        for peer, lines in _by_peer(left, asn, self._strange, place).items():
            if "activate" not in lines:
                self._strange += [f"router bgp {asn} / {place} / neighbor {peer} {line}" for line in lines]
                continue
            said, strange = table.read(_PEER_FAMILY, [line for line in lines if line != "activate"])
            self._strange += [f"router bgp {asn} / {place} / neighbor {peer} {line}" for line in strange]
            peers[peer][name] = said
        return fields


def _by_peer(lines: t.Iterable[str], asn: int, strange: list[str], place: str = "") -> dict[str, list[str]]:
    """What is said of each neighbour."""
    found: dict[str, list[str]] = {}
    for line in lines:
        words = line.split(" ", 2)
        if words[0] == "neighbor" and len(words) == 3:
            found.setdefault(words[1], []).append(words[2])
        else:
            strange.append(f"router bgp {asn} / {place + ' / ' if place else ''}{line}")
    return found


__all__ = (
    "Gathered",
    "Split",
    "canonical",
    "compared",
    "daemons",
    "gather",
    "refuse",
    "render",
    "split",
    "wanted",
)
