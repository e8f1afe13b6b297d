# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a router does to packets that pass it: NAT and the zones of its firewall. Parts of ``model.Router``."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._router import words
from ansible_collections.kateskit.klubster.plugins.module_utils._router.options import (
    Many,
    Named,
    Numbered,
    needed,
    option,
)

HIGHEST_RULE = 999999
#: protocols that have ports
WITH_PORTS = ("tcp", "udp", "tcp_udp")
_PROTOCOL = words.choice(*WITH_PORTS, "icmp", "ipv6-icmp", "esp", "gre", "vrrp")
_SEQ = words.number(1, HIGHEST_RULE)


@dataclass(frozen=True)
class NatRule:
    """Which packets; IPv4 only."""

    seq: int = needed(_SEQ)
    interface: t.Optional[str] = option(words.interface)
    description: t.Optional[str] = option(words.text)
    protocol: t.Optional[str] = option(_PROTOCOL)
    source: t.Optional[str] = option(words.endpoint4)
    source_port: t.Optional[str] = option(words.ports)
    destination: t.Optional[str] = option(words.endpoint4)
    destination_port: t.Optional[str] = option(words.ports)
    exclude: bool = option(words.flag, False)


@dataclass(frozen=True)
class SourceRule(NatRule):
    """What leaves by ``interface`` gets another source address."""

    translation: t.Optional[str] = option(words.translation)


@dataclass(frozen=True)
class DestinationRule(NatRule):
    """What comes in by ``interface`` goes to another address."""

    translation: t.Optional[str] = option(words.address4)
    translation_port: t.Optional[int] = option(words.number(1, words.HIGHEST_PORT))


@dataclass(frozen=True)
class Nat:
    """The first rule that fits a connection says what becomes of it."""

    source: tuple[SourceRule, ...] = option(Numbered(SourceRule, empty=True), ())
    destination: tuple[DestinationRule, ...] = option(Numbered(DestinationRule, empty=True), ())


@dataclass(frozen=True)
class FilterRule:
    """One rule of a rule set."""

    seq: int = needed(_SEQ)
    action: str = needed(words.choice("accept", "drop", "reject"))
    description: t.Optional[str] = option(words.text)
    protocol: t.Optional[str] = option(_PROTOCOL)
    states: tuple[str, ...] = option(Many(words.choice("established", "invalid", "new", "related"), order=str), ())
    source: t.Optional[str] = option(words.endpoint)
    source_port: t.Optional[str] = option(words.ports)
    destination: t.Optional[str] = option(words.endpoint)
    destination_port: t.Optional[str] = option(words.ports)
    log: bool = option(words.flag, False)


@dataclass(frozen=True)
class RuleSet:
    """Rules for packets from one zone to another; what no rule fits has the default."""

    name: str = needed(words.name)
    default: str = option(words.choice("drop", "reject", "accept"), "drop")
    rules: tuple[FilterRule, ...] = option(Numbered(FilterRule, empty=True), ())


@dataclass(frozen=True)
class From:
    """Which rules hold for what comes from a zone."""

    zone: str = needed(words.name)
    ipv4: t.Optional[str] = option(words.name)
    ipv6: t.Optional[str] = option(words.name)


@dataclass(frozen=True)
class Zone:
    """Interfaces between which everything passes, or the router itself.

    :param default: what happens to packets from where no rule set is named.
    """

    name: str = needed(words.name)
    interfaces: tuple[str, ...] = option(Many(words.interface, order=str), ())
    local: bool = option(words.flag, False)
    default: str = option(words.choice("drop", "reject"), "drop")
    description: t.Optional[str] = option(words.text)
    sources: tuple[From, ...] = option(Named(From, "zone"), ())


@dataclass(frozen=True)
class Firewall:
    """Zones, and what passes between them.

    :param established, related, invalid: what happens to packets in this state, before any rule.
    """

    established: t.Optional[str] = option(words.choice("accept", "drop", "reject"))
    related: t.Optional[str] = option(words.choice("accept", "drop", "reject"))
    invalid: t.Optional[str] = option(words.choice("accept", "drop", "reject"))
    ipv4: tuple[RuleSet, ...] = option(Named(RuleSet, short="rules"), ())
    ipv6: tuple[RuleSet, ...] = option(Named(RuleSet, short="rules"), ())
    zones: tuple[Zone, ...] = option(Named(Zone), ())


__all__ = (
    "HIGHEST_RULE",
    "WITH_PORTS",
    "DestinationRule",
    "FilterRule",
    "Firewall",
    "From",
    "Nat",
    "NatRule",
    "RuleSet",
    "SourceRule",
    "Zone",
)
