# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
import json
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import drain, rolling
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import EtcdError, Member, refuse_to_stop

READY = [{"type": "Ready", "status": "True"}]


def pod(name: str, owner: str = "ReplicaSet", **changes: t.Any) -> dict[str, t.Any]:
    owners = [{"kind": owner, "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "web", "uid": f"uid-{name}", "ownerReferences": owners}
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": READY}, **changes}


class Cluster:
    """The API of a cluster with one Node. ``refusals`` says how often a pod's eviction is refused."""

    def __init__(self, pods: list[dict[str, t.Any]], refusals: dict[str, int] | None = None) -> None:
        self.node: dict[str, t.Any] = {
            "metadata": {"name": "agent1", "annotations": {}},
            "spec": {},
            "status": {"conditions": READY, "nodeInfo": {"kubeletVersion": "v1.34.2"}},
        }
        self.pods, self.refusals = pods, refusals or {}
        self.evicted: list[str] = []
        #: pods are told to end, and do not
        self.stuck = False
        self.patches: list[t.Any] = []

    def ready(self) -> bool:
        return True

    def get(self, path: str) -> dict[str, t.Any]:
        if path.startswith("/api/v1/pods?fieldSelector=spec.nodeName%3Dagent1"):
            return {"items": list(self.pods)}
        assert path == "/api/v1/nodes/agent1"
        return self.node

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        assert path == "/api/v1/nodes/agent1"
        self.patches.append(body)
        self.node["spec"] = body["spec"]
        for key, value in body["metadata"]["annotations"].items():
            self.node["metadata"]["annotations"][key] = value
            if value is None:
                del self.node["metadata"]["annotations"][key]
        return self.node

    def post(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        name = body["metadata"]["name"]
        assert path == f"/api/v1/namespaces/web/pods/{name}/eviction"
        assert body["deleteOptions"]["preconditions"]["uid"] == f"uid-{name}"
        if self.refusals.get(name, 0) > 0:
            self.refusals[name] -= 1
            causes = [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods"}]
            raise ApiError("status 429", 429, json.dumps({"message": "Cannot evict", "details": {"causes": causes}}))
        self.evicted.append(name)
        if self.stuck:
            return {}
        self.pods = [entry for entry in self.pods if entry["metadata"]["name"] != name]
        return {}

    def delete(self, path: str) -> None:
        raise AssertionError(f"{path}: pods are evicted, never deleted")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_PAUSE", 0)
    monkeypatch.setattr(rolling, "_PAUSE", 0)


def clock() -> t.Callable[[], float]:
    """One second passes whenever somebody looks."""
    counter = itertools.count()
    return lambda: float(next(counter))


def test_pods_of_the_node_stay_and_others_go() -> None:
    mirror = pod("kube-apiserver", "Node")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    over = pod("over", "", status={"phase": "Succeeded"})
    cluster = Cluster([pod("flannel", "DaemonSet"), mirror, pod("web-1"), over])
    assert drain.evict_all(cluster, "agent1", timeout=9, force=False) == 2
    assert cluster.evicted == ["web-1", "over"]


def test_a_refused_eviction_is_asked_again() -> None:
    cluster = Cluster([pod("web-1"), pod("web-2")], {"web-2": 3})
    assert drain.evict_all(cluster, "agent1", timeout=9, force=False) == 2
    assert cluster.evicted == ["web-1", "web-2"]


def test_a_budget_that_allows_nothing_is_named_at_the_deadline() -> None:
    cluster = Cluster([pod("web-1")], {"web-1": 99})
    with pytest.raises(drain.DrainError) as caught:
        drain.evict_all(cluster, "agent1", timeout=5, force=False, clock=clock())
    said = str(caught.value)
    assert said.startswith("A PodDisruptionBudget forbids it: agent1 was not empty after 5 s.")
    assert "web/web-1: The disruption budget web needs 2 healthy pods" in said


def test_a_pod_that_does_not_end_is_named() -> None:
    cluster = Cluster([pod("web-1")])
    cluster.stuck = True
    with pytest.raises(drain.DrainError, match=r"take too long to end.*web/web-1.*klubster_drain_timeout"):
        drain.evict_all(cluster, "agent1", timeout=5, force=False, clock=clock())


def test_a_pod_that_nothing_brings_back_is_refused_before_the_node_is_closed() -> None:
    cluster = Cluster([pod("alone", "")])
    machine = rolling.Rolling("agent1", cluster)
    with pytest.raises(drain.DrainError, match=r"web/alone.*klubster_drain_force"):
        machine.drained("change", timeout=9, force=False)
    assert cluster.patches == []
    assert machine.drained("change", timeout=9, force=True) == (True, 1)


def test_only_what_we_closed_is_opened() -> None:
    cluster = Cluster([])
    machine = rolling.Rolling("agent1", cluster)
    assert machine.drained("1.34.2", timeout=9, force=False) == (True, 0)
    assert cluster.node["metadata"]["annotations"] == {drain.CLOSED: "1.34.2"}
    assert machine.drained("1.34.2", timeout=9, force=False) == (False, 0)
    assert machine.opened() is True
    assert cluster.node["metadata"]["annotations"] == {}
    cluster.node["spec"] = {"unschedulable": True}
    assert machine.drained("1.34.2", timeout=9, force=False) == (False, 0)
    assert machine.opened() is False
    assert cluster.node["spec"] == {"unschedulable": True}


def test_a_node_that_does_not_answer_is_only_closed() -> None:
    cluster = Cluster([pod("web-1")])
    cluster.node["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    assert rolling.Rolling("agent1", cluster).drained("change", timeout=9, force=False) == (True, 0)
    assert cluster.evicted == []


def test_a_node_that_falls_silent_meanwhile_is_not_waited_for() -> None:
    cluster = Cluster([pod("web-1"), pod("web-2")])
    cluster.stuck = True
    looks = iter([False, False, True])
    assert drain.evict_all(cluster, "agent1", timeout=99, force=False, clock=clock(), lost=lambda: next(looks)) == 0
    assert cluster.evicted == ["web-1", "web-2"]


def test_well_waits_for_version_and_pods() -> None:
    cluster = Cluster([pod("flannel", "DaemonSet"), pod("web-1", status={"phase": "Pending"})])
    machine = rolling.Rolling("agent1", cluster, timeout=0)
    machine.well("1.34.2")
    with pytest.raises(rolling.UnwellError, match=r"its kubelet says that it is 1\.34\.2, not 1\.34\.3"):
        machine.well("1.34.3")
    waiting = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImageNeverPull"}}}]}
    cluster.pods = [pod("flannel", "DaemonSet", status=waiting)]
    with pytest.raises(rolling.UnwellError, match=r"pod web/flannel is not ready: ErrImageNeverPull"):
        machine.well("1.34.2")


def members(count: int, silent: int = 0) -> tuple[list[Member], set[str]]:
    made = [Member(str(index), f"server{index}") for index in range(1, count + 1)]
    return made, {member.id for member in made[: count - silent]}


@pytest.mark.parametrize(("count", "silent"), [(1, 0), (2, 0), (3, 0), (5, 0), (5, 1)])
def test_a_majority_bears_the_stop_of_one(count: int, silent: int) -> None:
    refuse_to_stop(*members(count, silent), "server1")


@pytest.mark.parametrize(("count", "silent"), [(2, 1), (3, 1), (4, 1), (5, 2)])
def test_without_a_majority_it_is_refused(count: int, silent: int) -> None:
    with pytest.raises(EtcdError, match=f"server{count}.* silent already"):
        refuse_to_stop(*members(count, silent), "server1")


def test_a_member_that_is_silent_may_be_changed() -> None:
    refuse_to_stop(*members(3, 1), "server3")


def test_members_that_do_not_answer_or_only_learn_are_named() -> None:
    found, healthy = members(3, 1)
    assert rolling.members_unwell(found, healthy) == "etcd's member server3 does not answer"
    learner = [*found[:2], Member("3", "server3", learner=True)]
    assert rolling.members_unwell(learner, {"1", "2", "3"}) == "etcd's member server3 has not caught up yet"
