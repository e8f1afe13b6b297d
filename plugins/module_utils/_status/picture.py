# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The picture of a cluster: addresses for services on top, machines on their network, pods and services below.

``draw`` computes rectangles, ``svg`` writes them. Health is a shape and a word before it is a colour.
"""

from __future__ import annotations

import typing as t
import unicodedata
from dataclasses import dataclass, field
from html import escape

from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import LoadBalancedService, Node, Report
from ansible_collections.kateskit.klubster.plugins.module_utils._status.table import layer_state_of, state_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import clean, count, printable

Health = t.Literal["good", "warn", "bad", "off"]

WIDTH = 1160
_MARGIN = 16
_PADDING = 16
_TITLE = 34
_GAP = 16
#: between two rows of machines run the pod network of the upper and the machines' network of the lower
_ROW_GAP = 40
_BELOW = 28
_RAIL = 14
_WIDEST = 380
_MACHINE_HEIGHT = 150
_SERVICE_HEIGHT = 44
_LAYER_HEIGHT = 58
_MANY = 24
_MOST_SERVICES = 30
# Wide fonts such as DejaVu, so that a narrower one only leaves room.
_SANS, _MONO = 0.62, 0.61
_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
)


#: a round tick, a triangle with a stroke, an octagon with a cross, an empty ring: told apart without colour
SHAPES: dict[Health, str] = {
    "good": '<circle class="icon good" r="9"/><path class="mark" d="M-4.5 .5L-1.5 3.5L4.5 -3"/>',
    "warn": '<path class="icon warn" d="M0 -10L10.5 8.5H-10.5z"/><path class="mark" d="M0 -4V2.5M0 5.2V5.8"/>',
    "bad": (
        '<path class="icon bad" d="M-4 -9.6H4L9.6 -4V4L4 9.6H-4L-9.6 4V-4z"/>'
        '<path class="mark" d="M-3.6 -3.6L3.6 3.6M3.6 -3.6L-3.6 3.6"/>'
    ),
    "off": '<circle class="icon off" r="8"/><path class="mark off" d="M-4 0H4"/>',
}


@dataclass(frozen=True)
class Text:
    x: float
    y: float
    text: str
    size: float = 13
    css: str = ""
    anchor: t.Literal["start", "middle", "end"] = "start"

    @property
    def width(self) -> float:
        return text_width(self.text, self.size, mono="mono" in self.css)


@dataclass
class Box:
    """A rectangle with what stands in it; children lie inside and beside each other."""

    css: str
    x: float
    y: float
    width: float
    height: float
    label: str = ""
    texts: list[Text] = field(default_factory=list)
    icons: list[tuple[Health, float, float]] = field(default_factory=list)
    children: list[Box] = field(default_factory=list)
    #: share of the width that a meter fills
    filled: float | None = None


@dataclass(frozen=True)
class Line:
    css: str
    points: tuple[tuple[float, float], ...]
    arrow: bool = False
    #: what a reader is told of it
    label: str = ""


@dataclass
class Picture:
    width: float
    height: float
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    #: marks that lie over everything
    icons: list[tuple[Health, float, float]] = field(default_factory=list)


def text_width(text: str, size: float, *, mono: bool = False) -> float:
    """Upper estimate in pixels; glyphs of East Asian scripts are as wide as high."""
    factor = _MONO if mono else _SANS
    return sum(size * (1.05 if unicodedata.east_asian_width(char) in "WF" else factor) for char in text)


def fitted(text: str, width: float, size: float, *, mono: bool = False) -> str:
    """As much of the text as fits; a reader finds the whole in the tooltip and in the tables."""
    text = printable(text)
    if text_width(text, size, mono=mono) <= width:
        return text
    while text and text_width(text + "…", size, mono=mono) > width:
        text = text[:-1]
    return text + "…"


def draw(report: Report) -> Picture:
    picture = Picture(width=WIDTH, height=0)
    inner = WIDTH - 2 * _MARGIN
    addresses = _addresses(report, _MARGIN, _MARGIN, inner)
    machines = _machines(report, picture, _MARGIN, addresses.y + addresses.height + _ROW_GAP, inner)
    networks = _networks(report, machines)
    picture.boxes = [addresses, machines, *networks]
    picture.height = max(box.y + box.height for box in networks) + _MARGIN
    middle = WIDTH / 2
    picture.lines.append(
        Line("reach", ((middle, addresses.y + addresses.height), (middle, machines.y)), arrow=True),
    )
    return picture


# Addresses for services


def _addresses(report: Report, x: float, y: float, width: float) -> Box:
    frame = _frame("outside", x, y, width, "Addresses for services, reached from outside")
    groups = _groups(report)
    columns = 1 if len(groups) == 1 else 2
    wide = (width - 2 * _PADDING - (columns - 1) * _GAP) / columns
    tops = [y + _TITLE + 4] * columns
    for group in groups:
        # Into the column that is shorter so far.
        column = tops.index(min(tops))
        box = _pool(group, x + _PADDING + column * (wide + _GAP), tops[column], wide)
        frame.children.append(box)
        tops[column] += box.height + _GAP
    top = max(tops)
    if not groups:
        frame.texts.append(
            Text(x + _PADDING, top + 14, "No pool of addresses and no service that asks for one.", css="dim")
        )
        top += 14 + _GAP
    frame.height = top - y
    return frame


@dataclass(frozen=True)
class _Group:
    title: str
    detail: str
    health: Health
    filled: float | None
    services: list[LoadBalancedService]


def _groups(report: Report) -> list[_Group]:
    """The pools, then services that have no address, then those with one from elsewhere."""
    found = []
    for pool in report["pools"]:
        services = [entry for entry in report["services"] if entry["addresses"] and entry["pool"] == pool["name"]]
        share = pool["used"] / pool["size"] if pool["size"] else 0.0
        health: Health = "bad" if not pool["announced"] else "good" if pool["free"] else "warn"
        detail = f"{', '.join(pool['addresses'])} · {pool['used']} used, {pool['free']} free"
        detail += "" if pool["announced"] else " · not announced"
        found.append(_Group(f"Pool {pool['name']}", detail, health, share, services))
    names = {pool["name"] for pool in report["pools"]}
    waiting = [entry for entry in report["services"] if not entry["addresses"]]
    if waiting:
        found.append(_Group("Without an address", "services that wait for one", "warn", None, waiting))
    other = [entry for entry in report["services"] if entry["addresses"] and entry["pool"] not in names]
    if other:
        found.append(_Group("From elsewhere", "addresses of no pool", "good", None, other))
    return found


def _pool(group: _Group, x: float, y: float, width: float) -> Box:
    box = Box("pool", x, y, width, 0, label=f"{group.title}: {group.detail}")
    box.icons.append((group.health, x + 20, y + 22))
    box.texts.append(Text(x + 38, y + 27, fitted(group.title, width - 52, 14), 14, "strong"))
    box.texts.append(Text(x + 12, y + 48, fitted(group.detail, width - 24, 12, mono=True), 12, "mono dim"))
    top = y + 60
    if group.filled is not None:
        box.children.append(
            Box("meter", x + 12, top, width - 24, 8, label="share of addresses used", filled=group.filled)
        )
        top += 18
    for service in group.services[:_MOST_SERVICES]:
        box.children.append(_service(service, x + 12, top, width - 24))
        top += _SERVICE_HEIGHT + 6
    more = len(group.services) - _MOST_SERVICES
    if more > 0:
        box.texts.append(Text(x + 12, top + 14, f"and {more} more: see the table", 12, "dim"))
        top += 20
    box.height = top + 6 - y
    return box


def _service(service: LoadBalancedService, x: float, y: float, width: float) -> Box:
    name = f"{service['namespace']}/{service['name']}"
    where = ", ".join(service["addresses"]) or "no address"
    ports = ", ".join(service["ports"])
    health: Health = "good" if service["addresses"] and service["endpoints"] else "warn"
    detail = f"{count(service['endpoints'], 'ready pod')}"
    detail += f" · announced by {', '.join(service['announced_by'])}" if service["announced_by"] else ""
    detail = service["why"] or detail
    box = Box("service", x, y, width, _SERVICE_HEIGHT, label=f"{name}: {where}, ports {ports}, {detail}")
    box.icons.append((health, x + 18, y + _SERVICE_HEIGHT / 2))
    left = fitted(f"{where}  port {ports}" if ports else where, width * 0.5 - 40, 12.5, mono=True)
    box.texts.append(Text(x + 36, y + 19, left, 12.5, "mono strong"))
    box.texts.append(Text(x + 36, y + 36, fitted(detail, width - 48, 11.5), 11.5, "dim"))
    box.texts.append(Text(x + width - 12, y + 19, fitted(name, width * 0.5 - 12, 12.5), 12.5, "", "end"))
    return box


# Machines


def _machines(report: Report, picture: Picture, x: float, y: float, width: float) -> Box:
    nodes = report["nodes"]
    ready = sum(1 for node in nodes if node["state"] == "ready")
    frame = _frame("machines", x, y, width, f"Machines on their network: {ready} of {len(nodes)} ready")
    columns = _columns(len(nodes))
    height = _MACHINE_HEIGHT if len(nodes) <= _MANY else 84
    left, right = x + _PADDING + _RAIL, x + width - _PADDING - _RAIL
    wide = min((right - left - (columns - 1) * _GAP) / columns, _WIDEST)
    top = y + _TITLE + 26
    buses: list[float] = []
    rails: list[float] = []
    for start in range(0, len(nodes), columns):
        row = nodes[start : start + columns]
        middles = [left + position * (wide + _GAP) + wide / 2 for position in range(len(row))]
        joined = [middle for middle, node in zip(middles, row) if node["pod_networks"]]
        bus, rail = top - 14, top + height + 14
        buses.append(bus)
        picture.lines.append(Line("lan", ((x + _PADDING, bus), (middles[-1], bus))))
        picture.lines += [Line("lan", ((middle, bus), (middle, top))) for middle in middles]
        if joined:
            rails.append(rail)
            picture.lines.append(Line("podnet", ((joined[0], rail), (x + width - _PADDING, rail))))
        picture.lines += [Line("podnet", ((middle, top + height), (middle, rail))) for middle in joined]
        for middle, node in zip(middles, row):
            answers = [
                address
                for entry in report["services"]
                if node["name"] in entry["announced_by"]
                for address in entry["addresses"]
            ]
            frame.children.append(_machine(node, answers, x=middle - wide / 2, y=top, width=wide, height=height))
        top += height + _ROW_GAP
    if buses:
        picture.lines.append(Line("lan", ((x + _PADDING, buses[0]), (x + _PADDING, buses[-1]))))
    else:
        frame.texts.append(Text(left, top, "No machine is known.", css="dim"))
        top += _GAP
    if rails:
        # From the first row down to the box of the pod network.
        rail = x + width - _PADDING
        picture.lines.append(Line("podnet", ((rail, rails[0]), (rail, top - 8 + _BELOW)), arrow=True))
    frame.height = top - 8 - y
    return frame


def _columns(number: int) -> int:
    if number > _MANY:
        return 6
    return max(1, min(number, 4))


def _machine(node: Node, answers: list[str], *, x: float, y: float, width: float, height: float) -> Box:
    state, style = state_of(node)
    health: Health = {"good": "good", "warn": "warn", "bad": "bad"}.get(style, "off")  # type: ignore[assignment]
    address = ", ".join(node["addresses"])
    label = f"{node['name']}: {node['role']}, {state}, {address}"
    label += f", pod network {', '.join(node['pod_networks'])}" if node["pod_networks"] else ""
    label += f", announces {', '.join(answers)}" if answers else ""
    label += f", {node['why']}" if node["why"] else ""
    box = Box(f"machine {node['role']} {health}", x, y, width, height, label=label)
    box.icons.append((health, x + 20, y + 22))
    role_width = text_width(node["role"], 11) + 16
    small = height < _MACHINE_HEIGHT
    room = width - 50 - (0 if small else role_width)
    box.texts.append(Text(x + 38, y + 27, fitted(node["name"], room, 14), 14, "strong"))
    box.texts.append(Text(x + 12, y + 49, fitted(address, width - 24, 12.5, mono=True), 12.5, "mono"))
    if small:
        box.texts.append(Text(x + 12, y + 70, fitted(f"{node['role']}, {state}", width - 24, 11.5), 11.5, health))
        return box
    box.texts.append(Text(x + width - 12, y + 26, node["role"], 11, "dim", "end"))
    state_text = f"{state} {node['version']}".strip()
    box.texts.append(Text(x + 12, y + 69, fitted(state_text, width - 24, 12), 12, health))
    sizes = [
        f"{node['cpu']} CPU" if node["cpu"] else "",
        node["memory"],
        count(node["pods"], "pod") if node["pods_max"] else "",
    ]
    told = " · ".join(part for part in sizes if part) or node["why"]
    box.texts.append(Text(x + 12, y + 87, fitted(told, width - 24, 12), 12, "dim"))
    if answers:
        box.children.append(_pill("announces", f"answers for {', '.join(answers)}", x + 8, y + 96, width - 16))
    if node["pod_networks"]:
        box.children.append(_pill("podrange", f"pods {', '.join(node['pod_networks'])}", x + 8, y + 122, width - 16))
    return box


def _pill(css: str, text: str, x: float, y: float, width: float) -> Box:
    box = Box(f"pill {css}", x, y, width, 22, label=text)
    box.texts.append(Text(x + width / 2, y + 15.5, fitted(text, width - 12, 11.5, mono=True), 11.5, "mono", "middle"))
    return box


# Networks and layers


def _networks(report: Report, machines: Box) -> list[Box]:
    """The pod network under its rail, the service network beside it, the layers in a row below."""
    y = machines.y + machines.height + _BELOW
    width = (WIDTH - 2 * _MARGIN - _GAP) / 2
    networks = report["networks"]
    services = _frame("services", _MARGIN, y, width, "Service network")
    dns = f" · DNS {networks['dns_address']}" if networks["dns_address"] else ""
    services.texts.append(_mono(services, f"{', '.join(networks['service']) or 'not known'}{dns}"))
    pods = _frame("pods", _MARGIN + width + _GAP, y, width, "Pod network")
    provider = next((layer["provider"] for layer in report["layers"] if layer["name"] == "network"), "")
    whole = ", ".join(networks["pod"]) or "each machine's part stands in its box"
    pods.texts.append(_mono(pods, f"{whole} · {provider}" if provider else whole))
    for box in (services, pods):
        box.height = 64
        box.label = f"{box.texts[0].text} {box.texts[1].text}"
    return [services, pods, *_layers(report, y + 64 + _GAP)]


def _mono(box: Box, text: str) -> Text:
    return Text(box.x + _PADDING, box.y + 48, fitted(text, box.width - 2 * _PADDING, 13, mono=True), 13, "mono")


def _layers(report: Report, y: float) -> list[Box]:
    api = report["api"]
    broken = [part["name"] for part in report["control_plane"] if not part["ready"]] or api["failing_checks"]
    state = "does not answer" if not api["answers"] else "NOT READY" if broken else "ready"
    chips: list[tuple[str, str, str, Health]] = [
        ("Control plane", api["version"], state, "good" if state == "ready" else "bad")
    ]
    for layer in report["layers"]:
        text, style = layer_state_of(layer)
        chips.append((layer["title"], layer["provider"], text, "bad" if style == "bad" else "good" if style else "off"))
    wide = (WIDTH - 2 * _MARGIN - 5 * 10) / 6
    found = []
    for position, (title, provider, told, health) in enumerate(chips):
        x = _MARGIN + position * (wide + 10)
        box = Box(f"layer {health}", x, y, wide, _LAYER_HEIGHT, label=f"{title}: {told}, {provider}")
        box.icons.append((health, x + 20, y + 21))
        box.texts.append(Text(x + 38, y + 25, fitted(title, wide - 46, 12.5), 12.5, "strong"))
        box.texts.append(Text(x + 12, y + 46, fitted(f"{told} {provider}".strip(), wide - 20, 11.5), 11.5, "dim"))
        found.append(box)
    return found


def _frame(css: str, x: float, y: float, width: float, title: str) -> Box:
    box = Box(f"frame {css}", x, y, width, 0, label=title)
    box.texts.append(Text(x + _PADDING, y + 24, fitted(title, width - 2 * _PADDING, 13.5), 13.5, "title"))
    return box


# Writing


def svg(picture: Picture, title: str, description: str, name: str = "picture") -> str:
    """The picture as one svg element, to stand in a page that brings the style.

    :param name: what its ids begin with, different for each picture of a page.
    """
    ids = (f"{name}-title", f"{name}-description")
    size = f"{picture.width:g} {picture.height:g}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" aria-labelledby="{" ".join(ids)}">',
        f'<title id="{ids[0]}">{_safe(title)}</title>',
        f'<desc id="{ids[1]}">{_safe(description)}</desc>',
        *([_ARROW] if any(line.arrow for line in picture.lines) else []),
    ]
    for box in picture.boxes:
        if "frame" in box.css:
            parts.append(_rectangle(box))
    parts += [_line(line) for line in picture.lines]
    for box in picture.boxes:
        parts.append(_written(box, shape="frame" not in box.css))
    parts += [_icon(*icon) for icon in picture.icons]
    parts.append("</svg>")
    return "\n".join(parts)


def _written(box: Box, *, shape: bool = True) -> str:
    parts = ["<g>", f"<title>{_safe(box.label)}</title>"]
    parts += [_rectangle(box)] if shape else []
    if box.filled is not None:
        share = max(min(box.filled, 1.0), 0.0) * box.width
        parts.append(
            f'<rect class="fill" x="{box.x:.1f}" y="{box.y:.1f}" width="{share:.1f}" height="{box.height:.1f}" rx="4"/>'
        )
    parts += [_icon(*icon) for icon in box.icons]
    for text in box.texts:
        css = f' class="{text.css}"' if text.css else ""
        anchor = f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
        parts.append(
            f'<text x="{text.x:.1f}" y="{text.y:.1f}" font-size="{text.size:g}"{css}{anchor}>{_safe(text.text)}</text>'
        )
    parts += [_written(child) for child in box.children]
    parts.append("</g>")
    return "".join(parts)


def _rectangle(box: Box) -> str:
    radius = 11 if "pill" in box.css else 4 if "meter" in box.css else 10
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    return f'<rect class="{_safe(box.css)}" {place} rx="{radius}"/>'


def _line(line: Line) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line.points)
    arrow = ' marker-end="url(#arrow)"' if line.arrow else ""
    shape = f'<polyline class="{line.css}" points="{points}"{arrow}/>'
    return f"<g><title>{_safe(line.label)}</title>{shape}</g>" if line.label else shape


def _icon(health: Health, x: float, y: float) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f})" aria-hidden="true">{SHAPES[health]}</g>'


def _safe(text: str) -> str:
    return escape(clean(text), quote=True)


__all__ = ("SHAPES", "WIDTH", "Box", "Health", "Line", "Picture", "Text", "draw", "fitted", "svg", "text_width")
