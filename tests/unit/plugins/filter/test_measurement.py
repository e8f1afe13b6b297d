# SPDX-License-Identifier: Apache-2.0
"""The filters of the role measure_cni, one after the other as it uses them."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.filter.measurement_layout import measurement_layout
from ansible_collections.kateskit.klubster.plugins.filter.measurement_result import measurement_result
from ansible_collections.kateskit.klubster.plugins.filter.measurement_table import measurement_table
from ansible_collections.kateskit.klubster.plugins.filter.measurement_work import measurement_work

AMOUNTS = {"rounds": 1, "seconds": 5, "round_trips": 2000, "connections": 100, "timeout": 30}
PLAN = {
    "machines": [
        {"name": "server1", "node_name": "server1", "address": "192.0.2.11"},
        {"name": "agent1", "node_name": "agent1", "address": "192.0.2.21"},
    ],
    "agents": ["agent1"],
    "load_balancer": {"provider": "none", "pools": []},
}
OBJECTS: list[dict[str, t.Any]] = [
    {"kind": "Pod", "metadata": {"name": name, "uid": name}, "status": {"podIP": "10.244.0.2"}}
    for name in ("near", "beside", "far")
] + [{"kind": "Service", "metadata": {"name": "inside"}, "spec": {"clusterIP": "10.96.0.9"}}]


def test_from_the_plan_to_the_table() -> None:
    layout = measurement_layout(PLAN, image="pause", client="client", amounts=AMOUNTS)
    assert [one["name"] for one in layout["sets"]["absent"]] == ["measure-cni-policy", "measure-cni"]
    assert {one["name"] for one in (layout["sets"]["pods"], layout["sets"]["policy"])} == {
        one["name"] for one in layout["sets"]["absent"]
    }, "all that is made is taken away"
    work = measurement_work(layout, OBJECTS)
    loads = [
        {"ansible_loop_var": "__load", "__load": load, "sample": {"bits_per_second": 1e9, "error": ""}}
        for load in work["loads"]
    ]
    cost = {"cpu_seconds": {"flanneld": 1.0}, "memory": {"flanneld": 1 << 20}, "at": 1.0}
    costs = [{"item": "agent1", "cost": {**cost, "at": at}} for at in (1.0, 2.0)]
    result = measurement_result(
        layout, "flannel vxlan", loads=loads, reached={"before": True, "after": False}, costs=costs, measured="now"
    )
    assert result["paths"]["pod_other"]["throughput"]["median"] == 1.0
    assert result["missing"] == {"outside": "the cluster has no load balancer with a pool"}
    assert result["cost"]["agent1"]["flanneld"]["cpu_percent"] == 0
    assert "kept  yes" in measurement_table([result], "home")


def test_refusals() -> None:
    with pytest.raises(AnsibleFilterError, match="measure_cni_seconds = 99"):
        measurement_layout(PLAN, image="pause", amounts={**AMOUNTS, "seconds": 99})
    with pytest.raises(AnsibleFilterError, match="not given"):
        measurement_work(measurement_layout(PLAN, image="pause", amounts=AMOUNTS), OBJECTS[:1])
    with pytest.raises(AnsibleFilterError, match="misses a field"):
        measurement_result({}, "x", loads=[{"item": {}}])
    with pytest.raises(AnsibleFilterError, match="results of measurement_result"):
        measurement_table([{}], "home")
