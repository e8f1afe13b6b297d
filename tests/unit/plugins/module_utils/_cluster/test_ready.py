# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.causes import (
    causes_of_events,
    causes_of_nodes,
    causes_of_pod,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.ready import (
    Timeout,
    Waiter,
    why_not_answering,
    why_not_ready,
    why_not_released,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import Unreachable
from fake_cluster import FakeClock


def workload(kind: str, spec: Object, status: Object, generation: int = 1) -> Object:
    return {
        "kind": kind,
        "metadata": {"name": "x", "generation": generation},
        "spec": spec,
        "status": {"observedGeneration": generation, **status},
    }


def conditions(kind: str, *pairs: tuple[str, str]) -> Object:
    entries = [{"type": name, "status": status, "reason": "R", "message": "M"} for name, status in pairs]
    return {"kind": kind, "metadata": {"name": "x"}, "status": {"conditions": entries}}


def deployment(replicas: int = 2, **status: int) -> Object:
    full = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return workload("Deployment", {"replicas": replicas}, {**full, **status})


def daemon_set(**status: int) -> Object:
    full = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3}
    return workload("DaemonSet", {}, {**full, **status})


TEST_READY: list[tuple[str, Object, str | None]] = [
    ("deployment", deployment(), None),
    ("deployment old pods", deployment(replicas=2) | {"status": deployment(replicas=2)["status"] | {"replicas": 3}},
     "1 replicas of the old definition still run"),
    ("deployment updating", deployment(updatedReplicas=1), "1 of 2 replicas run the newest definition"),
    ("deployment unavailable", deployment(availableReplicas=0), "0 of 2 replicas are available"),
    ("deployment of none", workload("Deployment", {"replicas": 0}, {}), None),
    ("deployment unseen", deployment() | {"metadata": {"generation": 2}},
     "its controller has not looked at the newest definition yet"),
    ("deployment new", {"kind": "Deployment", "metadata": {"generation": 1}, "spec": {}},
     "its controller has not looked at the newest definition yet"),
    ("service inside", {"kind": "Service", "spec": {"type": "ClusterIP"}}, None),
    ("service without address", {"kind": "Service", "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}},
     "has no address outside the cluster yet"),
    ("service with address", {"kind": "Service", "spec": {"type": "LoadBalancer"},
                              "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}, None),
    ("daemon set", daemon_set(), None),
    ("daemon set not ready", daemon_set(numberReady=2), "2 of 3 pods are ready"),
    ("daemon set updating", daemon_set(updatedNumberScheduled=1), "1 of 3 pods run the newest definition"),
    ("daemon set on delete",
     daemon_set(updatedNumberScheduled=1) | {"spec": {"updateStrategy": {"type": "OnDelete"}}}, None),
    ("daemon set new", {"kind": "DaemonSet", "metadata": {"generation": 1}},
     "its controller has not looked at the newest definition yet"),
    ("stateful set", workload("StatefulSet", {"replicas": 1}, {"updatedReplicas": 1, "readyReplicas": 1}), None),
    ("stateful set not ready", workload("StatefulSet", {"replicas": 1}, {"updatedReplicas": 1}),
     "0 of 1 replicas are ready"),
    ("crd", conditions("CustomResourceDefinition", ("NamesAccepted", "True"), ("Established", "True")), None),
    ("crd new", conditions("CustomResourceDefinition"), "has no condition Established yet"),
    ("crd clash", conditions("CustomResourceDefinition", ("NamesAccepted", "False")), "its names were not accepted: M"),
    ("node", conditions("Node", ("Ready", "True")), None),
    ("node not ready", conditions("Node", ("Ready", "False")), "Ready is False: R M"),
    ("node lost", conditions("Node", ("Ready", "Unknown")), "Ready is Unknown: R M"),
    ("pod", conditions("Pod", ("Ready", "True")), None),
    ("pod done", {"kind": "Pod", "status": {"phase": "Succeeded"}}, None),
    ("job", conditions("Job", ("Complete", "True")), None),
    ("job failed", conditions("Job", ("Failed", "True")), "has failed: M"),
    ("namespace", {"kind": "Namespace", "status": {"phase": "Active"}}, None),
    ("claim", {"kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}}, "is Pending, not Bound"),
    ("config map", {"kind": "ConfigMap"}, None),
    ("leaving", {"kind": "ConfigMap", "metadata": {"deletionTimestamp": "now"}}, "is being removed"),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "expected"), [case[1:] for case in TEST_READY], ids=[case[0] for case in TEST_READY])
def test_ready(obj: Object, expected: str | None) -> None:
    assert why_not_ready(obj) == expected


def service(name: str, pool: str, ip: str) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": "n",
            "annotations": {"metallb.io/ip-allocated-from-pool": pool},
        },
        "status": {"loadBalancer": {"ingress": [{"ip": ip}]}},
    }


def test_released() -> None:
    services = [service("b", "p", "10.0.0.2"), service("a", "p", "10.0.0.1"), service("c", "q", "10.0.0.3"), {}]
    held = "services still hold its addresses: n/a (10.0.0.1); n/b (10.0.0.2)"
    assert why_not_released("IPAddressPool", "p", services) == held
    assert why_not_released("IPAddressPool", "r", services) is None


def test_an_address_of_openelb_is_held_by_a_label() -> None:
    held = service("a", "of another load balancer", "10.0.0.1")
    held["metadata"]["labels"] = {"eip.openelb.kubesphere.io/v1alpha2": "p"}
    assert why_not_released("Eip", "p", [held]) == "services still hold its addresses: n/a (10.0.0.1)"
    del held["metadata"]["labels"]
    assert why_not_released("Eip", "p", [held]) is None


def test_the_waiter_asks_until_nothing_is_missing() -> None:
    clock = FakeClock()
    waiter = Waiter(clock, 60)
    waiter.until(lambda: {} if clock.now() > 7 else {"x": "not yet"}, lambda _names: [])
    assert 7 < waiter.waited < 9


def test_the_waiter_asks_once_more_at_the_deadline() -> None:
    clock = FakeClock()
    Waiter(clock, 10).until(lambda: {} if clock.now() >= 10 else {"x": "no"}, lambda _names: [])
    with pytest.raises(Timeout):
        Waiter(clock, 0).until(lambda: {"x": "no"}, lambda _names: [])


def test_an_api_that_restarts_is_waited_for() -> None:
    clock = FakeClock()

    def missing() -> dict[str, str]:
        if clock.now() < 3:
            raise Unreachable("connection refused")
        return {}

    Waiter(clock, 10).until(missing, lambda _names: [])
    with pytest.raises(Timeout, match="the API: connection refused"):
        Waiter(FakeClock(), 2).until(_refused, lambda _names: [])


def _refused() -> dict[str, str]:
    raise Unreachable("connection refused")


def test_a_timeout_lists_states_and_causes() -> None:
    clock = FakeClock()
    with pytest.raises(Timeout) as caught:
        Waiter(clock, 2).until(lambda: {"Pod a": "is slow", "Pod b": "too"}, lambda _names: ["no disk", "no net"])
    assert clock.now() == pytest.approx(2)
    assert str(caught.value) == (
        "Likely cause: no disk\nAfter 2 s this was still not ready:\n  - Pod a: is slow\n  - Pod b: too\n"
        "Also seen:\n  - no net"
    )


def test_a_timeout_without_causes_still_tells_the_state() -> None:
    with pytest.raises(Timeout, match="Pod a: is slow"):
        Waiter(FakeClock(), 1).until(lambda: {"Pod a": "is slow"}, _no_causes)


def _no_causes(_names: t.Collection[str]) -> t.Sequence[str]:
    raise Unreachable("connection refused")


def pod(**status: t.Any) -> Object:
    return {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"nodeName": "node1"},
        "status": status,
    }


def waiting(reason: str, message: str = "") -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(containerStatuses=[{"name": "c", "image": "i:1", "state": state}])


TEST_CAUSES: list[tuple[str, Object, list[str]]] = [
    ("image", waiting("ErrImageNeverPull"),
     ["Pod n/p on node1: the image i:1 is not on that machine (ErrImageNeverPull)."]),
    ("config", waiting("CreateContainerConfigError", "secret x not found"),
     ["Pod n/p on node1: container c waits: CreateContainerConfigError secret x not found"]),
    ("starting", waiting("ContainerCreating"), []),
    ("crash", pod(containerStatuses=[{
        "name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}}]),
     ["Pod n/p on node1: container c ended with exit status 2 (Error): tail of c"]),
    ("crash with message", pod(initContainerStatuses=[{
        "name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": "said"}}}]),
     ["Pod n/p on node1: container i ended with exit status 1 (Error): said"]),
    ("probe", pod(containerStatuses=[{"name": "c", "ready": False, "state": {"running": {"startedAt": "now"}}}]),
     ["Pod n/p on node1: container c runs but does not pass its readiness probe."]),
    ("no node", {"metadata": {"name": "p", "namespace": "n"}, "status": {"conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]}},
     ["Pod n/p finds no node: 0/3 nodes are available"]),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "expected"), [c[1:] for c in TEST_CAUSES], ids=[c[0] for c in TEST_CAUSES])
def test_causes_of_a_pod(obj: Object, expected: list[str]) -> None:
    assert [text for _weight, text in causes_of_pod(obj, lambda name: f"tail of {name}")] == expected


def test_causes_of_events_keeps_the_newest_of_each_reason() -> None:
    def event(name: str, reason: str, message: str, when: str) -> Object:
        return {"involvedObject": {"name": name}, "reason": reason, "message": message, "lastTimestamp": when}

    events = [
        event("p", "FailedMount", "old", "1"),
        event("p", "FailedMount", "new", "2"),
        event("q", "FailedMount", "not asked for", "3"),
        event("p", "BackOff", "again", "3"),
    ]
    found = [text for _weight, text in causes_of_events(events, {"p"})]
    assert found == ["p: BackOff: again", "p: FailedMount: new"]


def test_causes_of_nodes() -> None:
    nodes = [conditions("Node", ("Ready", "True")), conditions("Node", ("Ready", "False"))]
    assert causes_of_nodes(nodes) == [(3, "Node x: Ready is False: R M")]


def webhooks(*bundles: str | None) -> Object:
    entries = []
    for index, bundle in enumerate(bundles):
        client = {"service": {"name": "hooks"}, **({"caBundle": bundle} if bundle else {})}
        entries.append({"name": f"hook{index}", "clientConfig": client})
    return {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "x"}, "webhooks": entries}


def slice_of(*ready: bool | None) -> Object:
    endpoints = [{"addresses": ["10.0.0.1"], "conditions": {} if one is None else {"ready": one}} for one in ready]
    return {"kind": "EndpointSlice", "metadata": {"name": "x"}, "endpoints": endpoints}


TEST_ANSWERING: list[tuple[str, Object, str | None]] = [
    ("CAs", webhooks("Y2E=", "Y2E="), None),
    ("one CA is missing", webhooks("Y2E=", None), "has not given hook1 a CA yet"),
    ("by URL", {"kind": "ValidatingWebhookConfiguration", "webhooks": [{"clientConfig": {"url": "https://x"}}]}, None),
    ("a pod answers", slice_of(False, True), None),
    ("nobody says no", slice_of(None), None),
    ("pods are not ready", slice_of(False), "no pod behind the service is ready"),
    ("no pods", slice_of(), "no pod behind the service is ready"),
    ("another kind is as ready as ever", deployment(availableReplicas=0), "0 of 2 replicas are available"),
]


@pytest.mark.parametrize(
    ("obj", "expected"), [row[1:] for row in TEST_ANSWERING], ids=[row[0] for row in TEST_ANSWERING]
)
def test_who_has_to_answer(obj: Object, expected: str | None) -> None:
    found = why_not_answering(obj)
    assert (found is None) if expected is None else (expected in str(found))


def test_a_webhook_of_ours_is_whole_without_its_ca() -> None:
    assert why_not_ready(webhooks(None)) is None
