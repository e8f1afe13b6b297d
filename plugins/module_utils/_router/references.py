# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What the parts of a router say of each other: names that exist, and settings that go together.

Much of it a router would refuse too, or worse: FRR takes a route map that does not exist, and lets nothing pass.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import one_of
from ansible_collections.kateskit.klubster.plugins.module_utils._router import filtering_references
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import (
    Bgp,
    DhcpNetwork,
    Dns,
    Family,
    Neighbor,
    Peer,
    PeerFamily,
    PrefixList,
    RouteMap,
    Router,
    StaticRoute,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.options import Problems

ForeignNames = t.Mapping[str, frozenset[str]]


def check(router: Router, foreign: ForeignNames, root: str, problems: Problems) -> None:
    """Add what does not fit together."""
    _Checker(router, foreign, root, problems).check()


class _Checker:
    def __init__(self, router: Router, foreign: ForeignNames, root: str, problems: Problems) -> None:
        self._router, self._foreign, self._problems = router, foreign, problems
        self._root = f"{root}." if root else ""

    def check(self) -> None:
        self._ours_and_foreign()
        for route in self._router.static_routes or ():
            self._static(route)
        for entry in self._router.prefix_lists or ():
            self._prefix_list(entry)
        for part in ("prefix_lists", "community_lists", "large_community_lists", "as_path_lists"):
            for listed in getattr(self._router, part) or ():
                self._twice(f"{part}.{listed.name}", listed.rules)
        for route_map in self._router.route_maps or ():
            self._route_map(route_map)
        if self._router.bgp is not None:
            self._bgp(self._router.bgp)
        self._vrrp()
        self._dns()
        self._dhcp()
        self._addresses()
        # A value that was refused is missing now, and what looks at several of a rule would complain of that.
        heads = (f"{self._root}nat", f"{self._root}firewall")
        if not any(problem.variable.startswith(heads) for problem in self._problems.found):
            filtering_references.check(self._router, self._add)

    def _add(self, where: str, value: t.Any, rule: str, remedy: str) -> None:
        # What was refused already is missing here, and would be complained of again.
        if all(problem.variable != f"{self._root}{where}" for problem in self._problems.found):
            self._problems.add(f"{self._root}{where}", value, rule, remedy)

    def _names(self, part: str) -> t.Optional[list[str]]:
        """Names of a part with those of others; None when the part is not ours, so nobody knows."""
        entries = getattr(self._router, part)
        if entries is None:
            return None
        return [entry.name for entry in entries] + sorted(self._foreign.get(part, ()))

    def _exists(self, where: str, name: t.Optional[str], part: str) -> None:
        known = self._names(part)
        if name is None or known is None or name in known:
            return
        rule = f"It is not in {self._root}{part}."
        remedy = one_of(name, known) if known else "Add it there."
        self._add(where, name, rule, remedy)

    def _ours_and_foreign(self) -> None:
        for part, names in self._foreign.items():
            for entry in getattr(self._router, part) or ():
                name = getattr(entry, "name", None) or getattr(entry, "prefix", "")
                if name in names:
                    self._add(
                        f"{part}.{name}", name, "It is among the foreign names too.", "Take it out of one of them."
                    )

    def _static(self, route: StaticRoute) -> None:
        where = f"static_routes.{route.prefix}"
        if bool(route.next_hops) == route.blackhole:
            rule = "A route has next hops, or is a black hole."
            self._add(where, route.prefix, rule, "Give next_hops, or blackhole: true.")
        if route.distance is not None and not route.blackhole:
            self._add(
                f"{where}.distance", route.distance, "It is the distance of a black hole.", "Give it to a next hop."
            )
        seen = set()
        for index, hop in enumerate(route.next_hops):
            inside = f"{where}.next_hops[{index}]"
            if (hop.address is None) == (hop.interface is None):
                rule = "A next hop is an address or an interface."
                self._add(inside, hop.address, rule, "Give one of them.")
            if hop.address and (":" in hop.address) != (":" in route.prefix):
                self._add(inside, hop.address, f"It is not of the family of {route.prefix}.", "Give one that is.")
            if (hop.address, hop.interface) in seen:
                self._add(inside, hop.address or hop.interface, "It is there twice.", "Leave one of them out.")
            seen.add((hop.address, hop.interface))

    def _twice(self, where: str, rules: t.Sequence[t.Any]) -> None:
        """FRR keeps the first of two rules that say the same, without a word."""
        said: dict[t.Any, int] = {}
        for rule in rules:
            same = dataclasses.replace(rule, seq=1)
            if same in said:
                value = getattr(rule, "prefix", None) or rule.pattern
                self._add(f"{where}[seq {rule.seq}]", value, f"Rule {said[same]} says the same.", "Leave one out.")
            said.setdefault(same, rule.seq)

    def _prefix_list(self, entry: PrefixList) -> None:
        for rule in entry.rules:
            where = f"prefix_lists.{entry.name}[seq {rule.seq}]"
            net = ipaddress.ip_network(rule.prefix)
            if net.version != entry.family:
                text = f"The list begins with IPv{entry.family}, and a list is of one family."
                self._add(f"{where}.prefix", rule.prefix, text, "Make two lists of it.")
                continue
            low = net.prefixlen if rule.ge is None else rule.ge
            high = net.max_prefixlen if rule.le is None else rule.le
            for name, value in (("ge", rule.ge), ("le", rule.le)):
                if value is not None and not net.prefixlen < value <= net.max_prefixlen:
                    text = f"It is longer than the prefix, {net.prefixlen + 1} to {net.max_prefixlen}."
                    self._add(f"{where}.{name}", value, text, "Change it, or leave it out.")
            if low > high:
                self._add(f"{where}.ge", rule.ge, f"It is not above le, {rule.le}.", "Make it smaller.")

    def _route_map(self, entry: RouteMap) -> None:
        numbers = [rule.seq for rule in entry.rules]
        for rule in entry.rules:
            where = f"route_maps.{entry.name}[seq {rule.seq}]"
            match, change = rule.match, rule.set
            self._list_of_family(f"{where}.match.prefix_list", match.prefix_list, 4)
            self._list_of_family(f"{where}.match.prefix_list6", match.prefix_list6, 6)
            self._list_of_family(f"{where}.match.next_hop_prefix_list", match.next_hop_prefix_list, 4)
            self._exists(f"{where}.match.community_list", match.community_list, "community_lists")
            self._exists(f"{where}.match.large_community_list", match.large_community_list, "large_community_lists")
            self._exists(f"{where}.match.as_path_list", match.as_path_list, "as_path_lists")
            self._exists(f"{where}.call", rule.call, "route_maps")
            if rule.call == entry.name:
                self._add(f"{where}.call", rule.call, "A route map does not call itself.", "Call another.")
            if match.community_exact and match.community_list is None:
                text = "It says how a community_list is compared, and there is none."
                self._add(f"{where}.match.community_exact", True, text, "Give match.community_list.")
            if change.communities_replace and not change.communities:
                text = "There are no communities to put there."
                self._add(f"{where}.set.communities_replace", True, text, "Use no_communities: true to take all away.")
            if change.large_communities_replace and not change.large_communities:
                text = "There are no large communities to put there."
                self._add(f"{where}.set.large_communities_replace", True, text, "Give set.large_communities.")
            if change.no_communities and change.communities:
                text = "Communities are taken away and set at the same time."
                self._add(f"{where}.set.no_communities", True, text, "Use communities_replace: true instead.")
            if rule.go_on and rule.goto is not None:
                self._add(f"{where}.goto", rule.goto, "The next rule is given by go_on already.", "Give one of them.")
            if rule.goto is not None and (rule.goto <= rule.seq or rule.goto not in numbers):
                later = [str(number) for number in numbers if number > rule.seq]
                remedy = f"Use one of {', '.join(later)}." if later else "Leave it out."
                self._add(f"{where}.goto", rule.goto, "It is the number of a later rule.", remedy)
            if rule.action == "deny" and (rule.go_on or rule.goto is not None):
                self._add(f"{where}.action", "deny", "What is refused does not go on to another rule.", "Leave it out.")

    def _list_of_family(self, where: str, name: t.Optional[str], family: int) -> None:
        self._exists(where, name, "prefix_lists")
        for entry in self._router.prefix_lists or ():
            if entry.name == name and entry.family != family:
                self._add(where, name, f"This list is of IPv{entry.family}.", f"Name a list of IPv{family} here.")

    # --- BGP

    def _bgp(self, bgp: Bgp) -> None:
        groups = {group.name: group for group in bgp.peer_groups}
        if not bgp.router_id and not any(":" not in a for i in self._router.interfaces or () for a in i.addresses):
            text = "Nothing says by which address the router is known."
            self._add("bgp.router_id", None, text, "Give an IPv4 address of it that stays.")
        if bgp.listen_limit is not None and not bgp.listen:
            text = "It is how many neighbours may come by listen, and there is none."
            self._add("bgp.listen_limit", bgp.listen_limit, text, "Leave it out.")
        self._timers("bgp", bgp.keepalive, bgp.hold_time)
        for version, family in ((4, bgp.ipv4), (6, bgp.ipv6)):
            self._family(f"bgp.ipv{version}", version, family)
        for group in bgp.peer_groups:
            self._peer(f"bgp.peer_groups.{group.name}", group, bgp)
        for neighbor in bgp.neighbors:
            where = f"bgp.neighbors.{neighbor.name}"
            self._peer(where, neighbor, bgp)
            self._neighbor(where, neighbor, groups)
        for listen in bgp.listen:
            where = f"bgp.listen.{listen.range}.peer_group"
            if listen.peer_group not in groups:
                self._no_group(where, listen.peer_group, groups)
            elif groups[listen.peer_group].remote_as is None:
                text = "Who comes by listen has the number of its peer group, and this one has none."
                self._add(where, listen.peer_group, text, f"Give bgp.peer_groups.{listen.peer_group}.remote_as.")

    def _no_group(self, where: str, name: str, groups: t.Mapping[str, t.Any]) -> None:
        known = sorted(groups)
        self._add(
            where, name, f"It is not in {self._root}bgp.peer_groups.", one_of(name, known) if known else "Add it."
        )

    def _timers(self, where: str, keepalive: t.Optional[int], hold_time: t.Optional[int]) -> None:
        if (keepalive is None) != (hold_time is None):
            text = "keepalive and hold_time are given together."
            self._add(f"{where}.keepalive", keepalive, text, "Give both; hold_time is often three times keepalive.")
        elif keepalive is not None and hold_time is not None and keepalive * 3 > hold_time:
            text = f"Three of them fit into hold_time, {hold_time}; else one lost packet ends the session."
            self._add(f"{where}.keepalive", keepalive, text, f"Use at most {max(hold_time // 3, 1)}.")

    def _family(self, where: str, version: int, family: Family) -> None:
        for network in family.networks:
            self._of_family(f"{where}.networks.{network.prefix}", network.prefix, version)
            self._exists(f"{where}.networks.{network.prefix}.route_map", network.route_map, "route_maps")
        for aggregate in family.aggregates:
            self._of_family(f"{where}.aggregates.{aggregate.prefix}", aggregate.prefix, version)
            self._exists(f"{where}.aggregates.{aggregate.prefix}.route_map", aggregate.route_map, "route_maps")
        for source in family.redistribute:
            self._exists(f"{where}.redistribute.{source.source}.route_map", source.route_map, "route_maps")

    def _of_family(self, where: str, prefix: str, version: int) -> None:
        if (":" in prefix) != (version == 6):
            self._add(where, prefix, f"It is no network of IPv{version}.", f"Put it into ipv{10 - version}.")

    def _peer(self, where: str, peer: Peer, bgp: Bgp) -> None:
        if peer.multihop is not None and peer.ttl_security_hops is not None:
            text = "multihop and ttl_security_hops exclude each other."
            self._add(f"{where}.ttl_security_hops", peer.ttl_security_hops, text, "Leave one of them out.")
        if peer.bfd_profile is not None:
            self._exists(f"{where}.bfd_profile", peer.bfd_profile, "bfd_profiles")
            if not peer.bfd:
                text = "It says how BFD is done, and bfd is not on."
                self._add(f"{where}.bfd_profile", peer.bfd_profile, text, "Give bfd: true, or leave it out.")
        for version, family in ((4, peer.ipv4), (6, peer.ipv6)):
            if family is not None:
                self._peer_family(f"{where}.ipv{version}", family, version)
        if peer.remote_as in ("internal", bgp.asn):
            return
        for version, family in ((4, peer.ipv4), (6, peer.ipv6)):
            if family is not None and family.route_reflector_client and peer.remote_as is not None:
                text = "Only a neighbour of our own AS is a client of a route reflector."
                self._add(f"{where}.ipv{version}.route_reflector_client", True, text, "Leave it out.")

    def _peer_family(self, where: str, family: PeerFamily, version: int) -> None:
        for name in ("prefix_list_in", "prefix_list_out"):
            self._list_of_family(f"{where}.{name}", getattr(family, name), version)
        for name in ("route_map_in", "route_map_out", "default_originate_route_map"):
            self._exists(f"{where}.{name}", getattr(family, name), "route_maps")
        if family.default_originate_route_map is not None and not family.default_originate:
            text = "It says when the default route is announced, and default_originate is not on."
            value = family.default_originate_route_map
            self._add(f"{where}.default_originate_route_map", value, text, "Give default_originate: true.")

    def _neighbor(self, where: str, neighbor: Neighbor, groups: t.Mapping[str, Peer]) -> None:
        group = None
        if neighbor.peer_group is not None:
            group = groups.get(neighbor.peer_group)
            if group is None:
                self._no_group(f"{where}.peer_group", neighbor.peer_group, groups)
                return
        if neighbor.remote_as is None and (group is None or group.remote_as is None):
            text = "Nothing says which AS the neighbour is in."
            self._add(f"{where}.remote_as", None, text, "Give its number, here or in its peer group.")
        if neighbor.remote_as is not None and group is not None and group.remote_as is not None:
            text = f"Its peer group {group.name} has a number already, {group.remote_as}."
            self._add(f"{where}.remote_as", neighbor.remote_as, text, "Leave it out here.")
        if neighbor.ipv4 is None and neighbor.ipv6 is None and (group is None or not (group.ipv4 or group.ipv6)):
            text = "No address family is on, so nothing would be exchanged."
            self._add(where, neighbor.name, text, "Give ipv4: {} or ipv6: {}, here or in its peer group.")
        self._timers(where, neighbor.keepalive, neighbor.hold_time)
        for interface in self._router.interfaces or ():
            if any(address.split("/")[0] == neighbor.name for address in interface.addresses):
                text = f"It is the router's own address, on {interface.name}."
                self._add(where, neighbor.name, text, "Give the neighbour's address.")

    # --- addresses

    def _vrrp(self) -> None:
        taken: dict[tuple[str, int, int], str] = {}
        for group in self._router.vrrp or ():
            where = f"vrrp.{group.name}"
            known = [interface.name for interface in self._router.interfaces or ()]
            if self._router.interfaces is not None and group.interface not in known:
                remedy = one_of(group.interface, known) if known else "Add it."
                self._add(f"{where}.interface", group.interface, f"It is not in {self._root}interfaces.", remedy)
            families = {6 if ":" in address else 4 for address in group.addresses}
            if len(families) != 1:
                text = "A group has addresses of one family, at least one."
                self._add(f"{where}.addresses", list(group.addresses), text, "Make a group for each family.")
            for family in families:
                other = taken.setdefault((group.interface, group.id, family), group.name)
                if other != group.name:
                    text = f"The group {other} has this number on {group.interface} already."
                    self._add(f"{where}.id", group.id, text, "Take another from 1 to 255.")

    def _dns(self) -> None:
        if self._router.dns is None or self._router.dns == Dns():
            return
        for name in ("listen", "allow_from"):
            if not getattr(self._router.dns, name):
                text = "Without it nobody is answered."
                self._add(f"dns.{name}", [], text, "Give at least one, or write dns: {} for no DNS at all.")
        inside = {f"domains.{one.name}": one.servers for one in self._router.dns.domains}
        for zone in self._router.dns.zones:
            inside.update({f"zones.{zone.name}.records.{one.name}": one.addresses for one in zone.records})
        for place, addresses in inside.items():
            if not addresses:
                self._add(f"dns.{place}", [], "It has at least one address.", "Give one, or leave it out.")

    def _dhcp(self) -> None:
        subnets: dict[str, str] = {}
        numbers: dict[int, str] = {}
        for network in self._router.dhcp or ():
            where = f"dhcp.{network.name}"
            subnet = ipaddress.ip_network(network.subnet)
            if subnet.version != 4:
                self._add(f"{where}.subnet", network.subnet, "It is a network of IPv4.", "Give one of IPv4.")
                continue
            if network.subnet in subnets:
                text = f"{subnets[network.subnet]} has this network already."
                self._add(f"{where}.subnet", network.subnet, text, "Leave one of them out.")
            subnets.setdefault(network.subnet, network.name)
            if network.id is not None and numbers.setdefault(network.id, network.name) != network.name:
                self._add(f"{where}.id", network.id, f"{numbers[network.id]} has this number.", "Take another.")
            self._dhcp_inside(where, network, subnet)
            interfaces = self._router.interfaces
            if interfaces is not None and not any(
                ipaddress.ip_interface(address).ip in subnet for one in interfaces for address in one.addresses
            ):
                text = "No interface of the router has an address in it."
                self._add(f"{where}.subnet", network.subnet, text, "Give an interface one, or another network.")

    def _dhcp_inside(self, where: str, network: DhcpNetwork, subnet: t.Any) -> None:
        inside = {f"{where}.gateway": network.gateway} if network.gateway else {}
        for index, one in enumerate(network.ranges):
            inside.update({f"{where}.ranges[{index}].start": one.start, f"{where}.ranges[{index}].stop": one.stop})
            if ipaddress.IPv4Address(one.start) > ipaddress.IPv4Address(one.stop):
                self._add(f"{where}.ranges[{index}].stop", one.stop, "It comes before start.", "Swap them.")
            if index and ipaddress.IPv4Address(one.start) <= ipaddress.IPv4Address(network.ranges[index - 1].stop):
                self._add(f"{where}.ranges[{index}].start", one.start, "It is in another range too.", "Move it.")
        inside.update({f"{where}.hosts.{host.name}.address": host.address for host in network.hosts})
        for key in ("mac", "address"):
            owners: dict[str, str] = {}
            for host in network.hosts:
                value = getattr(host, key)
                if owners.setdefault(value, host.name) != host.name:
                    text = f"{owners[value]} has it already."
                    self._add(f"{where}.hosts.{host.name}.{key}", value, text, "Give each its own.")
        for place, address in inside.items():
            if ipaddress.ip_address(address) not in subnet:
                self._add(place, address, f"It is not in {network.subnet}.", "Give an address of that network.")

    def _addresses(self) -> None:
        owners: dict[str, str] = {}
        for interface in self._router.interfaces or ():
            for address in interface.addresses:
                bare = address.split("/")[0]
                if bare in owners:
                    text = f"{owners[bare]} has this address already."
                    self._add(f"interfaces.{interface.name}.addresses", address, text, "Give each its own.")
                owners.setdefault(bare, interface.name)


__all__ = ("ForeignNames", "check")
