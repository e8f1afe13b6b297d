# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""NAT, firewall zones and who may ask for names, as tables of nftables, one for each part, and read back from there.

The zones mean what they mean on VyOS: what leaves by an interface of a zone passes the rules of that zone, and what
leaves by an interface of none passes.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._router.filtering import (
    DestinationRule,
    FilterRule,
    Firewall,
    Nat,
    RuleSet,
    SourceRule,
    Zone,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.nft import Chain, Rule, Table

if t.TYPE_CHECKING:
    from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Dns, Router

#: table of each part
TABLES: dict[str, tuple[str, str]] = {
    "nat": ("ip", "klubster_nat"),
    "firewall": ("inet", "klubster_firewall"),
    "dns": ("inet", "klubster_dns"),
}
_STATES = ("established", "related", "invalid")
_DEFAULT = "default"
_INSIDE = "inside"
_FIELDS = ("protocol", "source_port", "destination_port")


def tables(router: Router) -> dict[str, Table]:
    """The tables of the parts that the router has."""
    made: dict[str, Table] = {}
    if router.nat is not None:
        made["nat"] = nat(router.nat)
    if router.firewall is not None:
        made["firewall"] = firewall(router.firewall)
    if router.dns is not None:
        made["dns"] = dns(router.dns)
    return made


# --- from the model


def nat(part: Nat) -> Table:
    chains = []
    if part.destination:
        rules = tuple(_nat_rule(rule) for rule in part.destination)
        chains.append(Chain("prerouting", rules, "nat prerouting dstnat"))
    if part.source:
        rules = tuple(_nat_rule(rule) for rule in part.source)
        chains.append(Chain("postrouting", rules, "nat postrouting srcnat"))
    return Table(*TABLES["nat"], tuple(chains))


def _nat_rule(rule: t.Union[SourceRule, DestinationRule]) -> Rule:
    names = (rule.interface,) if rule.interface else ()
    to_source = isinstance(rule, SourceRule)
    return Rule(
        _nat_verdict(rule),
        incoming=() if to_source else names,
        outgoing=names if to_source else (),
        **_which(rule),
    )


def _nat_verdict(rule: t.Union[SourceRule, DestinationRule]) -> str:
    if rule.exclude:
        return "return"
    if isinstance(rule, SourceRule):
        return "masquerade" if rule.translation == "masquerade" else f"snat to {rule.translation}"
    port = f":{rule.translation_port}" if rule.translation_port is not None else ""
    return f"dnat to {rule.translation}{port}"


def _which(rule: t.Union[SourceRule, DestinationRule, FilterRule]) -> dict[str, t.Any]:
    return {
        "source": (rule.source,) if rule.source else (),
        "destination": (rule.destination,) if rule.destination else (),
        **{name: getattr(rule, name) for name in _FIELDS},
        "comment": _comment(rule),
    }


def _comment(rule: t.Union[SourceRule, DestinationRule, FilterRule]) -> str:
    return f"{rule.seq} {rule.description}" if rule.description else str(rule.seq)


def firewall(part: Firewall) -> Table:
    if part == Firewall():
        return Table(*TABLES["firewall"])
    before = tuple(
        Rule(action, states=(state,)) for state in _STATES for action in (getattr(part, state),) if action is not None
    )
    made = [_rule_set(f"rules{version}_", one) for version in (4, 6) for one in _sets(part, version)]
    members = {zone.name: zone.interfaces for zone in part.zones}
    local = next((zone for zone in part.zones if zone.local), None)
    others = [zone for zone in part.zones if not zone.local]
    for zone in others:
        inside = Rule("accept", incoming=zone.interfaces, comment=_INSIDE)
        made.append(Chain(f"to_{zone.name}", (inside, *_from(zone, members), _default(zone))))
    jumps = tuple(
        Rule(f"jump to_{zone.name}", outgoing=zone.interfaces, comment=zone.description or "") for zone in others
    )
    made.append(Chain("forward", (*before, *jumps), "filter forward filter"))
    if local is None:
        if before:
            made += [Chain(name, before, f"filter {name} filter") for name in ("input", "output")]
        return Table(*TABLES["firewall"], tuple(made))
    own = Rule("accept", incoming=("lo",), comment=_INSIDE)
    made.append(Chain(f"to_{local.name}", (own, *_from(local, members), _default(local))))
    out = Rule("accept", outgoing=("lo",), comment=_INSIDE)
    leaving = tuple(rule for zone in others for rule in _to(zone, local.name))
    made.append(Chain(f"from_{local.name}", (out, *leaving, _default(local))))
    comment = local.description or ""
    made.append(Chain("input", (*before, Rule(f"jump to_{local.name}", comment=comment)), "filter input filter"))
    made.append(Chain("output", (*before, Rule(f"jump from_{local.name}", comment=comment)), "filter output filter"))
    return Table(*TABLES["firewall"], tuple(made))


def _sets(part: Firewall, version: int) -> tuple[RuleSet, ...]:
    return part.ipv4 if version == 4 else part.ipv6


def _rule_set(prefix: str, rule_set: RuleSet) -> Chain:
    rules = [Rule(rule.action, states=rule.states, log=rule.log, **_which(rule)) for rule in rule_set.rules]
    return Chain(f"{prefix}{rule_set.name}", (*rules, Rule(rule_set.default, comment=_DEFAULT)))


def _default(zone: Zone) -> Rule:
    return Rule(zone.default, comment=_DEFAULT)


def _from(zone: Zone, members: t.Mapping[str, tuple[str, ...]]) -> tuple[Rule, ...]:
    """Rules of what comes from other zones; the router's own packets are never forwarded."""
    return tuple(
        Rule(f"jump rules{family}_{name}", incoming=members[source.zone], family=family)
        for source in zone.sources
        if members.get(source.zone)
        for family, name in ((4, source.ipv4), (6, source.ipv6))
        if name is not None
    )


def _to(zone: Zone, local: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(f"jump rules{family}_{name}", outgoing=zone.interfaces, family=family)
        for source in zone.sources
        if source.zone == local
        for family, name in ((4, source.ipv4), (6, source.ipv6))
        if name is not None
    )


def dns(part: Dns) -> Table:
    """Others than those who may get no answer; the server itself knows no such rule."""
    if not part.listen:
        return Table(*TABLES["dns"])
    rules = []
    for family in (4, 6):
        listen = tuple(sorted(one for one in part.listen if (":" in one) == (family == 6)))
        allowed = tuple(sorted(one for one in part.allow_from if (":" in one) == (family == 6)))
        if listen and not any(one in ("0.0.0.0/0", "::/0") for one in allowed):
            rules.append(
                Rule(
                    "drop",
                    source=allowed,
                    other_source=bool(allowed),
                    destination=listen,
                    protocol="tcp_udp",
                    destination_port="53",
                )
            )
    return Table(*TABLES["dns"], (Chain("input", tuple(rules), "filter input filter"),))


# --- back to the model


@dataclass(frozen=True)
class Gathered:
    """A part as data, and what it has no words for."""

    data: t.Optional[dict[str, t.Any]]
    strange: tuple[str, ...] = ()


def gather_nat(table: Table) -> Gathered:
    strange = list(table.strange)
    data: dict[str, t.Any] = {}
    for key, chain, hook in (
        ("destination", "prerouting", "nat prerouting dstnat"),
        ("source", "postrouting", "nat postrouting srcnat"),
    ):
        rules = []
        for rule in table.chain(chain):
            if not rule.comment[:1].isdigit():
                strange.append(f"chain {chain}: {rule.text()}")
                continue
            fields = _read_which(rule)
            interface = rule.outgoing if key == "source" else rule.incoming
            fields["interface"] = interface[0] if interface else None
            if rule.verdict == "return":
                fields["exclude"] = True
            elif rule.verdict == "masquerade":
                fields["translation"] = "masquerade"
            elif " to " in rule.verdict:
                address, dummy, port = rule.verdict.partition(" to ")[2].partition(":")
                fields["translation"] = address
                fields.update({"translation_port": port} if port else {})
            rules.append(fields)
        data[key] = rules
        strange += _wrong_hook(table, chain, hook)
    return Gathered(data, tuple(strange))


def _wrong_hook(table: Table, name: str, hook: str) -> list[str]:
    return [f"chain {name}: {chain.hook}" for chain in table.chains if chain.name == name and chain.hook != hook]


def _read_which(rule: Rule) -> dict[str, t.Any]:
    seq, dummy, description = rule.comment.partition(" ")
    fields: dict[str, t.Any] = {"seq": seq, "description": description or None}
    fields.update({name: getattr(rule, name) for name in _FIELDS})
    for name in ("source", "destination"):
        values = getattr(rule, name)
        fields[name] = values[0] if values else None
    return fields


def gather_firewall(table: Table) -> Gathered:
    strange = list(table.strange)
    data: dict[str, t.Any] = {"ipv4": {}, "ipv6": {}, "zones": {}}
    zones = data["zones"]
    owner: dict[tuple[str, ...], str] = {}
    for rule in table.chain("forward"):
        if rule.states and not rule.verdict.startswith("jump"):
            data[rule.states[0]] = rule.verdict
        elif rule.verdict.startswith("jump to_"):
            name = rule.verdict[len("jump to_") :]
            zones[name] = {"interfaces": list(rule.outgoing), "description": rule.comment or None}
            owner[rule.outgoing] = name
    for rule in table.chain("input"):
        if rule.verdict.startswith("jump to_"):
            local = rule.verdict[len("jump to_") :]
            zones[local] = {"local": True, "description": rule.comment or None}
            _read_leaving(table.chain(f"from_{local}"), local, owner, zones)
    for chain in table.chains:
        prefix, dummy, name = chain.name.partition("_")
        if prefix in ("rules4", "rules6"):
            data[f"ipv{prefix[-1]}"][name] = _read_rule_set(chain.rules, strange, chain.name)
        elif prefix == "to" and name in zones:
            _read_zone(chain.rules, zones[name], owner)
    return Gathered(data, tuple(strange))


def _read_rule_set(rules: t.Sequence[Rule], strange: list[str], chain: str) -> dict[str, t.Any]:
    fields: dict[str, t.Any] = {"rules": []}
    for rule in rules:
        if rule.comment == _DEFAULT:
            fields["default"] = rule.verdict
        elif not rule.comment[:1].isdigit():
            strange.append(f"chain {chain}: {rule.text()}")
        else:
            action = {"action": rule.verdict, "states": list(rule.states), "log": rule.log}
            fields["rules"].append({**_read_which(rule), **action})
    return fields


def _read_zone(rules: t.Sequence[Rule], zone: dict[str, t.Any], owner: t.Mapping[tuple[str, ...], str]) -> None:
    for rule in rules:
        if rule.comment == _DEFAULT:
            zone["default"] = rule.verdict
        elif rule.verdict.startswith("jump rules") and rule.incoming in owner:
            _read_source(zone, owner[rule.incoming], rule)


def _read_leaving(
    rules: t.Sequence[Rule], local: str, owner: t.Mapping[tuple[str, ...], str], zones: t.Mapping[str, dict[str, t.Any]]
) -> None:
    for rule in rules:
        if rule.verdict.startswith("jump rules") and rule.outgoing in owner:
            _read_source(zones[owner[rule.outgoing]], local, rule)


def _read_source(zone: dict[str, t.Any], source: str, rule: Rule) -> None:
    family, dummy, name = rule.verdict[len("jump rules") :].partition("_")
    zone.setdefault("sources", {}).setdefault(source, {})[f"ipv{family}"] = name


def gather_allowed(table: Table) -> Gathered:
    """Who may ask, as ``allow_from``, and for which families that is said at all."""
    allowed: list[str] = []
    families = set()
    for rule in table.chain("input"):
        families.add(6 if ":" in rule.destination[0] else 4)
        allowed += rule.source if rule.other_source else ()
    return Gathered({"allow_from": allowed, "families": families}, table.strange)


__all__ = (
    "TABLES",
    "Gathered",
    "dns",
    "firewall",
    "gather_allowed",
    "gather_firewall",
    "gather_nat",
    "nat",
    "tables",
)
