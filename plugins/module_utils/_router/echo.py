# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Which machines answer an echo request (ICMP), all asked at once. A router need not have a program for it."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
import typing as t

_REQUEST = {4: 8, 6: 128}
_REPLY = {4: 0, 6: 129}


def answering(addresses: t.Iterable[str], timeout: float = 1.5) -> t.Optional[set[str]]:
    """Those that answer in time; None when this user may not ask."""
    found: set[str] = set()
    mark = os.getpid() & 0xFFFF
    families = {family: list(addresses_of(addresses, family)) for family in (4, 6)}
    with contextlib.ExitStack() as stack:
        sockets = {}
        for family, wanted in families.items():
            if not wanted:
                continue
            try:
                opened = stack.enter_context(_open(family))
            except OSError:
                return None
            sockets[opened] = family
            for address in wanted:
                # No way there is an answer too.
                with contextlib.suppress(OSError):
                    opened.sendto(request(family, mark), (address, 0))
        missing = {one for wanted in families.values() for one in wanted}
        end = time.monotonic() + timeout
        while missing and time.monotonic() < end:
            for ready in select.select(list(sockets), [], [], max(end - time.monotonic(), 0))[0]:
                packet, sender = ready.recvfrom(2048)
                if sender[0] in missing and is_reply(packet, sockets[ready], mark):
                    missing.discard(sender[0])
                    found.add(sender[0])
    return found


def addresses_of(addresses: t.Iterable[str], family: int) -> t.Iterator[str]:
    """Those of one family."""
    return (one for one in addresses if (":" in one) == (family == 6))


def request(family: int, mark: int) -> bytes:
    """An echo request; for version 6 the kernel reckons its sum."""
    head = struct.pack("!BBHHH", _REQUEST[family], 0, 0, mark, 1)
    return struct.pack("!BBHHH", _REQUEST[family], 0, _sum(head), mark, 1) if family == 4 else head


def is_reply(packet: bytes, family: int, mark: int) -> bool:
    """Whether this is the answer to ours; version 4 comes with its IP header."""
    start = (packet[0] & 0x0F) * 4 if family == 4 and packet else 0
    if len(packet) < start + 8:
        return False
    kind, _code, _checksum, identifier, _number = struct.unpack("!BBHHH", packet[start : start + 8])
    return bool(kind == _REPLY[family] and identifier == mark)


def _open(family: int) -> socket.socket:
    if family == 4:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    return socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


__all__ = ("addresses_of", "answering", "is_reply", "request")
