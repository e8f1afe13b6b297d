# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import paths
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput

OBJECTS: list[dict[str, t.Any]] = [
    *(
        {"kind": "Pod", "metadata": {"name": name, "uid": f"uid-{name}"}, "status": {"podIP": f"10.244.0.{number}"}}
        for number, name in enumerate(("near", "beside", "far"), 1)
    ),
    {"kind": "Service", "metadata": {"name": "inside"}, "spec": {"clusterIP": "10.96.0.9"}, "status": {}},
    {
        "kind": "Service",
        "metadata": {"name": "outside"},
        "spec": {"clusterIP": "10.96.0.10"},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.200"}]}},
    },
]


def add(plan: dict[str, t.Any], name: str, group: str) -> None:
    plan["machines"].append({"name": name, "node_name": name, "address": "192.0.2.99"})
    plan[group].append(name)


def test_far_is_an_agent(plan: dict[str, t.Any], amounts: dict[str, int]) -> None:
    found = paths.layout(plan, "client", amounts)
    assert (found["near"]["name"], found["far"]["name"]) == ("server1", "agent1")
    assert found["missing"] == {}
    add(plan, "agent2", "agents")
    found = paths.layout(plan, "client", amounts)
    assert (found["near"]["name"], found["far"]["name"]) == ("agent1", "agent2")


def test_servers_only(plan: dict[str, t.Any], amounts: dict[str, int]) -> None:
    plan["agents"] = []
    found = paths.layout(plan, "client", amounts)
    assert (found["near"]["name"], found["far"]["name"]) == ("server1", "agent1")


def test_one_machine_measures_what_it_can(plan: dict[str, t.Any], amounts: dict[str, int]) -> None:
    plan["machines"], plan["agents"] = plan["machines"][:1], []
    found = paths.layout(plan, "", amounts)
    assert found["near"] == found["far"]
    assert sorted(found["missing"]) == ["host", "outside", "outside_host", "pod_other"]
    assert found["machines"] == ["server1"]
    assert {load["path"] for load in paths.work(found, OBJECTS)["loads"]} == {"pod_same", "service"}


@pytest.mark.parametrize(
    "balancer, missing",
    [
        ({"provider": "none", "pools": []}, ["outside"]),
        ({"provider": "metallb", "pools": []}, ["outside"]),
        ({"provider": "servicelb", "pools": []}, []),
    ],
)
def test_without_addresses_there_is_no_such_service(
    plan: dict[str, t.Any], amounts: dict[str, int], balancer: dict[str, t.Any], missing: list[str]
) -> None:
    plan["load_balancer"] = balancer
    found = paths.layout(plan, "client", amounts)
    assert sorted(found["missing"]) == missing
    kinds = [entry["spec"]["type"] for entry in paths.definitions(found, "pause") if entry["kind"] == "Service"]
    assert ("LoadBalancer" in kinds) is (missing == [])


def test_input_is_refused_at_once(plan: dict[str, t.Any], amounts: dict[str, int]) -> None:
    with pytest.raises(InvalidInput) as caught:
        paths.layout(plan, "agent1", {**amounts, "seconds": 0, "rounds": 21})
    told = {problem.variable: problem for problem in caught.value.problems}
    assert sorted(told) == ["measure_cni_client", "measure_cni_rounds", "measure_cni_seconds"]
    assert "between 1 and 60" in told["measure_cni_seconds"].rule


def test_pods_bear_the_strictest_profile_and_every_taint(plan: dict[str, t.Any], amounts: dict[str, int]) -> None:
    pods = [entry for entry in paths.definitions(paths.layout(plan, "", amounts), "image:1") if entry["kind"] == "Pod"]
    assert [(pod["metadata"]["name"], pod["spec"]["nodeName"]) for pod in pods] == [
        ("near", "server1-node"),
        ("beside", "server1-node"),
        ("far", "agent1-node"),
    ]
    for pod in pods:
        container = pod["spec"]["containers"][0]
        assert container["image"] == "image:1"
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["serviceAccountName"] == "measure", "the default one comes later than the namespace"
        assert pod["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_loads_come_in_turns(plan: dict[str, t.Any], amounts: dict[str, int]) -> None:
    found = paths.work(paths.layout(plan, "client", amounts), OBJECTS)
    assert [load["path"] for load in found["loads"]] == list(paths.PATHS) * 3
    assert [load["round"] for load in found["loads"]] == [1] * 6 + [2] * 6 + [3] * 6
    assert {load["path"]: (load["machine"], load["pod"], load["address"]) for load in found["loads"]} == {
        "host": ("server1", "", "192.0.2.21"),
        "pod_same": ("server1", "uid-near", "10.244.0.2"),
        "pod_other": ("server1", "uid-near", "10.244.0.3"),
        "service": ("server1", "uid-near", "10.96.0.9"),
        "outside_host": ("client", "", "192.0.2.21"),
        "outside": ("client", "", "192.0.2.200"),
    }
    assert {serve["name"]: serve["machine"] for serve in found["serves"]} == {
        "host": "agent1",
        "beside": "server1",
        "far": "agent1",
    }


def test_what_serves_outlives_the_loads_but_not_for_long(plan: dict[str, t.Any], amounts: dict[str, int]) -> None:
    assert paths.layout(plan, "", amounts)["lifetime"] == 300 + 18 * (15 + 30 + 10)
    assert paths.layout(plan, "", {**amounts, "rounds": 20, "seconds": 60})["lifetime"] == 7200


def test_every_path_has_its_base() -> None:
    assert {path: paths.base_of(path) for path in paths.PATHS} == {
        "host": "host",
        "pod_same": "host",
        "pod_other": "host",
        "service": "host",
        "outside_host": "host",
        "outside": "outside_host",
    }


def test_the_policy_lets_nobody_in() -> None:
    (one,) = paths.policy()
    assert one["spec"] == {"podSelector": {"matchLabels": {"app": "far"}}, "policyTypes": ["Ingress"]}
