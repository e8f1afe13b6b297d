# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What goes together in NAT and firewall; the rest of a router is looked at in ``references.py``."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import one_of
from ansible_collections.kateskit.klubster.plugins.module_utils._router.filtering import (
    WITH_PORTS,
    DestinationRule,
    FilterRule,
    Firewall,
    NatRule,
    SourceRule,
    Zone,
)

if t.TYPE_CHECKING:
    from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router

#: variable, value, rule, remedy
Add = t.Callable[[str, t.Any, str, str], None]


def check(router: Router, add: Add) -> None:
    """Add what does not fit together."""
    known = None if router.interfaces is None else [interface.name for interface in router.interfaces]
    checker = _Checker(known, add)
    if router.nat is not None:
        for source in router.nat.source:
            checker.source(f"nat.source[seq {source.seq}]", source)
        for destination in router.nat.destination:
            checker.destination(f"nat.destination[seq {destination.seq}]", destination)
    if router.firewall is not None:
        checker.firewall(router.firewall)


class _Checker:
    """:param interfaces: names that the model has; None when it does not speak of interfaces."""

    def __init__(self, interfaces: t.Optional[t.Sequence[str]], add: Add) -> None:
        self._interfaces, self._add = interfaces, add

    def _interface(self, where: str, name: t.Optional[str]) -> None:
        if name is not None and self._interfaces is not None and name not in self._interfaces:
            remedy = one_of(name, self._interfaces) if self._interfaces else "Add it."
            self._add(where, name, "It is not in interfaces.", remedy)

    # --- NAT

    def source(self, where: str, rule: SourceRule) -> None:
        self._nat(where, rule)
        if rule.interface is None and rule.source is None and not (rule.exclude and rule.destination):
            text = "It would rewrite everything that passes."
            self._add(where, rule.translation, text, "Give the interface by which it leaves, or its source.")
        if rule.translation == "masquerade" and rule.interface is None:
            text = "The address is that of the interface by which it leaves, and none is named."
            self._add(f"{where}.interface", None, text, "Give the interface.")

    def destination(self, where: str, rule: DestinationRule) -> None:
        self._nat(where, rule)
        if rule.interface is None and rule.destination is None:
            text = "It would redirect everything that passes."
            self._add(where, rule.translation, text, "Give the interface by which it comes in, or its destination.")
        if rule.translation_port is not None and rule.protocol not in WITH_PORTS:
            self._no_protocol(f"{where}.translation_port", rule.translation_port)

    def _nat(self, where: str, rule: t.Union[SourceRule, DestinationRule]) -> None:
        self._interface(f"{where}.interface", rule.interface)
        self._ports(where, rule)
        if rule.exclude and rule.translation is not None:
            text = "What is excluded keeps its address."
            self._add(f"{where}.translation", rule.translation, text, "Leave one of exclude and translation out.")
        if not rule.exclude and rule.translation is None:
            self._add(
                f"{where}.translation", None, "Nothing says what the address becomes.", "Give it, or exclude: true."
            )

    def _ports(self, where: str, rule: t.Union[NatRule, FilterRule]) -> None:
        for key in ("source_port", "destination_port"):
            value = getattr(rule, key)
            if value is not None and rule.protocol not in WITH_PORTS:
                self._no_protocol(f"{where}.{key}", value)

    def _no_protocol(self, where: str, value: t.Any) -> None:
        text = f"Only {', '.join(WITH_PORTS)} have ports."
        self._add(where, value, text, "Give one of them as protocol, or leave the port out.")

    # --- firewall

    def firewall(self, firewall: Firewall) -> None:
        for version, rule_sets in ((4, firewall.ipv4), (6, firewall.ipv6)):
            for rule_set in rule_sets:
                for rule in rule_set.rules:
                    self._rule(f"firewall.ipv{version}.{rule_set.name}[seq {rule.seq}]", rule, version)
        owners: dict[str, str] = {}
        local = ""
        for zone in firewall.zones:
            where = f"firewall.zones.{zone.name}"
            if zone.local and local:
                self._add(f"{where}.local", True, f"{local} is the router itself already.", "Leave one of them out.")
            local = local or (zone.name if zone.local else "")
            self._zone(where, zone, owners)
            for source in zone.sources:
                self._from(f"{where}.sources.{source.zone}", zone, source.zone, firewall)
                for version, name, rule_sets in ((4, source.ipv4, firewall.ipv4), (6, source.ipv6, firewall.ipv6)):
                    names = [one.name for one in rule_sets]
                    if name is not None and name not in names:
                        remedy = one_of(name, names) if names else "Add it there."
                        text = f"It is not in firewall.ipv{version}."
                        self._add(f"{where}.sources.{source.zone}.ipv{version}", name, text, remedy)
                if source.ipv4 is None and source.ipv6 is None:
                    text = "No rule set is named."
                    self._add(f"{where}.sources.{source.zone}", None, text, "Give ipv4 or ipv6, or leave it out.")

    def _rule(self, where: str, rule: FilterRule, version: int) -> None:
        self._ports(where, rule)
        for key in ("source", "destination"):
            value = getattr(rule, key)
            if value is not None and (":" in value) != (version == 6):
                self._add(
                    f"{where}.{key}", value, f"These are rules for IPv{version}.", f"Put it into ipv{10 - version}."
                )
        other = {4: "ipv6-icmp", 6: "icmp"}[version]
        if rule.protocol == other:
            text = f"IPv{version} has no such protocol."
            self._add(f"{where}.protocol", other, text, f"Give {'icmp' if version == 4 else 'ipv6-icmp'}.")

    def _zone(self, where: str, zone: Zone, owners: dict[str, str]) -> None:
        if zone.local == bool(zone.interfaces):
            text = "A zone has interfaces, or is the router itself."
            self._add(where, list(zone.interfaces), text, "Give interfaces, or local: true.")
        for name in zone.interfaces:
            self._interface(f"{where}.interfaces", name)
            if name == "lo":
                text = "What the router sends to itself passes no zone."
                self._add(f"{where}.interfaces", name, text, "Leave it out.")
            if owners.setdefault(name, zone.name) != zone.name:
                text = f"It is in {owners[name]} already."
                self._add(f"{where}.interfaces", name, text, "Leave it out of one of them.")

    def _from(self, where: str, zone: Zone, source: str, firewall: Firewall) -> None:
        names = [one.name for one in firewall.zones if one.name != zone.name]
        if source == zone.name:
            self._add(where, source, "Inside of a zone everything passes.", "Leave it out.")
        elif source not in names:
            remedy = one_of(source, names) if names else "Add it there."
            self._add(where, source, "It is not in firewall.zones.", remedy)


__all__ = ("Add", "check")
