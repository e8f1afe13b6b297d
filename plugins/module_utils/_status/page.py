# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A report as one HTML page that needs nothing else: no network, no script, no font; light, dark and on paper."""

from __future__ import annotations

import re
import typing as t
from html import escape

from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Report
from ansible_collections.kateskit.klubster.plugins.module_utils._status.picture import SHAPES, Health, draw, svg
from ansible_collections.kateskit.klubster.plugins.module_utils._status.routing_picture import draw as draw_routing
from ansible_collections.kateskit.klubster.plugins.module_utils._status.table import (
    layer_state_of,
    networks_line,
    pods_line,
    router_state_of,
    session_state_of,
    state_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import clean, count, day_and_time

_GENERATED = re.compile(r'<time id="generated" datetime="([^"]*)">')
_WARNINGS = re.compile(r"<!-- warnings -->.*<!-- /warnings -->", re.DOTALL)
_TITLE = re.compile(r"<title>([^<]*)</title>")

# Colours are chosen for a contrast of at least 4.5 to 1 for text on every ground it stands on.
_STYLE = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --sunk: #eef1f5; --ink: #16202c; --dim: #4d5a69; --edge: #c5ced8;
  --good: #12703c; --warn: #8a5a00; --bad: #b3191f; --off: #5c6875; --mark: #ffffff;
  --lan: #1d5fa8; --lan-soft: #dfeaf7; --pod: #6a3fa0; --pod-soft: #ece4f7; --reach: #0b6b70; --reach-soft: #dcf0f0;
  --good-soft: #e3f3e8; --warn-soft: #fbf0d9; --bad-soft: #fbe4e4; }
@media (prefers-color-scheme: dark) { :root {
  --page: #10151b; --card: #1a212a; --sunk: #222b36; --ink: #e8edf3; --dim: #aab6c3; --edge: #3a4655;
  --good: #5fd08a; --warn: #f0b64b; --bad: #ff8a85; --off: #9aa7b5; --mark: #10151b;
  --lan: #7db6f2; --lan-soft: #1b2f47; --pod: #c3a2f3; --pod-soft: #2e2342; --reach: #66cfd4; --reach-soft: #14363a;
  --good-soft: #173324; --warn-soft: #3a2d12; --bad-soft: #43201f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 40px; max-width: 1200px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 32px 0 8px; }
.verdict { display: flex; gap: 16px; align-items: center; padding: 18px 20px; border-radius: 12px;
  border: 2px solid; }
.verdict.good { background: var(--good-soft); border-color: var(--good); }
.verdict.bad { background: var(--bad-soft); border-color: var(--bad); }
.verdict p { margin: 4px 0 0; color: var(--dim); overflow-wrap: anywhere; }
.verdict svg { flex: none; width: 44px; height: 44px; }
ol.problems { margin: 0; padding: 0; list-style: none; counter-reset: problem; }
ol.problems > li { background: var(--card); border: 1px solid var(--edge); border-left: 6px solid var(--bad);
  border-radius: 10px; padding: 12px 16px; margin: 10px 0; break-inside: avoid; overflow-wrap: anywhere; }
ol.problems > li.warning { border-left-color: var(--warn); }
ol.problems .kind { font-size: 12px; font-weight: 700; letter-spacing: .04em; text-transform: uppercase;
  color: var(--bad); }
ol.problems .warning .kind { color: var(--warn); }
ol.problems p { margin: 2px 0; } ol.problems .cause { font-weight: 700; font-size: 16px; }
ol.problems .label { color: var(--dim); } ol.problems ul { margin: 4px 0; padding-left: 22px; }
figure { margin: 12px 0 0; padding: 8px; background: var(--card); border: 1px solid var(--edge);
  border-radius: 12px; }
.scroll { overflow-x: auto; } figure svg { display: block; width: 100%; min-width: 820px; height: auto; }
figcaption { display: flex; flex-wrap: wrap; gap: 6px 22px; padding: 8px 12px 4px; color: var(--dim);
  font-size: 13px; }
figcaption span { display: inline-flex; align-items: center; gap: 7px; }
figcaption svg { width: 26px; min-width: 0; height: 18px; display: inline; }
table { border-collapse: collapse; width: 100%; background: var(--card); font-size: 14px; }
.scroll.table { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; margin: 8px 0 0; }
caption { text-align: left; padding: 10px 12px; color: var(--dim); }
tbody th, td { white-space: nowrap; } td.wide { white-space: normal; min-width: 13em; overflow-wrap: anywhere; }
th, td { text-align: left; vertical-align: top; padding: 7px 10px; border-top: 1px solid var(--edge); }
thead th { background: var(--sunk); font-size: 13px; color: var(--dim); white-space: nowrap; }
tbody th { font-weight: 600; }
td.mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px; }
td.good { color: var(--good); } td.warn { color: var(--warn); } td.bad { color: var(--bad); font-weight: 700; }
footer { margin-top: 36px; color: var(--dim); font-size: 13px; }
svg text { fill: var(--ink); font-family: system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
svg text.mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
svg text.strong, svg text.title { font-weight: 700; } svg text.dim { fill: var(--dim); }
svg text.good { fill: var(--good); } svg text.warn { fill: var(--warn); }
svg text.bad { fill: var(--bad); font-weight: 700; }
svg rect { fill: var(--card); stroke: var(--edge); stroke-width: 1.2; }
svg rect.frame { fill: var(--sunk); stroke: var(--edge); }
svg rect.frame.outside { fill: var(--reach-soft); stroke: var(--reach); }
svg rect.frame.machines { fill: var(--lan-soft); stroke: var(--lan); }
svg rect.frame.pods { fill: var(--pod-soft); stroke: var(--pod); }
svg rect.machine.server { stroke: var(--ink); stroke-width: 2; }
svg rect.machine.bad, svg rect.layer.bad { fill: var(--bad-soft); stroke: var(--bad); stroke-width: 2;
  stroke-dasharray: 7 4; }
svg rect.machine.warn { stroke: var(--warn); stroke-width: 2; stroke-dasharray: 2 3; }
svg rect.pill.podrange { fill: var(--pod-soft); stroke: var(--pod); }
svg rect.pill.announces { fill: var(--reach-soft); stroke: var(--reach); }
svg rect.lane { fill: var(--lan-soft); stroke: var(--lan); }
svg rect.machine.router { stroke: var(--reach); stroke-width: 2; } svg rect.machine.other { stroke-dasharray: 3 3; }
svg rect.machine.router.bad { stroke: var(--bad); }
svg rect.meter { fill: var(--sunk); stroke: none; } svg rect.fill { fill: var(--reach); stroke: none; }
svg polyline { fill: none; stroke-width: 2.2; } svg polyline.lan { stroke: var(--lan); }
svg polyline.podnet { stroke: var(--pod); stroke-dasharray: 5 4; } svg polyline.reach { stroke: var(--reach); }
svg polyline.session { stroke-width: 2.6; } svg polyline.session.good { stroke: var(--good); }
svg polyline.session.warn { stroke: var(--warn); stroke-dasharray: 2 4; }
svg polyline.session.bad { stroke: var(--bad); stroke-dasharray: 8 5; }
svg polyline.session.off { stroke: var(--off); stroke-dasharray: 1 5; }
svg .head { fill: var(--dim); } svg .icon { stroke: none; } svg .icon.good { fill: var(--good); }
svg .icon.warn { fill: var(--warn); }
svg .icon.bad { fill: var(--bad); } svg .icon.off { fill: none; stroke: var(--off); stroke-width: 2; }
svg .mark { fill: none; stroke: var(--mark); stroke-width: 2.2; stroke-linecap: round; stroke-linejoin: round; }
svg .mark.off { stroke: var(--off); }
@media print { :root { color-scheme: light;
  --page: #fff; --card: #fff; --sunk: #f2f2f2; --ink: #000; --dim: #333; --edge: #999; --good: #0b5c2f;
  --warn: #6e4700;
  --bad: #9d1218; --off: #444; --mark: #fff; --lan: #174f8d; --lan-soft: #f3f7fc; --pod: #57328a; --pod-soft: #f6f2fb;
  --reach: #07575b; --reach-soft: #eff8f8; --good-soft: #fff; --warn-soft: #fff; --bad-soft: #fff; }
  body { max-width: none; padding: 0; font-size: 11pt; } figure, tr, .verdict { break-inside: avoid; }
  .scroll { overflow: visible; } figure svg { min-width: 0; } h2 { break-after: avoid; } }
""".strip()


def _badge(health: Health) -> str:
    return f'<svg viewBox="-12 -12 24 24" aria-hidden="true">{SHAPES[health]}</svg>'


def _stroke(css: str) -> str:
    return f'<svg viewBox="0 0 26 18" aria-hidden="true"><polyline class="{css}" points="1,9 25,9"/></svg>'


_LEGEND = "".join(
    f"<span>{sign}{meaning}</span>"
    for sign, meaning in (
        (_badge("good"), "well"),
        (_badge("warn"), "worth a look"),
        (_badge("bad"), "not well"),
        (_stroke("lan"), "the machines' network"),
        (_stroke("podnet"), "the pod network"),
        (_stroke("reach"), "from outside to a service"),
    )
)


class Cell(t.NamedTuple):
    text: str
    css: str = ""


def render(report: Report) -> str:
    """The whole page. Of a cluster that nobody touches, only the time of the report and the warnings change."""
    title = f"Cluster {report['name']} {'is well' if report['healthy'] else 'is not well'}"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="generator" content="kateskit.klubster">',
        # Whatever name a cluster hands out: the page runs nothing and fetches nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_safe(title)}</title>",
        f"<style>\n{_STYLE}\n</style>",
        "</head>",
        "<body>",
        _verdict(report, title),
        "<main>",
        *_problems(report),
        *_picture(report),
        *_routers_picture(report),
        *_tables(report),
        "</main>",
        _footer(report),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def same_state(page: str, report: Report) -> bool:
    """Whether an existing page shows this report but for the time at which it was seen and for passing warnings.

    Warnings come and go by themselves, also in a cluster that nobody touches; those that matter are problems as well.
    """
    found = _GENERATED.search(page)
    again = render({**report, "generated": found.group(1)}) if found else ""
    return bool(found) and _WARNINGS.sub("", page) == _WARNINGS.sub("", again)


def summary(page: str) -> dict[str, str]:
    """Verdict and time on a page; nothing for a file that is none of ours."""
    time, title = _GENERATED.search(page), _TITLE.search(page)
    return {"verdict": title.group(1), "seen": time.group(1)} if time and title else {}


def _verdict(report: Report, title: str) -> str:
    errors = sum(1 for problem in report["problems"] if problem["severity"] == "error")
    warnings = len(report["problems"]) - errors
    found = [count(errors, "problem")] * bool(errors) + [count(warnings, "warning")] * bool(warnings)
    ready = sum(1 for node in report["nodes"] if node["state"] == "ready")
    facts = [" and ".join(found) or "no problems", f"{ready} of {len(report['nodes'])} machines ready"]
    if report["api"]["answers"]:
        facts += [f"pods: {pods_line(report)}", f"Kubernetes {report['api']['version']}"]
    css, icon = ("good", _badge("good")) if report["healthy"] else ("bad", _badge("bad"))
    told = f"<h1>{_safe(title)}</h1><p>{_safe(' · '.join(facts))}</p>"
    return f'<header class="verdict {css}">{icon}<div>{told}</div></header>'


def _problems(report: Report) -> list[str]:
    if not report["problems"]:
        return []
    parts = ['<h2 id="problems">What is wrong</h2>', '<ol class="problems">']
    for problem in report["problems"]:
        css, kind = ("error", "Problem") if problem["severity"] == "error" else ("warning", "Warning")
        hence = "".join(f"<li>{_safe(text)}</li>" for text in problem["consequences"])
        parts.append(
            f'<li class="{css}"><span class="kind">{kind}</span>'
            f'<p class="cause">{_safe(problem["cause"])}</p>'
            f'<p><span class="label">Seen on</span> {_safe(problem["subject"])}: {_safe(problem["detail"])}</p>'
            + (f'<p class="label">Hence</p><ul>{hence}</ul>' if hence else "")
            + f'<p><span class="label">What to do:</span> {_safe(problem["remedy"])}</p></li>'
        )
    return [*parts, "</ol>"]


def _picture(report: Report) -> list[str]:
    names = ", ".join(f"{node['name']} ({state_of(node)[0]})" for node in report["nodes"])
    services = ", ".join(
        f"{entry['namespace']}/{entry['name']} at {', '.join(entry['addresses']) or 'no address'}"
        for entry in report["services"]
    )
    parts = [f"Machines: {names or 'none'}", networks_line(report), f"Services: {services or 'none'}"]
    description = ". ".join([*(part for part in parts if part), "All of it stands in the tables below."])
    return [
        '<h2 id="picture">Machines, networks and addresses</h2>',
        '<figure><div class="scroll">',
        svg(draw(report), f"Picture of the cluster {report['name']}", description),
        f"</div><figcaption>{_LEGEND}</figcaption></figure>",
    ]


_ROUTERS_LEGEND = "".join(
    f"<span>{sign}{meaning}</span>"
    for sign, meaning in (
        (_stroke("session good"), "a session of BGP that is up"),
        (_stroke("session warn"), "one that refuses addresses, or is switched off"),
        (_stroke("session bad"), "one that is down"),
        (_stroke("session off"), "nobody could look"),
        (_stroke("lan"), "a cable"),
    )
)


def _routers_picture(report: Report) -> list[str]:
    routing = report["routing"]
    if not routing["routers"]:
        return []
    sessions = ", ".join(f"{one['router']} to {one['peer']} {session_state_of(one)[0]}" for one in routing["sessions"])
    networks = ", ".join(one["network"] for one in routing["networks"])
    description = (
        f"Networks: {networks or 'none'}. Sessions: {sessions or 'none'}. All of it stands in the tables below."
    )
    return [
        '<h2 id="routers">Networks, routers and sessions</h2>',
        '<figure><div class="scroll">',
        svg(draw_routing(report), f"Picture of the routers around {report['name']}", description, "routers"),
        f"</div><figcaption>{_ROUTERS_LEGEND}</figcaption></figure>",
    ]


def _tables(report: Report) -> list[str]:
    parts = _table("Machines", "Those that have joined, and those of the inventory that have not", *_machines(report))
    parts += _table("Layers", "What the cluster is made of, from the bottom up", *_layers(report))
    parts += _table("Pools of addresses", "Where services of type LoadBalancer get their addresses", *_pools(report))
    parts += _table("Services with an address", "What can be reached from outside", *_services(report))
    parts += _table("Names of services", "What the networks around can ask for", *_names(report))
    parts += _table("Networks", "Those in which routers have an interface", *_networks(report))
    parts += _table("Routers", "Those of the inventory", *_routers(report))
    parts += _table("Sessions of BGP", "Each once, with the likely cause where it is not well", *_sessions(report))
    parts += _table("Addresses announced by BGP", "Who knows a way to them, and over how many", *_announced(report))
    parts += _table("Storage classes", "What claims can ask for", *_classes(report))
    parts += _table("Storage claims", "Data that outlives a pod", *_claims(report))
    parts += _table("Pods in trouble", pods_line(report), *_pods(report))
    told = "What the cluster reported in the hour before this state was first seen, the newest first"
    return [*parts, "<!-- warnings -->", *_table("Warnings", told, *_events(report)), "<!-- /warnings -->"]


def _machines(report: Report) -> tuple[list[str], list[list[Cell]]]:
    head = ["Name", "Role", "State", "Address", "Pod network", "Version", "Pods", "Size", "Since", "System"]
    rows = []
    for node in report["nodes"]:
        text, css = state_of(node)
        rows.append(
            [
                Cell(node["name"]),
                Cell(node["role"]),
                Cell(f"{text}: {node['why']}" if node["why"] else text, f"{css} wide" if node["why"] else css),
                Cell(", ".join(node["addresses"]), "mono"),
                Cell(", ".join(node["pod_networks"]), "mono"),
                Cell(node["version"]),
                Cell(f"{node['pods']} of {node['pods_max']}" if node["pods_max"] else ""),
                Cell(f"{node['cpu']} CPU, {node['memory']}" if node["cpu"] else ""),
                Cell(day_and_time(node["created"])),
                Cell(", ".join(part for part in (node["system"], node["runtime"]) if part), "wide"),
            ]
        )
    return head, rows


def _layers(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = []
    api = report["api"]
    failing = f"; failing checks: {', '.join(api['failing_checks'])}" if api["failing_checks"] else ""
    good = api["answers"] and not failing
    state = "ready" if good else "failing" if api["answers"] else "does not answer"
    rows.append(
        [
            Cell("API server"),
            Cell(api["version"]),
            Cell(state, "good" if good else "bad"),
            Cell(f"{api['server']}{failing}", "wide"),
        ]
    )
    for part in report["control_plane"]:
        text, css = ("ready", "good") if part["ready"] else ("NOT READY", "bad")
        rows.append([Cell(part["name"]), Cell(part["node"]), Cell(text, css), Cell(part["why"], "wide")])
    for layer in report["layers"]:
        text, style = layer_state_of(layer)
        told = layer["why"] or ", ".join(layer["workloads"])
        rows.append([Cell(layer["title"]), Cell(layer["provider"]), Cell(text, style), Cell(told, "wide")])
    return ["Layer", "By or on", "State", "Detail"], rows


def _pools(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = [
        [
            Cell(pool["name"]),
            Cell(", ".join(pool["addresses"]), "mono wide"),
            Cell(str(pool["used"])),
            Cell(str(pool["free"]), "" if pool["free"] else "warn"),
            Cell("by itself" if pool["auto_assign"] else "only on request"),
            Cell("yes" if pool["announced"] else "no", "" if pool["announced"] else "bad"),
        ]
        for pool in report["pools"]
    ]
    return ["Pool", "Addresses", "Used", "Free", "Hands out", "Announced"], rows


def _services(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = [
        [
            Cell(f"{entry['namespace']}/{entry['name']}"),
            Cell(
                ", ".join(entry["addresses"]) or f"none: {entry['why']}", "mono" if entry["addresses"] else "warn wide"
            ),
            Cell(", ".join(entry["ports"]), "mono"),
            Cell(entry["pool"]),
            Cell(str(entry["endpoints"]), "" if entry["endpoints"] else "warn"),
            Cell(", ".join(entry["announced_by"]), "wide"),
        ]
        for entry in report["services"]
    ]
    return ["Service", "Address", "Ports", "Pool", "Ready pods", "Announced by"], rows


def _names(report: Report) -> tuple[list[str], list[list[Cell]]]:
    names = report["names"]
    rows = []
    if names is not None:
        state = Cell("ready", "good") if names["ready"] else Cell(f"NOT READY: {names['why']}", "bad wide")
        server, aliases = ", ".join(names["addresses"]), ", ".join(names["aliases"])
        rows.append([Cell(names["zone"]), state, Cell(server, "mono"), Cell(aliases, "wide")])
    return ["Zone", "State", "Server", "Aliases"], rows


def _networks(report: Report) -> tuple[list[str], list[list[Cell]]]:
    networks = report["routing"]["networks"]
    return ["Network", "Machines"], [
        [Cell(one["network"]), Cell(", ".join(one["machines"]), "wide")] for one in networks
    ]


def _routers(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = []
    for one in report["routing"]["routers"]:
        text, css = router_state_of(one)
        rows.append(
            [
                Cell(one["name"]),
                Cell(f"{text}: {one['why']}" if one["why"] else text, f"{css} wide" if one["why"] else css),
                Cell(one["kind"]),
                Cell(str(one["asn"] or "")),
                Cell(f"{one['up']} of {one['sessions']}" if one["sessions"] else ""),
                Cell(", ".join(one["addresses"]), "mono wide"),
            ]
        )
    return ["Router", "State", "Kind", "AS", "Sessions up", "Addresses"], rows


def _sessions(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = []
    for one in report["routing"]["sessions"]:
        text, css = session_state_of(one)
        rows.append(
            [
                Cell(one["router"]),
                Cell(one["peer"]),
                Cell(text, css),
                Cell(one["address"], "mono"),
                Cell(f"{one['router_asn']} to {one['peer_asn'] or 'unknown'}"),
                Cell(f"{one['received']} taken, {one['sent']} sent" if one["up"] else ""),
                Cell(one["cause"], "wide"),
            ]
        )
    return ["Router", "With", "State", "Address", "AS", "Prefixes", "Likely cause"], rows


def _announced(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = []
    for one in report["routing"]["announced"]:
        first = [Cell(one["address"]), Cell(one["service"])]
        for way in one["ways"]:
            hops = ", ".join(way["next_hops"])
            told = [Cell(way["router"]), Cell(way["prefix"], "mono"), Cell(str(way["width"])), Cell(hops, "wide")]
            rows.append([*first, *told])
        for name in one["unknown_to"]:
            rows.append([*first, Cell(name), Cell("no way", "warn"), Cell(""), Cell("")])
        if not one["ways"] and not one["unknown_to"]:
            rows.append([*first, Cell("nobody", "warn"), Cell(""), Cell(""), Cell("")])
    return ["Address", "Service", "Router", "Knows", "Ways at once", "Through"], rows


def _classes(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = [
        [
            Cell(entry["name"]),
            Cell(entry["provisioner"]),
            Cell(entry["binding"]),
            Cell("yes" if entry["default"] else "no"),
        ]
        for entry in report["storage_classes"]
    ]
    return ["Class", "Provisioner", "Binding", "Default"], rows


def _claims(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = [
        [
            Cell(f"{claim['namespace']}/{claim['name']}"),
            Cell(claim["phase"], "good" if claim["phase"] == "Bound" else "warn"),
            Cell(claim["size"]),
            Cell(claim["storage_class"]),
            Cell(claim["volume"]),
            Cell(claim["why"], "wide"),
        ]
        for claim in report["claims"]
    ]
    return ["Claim", "State", "Size", "Class", "Volume", "Why"], rows


def _pods(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = [
        [
            Cell(f"{trouble['namespace']}/{trouble['name']}"),
            Cell(trouble["node"]),
            Cell(trouble["reason"], "bad"),
            Cell(trouble["detail"], "wide"),
        ]
        for trouble in report["pods"]["troubles"]
    ]
    return ["Pod", "Machine", "Reason", "Detail"], rows


def _events(report: Report) -> tuple[list[str], list[list[Cell]]]:
    rows = [
        [
            Cell(day_and_time(event["time"])),
            Cell(str(event["count"])),
            Cell(event["reason"]),
            Cell(event["about"]),
            Cell(event["message"], "wide"),
        ]
        for event in report["events"]
    ]
    return ["Last seen", "Times", "Reason", "About", "Message"], rows


def _table(title: str, caption: str, head: list[str], rows: list[list[Cell]]) -> list[str]:
    if not rows:
        return []
    parts = [
        f"<h2>{_safe(title)}</h2>",
        f'<div class="scroll table"><table><caption>{_safe(caption)}</caption>',
        "<thead><tr>" + "".join(f'<th scope="col">{_safe(text)}</th>' for text in head) + "</tr></thead>",
        "<tbody>",
    ]
    for row in rows:
        cells = [f'<th scope="row">{_safe(row[0].text)}</th>']
        cells += [
            f'<td class="{cell.css}">{_safe(cell.text)}</td>' if cell.css else f"<td>{_safe(cell.text)}</td>"
            for cell in row[1:]
        ]
        parts.append(f"<tr>{''.join(cells)}</tr>")
    return [*parts, "</tbody></table></div>"]


def _footer(report: Report) -> str:
    when = report["generated"]
    seen = f'<time id="generated" datetime="{_safe(when)}">{_safe(day_and_time(when))}</time>'
    return (
        f"<footer><p>This state was first seen at {seen}. The page is written anew when the state differs.</p>"
        "<p>Made by kateskit.klubster.</p></footer>"
    )


def _safe(text: str) -> str:
    return escape(clean(text), quote=True)


__all__ = ("render", "same_state", "summary")
