# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import upgrade
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput


def running(**versions: str) -> list[upgrade.Running]:
    """``server1="1.34.1 1.34.2"``: an upgrade was cut short there."""
    return [
        upgrade.Running(
            name,
            "server" if name.startswith("server") else "agent",
            tuple(upgrade.Version.parse(text) for text in texts.split()),
        )
        for name, texts in versions.items()
    ]


def test_versions_are_ordered_as_their_numbers_are() -> None:
    texts = ["1.9.10", "1.33.4", "v1.34.0-rc.1", "1.34.0", "v1.34.2+k3s1", "1.34.2+k3s2", "1.34.10"]
    versions = [upgrade.Version.parse(text) for text in texts]
    shuffled = versions[3:] + versions[:3]
    assert sorted(shuffled) == versions
    assert upgrade.Version.parse("v1.34.2") == upgrade.Version.parse("1.34.2")
    assert str(versions[4]) == "1.34.2+k3s1"


@pytest.mark.parametrize("text", ["", "1.34", "stable", "1.34.2-", "1.34.2+k3s"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="complete version"):
        upgrade.Version.parse(text)


ALLOWED = {
    "nothing to do": ("1.34.2", running(server1="1.34.2", agent1="1.34.2")),
    "a patch": ("1.34.2", running(server1="1.34.1", agent1="1.34.1")),
    "a minor release": ("1.34.2", running(server1="1.33.4", agent1="1.33.4")),
    "the rest of one that was cut short": ("1.34.2", running(server1="1.34.2 1.33.4", server2="1.33.4")),
    "agents three behind": ("1.34.2", running(server1="1.34.2", agent1="1.31.0")),
    "agents that no one knows": ("1.34.2", running(server1="1.34.1", agent1="")),
    "a build of a distribution": ("v1.34.2+k3s2", running(server1="1.34.2+k3s1")),
}


@pytest.mark.parametrize(("wanted", "machines"), ALLOWED.values(), ids=ALLOWED)
def test_a_cluster_goes_forward_one_minor_release(wanted: str, machines: list[upgrade.Running]) -> None:
    assert upgrade.problems_of(wanted, machines) == []


REFUSED = {
    "back": ("1.34.1", running(server1="1.34.2"), "does not go back, and server1 runs 1.34.2", "snapshot"),
    "back after an interruption": ("1.34.1", running(server1="1.34.1 1.34.2"), "does not go back", "snapshot"),
    "an agent that is newer": ("1.34.1", running(server1="1.34.1", agent1="1.34.2"), "agent1 runs 1.34.2", "Keep"),
    "a skip": ("1.34.2", running(server1="1.32.9"), "one minor release at a time", "1.33 first"),
    "a skip of the last server": ("1.34.2", running(server1="1.34.2", server2="1.32.9"), "server2 runs 1.32.9", "1.33"),
    "another major": ("2.0.0", running(server1="1.34.2"), "one minor release at a time", "1.35 first"),
    "an agent too old": ("1.34.2", running(server1="1.33.4", agent1="1.30.1"), "3 minor releases behind", "first"),
}


@pytest.mark.parametrize(("wanted", "machines", "rule", "remedy"), REFUSED.values(), ids=REFUSED)
def test_other_ways_are_refused(wanted: str, machines: list[upgrade.Running], rule: str, remedy: str) -> None:
    problems = upgrade.problems_of(wanted, machines)
    assert [(found.variable, found.value) for found in problems] == [("klubster_engine_version", wanted)]
    assert rule in problems[0].rule
    assert remedy in problems[0].remedy


def test_nobody_joins_while_versions_change() -> None:
    machines = running(server1="1.34.1", agent1="1.34.1")
    (problem,) = upgrade.problems_of("1.34.2", machines, ["agent2"])
    assert "agent2 would join" in problem.rule
    assert "--limit" in problem.remedy
    assert upgrade.problems_of("1.34.1", machines, ["agent2"]) == []


ETCD = {
    "the same": ("3.6.5-0", "3.6.5-0", None, ""),
    "a patch": ("3.6.4-0", "3.6.5-0", None, ""),
    "from the stepping stone": ("3.5.26-0", "3.6.5-0", None, ""),
    "unseen": ("3.5.21-0", "3.6.5-0", None, "nobody compared"),
    "lists differ": ("3.5.21-0", "3.6.5-0", False, "members differ"),
    "lists agree": ("3.5.21-0", "3.6.5-0", True, ""),
    "back": ("3.6.5-0", "3.5.26-0", None, "does not go back"),
    "a skip": ("3.4.30-0", "3.6.5-0", None, "one minor release"),
    "unknown": ("", "3.6.5-0", None, ""),
}


@pytest.mark.parametrize(("before", "after", "agreed", "rule"), ETCD.values(), ids=ETCD)
def test_etcd_goes_by_its_stepping_stones(before: str, after: str, agreed: bool | None, rule: str) -> None:
    problem = upgrade.etcd_problem(before, after, agreed=agreed)
    assert (problem is None) is (not rule)
    assert problem is None or rule in problem.rule


MACHINES = {name: ("server" if name.startswith("s") else "agent", ["1.34.1"]) for name in ("s1", "s2", "a1", "a2")}


def test_a_canary_among_servers_goes_before_all() -> None:
    order = upgrade.rolling_order(MACHINES, "1.34.2", "s2")
    assert order == {"first": ["s2"], "servers": ["s1"], "agents": ["a1", "a2"]}


def test_a_canary_among_agents_waits_for_servers_where_the_version_changes() -> None:
    order = upgrade.rolling_order(MACHINES, "1.34.2", "a2")
    assert order == {"first": [], "servers": ["s1", "s2"], "agents": ["a2", "a1"]}
    order = upgrade.rolling_order(MACHINES, "1.34.1", "a2")
    assert order == {"first": ["a2"], "servers": ["s1", "s2"], "agents": ["a1"]}


def test_a_canary_that_is_not_changed_changes_nothing() -> None:
    assert upgrade.rolling_order(MACHINES, "1.34.2", "s9")["servers"] == ["s1", "s2"]
