# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.kateskit.klubster.plugins.filter.engine_decision import engine_decision
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.states import NodeState

KEPT = {"variable": "klubster_pod_network", "value": "10.44.0.0/16", "rule": "It is kept.", "remedy": "Set it back."}


def looked(name: str, *refused: dict[str, str]) -> dict[str, t.Any]:
    state = NodeState("complete", api_ready=True, ca_hash="a", node_name=name, refused=refused)
    return {"node": dataclasses.asdict(state), "change": "restart"}


def test_what_a_living_cluster_keeps_is_refused_once() -> None:
    found = engine_decision({"s1": looked("s1", KEPT), "s2": looked("s2", KEPT)}, ["s1", "s2"], "1.34.2+k3s1")
    assert found["refused"].splitlines() == [
        "1 problem in the input; nothing was changed.",
        "  - klubster_pod_network = '10.44.0.0/16': It is kept. Set it back.",
    ]


def test_nothing_is_refused() -> None:
    assert engine_decision({"s1": looked("s1")}, ["s1"], "1.34.2+k3s1")["refused"] == ""
