# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""Routers in the table, on the page and in its second picture."""

from __future__ import annotations

import copy
import itertools
import re
import typing as t
from xml.etree import ElementTree

import pytest
import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._status import page, table
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Report
from ansible_collections.kateskit.klubster.plugins.module_utils._status.picture import WIDTH, Box, svg
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import report_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.routing_picture import draw
from router_snapshots import ADDRESSES, NODES, World, announcing

HOSTILE = "a\"><script>alert(1)</script>\x1b[31m&amp;'"


def broken() -> World:
    """Something of everything that can be wrong."""
    world = World()
    world["router2a"].unsigned["wrong"] = 12
    for address in NODES.values():
        world["router2a"].down(address)
    world["router3"].model["prefix_lists"]["pool"] = [{"prefix": "198.18.0.0/24"}]
    world["router3"].routes = {}
    world["router3"].down("192.0.2.2", lastErrorCodeSubcode="0400")
    world["router4"].why = "Failed to connect to the host via ssh: timed out"
    return world


def ten() -> Report:
    """Ten routers, some of them side by side, and a neighbour of nobody's."""
    world = World()
    looks = world.looks()
    for number in range(4):
        other = copy.deepcopy(looks[4])
        other["name"] = f"router-with-a-name-that-is-too-long-for-a-box-{number}"
        other["look"]["addresses"] = [f"198.51.100.{20 + number}/24", f"198.18.{number}.1/24", "2001:db8:1234::1/64"]
        other["look"]["sessions"] = [dict(other["look"]["sessions"][0], neighbor="198.51.100.1", established=False)]
        other["look"]["sessions"].append(
            dict(other["look"]["sessions"][0], neighbor=f"198.18.{number}.9", description="isp")
        )
        looks.append(other)
    return report_of(world.snapshot, snapshots.expected(pools=["public"]), looks)


def crowd() -> Report:
    """Many nodes: they are one box."""
    found, expected = snapshots.many(30)
    world = World()
    return report_of(announcing(found), {**expected, "pools": ["public"]}, world.looks())


def one() -> Report:
    world = World()
    return report_of(world.snapshot, snapshots.expected(pools=["public"]), world.looks()[1:2])


def stranded() -> Report:
    """A router that no network joins to the cluster."""
    world = World()
    return report_of(world.snapshot, snapshots.expected(pools=["public"]), world.looks()[4:5])


REPORTS: dict[str, t.Callable[[], Report]] = {
    "well": lambda: World().report(zone="apps.example.org", aliases=["www"]),
    "broken": lambda: broken().report(),
    "silent": lambda: broken().silent(),
    "ten": ten,
    "crowd": crowd,
    "one": one,
    "stranded": stranded,
}
every_report = pytest.mark.parametrize("name", REPORTS)


def overlap(one_box: Box, other: Box) -> bool:
    return (
        one_box.x < other.x + other.width
        and other.x < one_box.x + one_box.width
        and one_box.y < other.y + other.height
        and other.y < one_box.y + one_box.height
    )


@every_report
def test_no_box_overlaps_another_and_all_are_in_the_picture(name: str) -> None:
    picture = draw(REPORTS[name]())
    assert all(box.x >= 0 and box.x + box.width <= WIDTH + 0.01 for box in picture.boxes)
    assert all(box.y >= 0 and box.y + box.height <= picture.height for box in picture.boxes)
    for first, second in itertools.combinations(picture.boxes, 2):
        assert not overlap(first, second), f"{first.label} | {second.label}"
    assert all(0 <= x <= WIDTH and 0 <= y <= picture.height for line in picture.lines for x, y in line.points)


@every_report
def test_texts_stay_in_their_box(name: str) -> None:
    for box in draw(REPORTS[name]()).boxes:
        placed = [Box("", text.x, text.y - text.size * 0.8, text.width, text.size) for text in box.texts]
        for text in placed:
            assert text.x + text.width <= box.x + box.width, box.label
            assert box.y <= text.y
            assert text.y + text.height <= box.y + box.height, box.label
        assert not any(overlap(first, second) for first, second in itertools.combinations(placed, 2)), box.label


@every_report
def test_every_router_network_and_session_is_drawn(name: str) -> None:
    report = REPORTS[name]()
    said = svg(draw(report), "Routers", "What it shows", "routers")
    root = ElementTree.fromstring(said)  # noqa: S314 - our own text
    titles = "\n".join(element.text or "" for element in root.iter())
    for router in report["routing"]["routers"]:
        assert f"{router['name']}: " in titles
    for segment in report["routing"]["networks"]:
        assert f"{segment['network']} with" in titles
    drawn = said.count('<polyline class="session ')
    # Thirty nodes are one box, and a router's sessions with them one line.
    lumped = sum(1 for one in report["routing"]["sessions"] if one["peer_kind"] == "node") - 2 if name == "crowd" else 0
    assert drawn == len(report["routing"]["sessions"]) - lumped


def test_a_session_is_green_or_red_and_a_red_one_has_a_mark() -> None:
    picture = draw(broken().report())
    looks = {line.label.split(":")[0]: line.css for line in picture.lines if line.css.startswith("session")}
    assert looks["router2a to agent1"] == "session bad"
    assert looks["router2b to agent1"] == "session good"
    assert looks["router2a to router3"] == "session warn"
    assert sorted(icon[0] for icon in picture.icons) == ["bad"] * 4 + ["warn"] * 2
    assert draw(World().report()).icons == []


def test_of_many_nodes_the_worst_session_is_drawn() -> None:
    lines = {line.label.partition(":")[0]: line.css for line in draw(crowd()).lines if line.label}
    with_nodes = {name: css for name, css in lines.items() if "router3" not in name}
    assert list(with_nodes.values()) == ["session bad", "session bad"], with_nodes


@every_report
def test_the_page_holds_both_pictures_and_is_closed_in_itself(name: str) -> None:
    text = page.render(REPORTS[name]())
    assert len(re.findall(r'<svg [^>]*role="img"', text)) == 2
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)), "every id once"
    assert not re.search(r"\b(src|href)=", text)


def test_without_routers_the_page_has_no_word_of_them() -> None:
    text = page.render(snapshots.report())
    assert "Networks, routers and sessions" not in text
    assert "Sessions of BGP" not in text
    assert "ROUTERS" not in table.render(snapshots.report())


def test_the_page_names_cause_and_ways() -> None:
    text = page.render(broken().report())
    assert "router2a and the cluster&#x27;s nodes have different passwords, as it seems" in text
    assert "NO ANSWER: Failed to connect to the host via ssh: timed out" in text
    assert '<td class="warn">no way</td>' in text


def test_a_hostile_name_stays_text() -> None:
    world = World()
    looks = world.looks()
    looks[3]["look"]["sessions"][0]["neighbor"] = "198.18.0.1"
    looks[3]["look"]["sessions"][0]["description"] = HOSTILE
    looks[4]["why"], looks[4]["look"] = HOSTILE, {}
    report = report_of(world.snapshot, snapshots.expected(pools=["public"]), looks)
    text = page.render(report)
    assert "<script" not in text
    assert "\x1b" not in text + table.render(report)


def test_a_passing_uptime_makes_no_new_state() -> None:
    world = World()
    text = page.render(world.report())
    world["router3"].summary["192.0.2.2"]["peerUptimeMsec"] = 999000
    assert page.same_state(text, world.report())
    world["router3"].down("192.0.2.2")
    assert not page.same_state(text, world.report())


@pytest.mark.parametrize("width", [80, 100, 120])
@every_report
def test_no_line_is_longer_than_the_terminal(name: str, width: int) -> None:
    report = REPORTS[name]()
    lines = table.render(report, width=width).split("\n")
    assert max(len(line) for line in lines) <= width
    for router in report["routing"]["routers"]:
        assert any(line.startswith(f"  {router['name'][:18]}") for line in lines)


def test_the_table_says_who_speaks_to_whom_and_who_knows_what() -> None:
    text = table.render(broken().report(), width=120)
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.split("\n")]
    assert ["router2a", "agent1", "DOWN (Active)", NODES["agent1"]] in [row[:4] for row in rows]
    assert ["203.0.113.10", "shop/web", "router2b", "203.0.113.10/32", "2", "agent1, agent2"] in rows
    assert ["203.0.113.10", "shop/web", "router3", "no way"] in rows
    assert "SESSIONS of BGP  5 of 9 up" in text
    assert ADDRESSES["router1"][0].partition("/")[0] in text
