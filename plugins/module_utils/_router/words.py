# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Rules for single values of a router: each returns the canonical value, or raises ``Refused`` with rule and remedy.

They hold for every router, so what only one of FRR and VyOS takes is refused here: the same data must fit both.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, one_of

Rule = t.Callable[[t.Any], t.Any]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
# https://docs.vyos.io: names of Ethernet interfaces, lo, dumN, a VLAN behind a dot; Linux allows 15 characters.
_INTERFACE = re.compile(r"[a-z][a-z0-9]*(\.[1-9][0-9]{0,3})?")
_COMMUNITY = re.compile(r"([0-9]+):([0-9]+)")
_LARGE = re.compile(r"([0-9]+):([0-9]+):([0-9]+)")
_PATH_PATTERN = re.compile(r"[0-9_^|\[\],{}()$*+.-]+")
_DOMAIN = re.compile(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
#: communities with a name, by their value (RFC 1997, RFC 7999, RFC 8326)
WELL_KNOWN = {
    "graceful-shutdown": 0xFFFF0000,
    "blackhole": 0xFFFF029A,
    "no-export": 0xFFFFFF01,
    "no-advertise": 0xFFFFFF02,
}
HIGHEST_ASN = (1 << 32) - 1
HIGHEST_PORT = 65535
# RFC 7607, RFC 6793, RFC 7300
_RESERVED_ASN = {0: "0 is reserved.", 23456: "23456 stands for numbers that an old router cannot say."}


def number(low: int, high: int) -> Rule:
    """A whole number from ``low`` to ``high``; digits in a string will do."""

    def rule(value: t.Any) -> int:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Refused(f"It is a whole number from {low} to {high}.", f"Give such a number, for example {low}.")
        return value

    return rule


def choice(*known: str) -> Rule:
    """One of a few words."""

    def rule(value: t.Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise Refused(f"It is one of {', '.join(known)}.", one_of(str(value), known))
        return value

    return rule


def flag(value: t.Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Refused("It is true or false.", "Write true or false, without quotes.")
    return value


def asn(value: t.Any) -> int:
    """The number of an autonomous system."""
    try:
        found: int = number(1, HIGHEST_ASN - 1)(value)
    except Refused as exc:
        raise Refused(
            f"The number of an autonomous system is from 1 to {HIGHEST_ASN - 1}, written without a dot.",
            "Take one for private use, 64512 to 65534, unless you have been given one.",
        ) from exc
    if found in _RESERVED_ASN or found == 65535:
        raise Refused(_RESERVED_ASN.get(found, "65535 is reserved."), "Take one for private use, 64512 to 65534.")
    return found


def remote_as(value: t.Any) -> t.Union[int, str]:
    """A neighbour's number, or on which side of the border it is."""
    if value in ("internal", "external"):
        return str(value)
    return asn(value)


def name(value: t.Any) -> str:
    """A name that the user gives to a list, a map, a group."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or len(value) > 63:
        raise Refused(
            "A name begins with a letter and has at most 63 of letters, digits, '_', '.' and '-'.", "Rename it."
        )
    return value


def interface(value: t.Any) -> str:
    """A network interface: ``eth0``, ``lo``, ``eth0.10`` for a VLAN."""
    if not isinstance(value, str) or not _INTERFACE.fullmatch(value) or len(value) > 15:
        raise Refused("It is no name of an interface.", "Write it like 'eth0', 'lo', or 'eth0.10' for VLAN 10.")
    return value


def address(value: t.Any) -> str:
    """An address without a prefix length."""
    try:
        return str(ipaddress.ip_address(_text(value)))
    except ValueError as exc:
        raise Refused("This is no IP address.", "Write it like '192.0.2.1' or '2001:db8::1'.") from exc


def address4(value: t.Any) -> str:
    """An IPv4 address."""
    found = address(value)
    if ":" in found:
        raise Refused("It is an IPv4 address.", "Write it like '192.0.2.1'.")
    return found


def address6(value: t.Any) -> str:
    """An IPv6 address."""
    found = address(value)
    if ":" not in found:
        raise Refused("It is an IPv6 address.", "Write it like '2001:db8::1'.")
    return found


def host(value: t.Any) -> str:
    """An interface's address with the length of its network's prefix."""
    text = _text(value)
    try:
        found = ipaddress.ip_interface(text)
    except ValueError as exc:
        raise Refused("This is no address of an interface.", "Write it like '192.0.2.1/24'.") from exc
    if "/" not in text:
        raise Refused("An interface's address has a prefix length.", f"Write '{text}/24', or what your network has.")
    whole = found.network.prefixlen < found.network.max_prefixlen - 1
    if whole and found.ip == found.network.network_address:
        raise Refused("This is the network, not an address in it.", f"Write for example '{_first(found.network)}'.")
    return str(found)


def source(value: t.Any) -> str:
    """An address of this router, or one of its interfaces."""
    try:
        return address(value)
    except Refused:
        return interface(value)


def network(value: t.Any) -> str:
    """A network without host bits."""
    text = _text(value)
    try:
        found = ipaddress.ip_interface(text)
    except ValueError as exc:
        raise Refused("This is no network.", "Write it like '192.0.2.0/24' or '2001:db8::/48'.") from exc
    if "/" not in text:
        raise Refused("A network has a prefix length.", f"Write '{found.network}'.")
    if found.ip != found.network.network_address:
        raise Refused("The address of a network has no bits behind the prefix.", f"Write '{found.network}'.")
    return str(found.network)


def endpoint(value: t.Any) -> str:
    """An address, or a network without host bits: where packets come from or go to."""
    if "/" not in _text(value):
        return address(value)
    found = ipaddress.ip_network(network(value))
    return str(found.network_address) if found.prefixlen == found.max_prefixlen else str(found)


def endpoint4(value: t.Any) -> str:
    """An IPv4 address or network."""
    found = endpoint(value)
    if ":" in found:
        raise Refused("It is an IPv4 address or network.", "Write it like '192.0.2.1' or '192.0.2.0/24'.")
    return found


def ports(value: t.Any) -> str:
    """Ports and ranges of ports: ``443``, ``80,443,8000-8010``."""
    given = value if isinstance(value, (list, tuple)) else _text(value).split(",")
    found = []
    for one in given:
        matched = _PORTS.fullmatch(_text(one))
        low = int(matched.group(1)) if matched else 0
        high = int(matched.group(2) or low) if matched else 0
        if not 1 <= low <= high <= HIGHEST_PORT:
            raise Refused(
                f"Ports are numbers from 1 to {HIGHEST_PORT}, or ranges of them.", "Write them like '80,443,8000-8010'."
            )
        found.append((low, high))
    found.sort()
    for before, after in zip(found, found[1:]):
        if after[0] <= before[1] + 1:
            raise Refused("Two of the ports are the same or follow each other.", "Write one range of them.")
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in found)


def translation(value: t.Any) -> str:
    """What a source address becomes: ``masquerade``, or an IPv4 address."""
    return "masquerade" if value == "masquerade" else address4(value)


def text(value: t.Any) -> str:
    """One line that people read."""
    if not isinstance(value, str) or not value.strip() or len(value) > 80 or not value.isprintable():
        raise Refused("It is one line of 1 to 80 characters.", "Shorten it, or leave it out.")
    if re.search(r"['\"\\?!]|  ", value) or value != value.strip():
        raise Refused(
            "It has no quotes, no '\\', '?' and '!', no two blanks in a row, and none at its ends: routers"
            " read them as their own.",
            "Write it without them.",
        )
    return value


def password(value: t.Any) -> str:
    """A secret word that both sides know."""
    if not isinstance(value, str) or not value or len(value) > 80:
        raise Refused("A password has 1 to 80 characters.", "Choose another, and quote it in YAML.")
    if not value.isascii() or not value.isprintable() or re.search(r"[\s'\"\\?!]", value):
        raise Refused("A password has no blanks, quotes, '\\', '?' and '!'.", "Choose another on both sides.")
    return value


def pattern(value: t.Any) -> str:
    """A regular expression for communities."""
    if not isinstance(value, str) or not value or not value.isascii() or re.search(r"[\s'\"\\?!]", value):
        raise Refused(
            "It is a regular expression without blanks, quotes, '\\', '?' and '!'.",
            "Write for example '65010:.*'.",
        )
    try:
        re.compile(value)
    except re.error as exc:
        raise Refused(f"It is no regular expression: {exc}.", "Write for example '65010:.*'.") from exc
    return value


def path_pattern(value: t.Any) -> str:
    """A regular expression for paths; FRR takes digits and a few signs."""
    found = pattern(value)
    if not _PATH_PATTERN.fullmatch(found):
        rule = "A pattern for paths has digits and '_^$.*+-|,()[]{}' only."
        raise Refused(rule, "Write for example '^65020_'.")
    return found


def community(value: t.Any) -> str:
    """A community as ``65010:100``, or one with a name."""
    text_value = _text(value)
    if text_value in WELL_KNOWN:
        return text_value
    found = _COMMUNITY.fullmatch(text_value)
    if not found or max(int(part) for part in found.groups()) > 65535:
        raise Refused(
            "A community is two numbers up to 65535 with a colon between, or has a name.",
            f"Write it in quotes, like '65010:100', or use {', '.join(sorted(WELL_KNOWN))}.",
        )
    canonical = ":".join(str(int(part)) for part in found.groups())
    for known, value_of in WELL_KNOWN.items():
        if value_of == _community_value(canonical):
            return known
    if canonical.startswith("65535:"):
        raise Refused("Communities that begin with 65535 are reserved.", "Begin with the number of your own AS.")
    return canonical


def large_community(value: t.Any) -> str:
    """A large community as ``65010:1:2``."""
    found = _LARGE.fullmatch(_text(value))
    if not found or max(int(part) for part in found.groups()) > HIGHEST_ASN:
        raise Refused("A large community is three numbers with colons between.", "Write it like '65010:1:2'.")
    return ":".join(str(int(part)) for part in found.groups())


def domain(value: t.Any) -> str:
    """A domain's name."""
    found = _text(value).lower().rstrip(".")
    if len(found) > 253 or not _DOMAIN.fullmatch(found):
        raise Refused("It is no domain's name.", "Write it like 'lab.example.com'.")
    return found


def record(value: t.Any) -> str:
    """A name in a zone, without the zone."""
    found = _text(value).lower()
    if found != "@" and not _DOMAIN.fullmatch(found):
        raise Refused("It is no name in a zone.", "Write it like 'www', or '@' for the zone itself.")
    return found


def mac(value: t.Any) -> str:
    """The hardware address of an interface."""
    found = _text(value).lower()
    if not _MAC.fullmatch(found):
        raise Refused("It is no hardware address.", "Write it in quotes, like '52:54:00:12:34:56'.")
    return found


def community_order(value: str) -> int:
    """Routers list communities by their numbers."""
    return _community_value(value)


def large_order(value: str) -> tuple[int, ...]:
    return tuple(int(part) for part in value.split(":"))


def address_order(value: str) -> tuple[t.Any, ...]:
    """IPv4 before IPv6, then by number; what is no address comes last, by its letters."""
    try:
        found = ipaddress.ip_interface(value)
    except ValueError:
        return (9, 0, 0, value)
    return (found.version, int(found.ip), found.network.prefixlen, "")


def family_of(value: str) -> int:
    """4 or 6: the family of an address or network."""
    return ipaddress.ip_interface(value).version


def _community_value(value: str) -> int:
    if value in WELL_KNOWN:
        return WELL_KNOWN[value]
    high, dummy, low = value.partition(":")
    return (int(high) << 16) + int(low)


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _first(net: t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]) -> str:
    return f"{net.network_address + 1}/{net.prefixlen}"


__all__ = (
    "HIGHEST_ASN",
    "HIGHEST_PORT",
    "WELL_KNOWN",
    "Rule",
    "address",
    "address4",
    "address6",
    "address_order",
    "asn",
    "choice",
    "community",
    "community_order",
    "domain",
    "endpoint",
    "endpoint4",
    "family_of",
    "flag",
    "host",
    "interface",
    "large_community",
    "large_order",
    "mac",
    "name",
    "network",
    "number",
    "password",
    "path_pattern",
    "pattern",
    "ports",
    "record",
    "remote_as",
    "source",
    "text",
    "translation",
)
