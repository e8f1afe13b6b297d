# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Addresses, networks and ranges; only on the controller, where netaddr is."""

from __future__ import annotations

import functools
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused

try:
    import netaddr
except ImportError:
    HAS_NETADDR = False
else:
    HAS_NETADDR = True

Family = t.Literal[4, 6]

_NETWORK = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")


@dataclass(frozen=True, order=True)
class Span:
    """Consecutive addresses of one family, both ends included."""

    family: Family
    first: int
    last: int
    #: canonical text: ``10.77.0.1``, ``10.244.0.0/16`` or ``10.77.0.200-10.77.0.220``
    text: str

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def prefix(self) -> int:
        """Length of the prefix, where the span is a network."""
        bits = 32 if self.family == 4 else 128
        return bits - (self.size.bit_length() - 1)

    def overlaps(self, other: Span) -> bool:
        return self.family == other.family and self.first <= other.last and other.first <= self.last

    def contains(self, other: Span) -> bool:
        return self.family == other.family and self.first <= other.first and other.last <= self.last


def address(text: str) -> Span:
    """One address.

    :raises Refused: no IP address.
    """
    if not HAS_NETADDR:
        raise Refused("Addresses are computed with the Python library netaddr.", "Install netaddr on the controller.")
    try:
        parsed = netaddr.IPAddress(text)
    except (netaddr.AddrFormatError, ValueError) as exc:
        raise Refused("This is no IP address.", "Write it like '192.168.1.10', or 'fd00::10'.") from exc
    return Span(parsed.version, int(parsed), int(parsed), str(parsed))


def node_address(text: str) -> Span:
    """An address that a machine can be reached at by others."""
    span = address(text)
    kind = _unreachable(span)
    if kind:
        raise Refused(
            f"{kind} is no address at which other machines reach this one.",
            "Give its address in your network.",
        )
    return span


@functools.lru_cache(maxsize=256)
def network(text: str) -> Span:
    """A network in CIDR notation without host bits.

    :raises Refused: not one.
    """
    if not HAS_NETADDR:
        raise Refused("Networks are computed with the Python library netaddr.", "Install netaddr on the controller.")
    try:
        if not _NETWORK.fullmatch(text):
            raise ValueError(text)
        parsed = netaddr.IPNetwork(text)
    except (netaddr.AddrFormatError, ValueError) as exc:
        raise Refused("This is no network.", "Write it like '10.244.0.0/16'.") from exc
    if parsed.cidr != parsed or parsed.ip != parsed.network:
        raise Refused("The address of a network has no bits behind the prefix.", f"Write '{parsed.cidr}'.")
    return Span(parsed.version, parsed.first, parsed.last, str(parsed.cidr))


def network_around(text: str) -> Span:
    """The network of an interface's address with prefix."""
    return network(str(netaddr.IPNetwork(text).cidr))


def span(text: str) -> Span:
    """A network, or a range with both ends.

    :raises Refused: neither.
    """
    low, dash, high = text.partition("-")
    if not dash:
        if "/" in text:
            return network(text)
        single = address(text)
        bits = 32 if single.family == 4 else 128
        raise Refused("Addresses are given as a network or as a range.", f"Write '{single.text}/{bits}'.")
    first, last = address(low.strip()), address(high.strip())
    if first.family != last.family:
        raise Refused("Both ends of a range are of one family.", "Make two ranges of it.")
    if first.first > last.first:
        raise Refused("A range begins at its lower address.", f"Write '{last.text}-{first.text}'.")
    return Span(first.family, first.first, last.first, f"{first.text}-{last.text}")


def source(text: str) -> Span:
    """Where packets come from: an address or a network."""
    return network(text) if "/" in text else address(text)


def usable_span(text: str) -> Span:
    """A network or range whose addresses can be given to services."""
    found = span(text)
    for special, kind in _SPECIAL:
        if found.overlaps(network(special)):
            raise Refused(f"It holds {kind} addresses ({special}).", "Take addresses of your own network.")
    return found


def networks(text: str) -> tuple[Span, ...]:
    """One network, or one of each family with a comma between."""
    found = tuple(network(part.strip()) for part in text.split(","))
    if len(found) > 2 or len({entry.family for entry in found}) != len(found):
        raise Refused(
            "It is one network, or two of different families.",
            "Write '10.244.0.0/16' or '10.244.0.0/16,fd00:10:244::/56'.",
        )
    return found


def nth(net: Span, index: int) -> str:
    """The text of the address at ``index`` of a network."""
    return str(netaddr.IPAddress(net.first + index, net.family))


_SPECIAL = (
    ("127.0.0.0/8", "loopback"),
    ("224.0.0.0/4", "multicast"),
    ("169.254.0.0/16", "link-local"),
    ("0.0.0.0/8", "unspecified"),
    ("240.0.0.0/4", "reserved"),
    ("::/127", "unspecified or loopback"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
)


def _unreachable(found: Span) -> str:
    """What kind of address it is that nobody else can reach; empty for an ordinary one."""
    for special, kind in _SPECIAL:
        if network(special).contains(found):
            return f"A {kind} address" if not kind.startswith("un") else f"An {kind} address"
    return ""


__all__ = (
    "HAS_NETADDR",
    "Family",
    "Span",
    "address",
    "network",
    "network_around",
    "networks",
    "node_address",
    "nth",
    "source",
    "span",
    "usable_span",
)
