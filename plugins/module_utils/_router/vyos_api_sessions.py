# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""BGP's sessions from what FRR prints for people: VyOS's API has no other form of it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._router.bgp_sessions import Exchanged, Session

_HEAD = re.compile(r"^\s*BGP neighbor is (\*?)([^,\s]+), (.*)$", re.MULTILINE)
_REMOTE = re.compile(r"\bremote AS (\d+)")
_LOCAL = re.compile(r"\blocal AS (\d+)")
_STATE = re.compile(r"^\s*BGP state = (\w+)(.*)$", re.MULTILINE)
_UP = re.compile(r"\bup for (\S+)")
_HOLD = re.compile(r"^\s*(?:.*, )?[Hh]old time is (\d+)", re.MULTILINE)
_GROUP = re.compile(r"^\s*Member of peer-group (\S+)", re.MULTILINE)
_DESCRIPTION = re.compile(r'^\s*Description: "?(.*?)"?\s*$', re.MULTILINE)
_DROPPED = re.compile(r"^\s*Connections established \d+; dropped (\d+)", re.MULTILINE)
_RESET = re.compile(r"^\s*Last reset [^,\n]+,\s*(?:due to )?(.*?)\s*$", re.MULTILINE)
_FAMILY = re.compile(r"^\s*For address family: (IPv[46]) Unicast\s*$", re.MULTILINE)
_ACCEPTED = re.compile(r"^\s*(\d+) accepted prefixes", re.MULTILINE)
_POLICY = re.compile(r"updates discarded due to missing policy")
_SUMMARY = re.compile(r"^(IPv[46]) Unicast Summary\b.*$", re.MULTILINE)
#: name, version, AS, messages in and out, table's version, both queues, time, state or prefixes taken, prefixes sent
_ROW = re.compile(r"^\*?(\S+)\s+4\s+\d+(?:\s+\d+){5}\s+\S+\s+\S+(?: \(\w+\))?\s+(\d+)", re.MULTILINE)
#: 1w2d03h, 2d18h02m, 00:01:18
_UNITS = {"y": 31536000, "w": 604800, "d": 86400, "h": 3600, "m": 60}


def parse(neighbors: str, summary: str = "") -> tuple[Session, ...]:
    """All sessions.

    :param neighbors: ``show bgp neighbors``.
    :param summary: ``show bgp summary``: how much was sent stands only there.
    """
    sent = {
        (row.group(1), family): int(row.group(2))
        for family, text in _parts(_SUMMARY, summary)
        for row in _ROW.finditer(text)
    }
    heads = list(_HEAD.finditer(neighbors))
    ends = [head.start() for head in heads[1:]] + [len(neighbors)]
    found = [_session(head, neighbors[head.end() : end], sent) for head, end in zip(heads, ends)]
    return tuple(sorted(found, key=lambda session: session.neighbor))


def _session(head: re.Match[str], text: str, sent: t.Mapping[tuple[str, str], int]) -> Session:
    state = _STATE.search(text)
    name, up = head.group(2), bool(state and state.group(1) == "Established")
    taken = dict(_parts(_FAMILY, text))
    time = _UP.search(state.group(2)) if state else None
    return Session(
        neighbor=name,
        remote_as=int(_first(_REMOTE, head.group(3)) or 0),
        local_as=int(_first(_LOCAL, head.group(3)) or 0),
        state=state.group(1) if state else "",
        established=up,
        dynamic=bool(head.group(1)),
        peer_group=_first(_GROUP, text),
        description=_first(_DESCRIPTION, text),
        uptime=_seconds(time.group(1)) if time and up else 0,
        dropped=int(_first(_DROPPED, text) or 0),
        hold_time=int(_first(_HOLD, text) or 0),
        bfd="",
        reason="" if up else _first(_RESET, text),
        ipv4=_exchanged(taken.get("IPv4"), sent.get((name, "IPv4"), 0)),
        ipv6=_exchanged(taken.get("IPv6"), sent.get((name, "IPv6"), 0)),
    )


def _exchanged(text: t.Optional[str], sent: int) -> t.Optional[Exchanged]:
    if text is None:
        return None
    return Exchanged(int(_first(_ACCEPTED, text) or 0), sent, bool(_POLICY.search(text)))


def _parts(heading: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """What stands below each heading, by the heading's word."""
    found = list(heading.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    return [(one.group(1), text[one.end() : end]) for one, end in zip(found, ends)]


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group(1) if found else ""


def _seconds(text: str) -> int:
    if ":" in text:
        total = 0
        for word in text.split(":"):
            total = total * 60 + int(word)
        return total
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([ywdhm])", text))


__all__ = ("parse",)
