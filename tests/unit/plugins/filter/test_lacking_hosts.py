# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.filter.lacking_hosts import lacking_hosts
from ansible_collections.kateskit.klubster.plugins.filter.rolling_hosts import rolling_hosts

GROUPS = {"servers": ["s1", "s2"], "agents": ["a1"]}
ALL, NOBODY = ["servers", "agents"], ["all", "!all"]
PLAN = {"engine": {"name": "kubeadm", "version": "1.34.2"}, "servers": ["s1", "s2"], "canary": "", "batch": 5}


def layers(role: str = "server", **changes: t.Any) -> dict[str, t.Any]:
    """What a machine says that lacks nothing."""
    node = {
        "phase": "complete",
        "ca_hash": "x",
        "api_ready": role == "server",
        "versions": ["1.34.2"],
        "node_name": "n",
    }
    engine = {"lacking": [], "change": "none", "node": node, "kube_proxy_wanted": "p"}
    return {"machine": {"lacking": []}, "kubeadm": engine} | changes


def hosts(**looks: t.Any) -> dict[str, t.Any]:
    """Variables of all hosts; one without a look has been left out of the run."""
    found: dict[str, t.Any] = {name: {"klubster_plan": PLAN} for names in GROUPS.values() for name in names}
    for name, look in looks.items():
        found[name]["__preflight_probe"] = {"layers": look}
    return found


def settled(**looks: t.Any) -> dict[str, t.Any]:
    return hosts(**{"s1": layers(), "s2": layers(), "a1": layers("agent")} | looks)


def engine(**changes: t.Any) -> dict[str, t.Any]:
    found = layers()["kubeadm"]
    node = found["node"] | changes.pop("node", {})
    return {"kubeadm": found | changes | {"node": node}}


@pytest.mark.parametrize("part", ["machines", "engine"])
def test_where_nothing_is_lacking_no_play_has_hosts(part: str) -> None:
    assert lacking_hosts(settled(), part, GROUPS) == NOBODY


@pytest.mark.parametrize(
    ("begin", "servers", "agents", "layer", "expected"),
    [
        ("s1", ["s2"], [], "none", ["s1"]),
        ("s1", [], ["a1"], "none", ["s1"]),
        # The network of pods is a layer, too; nobody is to join; the cluster was there.
        ("s1", ["s2"], ["a1"], "flannel", NOBODY),
        ("s1", [], [], "none", NOBODY),
        ("", ["s2"], ["a1"], "none", NOBODY),
    ],
)
def test_a_cluster_grows_when_others_join_it_that_was_started_in_this_run(
    begin: str, servers: list[str], agents: list[str], layer: str, expected: list[str]
) -> None:
    seen = hosts()
    seen["s2"]["klubster_plan"] = {**PLAN, "cni": {"layer": layer}}
    seen["s2"]["__engine_decision"] = {"begin": begin, "join_servers": servers, "join_agents": agents}
    assert lacking_hosts(seen, "growing", GROUPS) == expected
    assert lacking_hosts({}, "growing", GROUPS) == NOBODY


@pytest.mark.parametrize("part", ["machines", "engine"])
@pytest.mark.parametrize("seen", [{}, hosts()], ids=["syntax check", "no look"])
def test_without_a_look_anything_may_be_lacking(part: str, seen: dict[str, t.Any]) -> None:
    assert lacking_hosts(seen, part, GROUPS) == ALL


def test_only_machines_that_lack_something_are_prepared() -> None:
    seen = settled(
        s2=layers(keepalived={"lacking": ["api_address"]}), a1=layers("agent", machine={"lacking": ["settings"]})
    )
    assert lacking_hosts(seen, "machines", GROUPS) == ["s2", "a1"]
    assert lacking_hosts(seen, "engine", GROUPS) == NOBODY


def test_a_look_that_says_nothing_of_the_layers_is_none() -> None:
    seen = settled(a1={})
    assert lacking_hosts(seen, "machines", GROUPS) == ["a1"]
    assert lacking_hosts(seen, "engine", GROUPS) == ALL


@pytest.mark.parametrize(
    "wrong",
    [
        engine(lacking=["kubelet"], change="restart"),
        engine(lacking=["look"]),
        engine(node={"closed": True}),
        engine(node={"node_differs": True}),
        engine(node={"ca_hash": "another"}),
        engine(node={"versions": ["1.34.3"]}),
        engine(node={"phase": "none"}),
    ],
    ids=["a part", "no look", "closed", "labels", "another cluster", "a later version", "no node"],
)
def test_the_engine_has_all_machines_or_none(wrong: dict[str, t.Any]) -> None:
    seen = settled(s2=layers(**wrong))
    assert lacking_hosts(seen, "machines", GROUPS) == NOBODY
    assert lacking_hosts(seen, "engine", GROUPS) == ALL


def test_a_deleted_node_and_another_kube_proxy_are_seen_by_a_live_server_alone() -> None:
    away = settled(s1=layers(**engine(node={"absent": ["n"]})))
    assert lacking_hosts(away, "engine", GROUPS) == ALL
    proxy = settled(s1=layers(**engine(node={"kube_proxy": "other"})))
    assert lacking_hosts(proxy, "engine", GROUPS) == ALL


def test_machines_that_the_run_leaves_out_say_nothing() -> None:
    assert lacking_hosts(hosts(a1=layers("agent")), "engine", GROUPS) == NOBODY
    lacking = hosts(a1=layers("agent", machine={"lacking": ["settings"]}))
    assert lacking_hosts(lacking, "machines", GROUPS) == ["a1"]


def test_a_look_of_an_earlier_playbook_of_the_same_run_changes_nothing() -> None:
    """The engine registers engine_node; where it had nothing to do this time, that is an old one."""
    seen = settled()
    seen["s2"]["engine_node"] = {"change": "restart", "node": {"versions": ["1.34.2"]}}
    assert rolling_hosts(seen, "servers", GROUPS) == NOBODY
    seen["s2"]["__preflight_probe"] = {"layers": layers(**engine(lacking=["kubelet"], change="restart"))}
    assert rolling_hosts(seen, "servers", GROUPS) == ["s2"]
