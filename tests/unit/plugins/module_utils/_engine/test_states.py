# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.states import Decision, NodeState, decide
from hypothesis import given
from hypothesis import strategies as st

NONE, HALF = NodeState("none"), NodeState("half", node_name="node-of-it", address="192.0.2.9")
LIVE, DEAD = NodeState("complete", api_ready=True, ca_hash="a", kube_proxy="k"), NodeState("complete", ca_hash="a")
MEMBER, STRANGER = NodeState("complete", ca_hash="a"), NodeState("complete", ca_hash="b")

TEST_DECIDE: list[tuple[str, list[str], dict[str, NodeState], Decision]] = [
    (
        "bare machines",
        ["s1", "s2"],
        {"a1": NONE, "s2": NONE, "s1": NONE},
        Decision(begin="s1", contact="s1", join_servers=("s2",), join_agents=("a1",)),
    ),
    ("a begin that was cut short", ["s1"], {"s1": HALF}, Decision(begin="s1", contact="s1")),
    ("finished", ["s1"], {"s1": LIVE, "a1": MEMBER}, Decision(contact="s1", kube_proxy="k")),
    (
        "a new agent and one that was cut short",
        ["s1"],
        {"s1": LIVE, "a1": NONE, "a2": HALF},
        Decision(
            contact="s1",
            join_agents=("a1", "a2"),
            forget=({"name": "node-of-it", "address": "192.0.2.9"},),
            kube_proxy="k",
        ),
    ),
    (
        "the first server is new: the contact is the one that lives",
        ["s1", "s2"],
        {"s1": NONE, "s2": LIVE},
        Decision(contact="s2", join_servers=("s1",), kube_proxy="k"),
    ),
    (
        "the first server is down",
        ["s1", "s2"],
        {"s1": DEAD, "s2": LIVE, "a1": NONE},
        Decision(contact="s2", join_agents=("a1",), kube_proxy="k"),
    ),
    ("limited to an agent that is a node", ["s1"], {"a1": MEMBER}, Decision(unseen=("s1",))),
    (
        "limited to the server",
        ["s1", "s2"],
        {"s1": LIVE},
        Decision(contact="s1", kube_proxy="k", unseen=("s2",)),
    ),
    (
        "labels",
        ["s1"],
        {"s1": LIVE, "a1": NodeState("complete", ca_hash="a", node_differs=True)},
        Decision(contact="s1", relabel=("a1",), kube_proxy="k"),
    ),
]


@pytest.mark.parametrize(
    ("servers", "states", "expected"), [row[1:] for row in TEST_DECIDE], ids=[r[0] for r in TEST_DECIDE]
)
def test_decide(servers: list[str], states: dict[str, NodeState], expected: Decision) -> None:
    assert decide(servers, states) == expected


TEST_REFUSED: list[tuple[list[str], dict[str, NodeState], str]] = [
    (["s1"], {"s1": DEAD, "a1": NONE}, "The cluster exists (s1 belong to it), but no server's API answers"),
    (["s1"], {"s1": DEAD, "a1": MEMBER}, "The cluster exists (s1 belong to it), but no server's API answers"),
    (["s1", "s2"], {"s1": NONE}, "s2: not looked at in this run"),
    (["s1"], {"a1": NONE}, "s1: not looked at in this run"),
    (["s1"], {"s1": LIVE, "a1": STRANGER}, "a1: part of another cluster than s1"),
    (["s1"], {"s1": NONE, "a1": MEMBER}, "a1: belong to a cluster of which no server is left"),
    ([], {"a1": NONE}, "The cluster has no server."),
]


@pytest.mark.parametrize(("servers", "states", "problem"), TEST_REFUSED)
def test_refused(servers: list[str], states: dict[str, NodeState], problem: str) -> None:
    decision = decide(servers, states)
    assert re.match(re.escape(problem), decision.problem)
    assert decision.needed
    assert (decision.begin, decision.join_servers, decision.join_agents) == ("", (), ())


STATES = st.builds(
    NodeState,
    phase=st.sampled_from(["none", "half", "complete"]),
    api_ready=st.booleans(),
    ca_hash=st.sampled_from(["a", "b"]),
)
NAMES = st.sampled_from(["s1", "s2", "s3", "a1", "a2"])


@given(st.dictionaries(NAMES, STATES))
def test_never_two_clusters(states: dict[str, NodeState]) -> None:
    servers = ["s1", "s2", "s3"]
    decision = decide(servers, states)
    members = [name for name, state in states.items() if state.phase == "complete"]
    if decision.begin:
        assert members == []
        assert set(servers) <= set(states)
    for name in (*decision.join_servers, *decision.join_agents):
        assert states[name].phase != "complete"
        assert decision.contact
        assert decision.contact == decision.begin or states[decision.contact].phase == "complete"


def test_as_dict_is_plain() -> None:
    assert decide(["s1"], {"s1": NONE, "a1": NONE}).as_dict()["join_agents"] == ["a1"]
    assert not decide(["s1"], {"s1": LIVE}).needed
