# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""One look at a router with FRR: sessions, routes, what it was told, what its kernel saw. Changes nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._router import (
    bgp_sessions,
    connections,
    echo,
    frr,
    frr_text,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Frr
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse

#: parts of the model that sessions depend on
PARTS = ("bgp", "prefix_lists", "community_lists", "large_community_lists", "as_path_lists", "route_maps")
#: of a router with more routes than that, such as one with the whole internet's, the routes are not read
MOST_ROUTES = 20_000
_COUNTED = {"TCPMD5NotFound": "missing", "TCPMD5Unexpected": "unexpected", "TCPMD5Failure": "wrong"}
Ask = t.Callable[[t.Iterable[str]], t.Optional[set[str]]]


@dataclass(frozen=True)
class Look:
    """What was seen of a router.

    :param frr: whether FRR is there: ``runs``, ``stopped`` or ``missing``.
    :param router: the parts of its model that sessions depend on, without passwords.
    :param with_password: neighbours and peer groups that have one.
    :param strange: lines that the model has no words for; what they do nobody here knows.
    :param unsigned: segments of TCP that its kernel dropped for their signature since it started: with a ``wrong`` one,
        with one ``missing``, with one that is ``unexpected``.
    :param unanswered: neighbours that do not answer when it opens a connection.
    :param reached: of the neighbours without a session those that answer an echo request; None when nobody could ask.
    """

    frr: str
    addresses: tuple[str, ...]
    router: t.Mapping[str, t.Any]
    with_password: tuple[str, ...]
    strange: tuple[str, ...]
    sessions: tuple[bgp_sessions.Session, ...]
    routes: tuple[bgp_sessions.Route, ...]
    routes_read: bool = True
    unsigned: t.Mapping[str, int] = field(default_factory=dict)
    unanswered: tuple[str, ...] = ()
    reached: t.Optional[tuple[str, ...]] = None


def look(device: Frr, run: Runner, proc: Path = Path("/proc"), ask: Ask = echo.answering) -> Look:
    """Look once.

    :raises KlubsterError: FRR is there and does not answer.
    """
    addresses = _addresses(run)
    if not device.installed():
        return Look("missing", addresses, {}, (), (), (), (), unsigned=unsigned(proc))
    runs, dummy = device.state()
    model, owners, strange = _told(device.running() if runs else device.saved())
    if not runs:
        return Look("stopped", addresses, model, owners, strange, (), (), unsigned=unsigned(proc))
    bfd = device.json("show bfd peers")
    sessions = bgp_sessions.sessions(
        device.json("show bgp summary"), device.json("show bgp neighbors"), bfd if isinstance(bfd, list) else ()
    )
    few = received(sessions) <= MOST_ROUTES
    tables = [device.json(f"show bgp {family} unicast") for family in ("ipv4", "ipv6")] if few and sessions else []
    down = [one.neighbor for one in sessions if not one.established]
    reached = ask(down) if down else set()
    return Look(
        frr="runs",
        addresses=addresses,
        router=model,
        with_password=owners,
        strange=strange,
        sessions=sessions,
        routes=tuple(route for table in tables for route in bgp_sessions.routes(table)),
        routes_read=few,
        unsigned=unsigned(proc),
        unanswered=connections.unanswered(proc),
        reached=None if reached is None else tuple(sorted(reached)),
    )


def as_data(found: Look) -> dict[str, t.Any]:
    """As a module returns it."""
    return dataclasses.asdict(found)


def _told(text: str) -> tuple[dict[str, t.Any], tuple[str, ...], tuple[str, ...]]:
    """What FRR was told, who has a password, and what of it the model has no words for."""
    found = frr.gather(frr_text.parse(text))
    owners = tuple(sorted(found.passwords))
    model = modelled(found.data, found.passwords)
    return {part: model[part] for part in PARTS if part in model}, owners, tuple(found.strange)


def modelled(data: t.Mapping[str, t.Any], passwords: t.Mapping[str, str]) -> dict[str, t.Any]:
    """What was gathered, in the words of the model and without passwords."""
    # Written by another hand it may be what we would refuse, and still be what runs.
    with contextlib.suppress(InvalidInput):
        return dump(parse(data, passwords)[0])
    return dict(data)


def received(sessions: t.Iterable[bgp_sessions.Session]) -> int:
    """How many prefixes came by all sessions."""
    return sum(part.received for one in sessions for part in (one.ipv4, one.ipv6) if part)


def _addresses(run: Runner) -> tuple[str, ...]:
    """The machine's own, with the lengths of their networks."""
    try:
        said = json.loads(run(["ip", "-j", "address", "show", "scope", "global"], timeout=10).stdout or "[]")
    except (CommandFailed, ValueError):
        return ()
    return tuple(
        f"{entry['local']}/{entry['prefixlen']}"
        for link in said
        for entry in link.get("addr_info") or ()
        if entry.get("local")
    )


def unsigned(proc: Path) -> dict[str, int]:
    """Segments that the kernel dropped for their signature (RFC 2385); it tells neither side."""
    try:
        rows = [line.split() for line in (proc / "net/netstat").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return {}
    found = {}
    for names, values in zip(rows[::2], rows[1::2]):
        for name, value in zip(names, values):
            if name in _COUNTED:
                found[_COUNTED[name]] = int(value)
    return found


__all__ = ("MOST_ROUTES", "PARTS", "Look", "as_data", "look", "modelled", "received", "unsigned")
