# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import itertools
import typing as t
from xml.etree import ElementTree

import pytest
import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Report
from ansible_collections.kateskit.klubster.plugins.module_utils._status.picture import (
    Box,
    draw,
    fitted,
    svg,
    text_width,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import report_of

SVG = "{http://www.w3.org/2000/svg}"


def crowded() -> Report:
    """Long names, many pools, more services than are drawn."""
    found, expected = snapshots.many(7)
    for node in found["nodes"]:
        node["metadata"]["name"] += "-with-a-name-that-is-far-too-long-for-its-box.example.internal"
        node["status"]["addresses"].append({"type": "InternalIP", "address": "fd00:77:1234:5678:9abc:def0:1234:5678"})
    pool, service = snapshots.find(found, "IPAddressPool", "house"), snapshots.find(found, "Service", "web")
    for number in range(5):
        other = copy.deepcopy(pool)
        other["metadata"]["name"] = f"pool-with-a-long-name-{number}"
        other["spec"]["addresses"] = [f"10.{number}.0.0/16", f"10.{100 + number}.0.0-10.{100 + number}.255.255"] * 4
        found["pools"] = [*(found["pools"] or []), other]
    for number in range(40):
        other = copy.deepcopy(service)
        other["metadata"]["name"] = f"service-{number}-" + "x" * 50
        other["status"]["loadBalancer"]["ingress"] = [{"ip": f"10.77.0.{201 + number % 20}"}] if number % 3 else []
        found["services"].append(other)
    return report_of(found, expected)


def report(name: str) -> Report:
    if name == "crowded":
        return crowded()
    return report_of(*snapshots.many(int(name))) if name.isdigit() else snapshots.named(name)


NAMES = (
    "healthy",
    "agent_not_ready",
    "no_pod_network",
    "no_pool",
    "silent",
    "1",
    "2",
    "5",
    "12",
    "25",
    "60",
    "crowded",
)


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def inside(child: Box, parent: Box) -> bool:
    return (
        child.x >= parent.x
        and child.y >= parent.y
        and child.x + child.width <= parent.x + parent.width + 0.01
        and child.y + child.height <= parent.y + parent.height + 0.01
    )


def every(boxes: t.Iterable[Box]) -> t.Iterator[Box]:
    for box in boxes:
        yield box
        yield from every(box.children)


@pytest.mark.parametrize("name", NAMES)
def test_no_box_overlaps_another_or_leaves_its_frame(name: str) -> None:
    picture = draw(report(name))
    whole = Box("", 0, 0, picture.width, picture.height, children=picture.boxes)
    for parent in (whole, *every(picture.boxes)):
        assert all(inside(child, parent) for child in parent.children), parent.label
        for one, other in itertools.combinations(parent.children, 2):
            assert not overlap(one, other), f"{one.label} | {other.label}"


@pytest.mark.parametrize("name", NAMES)
def test_texts_stay_in_their_box_and_beside_each_other(name: str) -> None:
    for box in every(draw(report(name)).boxes):
        placed = []
        for text in box.texts:
            left = {"start": text.x, "middle": text.x - text.width / 2, "end": text.x - text.width}[text.anchor]
            placed.append(Box("", left, text.y - text.size * 0.8, text.width, text.size, label=text.text))
            assert inside(placed[-1], box), f"{text.text} in {box.label}"
        hard = [child for child in box.children if child.css != "meter"] + placed
        for one, other in itertools.combinations(hard, 2):
            assert not overlap(one, other), f"{one.label} | {other.label}"


@pytest.mark.parametrize("name", NAMES)
def test_the_svg_is_well_formed_and_names_everything(name: str) -> None:
    found = report(name)
    root = ElementTree.fromstring(svg(draw(found), "Picture", "What it shows"))  # noqa: S314 - our own text
    assert root.tag == f"{SVG}svg"
    assert [child.text for child in root[:2]] == ["Picture", "What it shows"]
    assert root.get("aria-labelledby") == f"{root[0].get('id')} {root[1].get('id')}"
    said = "\n".join(element.text or "" for element in root.iter())
    for node in found["nodes"]:
        assert node["name"] in said
        assert all(address in said for address in node["addresses"])
        assert all(network in said for network in node["pod_networks"])
    for pool in found["pools"]:
        assert pool["name"] in said
    if len(found["services"]) <= 30:
        assert all(f"{entry['namespace']}/{entry['name']}" in said for entry in found["services"])


def test_the_machine_that_answers_for_an_address_says_so() -> None:
    boxes = [box for box in every(draw(snapshots.report()).boxes) if box.css == "pill announces"]
    assert [box.label for box in boxes] == ["answers for 10.77.0.200"]
    machine = next(box for box in every(draw(snapshots.report()).boxes) if box.label.startswith("agent1:"))
    assert boxes[0].label in [child.label for child in machine.children]


def test_health_is_a_shape_and_a_word() -> None:
    boxes = {box.label.split(":")[0]: box for box in every(draw(snapshots.report("agent_not_ready")).boxes)}
    assert boxes["agent1"].icons[0][0] == "good"
    assert boxes["agent2"].icons[0][0] == "bad"
    assert "UNKNOWN" in " ".join(text.text for text in boxes["agent2"].texts)


def test_long_texts_are_cut_to_fit() -> None:
    assert fitted("short", 200, 12) == "short"
    cut = fitted("x" * 200, 100, 12)
    assert cut.endswith("…")
    assert text_width(cut, 12) <= 100
    assert text_width("漢字", 12) > text_width("ab", 12)
