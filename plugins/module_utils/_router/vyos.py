# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A router in VyOS's words: its configuration as a set of paths, and back.

Nothing here speaks to a router. What drives a session takes the commands of :func:`difference` and hands in what
``show configuration commands`` printed.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._router import (
    model,
    table,
    vyos_filtering,
    vyos_tree,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Bgp, PeerFamily, Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import Foreign
from ansible_collections.kateskit.klubster.plugins.module_utils._router.table import form
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_paths import Path, join
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_tree import Tree

Version = vyos_filtering.Version
VERSIONS: tuple[Version, ...] = ("1.4", "1.5")

_FAMILIES = (("ipv4", "ipv4-unicast"), ("ipv6", "ipv6-unicast"))
#: kinds of interfaces by their names
_KINDS = (
    ("ethernet", re.compile(r"(eth|lan)[0-9]+|(eno|ens|enp|enx)[a-z0-9]+")),
    ("loopback", re.compile(r"lo")),
    ("dummy", re.compile(r"dum[0-9]+")),
    ("bonding", re.compile(r"bond[0-9]+")),
    ("bridge", re.compile(r"br[0-9]+")),
)

_BGP = (
    form("system-as {asn}"),
    form("parameters router-id {router_id}"),
    form("parameters log-neighbor-changes", log_neighbor_changes=True),
    form("parameters ebgp-requires-policy", requires_policy=True),
    form("parameters network-import-check", network_import_check=True),
    form("parameters bestpath as-path multipath-relax", multipath_relax=True),
    form("parameters graceful-restart", graceful_restart=True),
    form("parameters graceful-restart stalepath-time {stalepath_time}"),
    form("timers keepalive {keepalive}"),
    form("timers holdtime {hold_time}"),
    form("listen limit {listen_limit}"),
)
_LISTEN = (form("peer-group {peer_group}"),)
_PEER = (
    form("remote-as {remote_as}"),
    form("description {description...}"),
    form("shutdown", shutdown=True),
    form("bfd profile {bfd_profile}", bfd=True),
    form("bfd", bfd=True),
    form("password {password}"),
    form("passive", passive=True),
    form("ebgp-multihop {multihop}"),
    form("ttl-security hops {ttl_security_hops}"),
    form("update-source {update_source}"),
    # Only a neighbour has these; a group has no such fields.
    form("peer-group {peer_group}"),
    form("timers keepalive {keepalive}"),
    form("timers holdtime {hold_time}"),
    form("timers connect {connect_retry}"),
    form("graceful-restart enable", graceful_restart="enable"),
    form("graceful-restart disable", graceful_restart="disable"),
    form("graceful-restart restart-helper", graceful_restart="helper"),
)
_PEER_FAMILY = (
    form("prefix-list import {prefix_list_in}"),
    form("prefix-list export {prefix_list_out}"),
    form("route-map import {route_map_in}"),
    form("route-map export {route_map_out}"),
    form("maximum-prefix {maximum_prefix}"),
    form("soft-reconfiguration inbound", soft_reconfiguration=True),
    form("default-originate route-map {default_originate_route_map}", default_originate=True),
    form("default-originate", default_originate=True),
    form("nexthop-self", next_hop_self=True),
    form("remove-private-as", remove_private_as=True),
    form("route-reflector-client", route_reflector_client=True),
    form("allowas-in number {allow_own_as}"),
)
_PATHS = (form("maximum-paths ebgp {paths}"), form("maximum-paths ibgp {paths_internal}"))
_ANNOUNCED = (form("route-map {route_map}"),)
_AGGREGATE = (form("as-set", as_set=True), form("summary-only", summary_only=True), form("route-map {route_map}"))
_REDISTRIBUTED = (form("metric {metric}"), form("route-map {route_map}"))
_IN_FAMILY: tuple[tuple[str, str, str, tuple[table.Form, ...]], ...] = (
    ("networks", "network", "prefix", _ANNOUNCED),
    ("aggregates", "aggregate-address", "prefix", _AGGREGATE),
    ("redistribute", "redistribute", "source", _REDISTRIBUTED),
)
_PREFIX_RULE = (form("action {action}"), form("prefix {prefix}"), form("ge {ge}"), form("le {le}"))
_PATTERN_RULE = (form("action {action}"), form("regex {pattern}"))
_RULE = (
    form("action {action}"),
    form("description {description...}"),
    form("call {call}"),
    form("on-match next", go_on=True),
    form("on-match goto {goto}"),
)
_MATCH = (
    form("match ip address prefix-list {prefix_list}"),
    form("match ipv6 address prefix-list {prefix_list6}"),
    form("match ip nexthop prefix-list {next_hop_prefix_list}"),
    form("match community community-list {community_list}"),
    form("match community exact-match", community_exact=True),
    form("match large-community large-community-list {large_community_list}"),
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
    form("set ip-next-hop {next_hop}"),
    form("set ipv6-next-hop global {next_hop6}"),
    form("set tag {tag}"),
    form("set as-path prepend {prepend...}"),
    form("set community add {communities}", communities_replace=False),
    form("set community replace {communities}", communities_replace=True),
    form("set community none", no_communities=True),
    form("set large-community add {large_communities}", large_communities_replace=False),
    form("set large-community replace {large_communities}", large_communities_replace=True),
)
_BFD_PROFILE = (
    form("interval receive {receive}"),
    form("interval transmit {transmit}"),
    form("interval multiplier {multiplier}"),
)
_INTERFACE = (form("address {addresses}"), form("description {description...}"))
_VRRP = (
    form("interface {interface}"),
    form("vrid {id}"),
    form("address {addresses}"),
    form("priority {priority}"),
    form("no-preempt", preempt=False),
    form("advertise-interval {interval}"),
    form("description {description...}"),
)
_DNS = (
    form("listen-address {listen}"),
    form("allow-from {allow_from}"),
    form("name-server {servers}"),
)
_DNS_DOMAIN = (form("name-server {servers}"),)
_DHCP_RANGE = (form("start {start}"), form("stop {stop}"))
#: 1.5 has another DHCP server, Kea, and with it other words
_DHCP: dict[Version, tuple[table.Form, ...]] = {
    "1.4": (form("default-router {gateway}"), form("name-server {name_servers}"), form("lease {lease}")),
    "1.5": (
        form("option default-router {gateway}"),
        form("option name-server {name_servers}"),
        form("lease {lease}"),
        form("subnet-id {id}"),
    ),
}
_DHCP_HOST: dict[Version, tuple[table.Form, ...]] = {
    "1.4": (form("mac-address {mac}"), form("ip-address {address}")),
    "1.5": (form("mac {mac}"), form("ip-address {address}")),
}
_ALL_DNS: Path = ("service", "dns", "forwarding")
_ALL_DHCP: Path = ("service", "dhcp-server", "shared-network-name")
_PATTERN_LISTS = {
    "community_lists": "community-list",
    "large_community_lists": "large-community-list",
    "as_path_lists": "as-path-list",
}
#: where a part is: entries with names are below
_ROOTS: tuple[tuple[str, Path], ...] = (
    ("static_routes", ("protocols", "static", "route")),
    ("static_routes", ("protocols", "static", "route6")),
    ("prefix_lists", ("policy", "prefix-list")),
    ("prefix_lists", ("policy", "prefix-list6")),
    *((part, ("policy", word)) for part, word in _PATTERN_LISTS.items()),
    ("route_maps", ("policy", "route-map")),
    ("bfd_profiles", ("protocols", "bfd", "profile")),
    ("vrrp", ("high-availability", "vrrp", "group")),
    ("dhcp", _ALL_DHCP),
)
_ALL_BGP: Path = ("protocols", "bgp")


def refuse(router: Router, version: Version, root: str = "") -> None:
    """Refuse what VyOS does not do.

    :raises InvalidInput: with everything that is in the way.
    """
    prefix = f"{root}." if root else ""
    problems = []
    if router.forwarding is False:
        rule = "VyOS is always a router here."
        problems.append(Problem(f"{prefix}forwarding", False, rule, "Leave it out, or say true."))
    for interface in router.interfaces or ():
        if _interface_path(interface.name) is None:
            rule = "VyOS knows an interface's kind by its name, and not this one."
            remedy = "Use a name like eth0, lan1, enp1s0, lo, dum0, bond0 or br0; eth0.10 for a VLAN."
            problems.append(Problem(f"{prefix}interfaces.{interface.name}", interface.name, rule, remedy))
    for network in router.dhcp or ():
        if network.id is None and version == "1.5":
            rule = "VyOS 1.5 wants a number for each network."
            problems.append(Problem(f"{prefix}dhcp.{network.name}.id", None, rule, "Give one, and never change it."))
    bgp = router.bgp
    if bgp is not None and bgp.graceful_restart and bgp.stalepath_time is not None:
        rule = "With a time, VyOS sets the time and does not switch graceful restart on."
        problems.append(Problem(f"{prefix}bgp.stalepath_time", bgp.stalepath_time, rule, "Leave it out."))
    if problems:
        raise InvalidInput(problems)


# --- from the model


def render(router: Router, version: Version) -> tuple[Path, ...]:
    """The paths of our parts, in a readable order."""
    made: list[Path] = []
    for interface in router.interfaces or ():
        # A name without a path was refused.
        base = _interface_path(interface.name) or ()
        made += [(*base, *words) for words in table.lines(_INTERFACE, interface)]
    for route in router.static_routes or ():
        made += _route(route)
    for entry in router.prefix_lists or ():
        head: Path = ("policy", "prefix-list6" if entry.family == 6 else "prefix-list", entry.name)
        made += _rules(head, _PREFIX_RULE, entry.rules)
    for part, word in _PATTERN_LISTS.items():
        for listed in getattr(router, part) or ():
            made += _rules(("policy", word, listed.name), _PATTERN_RULE, listed.rules)
    for route_map in router.route_maps or ():
        for step in route_map.rules:
            said = table.lines(_RULE, step) + table.lines(_MATCH, step.match) + table.lines(_CHANGE, step.set)
            made += [("policy", "route-map", route_map.name, "rule", str(step.seq), *words) for words in said]
    for profile in router.bfd_profiles or ():
        made += _node(("protocols", "bfd", "profile", profile.name), table.lines(_BFD_PROFILE, profile))
    if router.bgp is not None:
        made += [(*_ALL_BGP, *path) for path in _bgp(router.bgp)]
    for group in router.vrrp or ():
        made += _node(("high-availability", "vrrp", "group", group.name), table.lines(_VRRP, group))
    made += _dns(router.dns) if router.dns is not None else []
    for network in router.dhcp or ():
        made += _dhcp(network, version)
    return (*made, *vyos_filtering.render(router, version))


def _dns(dns: model.Dns) -> list[Path]:
    made: list[Path] = [(*_ALL_DNS, *words) for words in table.lines(_DNS, dns)]
    for domain in dns.domains:
        made += [(*_ALL_DNS, "domain", domain.name, *words) for words in table.lines(_DNS_DOMAIN, domain)]
    for zone in dns.zones:
        base: Path = (*_ALL_DNS, "authoritative-domain", zone.name)
        # A name may have addresses of both families.
        made += [
            (*base, "records", "aaaa" if ":" in address else "a", record.name, "address", address)
            for record in zone.records
            for address in record.addresses
        ] or [base]
    return made


def _dhcp(network: model.DhcpNetwork, version: Version) -> list[Path]:
    base: Path = (*_ALL_DHCP, network.name, "subnet", network.subnet)
    made = _node(base, table.lines(_DHCP[version], network))
    for index, one in enumerate(network.ranges):
        made += [(*base, "range", str(index), *words) for words in table.lines(_DHCP_RANGE, one)]
    for host in network.hosts:
        made += [(*base, "static-mapping", host.name, *words) for words in table.lines(_DHCP_HOST[version], host)]
    return made if len(made) == 1 or made[0] != base else made[1:]


def _node(base: Path, lines: t.Sequence[t.Sequence[str]]) -> list[Path]:
    """What is in a node; the node itself when there is nothing."""
    return [(*base, *words) for words in lines] or [base]


def _rules(head: Path, forms: t.Sequence[table.Form], rules: t.Iterable[t.Any]) -> list[Path]:
    return [(*head, "rule", str(one.seq), *words) for one in rules for words in table.lines(forms, one)]


def _route(route: model.StaticRoute) -> list[Path]:
    base: Path = ("protocols", "static", "route6" if ":" in route.prefix else "route", route.prefix)
    ways: list[tuple[Path, t.Optional[int]]] = []
    if route.blackhole:
        ways.append(((*base, "blackhole"), route.distance))
    for hop in route.next_hops:
        way: Path = ("next-hop", hop.address) if hop.address else ("interface", hop.interface or "")
        ways.append(((*base, *way), hop.distance))
    return [path if distance is None else (*path, "distance", str(distance)) for path, distance in ways]


def _bgp(bgp: Bgp) -> list[Path]:
    made: list[Path] = [tuple(words) for words in table.lines(_BGP, bgp)]
    for name, word in _FAMILIES:
        family: model.Family = getattr(bgp, name)
        base: Path = ("address-family", word)
        for part, node, key, forms in _IN_FAMILY:
            for entry in getattr(family, part):
                made += _node((*base, node, getattr(entry, key)), table.lines(forms, entry))
        made += [(*base, *words) for words in table.lines(_PATHS, family)]
    for group in bgp.peer_groups:
        made += _peer(("peer-group", group.name), group)
    for neighbor in bgp.neighbors:
        made += _peer(("neighbor", neighbor.name), neighbor)
    for listen in bgp.listen:
        made += _node(("listen", "range", listen.range), table.lines(_LISTEN, listen))
    return made


def _peer(base: Path, peer: model.Peer) -> list[Path]:
    made: list[Path] = [(*base, *words) for words in table.lines(_PEER, peer)]
    for name, word in _FAMILIES:
        exchanged: t.Optional[PeerFamily] = getattr(peer, name)
        if exchanged is not None:
            made += _node((*base, "address-family", word), table.lines(_PEER_FAMILY, exchanged))
    return made or [base]


def _interface_path(name: str) -> t.Optional[Path]:
    parent, dot, vlan = name.partition(".")
    for kind, pattern in _KINDS:
        if pattern.fullmatch(parent):
            if not dot:
                return ("interfaces", kind, parent)
            return ("interfaces", kind, parent, "vif", vlan) if kind in ("ethernet", "bonding") else None
    return None


# --- whose a path is


def owned_root(path: Path, router: Router, foreign: Foreign) -> t.Optional[Path]:
    """The highest node above a path that is ours whole; None for a path of others."""
    for whole, ours in ((_ALL_BGP, router.bgp is not None), (_ALL_DNS, router.dns is not None)):
        if path[: len(whole)] == whole:
            return whole if ours else None
    filtering = vyos_filtering.owned_root(path, router)
    if filtering is not None:
        return filtering
    for part, root in _ROOTS:
        if path[: len(root)] == root and len(path) > len(root):
            name = path[len(root)]
            if getattr(router, part) is None or name in foreign.names.get(part, ()):
                return None
            return path[: len(root) + 1]
    for interface in router.interfaces or ():
        base = _interface_path(interface.name) or ()
        if base and path[: len(base)] == base and path[len(base) : len(base) + 1] in (("address",), ("description",)):
            return path[: len(base) + 1]
    return None


@dataclass(frozen=True)
class Difference:
    """What makes one configuration the other. Deletions come first, and all are for one commit."""

    commands: tuple[str, ...]

    @property
    def empty(self) -> bool:
        return not self.commands

    def shown(self) -> tuple[str, ...]:
        """The commands without passwords."""
        return tuple(re.sub(r"( password )\S+$", r"\1********", command) for command in self.commands)


def difference(running: t.Iterable[Path], router: Router, foreign: Foreign, version: Version) -> Difference:
    """The fewest commands that make our parts what the model says."""
    wanted = render(router, version)
    now = {path for path in running if owned_root(path, router, foreign) is not None}
    wanted_nodes = {path[:length] for path in wanted for length in range(1, len(path) + 1)}
    now_nodes = {path[:length] for path in now for length in range(1, len(path) + 1)}
    replaced = {path[:-1] for path in wanted if _is_single(path) and path not in now_nodes}
    deleted: list[Path] = []
    for path in sorted(now):
        if path in wanted_nodes or (_is_single(path) and path[:-1] in replaced):
            continue
        root = owned_root(path, router, foreign) or path
        highest = next(path[:length] for length in range(len(root), len(path) + 1) if path[:length] not in wanted_nodes)
        if highest not in deleted:
            deleted.append(highest)
    gone = tuple(deleted)
    added = [path for path in wanted if path not in now_nodes or _below(path, now, gone)]
    return Difference(tuple([f"delete {join(path)}" for path in gone] + [f"set {join(path)}" for path in added]))


def _below(path: Path, now: t.Collection[Path], gone: t.Sequence[Path]) -> bool:
    """Whether everything below a wanted node goes, so that the node has to be said itself to stay."""
    if path in now:
        return False
    under = [one for one in now if one[: len(path)] == path]
    return all(any(one[: len(node)] == node for node in gone) for one in under)


def _single() -> frozenset[str]:
    """Words with one value, where setting another replaces it."""
    words = set()
    for forms in (_BGP, _LISTEN, _PEER, _PEER_FAMILY, _PATHS, _ANNOUNCED, _AGGREGATE, _REDISTRIBUTED, _PREFIX_RULE,
                  _PATTERN_RULE, _RULE, _MATCH, _CHANGE, _BFD_PROFILE, _INTERFACE, _VRRP, _DHCP_RANGE,
                  *_DHCP.values(), *_DHCP_HOST.values()):  # fmt: skip
        for one in forms:
            said = one.text.split(" ")
            if len(said) > 1 and said[-1].startswith("{") and not set(one.fields) & set(table.LISTS):
                words.add(said[-2])
    return frozenset(words | {"distance"})


_SINGLE = _single()
#: nodes of many names, whose last word elsewhere has one value
_MANY: tuple[Path, ...] = (
    (*_ALL_BGP, "peer-group"),
    (*_ALL_BGP, "neighbor"),
    ("protocols", "bfd", "profile"),
)


def _is_single(path: Path) -> bool:
    """Whether setting another value replaces this one."""
    if path[0] in vyos_filtering.TOPS:
        return path[-2] in vyos_filtering.SINGLE
    if path[:2] == ("protocols", "static") and path[-2] != "distance":
        return False
    return path[-2] in _SINGLE and path[:-1] not in _MANY


# --- back to the model


@dataclass(frozen=True)
class Gathered:
    """What a configuration says in the model's words.

    :param strange: paths in our parts that the model has no words for.
    """

    data: dict[str, t.Any]
    passwords: dict[str, str]
    strange: tuple[Path, ...]


def gather(paths: t.Iterable[Path], version: Version) -> Gathered:
    """Read a configuration: every part that the model has."""
    return _Gatherer(paths, version).gather()


class _Gatherer:
    def __init__(self, paths: t.Iterable[Path], version: Version) -> None:
        self._tree, self._version = Tree(paths), version
        self._data: dict[str, t.Any] = {}
        self._passwords: dict[str, str] = {}
        self._strange: list[Path] = []

    def gather(self) -> Gathered:
        self._interfaces()
        self._routes()
        self._lists()
        self._route_maps()
        self._named("bfd_profiles", ("protocols", "bfd", "profile"), _BFD_PROFILE)
        self._named("vrrp", ("high-availability", "vrrp", "group"), _VRRP)
        self._dns()
        self._dhcp()
        self._data.update(vyos_filtering.gather(self._tree, self._version, self._strange))
        bgp = self._tree.below(*_ALL_BGP)
        if bgp.paths:
            self._bgp(bgp)
        return Gathered(self._data, self._passwords, tuple(self._strange))

    def _whole(self, base: Path, forms: t.Sequence[table.Form], tree: Tree) -> dict[str, t.Any]:
        return vyos_tree.whole(base, forms, tree, self._strange)

    def _named(self, part: str, base: Path, forms: t.Sequence[table.Form]) -> None:
        for name, tree in self._tree.below(*base).names().items():
            self._data.setdefault(part, {})[name] = self._whole((*base, name), forms, tree)

    def _interfaces(self) -> None:
        for by_name in self._tree.below("interfaces").names().values():
            for name, tree in by_name.names().items():
                for interface, below in (
                    (name, tree),
                    *((f"{name}.{vlan}", inner) for vlan, inner in tree.below("vif").names().items()),
                ):
                    # Of an interface only these are ours; what else it says belongs to others.
                    fields, dummy = vyos_tree.read(_INTERFACE, below)
                    if fields and _interface_path(interface) is not None:
                        self._data.setdefault("interfaces", {})[interface] = fields

    def _routes(self) -> None:
        for word in ("route", "route6"):
            for prefix, tree in self._tree.below("protocols", "static", word).names().items():
                base: Path = ("protocols", "static", word, prefix)
                route: dict[str, t.Any] = {}
                for path in tree.paths:
                    tail = path[1:] if path[0] == "blackhole" else path[2:]
                    distance = {"distance": tail[1]} if len(tail) == 2 and tail[0] == "distance" else {}
                    if tail and not distance:
                        self._strange.append((*base, *path))
                    elif path[0] == "blackhole":
                        route.update({"blackhole": True, **distance})
                    elif path[0] in ("next-hop", "interface") and len(path) > 1:
                        key = "address" if path[0] == "next-hop" else "interface"
                        route.setdefault("next_hops", []).append({key: path[1], **distance})
                    else:
                        self._strange.append((*base, *path))
                if route:
                    self._data.setdefault("static_routes", {})[prefix] = route

    def _lists(self) -> None:
        words = [("prefix_lists", "prefix-list"), ("prefix_lists", "prefix-list6"), *_PATTERN_LISTS.items()]
        for part, word in words:
            forms = _PREFIX_RULE if part == "prefix_lists" else _PATTERN_RULE
            for name, tree in self._tree.below("policy", word).names().items():
                base: Path = ("policy", word, name, "rule")
                rules = [
                    {"seq": seq, **self._whole((*base, seq), forms, one)}
                    for seq, one in tree.below("rule").names().items()
                ]
                self._data.setdefault(part, {})[name] = rules

    def _route_maps(self) -> None:
        for name, tree in self._tree.below("policy", "route-map").names().items():
            rules = []
            for seq, one in tree.below("rule").names().items():
                base: Path = ("policy", "route-map", name, "rule", seq)
                fields, rest = vyos_tree.read(_RULE, one)
                match, rest = vyos_tree.read(_MATCH, Tree(rest))
                change = self._whole(base, _CHANGE, Tree(rest))
                rules.append({"seq": seq, **fields, "match": match, "set": change})
            self._data.setdefault("route_maps", {})[name] = rules

    def _dns(self) -> None:
        tree = self._tree.below(*_ALL_DNS)
        if not tree.paths:
            return
        nodes = ("domain", "authoritative-domain")
        dns = self._whole(_ALL_DNS, _DNS, Tree(path for path in tree.paths if path[0] not in nodes))
        for name, one in tree.below("domain").names().items():
            dns.setdefault("domains", {})[name] = self._whole((*_ALL_DNS, "domain", name), _DNS_DOMAIN, one)
        for name, one in tree.below("authoritative-domain").names().items():
            base: Path = (*_ALL_DNS, "authoritative-domain", name)
            records: dict[str, dict[str, t.Any]] = {}
            for path in one.paths:
                if len(path) == 5 and path[:2] in (("records", "a"), ("records", "aaaa")) and path[3] == "address":
                    records.setdefault(path[2], {"addresses": []})["addresses"].append(path[4])
                else:
                    self._strange.append((*base, *path))
            dns.setdefault("zones", {})[name] = {"records": records}
        self._data["dns"] = dns

    def _dhcp(self) -> None:
        for name, tree in self._tree.below(*_ALL_DHCP).names().items():
            base: Path = (*_ALL_DHCP, name)
            self._strange += [(*base, *path) for path in tree.paths if path[0] != "subnet"]
            subnets = tree.below("subnet").names()
            for subnet, one in list(subnets.items())[:1]:
                nodes = ("range", "static-mapping")
                place: Path = (*base, "subnet", subnet)
                plain = Tree(path for path in one.paths if path[0] not in nodes)
                network = {"subnet": subnet, **self._whole(place, _DHCP[self._version], plain)}
                network["ranges"] = [
                    self._whole((*place, "range", number), _DHCP_RANGE, inner)
                    for number, inner in one.below("range").names().items()
                ]
                network["hosts"] = {
                    host: self._whole((*place, "static-mapping", host), _DHCP_HOST[self._version], inner)
                    for host, inner in one.below("static-mapping").names().items()
                }
                self._data.setdefault("dhcp", {})[name] = network
            # The model has one network in each.
            self._strange += [(*base, "subnet", subnet) for subnet in list(subnets)[1:]]

    # --- BGP

    def _bgp(self, tree: Tree) -> None:
        nodes = ("address-family", "peer-group", "neighbor")
        plain = Tree(path for path in tree.paths if path[0] not in nodes and path[:2] != ("listen", "range"))
        bgp = self._whole(_ALL_BGP, _BGP, plain)
        for name, word in _FAMILIES:
            family = tree.below("address-family", word)
            if family.paths:
                bgp[name] = self._family(word, family)
        known = {word for dummy, word in _FAMILIES}
        self._strange += [
            (*_ALL_BGP, *path) for path in tree.paths if path[0] == "address-family" and path[1:2][0] not in known
        ]
        for part, word in (("peer_groups", "peer-group"), ("neighbors", "neighbor")):
            for name, one in tree.below(word).names().items():
                bgp.setdefault(part, {})[name] = self._peer((*_ALL_BGP, word, name), name, one)
        for name, one in tree.below("listen", "range").names().items():
            bgp.setdefault("listen", {})[name] = self._whole((*_ALL_BGP, "listen", "range", name), _LISTEN, one)
        self._data["bgp"] = bgp

    def _family(self, word: str, tree: Tree) -> dict[str, t.Any]:
        base: Path = (*_ALL_BGP, "address-family", word)
        nodes = {node: (part, forms) for part, node, dummy, forms in _IN_FAMILY}
        fields = self._whole(base, _PATHS, Tree(path for path in tree.paths if path[0] not in nodes))
        for node, (part, forms) in nodes.items():
            for name, one in tree.below(node).names().items():
                fields.setdefault(part, {})[name] = self._whole((*base, node, name), forms, one)
        return fields

    def _peer(self, base: Path, name: str, tree: Tree) -> dict[str, t.Any]:
        plain = Tree(path for path in tree.paths if path[0] != "address-family")
        fields = self._whole(base, _PEER, plain)
        if "password" in fields:
            self._passwords[name] = fields.pop("password")
        by_word = {word: family for family, word in _FAMILIES}
        for word, one in tree.below("address-family").names().items():
            if word in by_word:
                fields[by_word[word]] = self._whole((*base, "address-family", word), _PEER_FAMILY, one)
            else:
                self._strange += [(*base, "address-family", word, *path) for path in one.paths]
        return fields


__all__ = ("VERSIONS", "Difference", "Gathered", "Version", "difference", "gather", "owned_root", "refuse", "render")
