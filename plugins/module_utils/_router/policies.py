# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a router's model says of one neighbour, and which of its lists refuses a route: a model as ``dump`` made it."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

Data = t.Mapping[str, t.Any]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_FAMILIES = {4: "prefix_list", 6: "prefix_list6"}
#: lists of regular expressions that a rule of a route map may look at: where they are, and what they are called
_PATTERNS = {
    "as_path_list": ("as_path_lists", "AS path list"),
    "community_list": ("community_lists", "community list"),
    "large_community_list": ("large_community_lists", "large community list"),
}
#: what FRR reads for ``_`` in such an expression: a border of a number
_BORDER = "(^|[,{}() ]|$)"


@dataclass(frozen=True)
class Carried:
    """What a route carries besides its prefix, as texts that FRR looks at; None for what nobody knows.

    :param as_path: the numbers, the nearest first: ``65020 65010``.
    :param communities, large_communities: sorted, with blanks between them.
    """

    as_path: t.Optional[str] = None
    communities: t.Optional[str] = None
    large_communities: t.Optional[str] = None

    def of(self, key: str) -> t.Optional[str]:
        """What a list of this kind looks at."""
        return {
            "as_path_list": self.as_path,
            "community_list": self.communities,
            "large_community_list": self.large_communities,
        }[key]


NOTHING_KNOWN = Carried()


class Refusal(t.NamedTuple):
    """What keeps a route from passing.

    :param what: ``prefix list services`` or ``route map mark``.
    :param lists: those that a route map looks at beside prefixes: ``community list ours``; else empty.
    """

    what: str
    lists: str = ""

    @property
    def by(self) -> str:
        return f", by its {self.lists}" if self.lists else ""


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


def refusing(
    router: Data,
    settings: Data,
    prefix: str,
    direction: t.Literal["in", "out"] = "in",
    carried: Carried = NOTHING_KNOWN,
) -> t.Optional[Refusal]:
    """What keeps a route from passing; None when it passes or nobody can say."""
    net = ipaddress.ip_network(prefix)
    family = settings.get(f"ipv{net.version}") or {}
    name = family.get(f"prefix_list_{direction}")
    if name and _listed(router, str(name), net) is False:
        return Refusal(f"prefix list {name}")
    name = family.get(f"route_map_{direction}")
    rules = (router.get("route_maps") or {}).get(name) if name else None
    passes, lists = _mapped(router, rules, net, carried) if rules is not None else (None, [])
    return Refusal(f"route map {name}", " and ".join(lists)) if passes is False else None


def _over(group: Data, own: Data) -> dict[str, t.Any]:
    found = {**group, **own}
    for family in ("ipv4", "ipv6"):
        if group.get(family) is not None and own.get(family) is not None:
            found[family] = {**group[family], **own[family]}
    return found


def _mapped(
    router: Data, rules: t.Iterable[Data], net: Network, carried: Carried
) -> tuple[t.Optional[bool], list[str]]:
    """Whether a route map lets a route pass, None when nobody can say, and the lists beside those of prefixes."""
    missed: list[str] = []
    for rule in sorted(rules, key=lambda one: int(one["seq"])):
        match = {key: value for key, value in (rule.get("match") or {}).items() if value}
        found = {key: _matched(router, match, key, net, carried) for key in _looked_at(match, net)}
        named = [f"{_PATTERNS[key][1]} {match[key]}" for key in found if key in _PATTERNS]
        permits = rule.get("action", "permit") == "permit"
        if False in found.values():
            wanted = [key for key, fits in found.items() if fits is False]
            if permits and all(key in _PATTERNS for key in wanted):
                missed += [f"{_PATTERNS[key][1]} {match[key]}" for key in wanted]
            continue
        if None in found.values() or rule.get("call") or rule.get("go_on") or rule.get("goto"):
            return None, []
        return permits, named
    return False, list(dict.fromkeys(missed))


def _looked_at(match: Data, net: Network) -> list[str]:
    """What a rule looks at; of two lists of prefixes the one of the family."""
    own, other = _FAMILIES[net.version], _FAMILIES[10 - net.version]
    return [key for key in match if key != other or own not in match]


def _matched(router: Data, match: Data, key: str, net: Network, carried: Carried) -> t.Optional[bool]:
    """Whether a route is what a rule wants in one respect; None when nobody can say."""
    if key == _FAMILIES[net.version]:
        return _listed(router, str(match[key]), net)
    if key in _FAMILIES.values():
        return False
    text = carried.of(key) if key in _PATTERNS else None
    if text is None or match.get("community_exact"):
        return None
    return _expressed(router, _PATTERNS[key][0], str(match[key]), text)


def _expressed(router: Data, part: str, name: str, text: str) -> t.Optional[bool]:
    """Whether a list of regular expressions lets a text pass; None when the list is not there."""
    rules = (router.get(part) or {}).get(name)
    if rules is None:
        return None
    for rule in sorted(rules, key=lambda one: int(one["seq"])):
        try:
            found = re.search(str(rule["pattern"]).replace("_", _BORDER), text)
        except re.error:
            # What runs on a router nobody has checked.
            return None
        if found:
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


__all__ = ("NOTHING_KNOWN", "Carried", "Refusal", "refusing", "settings_of")
