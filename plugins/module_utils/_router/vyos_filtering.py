# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""NAT and firewall zones in VyOS's words."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._router import table, vyos_tree
from ansible_collections.kateskit.klubster.plugins.module_utils._router.filtering import Firewall, RuleSet, Zone
from ansible_collections.kateskit.klubster.plugins.module_utils._router.table import form
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_paths import Path
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_tree import Tree

if t.TYPE_CHECKING:
    from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router

Version = t.Literal["1.4", "1.5"]

TOPS = ("nat", "firewall")
#: words of NAT and firewall with one value, where setting another replaces it
SINGLE = ("action", "address", "default-action", "description", "ipv6-name", "name", "port", "protocol")

_WHICH = (
    form("description {description...}"),
    form("protocol {protocol}"),
    form("source address {source}"),
    form("source port {source_port}"),
    form("destination address {destination}"),
    form("destination port {destination_port}"),
)
_NAT = {
    "source": (
        *_WHICH,
        form("outbound-interface name {interface}"),
        form("exclude", exclude=True),
        form("translation address {translation}"),
    ),
    "destination": (
        *_WHICH,
        form("inbound-interface name {interface}"),
        form("exclude", exclude=True),
        form("translation address {translation}"),
        form("translation port {translation_port}"),
    ),
}
_RULE = (form("action {action}"), *_WHICH, form("state {states}"), form("log", log=True))
_RULE_SET = (form("default-action {default}"),)
_STATES = tuple(form(f"{state} action {{{state}}}") for state in ("established", "related", "invalid"))
#: 1.5 has interfaces and VRFs below a node of their own (T6841)
_MEMBER: dict[Version, str] = {"1.4": "interface", "1.5": "member interface"}
_ZONE: dict[Version, tuple[table.Form, ...]] = {
    version: (
        form(f"{word} {{interfaces}}"),
        form("local-zone", local=True),
        form("default-action {default}"),
        form("description {description...}"),
    )
    for version, word in _MEMBER.items()
}
_FROM = (form("firewall name {ipv4}"), form("firewall ipv6-name {ipv6}"))
_STATE_POLICY: Path = ("firewall", "global-options", "state-policy")
_ALL_ZONES: Path = ("firewall", "zone")
_OWNED: tuple[tuple[str, Path], ...] = (
    ("nat", ("nat", "source")),
    ("nat", ("nat", "destination")),
    ("firewall", _STATE_POLICY),
    ("firewall", _ALL_ZONES),
    ("firewall", ("firewall", "ipv4", "name")),
    ("firewall", ("firewall", "ipv6", "name")),
)


def owned_root(path: Path, router: Router) -> t.Optional[Path]:
    """The highest node above a path that is ours whole; None for a path of others."""
    for part, root in _OWNED:
        if path[: len(root)] == root and getattr(router, part) is not None:
            return root
    return None


def render(router: Router, version: Version) -> list[Path]:
    """The paths of both parts."""
    made: list[Path] = []
    for way, forms in _NAT.items() if router.nat is not None else ():
        for rule in getattr(router.nat, way):
            made += [("nat", way, "rule", str(rule.seq), *words) for words in table.lines(forms, rule)]
    if router.firewall is not None:
        made += _firewall(router.firewall, version)
    return made


def _firewall(firewall: Firewall, version: Version) -> list[Path]:
    made: list[Path] = [(*_STATE_POLICY, *words) for words in table.lines(_STATES, firewall)]
    for family, rule_sets in (("ipv4", firewall.ipv4), ("ipv6", firewall.ipv6)):
        for rule_set in rule_sets:
            made += _rule_set(("firewall", family, "name", rule_set.name), rule_set)
    for zone in firewall.zones:
        made += _zone((*_ALL_ZONES, zone.name), zone, version)
    return made


def _rule_set(base: Path, rule_set: RuleSet) -> list[Path]:
    made: list[Path] = [(*base, *words) for words in table.lines(_RULE_SET, rule_set)]
    for rule in rule_set.rules:
        made += [(*base, "rule", str(rule.seq), *words) for words in table.lines(_RULE, rule)]
    return made


def _zone(base: Path, zone: Zone, version: Version) -> list[Path]:
    made: list[Path] = [(*base, *words) for words in table.lines(_ZONE[version], zone)]
    for source in zone.sources:
        made += [(*base, "from", source.zone, *words) for words in table.lines(_FROM, source)]
    return made


def gather(tree: Tree, version: Version, strange: list[Path]) -> dict[str, t.Any]:
    """Both parts as data, where the router has something of them."""
    found: dict[str, t.Any] = {}
    nat = {way: _rules(("nat", way, "rule"), forms, tree, strange) for way, forms in _NAT.items()}
    if any(nat.values()):
        found["nat"] = nat
    firewall = vyos_tree.whole(_STATE_POLICY, _STATES, tree.below(*_STATE_POLICY), strange)
    for family in ("ipv4", "ipv6"):
        base: Path = ("firewall", family, "name")
        for name, inside in tree.below(*base).names().items():
            plain = Tree(path for path in inside.paths if path[0] != "rule")
            fields = vyos_tree.whole((*base, name), _RULE_SET, plain, strange)
            fields["rules"] = _rules((*base, name, "rule"), _RULE, tree, strange)
            firewall.setdefault(family, {})[name] = fields
    for name, inside in tree.below(*_ALL_ZONES).names().items():
        plain = Tree(path for path in inside.paths if path[0] != "from")
        fields = vyos_tree.whole((*_ALL_ZONES, name), _ZONE[version], plain, strange)
        fields["sources"] = {
            zone: vyos_tree.whole((*_ALL_ZONES, name, "from", zone), _FROM, one, strange)
            for zone, one in inside.below("from").names().items()
        }
        firewall.setdefault("zones", {})[name] = fields
    if firewall:
        found["firewall"] = firewall
    return found


def _rules(base: Path, forms: t.Sequence[table.Form], tree: Tree, strange: list[Path]) -> list[dict[str, t.Any]]:
    numbered = tree.below(*base).names()
    return [{"seq": seq, **vyos_tree.whole((*base, seq), forms, one, strange)} for seq, one in numbered.items()]


__all__ = ("SINGLE", "TOPS", "Version", "gather", "owned_root", "render")
