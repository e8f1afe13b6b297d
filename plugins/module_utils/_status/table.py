# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A report as text for a terminal of 80 columns or more. What is wrong stands first."""

from __future__ import annotations

import textwrap
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import (
    Layer,
    Node,
    Report,
    Router,
    Session,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import clip, count, day_and_time, printable

Style = t.Literal["", "good", "warn", "bad", "head"]

NARROWEST = 80
_CODES: dict[str, str] = {"good": "32", "warn": "33", "bad": "1;31", "head": "1"}
_GAP = 2
_LEAST = 8
#: a column of this width says enough when it is cut
_ENOUGH = 18
_FEW_EVENTS = 5
#: what a narrow terminal shows last
_DISPENSABLE = ("MEMORY", "CPU", "AGE", "PODS", "TIMES", "POOL", "CLASS", "SENT", "TAKEN", "ADDRESS")


@dataclass(frozen=True)
class Cell:
    text: str
    style: Style = ""


Row = t.Sequence[Cell]


def render(report: Report, *, width: int = 100, colour: bool = False) -> str:
    """The whole report as lines.

    :param width: columns of the terminal; no line is longer.
    :param colour: mark good and bad with colours as well; the words alone say it already.
    """
    paint = _paint if colour else _plain
    width = max(width, NARROWEST)
    lines = [paint(clip(headline(report), width), "good" if report["healthy"] else "bad")]
    lines += _problems(report, width, paint)
    if not report["api"]["answers"]:
        lines += _section("MACHINES of the inventory", _machine_rows(report), width, paint)
        lines += _routers(report, width, paint)
        return "\n".join(lines)
    ready = sum(1 for node in report["nodes"] if node["state"] == "ready")
    lines += _section(f"MACHINES  {ready} of {len(report['nodes'])} ready", _machine_rows(report), width, paint)
    lines += _section(f"LAYERS  {networks_line(report)}", _layer_rows(report), width, paint)
    lines += _section("LOAD BALANCER", _pool_rows(report), width, paint)
    lines += _section("SERVICES with an address of their own", _service_rows(report), width, paint)
    lines += _routers(report, width, paint)
    lines += _section("NAMES of services for the networks around", _name_rows(report), width, paint)
    lines += _section(f"STORAGE  {classes_line(report)}", _claim_rows(report), width, paint, always=True)
    lines += _section(f"PODS  {pods_line(report)}", _pod_rows(report), width, paint, always=True)
    lines += _section("WARNINGS of the last hour, newest first", _event_rows(report), width, paint)
    return "\n".join(lines)


def headline(report: Report) -> str:
    """The answer in one line."""
    errors = sum(1 for problem in report["problems"] if problem["severity"] == "error")
    warnings = len(report["problems"]) - errors
    parts = [count(errors, "problem")] if errors else []
    parts += [count(warnings, "warning")] if warnings else []
    judgement = "is well" if report["healthy"] else "is NOT well"
    told = (
        f", with {' and '.join(parts)}" if report["healthy"] and parts else f": {' and '.join(parts)}" if parts else ""
    )
    return f"Cluster {report['name']} {judgement}{told} (seen {day_and_time(report['generated'])})"


def networks_line(report: Report) -> str:
    networks = report["networks"]
    parts = [f"pods {', '.join(networks['pod'])}"] if networks["pod"] else []
    parts += [f"services {', '.join(networks['service'])}"] if networks["service"] else []
    parts += [f"DNS {networks['dns_address']}"] if networks["dns_address"] else []
    return "; ".join(parts)


def classes_line(report: Report) -> str:
    names = [entry["name"] + (" (default)" if entry["default"] else "") for entry in report["storage_classes"]]
    return f"classes {', '.join(names)}" if names else "no storage class"


def pods_line(report: Report) -> str:
    pods = report["pods"]
    parts = [f"{pods['ready']} of {pods['total']} ready"]
    parts += [f"{pods['finished']} finished"] if pods["finished"] else []
    parts += [f"{pods['starting']} starting"] if pods["starting"] else []
    parts += [f"{len(pods['troubles'])} in trouble"] if pods["troubles"] else []
    return ", ".join(parts)


def state_of(node: Node) -> tuple[str, Style]:
    """A machine's state in words, and how good that is."""
    if node["state"] != "ready":
        return node["state"].upper(), "bad"
    if node["pressure"]:
        return "ready, " + ", ".join(node["pressure"]), "bad"
    return ("ready, cordoned", "warn") if node["cordoned"] else ("ready", "good")


def layer_state_of(layer: Layer) -> tuple[str, Style]:
    states: dict[str, tuple[str, Style]] = {
        "ready": ("ready", "good"),
        "not ready": ("NOT READY", "bad"),
        "missing": ("MISSING", "bad"),
        "off": ("not used", ""),
        "within": ("in the engine", "good"),
    }
    return states[layer["state"]]


def _problems(report: Report, width: int, paint: t.Callable[[str, Style], str]) -> list[str]:
    lines: list[str] = []
    for number, problem in enumerate(report["problems"], 1):
        style: Style = "bad" if problem["severity"] == "error" else "warn"
        word = "" if problem["severity"] == "error" else "Warning: "
        head = textwrap.wrap(f"{number}. {word}{problem['cause']}.", width - 2, subsequent_indent="   ")
        lines += ["", *(f"  {paint(line, style)}" for line in head)]
        seen = [("seen:", f"{problem['subject']}: {problem['detail']}")]
        seen += [("hence:", text) for text in problem["consequences"]]
        seen.append(("do:", problem["remedy"]))
        for label, text in seen:
            lines += textwrap.wrap(
                text, width, initial_indent=f"     {label:<7}", subsequent_indent=" " * 12, break_on_hyphens=False
            )
    return lines


def _section(
    title: str, rows: t.Sequence[Row], width: int, paint: t.Callable[[str, Style], str], *, always: bool = False
) -> list[str]:
    if len(rows) < 2 and not always:
        return []
    lines = ["", paint(clip(title.strip(), width), "head")]
    if len(rows) < 2:
        return lines
    indent = "  "
    rows = _without_dispensable(rows, width - len(indent))
    widths = _fit([max(len(row[column].text) for row in rows) for column in range(len(rows[0]))], width - len(indent))
    for row in rows:
        cells = [paint(f"{clip(cell.text, size):<{size}}", cell.style) for cell, size in zip(row, widths) if size]
        lines.append((indent + (" " * _GAP).join(cells)).rstrip())
    return lines


def _without_dispensable(rows: t.Sequence[Row], width: int) -> t.Sequence[Row]:
    """Leave out columns until what cannot be shortened fits."""
    for title in _DISPENSABLE:
        titles = [cell.text for cell in rows[0]]
        longest = [max(len(row[column].text) for row in rows) for column in range(len(titles))]
        if sum(min(size, _ENOUGH) for size in longest) + _GAP * (len(titles) - 1) <= width:
            break
        if title in titles[1:]:
            gone = titles.index(title)
            rows = [[*row[:gone], *row[gone + 1 :]] for row in rows]
    return rows


def _fit(wanted: list[int], width: int) -> list[int]:
    """Take from the widest column until the row fits."""
    widths = list(wanted)
    room = width - _GAP * (len(widths) - 1)
    while sum(widths) > room and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _head(*titles: str) -> Row:
    return [Cell(title) for title in titles]


def _machine_rows(report: Report) -> list[Row]:
    rows: list[Row] = [
        _head("NAME", "ROLE", "STATE", "ADDRESS", "POD NETWORK", "VERSION", "PODS", "CPU", "MEMORY", "AGE")
    ]
    for node in report["nodes"]:
        text, style = state_of(node)
        rows.append(
            [
                Cell(node["name"]),
                Cell(node["role"]),
                Cell(text, style),
                Cell(",".join(node["addresses"])),
                Cell(",".join(node["pod_networks"])),
                Cell(node["version"]),
                Cell(f"{node['pods']}/{node['pods_max']}" if node["pods_max"] else ""),
                Cell(node["cpu"]),
                Cell(node["memory"]),
                Cell(node["age"]),
            ]
        )
    return _without_empty(rows)


def _layer_rows(report: Report) -> list[Row]:
    api = report["api"]
    down = [f"{part['name']} on {part['node']}: {part['why']}" for part in report["control_plane"] if not part["ready"]]
    down = [f"failing: {', '.join(api['failing_checks'])}"] * bool(api["failing_checks"]) + down
    count_of_parts = count(len(report["control_plane"]), "component") if report["control_plane"] else ""
    rows: list[Row] = [
        _head("LAYER", "BY", "STATE", "DETAIL"),
        [
            Cell("Control plane"),
            Cell(api["version"]),
            Cell("NOT READY", "bad") if down else Cell("ready", "good"),
            Cell("; ".join(down) or f"{api['server']}  {count_of_parts}".strip()),
        ],
    ]
    for layer in report["layers"]:
        text, style = layer_state_of(layer)
        detail = layer["why"] or ", ".join(layer["workloads"])
        rows.append([Cell(layer["title"]), Cell(layer["provider"]), Cell(text, style), Cell(detail)])
    return rows


def _pool_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("POOL", "ADDRESSES", "USED", "FREE", "NOTES")]
    for pool in report["pools"]:
        notes = [] if pool["announced"] else ["NOT ANNOUNCED"]
        notes += [] if pool["auto_assign"] else ["only on request"]
        rows.append(
            [
                Cell(pool["name"]),
                Cell(", ".join(pool["addresses"])),
                Cell(str(pool["used"])),
                Cell(str(pool["free"]), "" if pool["free"] else "warn"),
                Cell(", ".join(notes), "" if pool["announced"] else "bad"),
            ]
        )
    return _without_empty(rows)


def _service_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("SERVICE", "ADDRESS", "PORTS", "POOL", "PODS", "ANNOUNCED BY")]
    rows += [
        [
            Cell(f"{service['namespace']}/{service['name']}"),
            Cell(", ".join(service["addresses"])) if service["addresses"] else Cell("none yet", "warn"),
            Cell(",".join(service["ports"])),
            Cell(service["pool"]),
            Cell(str(service["endpoints"]), "" if service["endpoints"] else "warn"),
            Cell(", ".join(service["announced_by"]) or service["why"]),
        ]
        for service in report["services"]
    ]
    return rows


def _routers(report: Report, width: int, paint: t.Callable[[str, Style], str]) -> list[str]:
    """What the routers of the inventory say; nothing where there are none."""
    routing = report["routing"]
    up = sum(1 for one in routing["sessions"] if one["up"])
    told = f"SESSIONS of BGP  {up} of {len(routing['sessions'])} up"
    lines = _section("NETWORKS", _network_rows(report), width, paint)
    lines += _section("ROUTERS", _router_rows(report), width, paint)
    lines += _section(told, _session_rows(report), width, paint)
    return lines + _section("ADDRESSES announced by BGP", _announced_rows(report), width, paint)


def router_state_of(router: Router) -> tuple[str, Style]:
    """A router's state in words, and how good that is."""
    states: dict[str, tuple[str, Style]] = {
        "ready": ("ready", "good"),
        "silent": ("NO ANSWER", "bad"),
        "stopped": ("FRR STOPPED", "bad"),
        "unseen": ("not looked at", ""),
    }
    return states[router["state"]]


def session_state_of(one: Session) -> tuple[str, Style]:
    """A session's state in words, and how good that is. Where nobody could look it is neither."""
    if one["up"]:
        return ("up", "good") if not one["cause"] else ("up, refuses", "warn")
    if one["state"] == "not known":
        return "not known", ""
    state = "DOWN" if one["state"] == "none" else f"DOWN ({one['state']})"
    return state, "warn" if one["severity"] == "warning" else "bad"


def _network_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("NETWORK", "MACHINES")]
    rows += [[Cell(one["network"]), Cell(", ".join(one["machines"]))] for one in report["routing"]["networks"]]
    return rows


def _router_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("ROUTER", "STATE", "AS", "SESSIONS", "ADDRESSES", "NOTES")]
    for one in report["routing"]["routers"]:
        text, style = router_state_of(one)
        rows.append(
            [
                Cell(one["name"]),
                Cell(text, style),
                Cell(str(one["asn"] or "")),
                Cell(f"{one['up']} of {one['sessions']}" if one["sessions"] else ""),
                Cell(",".join(one["addresses"])),
                Cell(one["why"]),
            ]
        )
    return _without_empty(rows)


def _session_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("ROUTER", "WITH", "STATE", "ADDRESS", "TAKEN", "SENT", "LIKELY CAUSE")]
    for one in report["routing"]["sessions"]:
        text, style = session_state_of(one)
        rows.append(
            [
                Cell(one["router"]),
                Cell(one["peer"]),
                Cell(text, style),
                Cell(one["address"]),
                Cell(str(one["received"]) if one["up"] else ""),
                Cell(str(one["sent"]) if one["up"] else ""),
                Cell(one["cause"]),
            ]
        )
    return _without_empty(rows)


def _announced_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("ADDRESS", "SERVICE", "ROUTER", "KNOWS", "WAYS", "BY")]
    for one in report["routing"]["announced"]:
        first = [Cell(one["address"]), Cell(one["service"])]
        for way in one["ways"]:
            hops = ", ".join(way["next_hops"])
            rows.append([*first, Cell(way["router"]), Cell(way["prefix"]), Cell(str(way["width"])), Cell(hops)])
        for name in one["unknown_to"]:
            rows.append([*first, Cell(name), Cell("no way", "warn"), Cell(""), Cell("")])
        if not one["ways"] and not one["unknown_to"]:
            rows.append([*first, Cell(""), Cell("nobody", "warn"), Cell(""), Cell("")])
    return rows


def _name_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("ZONE", "STATE", "SERVER", "ALIASES", "NOTES")]
    names = report["names"]
    if names is not None:
        state = Cell("ready", "good") if names["ready"] else Cell("NOT READY", "bad")
        server, aliases = ", ".join(names["addresses"]), ", ".join(names["aliases"])
        rows.append([Cell(names["zone"]), state, Cell(server), Cell(aliases), Cell(names["why"])])
    return _without_empty(rows)


def _claim_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("CLAIM", "STATE", "SIZE", "CLASS", "NOTES")]
    for claim in report["claims"]:
        rows.append(
            [
                Cell(f"{claim['namespace']}/{claim['name']}"),
                Cell(claim["phase"], "good" if claim["phase"] == "Bound" else "warn"),
                Cell(claim["size"]),
                Cell(claim["storage_class"]),
                Cell(claim["why"]),
            ]
        )
    return _without_empty(rows)


def _pod_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("POD", "MACHINE", "REASON", "AGE", "DETAIL")]
    rows += [
        [
            Cell(f"{trouble['namespace']}/{trouble['name']}"),
            Cell(trouble["node"]),
            Cell(trouble["reason"], "bad"),
            Cell(trouble["age"]),
            Cell(trouble["detail"]),
        ]
        for trouble in report["pods"]["troubles"]
    ]
    return rows


def _event_rows(report: Report) -> list[Row]:
    rows: list[Row] = [_head("AGO", "TIMES", "REASON", "ABOUT", "MESSAGE")]
    rows += [
        [
            Cell(event["age"]),
            Cell(str(event["count"])),
            Cell(event["reason"]),
            Cell(event["about"]),
            Cell(event["message"]),
        ]
        for event in report["events"][:_FEW_EVENTS]
    ]
    return rows


def _without_empty(rows: list[Row]) -> list[Row]:
    """Leave out columns in which nothing stands."""
    kept = [column for column in range(len(rows[0])) if any(row[column].text for row in rows[1:])]
    return [[row[column] for column in kept] for row in rows]


def _plain(text: str, _style: Style) -> str:
    return printable(text)


def _paint(text: str, style: Style) -> str:
    return f"\x1b[{_CODES[style]}m{printable(text)}\x1b[0m" if style in _CODES else printable(text)


__all__ = (
    "NARROWEST",
    "classes_line",
    "headline",
    "layer_state_of",
    "networks_line",
    "pods_line",
    "render",
    "router_state_of",
    "session_state_of",
    "state_of",
)
