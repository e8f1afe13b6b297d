# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a router's model says of one neighbour, and which of its lists refuses a prefix: a model as ``dump`` made it."""

from __future__ import annotations

import ipaddress
import typing as t

Data = t.Mapping[str, t.Any]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
#: what a rule of a route map may look at and still be understood here
_UNDERSTOOD = {"prefix_list", "prefix_list6"}


def settings_of(router: Data, address: str) -> t.Optional[dict[str, t.Any]]:
    """What holds for a neighbour: its own words over those of its group; nothing when it is not known.

    ``name`` is what its settings are called, ``listens`` whether it comes by a network from which neighbours may come.
    """
    bgp = router.get("bgp") or {}
    groups = bgp.get("peer_groups") or {}
    own = (bgp.get("neighbors") or {}).get(address)
    if own is not None:
        group = str(own.get("peer_group") or "")
        return {**_over(groups.get(group) or {}, own), "name": address, "group": group, "listens": False}
    for network, listen in sorted((bgp.get("listen") or {}).items(), key=lambda entry: -_length(entry[0])):
        if _contains(network, address):
            group = str(listen["peer_group"])
            return {**(groups.get(group) or {}), "name": group, "group": group, "listens": True}
    return None


def refusing(router: Data, settings: Data, prefix: str, direction: t.Literal["in", "out"] = "in") -> str:
    """What keeps a prefix from passing, such as ``prefix list services``; empty when it passes or nobody can say."""
    net = ipaddress.ip_network(prefix)
    family = settings.get(f"ipv{net.version}") or {}
    name = family.get(f"prefix_list_{direction}")
    if name and _listed(router, str(name), net) is False:
        return f"prefix list {name}"
    name = family.get(f"route_map_{direction}")
    rules = (router.get("route_maps") or {}).get(name) if name else None
    return f"route map {name}" if rules is not None and _mapped(router, rules, net) is False else ""


def _over(group: Data, own: Data) -> dict[str, t.Any]:
    found = {**group, **own}
    for family in ("ipv4", "ipv6"):
        if group.get(family) is not None and own.get(family) is not None:
            found[family] = {**group[family], **own[family]}
    return found


def _mapped(router: Data, rules: t.Iterable[Data], net: Network) -> t.Optional[bool]:
    """Whether a route map lets a prefix pass; None when it looks at more than the prefix."""
    for rule in sorted(rules, key=lambda one: int(one["seq"])):
        match = {key: value for key, value in (rule.get("match") or {}).items() if value}
        if set(match) - _UNDERSTOOD or rule.get("call") or rule.get("go_on") or rule.get("goto"):
            return None
        name = match.get("prefix_list" if net.version == 4 else "prefix_list6")
        fits = not match if name is None else _listed(router, str(name), net)
        if fits is None:
            return None
        if fits:
            return bool(rule.get("action", "permit") == "permit")
    return False


def _listed(router: Data, name: str, net: Network) -> t.Optional[bool]:
    """Whether a prefix list lets a prefix pass; None when the list is not there."""
    rules = (router.get("prefix_lists") or {}).get(name)
    if rules is None:
        return None
    for rule in sorted(rules, key=lambda one: int(one["seq"])):
        wide = ipaddress.ip_network(rule["prefix"])
        if wide.version != net.version or not _within(net, wide):
            continue
        shortest = rule.get("ge") or wide.prefixlen
        longest = rule.get("le") or (net.max_prefixlen if rule.get("ge") else wide.prefixlen)
        if shortest <= net.prefixlen <= longest:
            return bool(rule.get("action", "permit") == "permit")
    return False


def _within(net: Network, wide: Network) -> bool:
    return net.prefixlen >= wide.prefixlen and net.supernet(new_prefix=wide.prefixlen) == wide


def _contains(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _length(network: str) -> int:
    return ipaddress.ip_network(network).prefixlen


__all__ = ("refusing", "settings_of")
