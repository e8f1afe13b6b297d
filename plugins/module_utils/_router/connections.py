# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""BGP's connections as the kernel of this machine knows them, from its tables of TCP (proc(5), ``/proc/net/tcp``)."""

from __future__ import annotations

import ipaddress
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

_PORT = 179
_ESTABLISHED, _SYN_SENT = "01", "02"


@dataclass(frozen=True)
class _Connection:
    """A connection.

    :param ports: its own, and the other's.
    :param unacknowledged: bytes that were sent and not yet acknowledged, or wait to be sent.
    """

    address: str
    ports: tuple[int, int]
    state: str
    unacknowledged: int


def unanswered(proc: Path) -> tuple[str, ...]:
    """Machines whose port for BGP has not answered to a first segment."""
    return _sorted(one.address for one in _all(proc) if one.state == _SYN_SENT and one.ports[1] == _PORT)


def unacknowledged(proc: Path) -> tuple[str, ...]:
    """Machines that have not acknowledged what was sent over an open connection."""
    opened = (one for one in _all(proc) if one.state == _ESTABLISHED and _PORT in one.ports)
    return _sorted(one.address for one in opened if one.unacknowledged)


def _sorted(addresses: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(addresses)))


def _all(proc: Path) -> t.Iterator[_Connection]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 4:
                own, (address, port) = words[1].rpartition(":")[2], words[2].split(":")
                waits = int(words[4].partition(":")[0], 16)
                yield _Connection(_address(address), (int(own, 16), int(port, 16)), words[3], waits)


def _address(digits: str) -> str:
    """An address as the kernel prints it there: words of four bytes in the machine's order."""
    words = [bytes.fromhex(digits[start : start + 8]) for start in range(0, len(digits), 8)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    found = ipaddress.ip_address(b"".join(words))
    return str(getattr(found, "ipv4_mapped", None) or found)


__all__ = ("unacknowledged", "unanswered")
