# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.filter.engine_decision import engine_decision
from ansible_collections.kateskit.klubster.plugins.filter.rolling_hosts import rolling_hosts

GROUPS = {"servers": ["s1", "s2", "s3"], "agents": ["a1", "a2"]}
NOBODY = ["all", "!all"]


def hosts(canary: str = "", version: str = "1.34.1", **changes: str) -> dict[str, t.Any]:
    """Variables of all hosts; a host without a change was not looked at."""
    plan = {"engine": {"version": "1.34.1"}, "canary": canary, "batch": 5}
    found: dict[str, t.Any] = {name: {"klubster_plan": plan} for names in GROUPS.values() for name in names}
    for name, change in changes.items():
        found[name]["engine_node"] = {"change": change, "node": {"versions": [version]}}
    return found


@pytest.mark.parametrize("part", ["first", "servers", "agents"])
@pytest.mark.parametrize("seen", [{}, hosts(), hosts(s1="none", a1="live")], ids=["syntax check", "no look", "well"])
def test_where_nothing_differs_no_play_has_hosts(part: str, seen: dict[str, t.Any]) -> None:
    assert rolling_hosts(seen, part, GROUPS) == NOBODY


def test_only_machines_that_differ_are_changed() -> None:
    seen = hosts(s1="none", s2="restart", s3="drain", a1="live", a2="restart")
    assert rolling_hosts(seen, "first", GROUPS) == NOBODY
    assert rolling_hosts(seen, "servers", GROUPS) == ["s2", "s3"]
    assert rolling_hosts(seen, "agents", GROUPS) == ["a2"]
    assert rolling_hosts(seen, "batches", GROUPS) == [5]


def test_the_canary_goes_first_and_alone() -> None:
    seen = hosts("s3", s1="restart", s3="restart", a1="restart")
    assert rolling_hosts(seen, "first", GROUPS) == ["s3"]
    assert rolling_hosts(seen, "servers", GROUPS) == ["s1"]
    seen = hosts("a2", s1="restart", a1="restart", a2="restart")
    assert rolling_hosts(seen, "first", GROUPS) == ["a2"]
    assert rolling_hosts(seen, "agents", GROUPS) == ["a1"]
    assert rolling_hosts(seen, "batches", GROUPS) == [5]
    seen = hosts("a2", "1.34.0", s1="drain", a1="drain", a2="drain")
    assert rolling_hosts(seen, "first", GROUPS) == NOBODY
    assert rolling_hosts(seen, "agents", GROUPS) == ["a2", "a1"]
    assert rolling_hosts(seen, "batches", GROUPS) == [1, 5]


def result(change: str = "none", **state: t.Any) -> dict[str, t.Any]:
    node = {"phase": "complete", "ca_hash": "x", "versions": ["1.34.1"], "node_name": "n", **state}
    return {"node": node, "change": change, "kube_proxy_wanted": ""}


def test_a_node_that_a_run_left_closed_is_opened_unless_it_is_changed_anyhow() -> None:
    seen = {
        "s1": result(api_ready=True),
        "a1": result(closed=True, node_name="a1"),
        "a2": result("drain", closed=True, node_name="a2"),
    }
    decision = engine_decision(seen, ["s1"], "1.34.1")
    assert decision["reopen"] == ["a1"]
    assert decision["needed"]
    assert decision["refused"] == ""


def test_a_version_to_which_no_way_leads_is_refused() -> None:
    seen = {"s1": result(api_ready=True), "a1": result(versions=["1.34.2"])}
    refused = engine_decision(seen, ["s1"], "1.34.1")["refused"]
    assert "klubster_engine_version = '1.34.1': Kubernetes does not go back, and a1 runs 1.34.2" in refused
    assert "nothing was changed" in refused
    assert engine_decision(seen, ["s1"])["refused"] == ""
