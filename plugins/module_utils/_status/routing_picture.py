# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The picture of the routers: the cluster's nodes on top, below them network by network who is further away.

Who stands in which row follows from the networks alone. A session is a line between two boxes, with a mark in its
middle where it is not well, so that colour says nothing alone.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Report, Segment, Session
from ansible_collections.kateskit.klubster.plugins.module_utils._status.picture import (
    WIDTH,
    Box,
    Health,
    Line,
    Picture,
    Text,
    fitted,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.table import (
    router_state_of,
    session_state_of,
    state_of,
)

_MARGIN = 16
_GAP = 16
_COLUMNS = 6
_WIDEST = 230
_HEIGHT = 76
_SMALL = 46
_BAR = 26
#: between a row and the networks below it: room for sessions to be told apart
_ROOM = 46
#: between two lines of one row: room for sessions beside each other
_LINE_GAP = 40
#: more nodes than that are one box
_MANY = 12
_WORST: tuple[Health, ...] = ("bad", "warn", "off", "good")
_ALL = "nodes of the cluster"


@dataclass(frozen=True)
class _Thing:
    """What gets a box."""

    name: str
    kind: t.Literal["node", "router", "other"]
    first: str
    second: str
    health: Health
    label: str


def draw(report: Report) -> Picture:
    """The picture; without routers there is nothing in it."""
    picture = Picture(width=WIDTH, height=0)
    things = {thing.name: thing for thing in _things(report)}
    levels, bars = _levels(things, report)
    boxes: dict[str, Box] = {}
    y: float = _MARGIN
    lanes: dict[str, Box] = {}
    for number, names in enumerate(levels):
        y = _row([things[name] for name in names], boxes, y)
        if number < len(bars) and bars[number]:
            y += _ROOM
            for lane in _lanes(bars[number], y):
                lanes[lane.label.split(" ")[0]] = lane
            y += _BAR + _ROOM
        else:
            y += _GAP
    picture.lines += _cables(report, boxes, lanes)
    sessions = _drawn(report["routing"]["sessions"], lumped=_ALL in things)
    picture.lines += [line for one in sessions for line in _session(one, boxes)]
    picture.icons = [mark for one in sessions for mark in _marks(one, boxes)]
    picture.boxes = [*lanes.values(), *boxes.values()]
    picture.height = y
    return picture


# What there is, and in which row


def _things(report: Report) -> t.Iterator[_Thing]:
    routing = report["routing"]
    speaking = {one["peer"] for one in routing["sessions"] if one["peer_kind"] == "node"}
    known = {name for segment in routing["networks"] for name in segment["machines"]}
    nodes = [node for node in report["nodes"] if node["name"] in speaking | known]
    if len(nodes) > _MANY:
        up = sum(1 for one in routing["sessions"] if one["peer_kind"] == "node" and one["up"])
        whole = sum(1 for one in routing["sessions"] if one["peer_kind"] == "node")
        bad = sum(1 for node in nodes if node["state"] != "ready")
        health: Health = "bad" if bad or up < whole else "good"
        told = f"{up} of {whole} sessions up"
        yield _Thing(_ALL, "node", _ALL, told, health, f"{_ALL}: {len(nodes) - bad} of {len(nodes)} ready, {told}")
        nodes = []
    for node in nodes:
        state, style = state_of(node)
        node_health: Health = {"good": "good", "warn": "warn", "bad": "bad"}.get(style, "off")  # type: ignore[assignment]
        where = ", ".join(node["addresses"])
        yield _Thing(node["name"], "node", node["name"], where, node_health, f"{node['name']}: {state}, {where}")
    for router in routing["routers"]:
        state, style = router_state_of(router)
        router_health: Health = {"good": "good", "warn": "warn", "bad": "bad"}.get(style, "off")  # type: ignore[assignment]
        if router["state"] == "ready" and router["up"] < router["sessions"]:
            router_health = "warn"
        number = f"AS {router['asn']}" if router["asn"] else "no BGP"
        sessions = f", {router['up']} of {router['sessions']} sessions" if router["sessions"] else ""
        told = state if router["state"] != "ready" else f"{number}{sessions}"
        label = f"{router['name']}: {state}, {number}{sessions}, {', '.join(router['addresses'])}"
        yield _Thing(router["name"], "router", router["name"], told, router_health, label)
    seen = set()
    for one in routing["sessions"]:
        if one["peer_kind"] == "other" and one["peer"] not in seen:
            seen.add(one["peer"])
            number = f"AS {one['peer_asn']}" if one["peer_asn"] else ""
            label = f"{one['peer']}: {one['address']}, {number}, not in the inventory"
            yield _Thing(one["peer"], "other", one["peer"], f"{one['address']} {number}".strip(), "off", label)


def _levels(things: t.Mapping[str, _Thing], report: Report) -> tuple[list[list[str]], list[list[Segment]]]:
    """Rows of boxes, and the networks between one row and the next."""
    networks = report["routing"]["networks"]
    lumped = _ALL in things
    nodes = {node["name"] for node in report["nodes"]}
    first = [name for name, thing in things.items() if thing.kind == "node"]
    rows, bars = [first], []
    placed, used = set(first), set()
    while True:
        above = rows[-1]
        below = [
            one
            for one in networks
            if one["network"] not in used
            and any(name in above or (lumped and name in nodes and _ALL in above) for name in one["machines"])
        ]
        if not below and not [name for name in things if name not in placed]:
            break
        used |= {one["network"] for one in below}
        bars.append(below)
        names = [
            name
            for name, thing in things.items()
            if name not in placed and any(thing.name in one["machines"] for one in below)
        ]
        if not below:
            # What no network joins to the others: the rest, in a row of its own.
            names = [name for name in things if name not in placed]
        placed |= set(names)
        rows.append(names)
    return [row for row in rows if row] or [[]], bars if first else bars[1:]


# Placing


def _row(things: t.Sequence[_Thing], boxes: dict[str, Box], y: float) -> float:
    """Place boxes from ``y`` on; the next free height."""
    for start in range(0, len(things), _COLUMNS):
        part = things[start : start + _COLUMNS]
        wide = min((WIDTH - 2 * _MARGIN - (len(part) - 1) * _GAP) / len(part), _WIDEST)
        whole = len(part) * wide + (len(part) - 1) * 2 * _GAP
        gap = 2 * _GAP if whole <= WIDTH - 2 * _MARGIN else _GAP
        left = (WIDTH - len(part) * wide - (len(part) - 1) * gap) / 2
        height = max(_SMALL if thing.kind == "node" else _HEIGHT for thing in part)
        for number, thing in enumerate(part):
            boxes[thing.name] = _box(thing, left + number * (wide + gap), y, wide, height)
        y += height + (_LINE_GAP if start + _COLUMNS < len(things) else 0)
    return y


def _box(thing: _Thing, x: float, y: float, width: float, height: float) -> Box:
    box = Box(f"machine {thing.kind} {thing.health}", x, y, width, height, label=thing.label)
    box.icons.append((thing.health, x + 18, y + 20))
    box.texts.append(Text(x + 34, y + 24, fitted(thing.first, width - 44, 13), 13, "strong"))
    size = 11.5
    mono = "mono" if thing.kind == "node" and thing.name != _ALL else "dim"
    second = fitted(thing.second, width - 24, size, mono=mono == "mono")
    box.texts.append(Text(x + 12, y + (40 if height == _SMALL else 48), second, size, mono))
    if height != _SMALL and thing.kind != "node":
        rest = thing.label.rpartition(", AS")[2] if thing.kind == "other" else thing.label.split(", ", 2)[-1]
        told = _addresses_in(rest)
        box.texts.append(Text(x + 12, y + 66, fitted(told, width - 24, 11, mono=True), 11, "mono dim"))
    return box


def _addresses_in(text: str) -> str:
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(str(ipaddress.ip_address(word)))
        except ValueError:
            continue
    return ", ".join(found)


def _lanes(networks: t.Sequence[Segment], y: float) -> t.Iterator[Box]:
    wide = (WIDTH - 2 * _MARGIN - (len(networks) - 1) * _GAP) / len(networks)
    for number, one in enumerate(networks):
        x = _MARGIN + number * (wide + _GAP)
        box = Box("lane", x, y, wide, _BAR, label=f"{one['network']} with {', '.join(one['machines'])}")
        box.texts.append(Text(x + 12, y + 17.5, fitted(one["network"], wide - 24, 12, mono=True), 12, "mono"))
        yield box


# Lines


def _cables(report: Report, boxes: t.Mapping[str, Box], lanes: t.Mapping[str, Box]) -> t.Iterator[Line]:
    nodes = {node["name"] for node in report["nodes"]}
    for segment in report["routing"]["networks"]:
        lane = lanes.get(segment["network"])
        names = dict.fromkeys(_ALL if _ALL in boxes and name in nodes else name for name in segment["machines"])
        for name in names:
            box = boxes.get(name)
            if box is None or lane is None:
                continue
            # Beside the middle, where the sessions leave.
            side = box.x + box.width * 0.12
            near = min(max(side, lane.x + 8), lane.x + lane.width - 8)
            above = box.y < lane.y
            begin, end = (box.y + box.height, lane.y) if above else (box.y, lane.y + lane.height)
            turn = (begin + end) / 2
            points = (
                ((side, begin), (side, turn), (near, turn), (near, end))
                if near != side
                else (
                    (side, begin),
                    (side, end),
                )
            )
            yield Line("lan", points)


def _ends(one: Session, boxes: t.Mapping[str, Box]) -> t.Optional[tuple[tuple[float, float], ...]]:
    """The line of a session: between facing edges, or below both boxes of one row."""
    peer = _ALL if one["peer_kind"] == "node" and _ALL in boxes else one["peer"]
    from_box, to_box = boxes.get(one["router"]), boxes.get(peer)
    if from_box is None or to_box is None:
        return None
    upper, lower = (from_box, to_box) if from_box.y <= to_box.y else (to_box, from_box)
    if upper.y + upper.height <= lower.y:
        # Spread along the edge by where the other stands, so that lines do not lie on each other.
        return (
            (_towards(upper, lower), upper.y + upper.height),
            (_towards(lower, upper), lower.y),
        )
    left, right = sorted((from_box, to_box), key=lambda box: box.x)
    under = left.y + left.height + 14
    start, end = left.x + left.width * 0.6, right.x + right.width * 0.4
    return ((start, left.y + left.height), (start, under), (end, under), (end, right.y + right.height))


def _towards(box: Box, other: Box) -> float:
    middle, target = box.x + box.width / 2, other.x + other.width / 2
    reach = box.width * 0.3
    return middle + max(-reach, min(reach, (target - middle) * 0.12))


def _health(one: Session) -> Health:
    style = session_state_of(one)[1]
    return {"good": "good", "warn": "warn", "bad": "bad"}.get(style, "off")  # type: ignore[return-value]


def _drawn(sessions: t.Sequence[Session], *, lumped: bool) -> list[Session]:
    """Where the nodes are one box, the worst of a router's sessions with them stands for all."""
    found = {}
    for one in sorted(sessions, key=lambda one: _WORST.index(_health(one)), reverse=True):
        with_nodes = lumped and one["peer_kind"] == "node"
        found[one["router"], _ALL if with_nodes else one["peer"], "" if with_nodes else one["address"]] = one
    return list(found.values())


def _session(one: Session, boxes: t.Mapping[str, Box]) -> t.Iterator[Line]:
    points = _ends(one, boxes)
    if points:
        state = session_state_of(one)[0]
        yield Line(f"session {_health(one)}", points, label=f"{one['router']} to {one['peer']}: {state} {one['cause']}")


def _marks(one: Session, boxes: t.Mapping[str, Box]) -> t.Iterator[tuple[Health, float, float]]:
    """A shape on a line that is not well."""
    points, health = _ends(one, boxes), _health(one)
    if points and health in ("bad", "warn"):
        # Nearer to the lower end, away from what crosses in the middle.
        (x1, y1), (x2, y2) = points[len(points) // 2 - 1 : len(points) // 2 + 1]
        share = 0.5 if y1 == y2 else 0.72
        yield health, x1 + (x2 - x1) * share, y1 + (y2 - y1) * share


__all__ = ("draw",)
