# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a router says of its BGP sessions and routes, from FRR's JSON. VyOS has the same JSON, for it runs FRR."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

#: too many prefixes, by the number of its notification
PREFIXES = "0601"
#: only the side with the limit is in this state
_TOO_MANY = "Idle (PfxCt)"
_FAMILIES = {"ipv4": "ipv4Unicast", "ipv6": "ipv6Unicast"}
Json = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Exchanged:
    """What went over a session of one address family.

    :param received: prefixes that the neighbour sent and our policy accepted.
    :param sent: prefixes that we sent.
    :param policy: whether no route passes because eBGP wants a policy and there is none.
    """

    received: int
    sent: int
    policy: bool


@dataclass(frozen=True)
class Session:
    """A session with one neighbour.

    :param state: as FRR calls it: Established, Active, Connect, Idle and so on.
    :param reason: why it is not there, or why it went last; empty when the router has nothing to say.
    :param code: code and subcode of the notification that ended it, as four digits in hexadecimal.
    :param notified_by: who sent that notification.
    """

    neighbor: str
    remote_as: int
    local_as: int
    state: str
    established: bool
    dynamic: bool
    peer_group: str
    description: str
    uptime: int
    dropped: int
    hold_time: int
    bfd: str
    reason: str
    ipv4: t.Optional[Exchanged] = None
    ipv6: t.Optional[Exchanged] = None
    code: str = ""
    notified_by: str = ""


@dataclass(frozen=True)
class Route:
    """A prefix in BGP's table.

    :param paths: how many ways are known.
    :param width: over how many of them traffic is spread.
    :param as_path: the systems that the best one comes through, the nearest first.
    """

    prefix: str
    paths: int
    width: int
    next_hops: tuple[str, ...]
    suppressed: bool
    as_path: tuple[int, ...] = ()


def sessions(summary: Json, neighbors: Json, bfd: t.Sequence[Json] = ()) -> tuple[Session, ...]:
    """All sessions.

    :param summary: ``show bgp summary json``.
    :param neighbors: ``show bgp neighbors json``.
    :param bfd: ``show bfd peers json``.
    """
    bfd_states = {str(peer.get("peer")): peer for peer in bfd}
    rows: dict[str, dict[str, Json]] = {}
    for family, key in _FAMILIES.items():
        for name, row in ((summary.get(key) or {}).get("peers") or {}).items():
            rows.setdefault(name, {})[family] = row
    found = []
    for name, row_by_family in rows.items():
        row = next(iter(row_by_family.values()))
        detail = neighbors.get(name) or {}
        state = str(detail.get("bgpState") or row.get("state") or "")
        established = state == "Established"
        found.append(
            Session(
                neighbor=name,
                remote_as=int(row.get("remoteAs") or detail.get("remoteAs") or 0),
                local_as=int(row.get("localAs") or detail.get("localAs") or 0),
                state=state,
                established=established,
                dynamic=bool(row.get("dynamicPeer")),
                peer_group=str(detail.get("peerGroup") or ""),
                description=str(row.get("desc") or detail.get("nbrDesc") or ""),
                uptime=int(row.get("peerUptimeMsec") or 0) // 1000 if established else 0,
                dropped=int(detail.get("connectionsDropped") or row.get("connectionsDropped") or 0),
                hold_time=int(detail.get("bgpTimerHoldTimeMsecs") or 0) // 1000,
                bfd=_bfd(detail, bfd_states.get(name)),
                reason="" if established else _reason(row, detail),
                code="" if established else _code(row, detail),
                notified_by="" if established else _notified_by(row, detail),
                **{family: _exchanged(row) for family, row in row_by_family.items()},
            )
        )
    return tuple(sorted(found, key=lambda session: session.neighbor))


def routes(table: Json) -> tuple[Route, ...]:
    """The prefixes of ``show bgp ipv4 unicast json``."""
    found = []
    for prefix, paths in (table.get("routes") or {}).items():
        used = [path for path in paths if path.get("bestpath") or path.get("multipath")]
        hops = sorted({str(hop.get("ip")) for path in used for hop in path.get("nexthops") or () if hop.get("ip")})
        suppressed = any(path.get("suppressed") for path in paths)
        best: Json = next((path for path in paths if path.get("bestpath")), {})
        systems = tuple(int(word) for word in str(best.get("path") or "").split() if word.isdigit())
        found.append(Route(str(prefix), len(paths), len(used), tuple(hops), suppressed, systems))
    return tuple(sorted(found, key=lambda route: route.prefix))


def as_data(entries: t.Iterable[t.Union[Session, Route]]) -> list[dict[str, t.Any]]:
    """As a module returns them."""
    return [asdict(entry) for entry in entries]


def not_established(found: t.Iterable[Session], expected: t.Iterable[str]) -> list[str]:
    """Of the expected neighbours those without a session. One that came by listen and went is in no table at all."""
    up = {session.neighbor for session in found if session.established}
    return [name for name in expected if name not in up]


def _exchanged(row: Json) -> Exchanged:
    policy = str(row.get("peerState") or "") == "Policy"
    return Exchanged(int(row.get("pfxRcd") or 0), int(row.get("pfxSnt") or 0), policy)


def _bfd(detail: Json, peer: t.Optional[Json]) -> str:
    """``up``, ``down`` and so on; empty without BFD."""
    info = detail.get("peerBfdInfo") or {}
    state = (peer or {}).get("status") or info.get("status") or ""
    return str(state).lower()


def _reason(row: Json, detail: Json) -> str:
    if row.get("state") == "Idle (Admin)" or detail.get("adminShutDown") or row.get("peerState") == "Admin":
        return "shut down by its configuration"
    if row.get("state") == _TOO_MANY:
        return _NOTIFICATIONS[PREFIXES]
    said = detail.get("lastErrorCodeSubcode")
    reason = detail.get("lastNotificationReason") or detail.get("lastResetDueTo") or ""
    if said and str(said) in _NOTIFICATIONS:
        return f"{_NOTIFICATIONS[str(said)]} ({reason})" if reason else _NOTIFICATIONS[str(said)]
    return str(reason)


def _code(row: Json, detail: Json) -> str:
    # The state outlives the notification: a later reset leaves the session down for too many prefixes.
    return PREFIXES if row.get("state") == _TOO_MANY else str(detail.get("lastErrorCodeSubcode") or "").upper()


def _notified_by(row: Json, detail: Json) -> str:
    if row.get("state") == _TOO_MANY:
        return "us"
    return {"BGP Notification send": "us", "BGP Notification received": "neighbor"}.get(
        str(detail.get("lastResetDueTo")), ""
    )


# RFC 4271 section 4.5, RFC 4486: code and subcode as four digits, in hexadecimal
_NOTIFICATIONS = {
    "0202": "the neighbour's AS is not the one that is configured",
    "0203": "the neighbour's router id is refused",
    "0206": "hold time is refused",
    "0400": "hold time is over: the neighbour fell silent",
    "0601": "more prefixes than maximum_prefix allows",
    "0602": "shut down by its administrator",
    "0603": "the neighbour was taken out of the configuration",
    "0604": "reset by its administrator",
    "0605": "the neighbour refused the connection",
    "0606": "its configuration changed",
    "060A": "BFD found the neighbour dead",
}

__all__ = ("PREFIXES", "Exchanged", "Json", "Route", "Session", "as_data", "not_established", "routes", "sessions")
