# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest
import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import report_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.table import render
from status_snapshots import NAMES
from status_snapshots import named as report


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_longer_than_the_terminal(name: str, width: int) -> None:
    lines = render(report(name), width=width).split("\n")
    assert max(len(line) for line in lines) <= width
    assert not any(line != line.rstrip() for line in lines)
    assert lines[0].startswith("Cluster home is")


@pytest.mark.parametrize("name", NAMES)
def test_every_machine_is_named(name: str) -> None:
    found = report(name)
    text = render(found, width=100)
    assert all(f"  {node['name']} " in text for node in found["nodes"])


def test_the_answer_stands_in_the_first_line() -> None:
    assert render(report("healthy")).split("\n", maxsplit=1)[0] == "Cluster home is well (seen 2026-11-21 08:00:00 UTC)"
    first = render(report("agent_not_ready")).split("\n", maxsplit=1)[0]
    assert first == "Cluster home is NOT well: 1 problem (seen 2026-11-21 08:00:00 UTC)"
    calm = snapshots.report("no_pool", pools=[])
    assert render(calm).startswith("Cluster home is well, with 1 warning (seen")


def test_problems_stand_before_the_tables() -> None:
    text = render(report("agent_not_ready"))
    assert "\n  1. The machine agent2 is off, or its kubelet does not reach the API.\n" in text
    assert text.index("hence: Load balancer: speaker: 2 of 3 pods are ready") < text.index("MACHINES")


def test_a_row_shows_what_belongs_to_a_machine() -> None:
    row = next(line for line in render(report("healthy"), width=120).split("\n") if line.startswith("  agent1"))
    assert re.split(r"\s{2,}", row.strip()) == [
        "agent1",
        "agent",
        "ready",
        "10.77.0.12",
        "10.244.1.0/24",
        "v1.34.2",
        "5/110",
        "2",
        "15.6 GiB",
        "29m",
    ]


def test_colours_come_only_when_asked_for_and_change_no_word() -> None:
    plain, painted = render(report("agent_not_ready")), render(report("agent_not_ready"), colour=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31mUNKNOWN" in painted
    without = "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", painted).split("\n"))
    assert without == plain


def test_a_name_cannot_steer_the_terminal() -> None:
    found = snapshots.snapshot()
    service = snapshots.find(found, "Service", "web")
    service["metadata"]["name"] = "web\x1b[2J\x9b31m\nCluster home is well\u202e"
    text = render(report_of(found, snapshots.expected()))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert text.count("\nCluster home") == 0
