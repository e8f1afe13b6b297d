# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json
import typing as t

import pytest
import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import SET_LABEL
from ansible_collections.kateskit.klubster.plugins.module_utils._status.collect import Unanswered
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Object, Report, Snapshot
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import (
    expectation,
    report_of,
    report_of_silence,
)

NOW = "2026-11-21T08:00:00Z"
Change = t.Callable[[Snapshot], None]


def causes(report: Report, severity: str = "error") -> list[str]:
    return [problem["cause"] for problem in report["problems"] if problem["severity"] == severity]


def changed(change: Change, name: str = "healthy", **expected: t.Any) -> Report:
    found = snapshots.snapshot(name)
    change(found)
    return report_of(found, snapshots.expected(**expected))


def test_a_healthy_cluster_has_no_problem() -> None:
    report = snapshots.report()
    assert report["problems"] == []
    assert report["healthy"] is True
    assert [node["name"] for node in report["nodes"]] == ["server1", "agent1", "agent2"]
    assert {node["state"] for node in report["nodes"]} == {"ready"}
    assert [(layer["name"], layer["state"]) for layer in report["layers"]] == [
        ("network", "ready"),
        ("proxy", "ready"),
        ("dns", "ready"),
        ("storage", "ready"),
        ("load_balancer", "ready"),
    ]
    assert report["networks"] == {"pod": ["10.244.0.0/16"], "service": ["10.96.0.0/16"], "dns_address": "10.96.0.10"}
    assert report["pods"] == {"total": 19, "ready": 19, "finished": 0, "starting": 0, "troubles": []}
    assert {part["name"] for part in report["control_plane"]} == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    }


def test_a_node_tells_what_a_person_wants_to_know() -> None:
    assert snapshots.report()["nodes"][1] == {
        "name": "agent1",
        "role": "agent",
        "state": "ready",
        "why": "",
        "addresses": ["10.77.0.12"],
        "pod_networks": ["10.244.1.0/24"],
        "version": "v1.34.2",
        "runtime": "containerd://2.1.5",
        "system": "Debian GNU/Linux 12 (bookworm)",
        "created": "2026-11-21T07:30:16Z",
        "age": "29m",
        "cordoned": False,
        "pressure": [],
        "cpu": "2",
        "memory": "15.6 GiB",
        "pods": 5,
        "pods_max": 110,
    }


def test_a_lost_machine_is_the_only_cause() -> None:
    report = snapshots.report("agent_not_ready")
    assert causes(report) == ["The machine agent2 is off, or its kubelet does not reach the API"]
    assert causes(report, "warning") == []
    problem = report["problems"][0]
    assert problem["detail"] == "Kubelet stopped posting node status (since 2026-11-21 07:51:02 UTC)"
    assert problem["consequences"] == [
        "Pod network: kube-flannel: 2 of 3 pods are ready",
        "Service addresses: kube-proxy: 2 of 3 pods are ready",
        "Load balancer: speaker: 2 of 3 pods are ready",
        "1 pod on it",
    ]


def test_a_missing_pod_network_comes_before_what_follows_from_it() -> None:
    report = snapshots.report("no_pod_network", pools=[], load_balancer="none", storage_classes=[])
    assert causes(report) == ["No pod network is installed"]
    hence = report["problems"][0]["consequences"]
    assert hence[0].startswith("nodes server1, agent1, agent2 not ready: container runtime network not ready")
    assert hence[1] == "Names: coredns: 0 of 2 replicas are available"


def test_without_a_plan_the_nodes_alone_tell_of_the_missing_network() -> None:
    report = report_of(snapshots.snapshot("no_pod_network"), expectation({}))
    assert causes(report) == ["No pod network is installed"]


def test_layers_of_the_inventory_that_are_missing() -> None:
    report = snapshots.report("no_pod_network")
    assert causes(report) == [
        "No pod network is installed",
        "Storage (local-path) is not installed",
        "Load balancer (metallb) is not installed",
    ]


def openelb_comes(found: Snapshot) -> None:
    workload = copy.deepcopy(snapshots.find(found, "Deployment", "controller"))
    workload["metadata"] |= {
        "name": "openelb-controller",
        "namespace": "openelb-system",
        "labels": {SET_LABEL: "load-balancer-openelb"},
    }
    found["workloads"].append(workload)


def metallb_goes(found: Snapshot) -> None:
    openelb_comes(found)
    found["workloads"] = [one for one in found["workloads"] if one["metadata"]["namespace"] != "metallb-system"]


BOTH = "MetalLB and OpenELB are in the cluster, and may answer for the same addresses"


@pytest.mark.parametrize(
    ("change", "wanted", "severity", "cause", "detail"),
    [
        (openelb_comes, "metallb", "warning", BOTH, "openelb-system/openelb-controller"),
        (openelb_comes, "openelb", "warning", BOTH, "metallb-system/controller, metallb-system/speaker"),
        (openelb_comes, "none", "warning", BOTH, "metallb-system/controller, openelb-system/openelb-controller"),
        (metallb_goes, "metallb", "error", "OpenELB is in the cluster instead of MetalLB", "openelb-system/"),
        (
            lambda _: None,
            "openelb",
            "error",
            "MetalLB is in the cluster instead of OpenELB",
            "metallb-system/controller, ",
        ),
    ],
)
def test_a_change_of_the_load_balancer_that_stopped_half_way(
    change: Change, wanted: str, severity: str, cause: str, detail: str
) -> None:
    report = changed(change, load_balancer=wanted)
    (problem,) = [one for one in report["problems"] if one["cause"] == cause]
    assert (problem["severity"], problem["subject"]) == (severity, f"layer Load balancer ({wanted})")
    assert problem["detail"].startswith(detail)
    assert f"klubster_load_balancer ({wanted})" in problem["remedy"]


@pytest.mark.parametrize(("change", "wanted"), [(metallb_goes, "openelb"), (lambda _: None, "none")])
def test_one_load_balancer_is_no_finding(change: Change, wanted: str) -> None:
    assert not [one for one in changed(change, load_balancer=wanted)["problems"] if "in the cluster" in one["cause"]]


def test_a_load_balancer_without_pool() -> None:
    report = snapshots.report("no_pool", pools=[])
    assert report["healthy"] is True
    assert causes(report, "warning") == ["The load balancer has no pool of addresses"]
    assert report["problems"][0]["consequences"] == ["service shop/web without an address"]
    assert report["services"][0]["why"] == "there is no pool of addresses"


def test_a_pool_of_the_inventory_that_is_not_there() -> None:
    report = snapshots.report("no_pool")
    assert causes(report) == ["A pool of the inventory has not reached the cluster"]
    assert causes(report, "warning") == []


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        ("kubeconfig", "There is no usable kubeconfig for this cluster"),
        ("name", "The name of the API server is not known on this machine"),
        ("refused", "The machine answers but no API server runs on it"),
        ("unreachable", "There is no way through the network to the API server"),
        ("timeout", "The first server is off or too busy, or a firewall drops what is sent to it"),
        ("certificate", "The certificate of the API server does not fit this kubeconfig"),
        ("closed", "Something else than a Kubernetes API answers there, or the API server is just starting"),
        ("unauthorized", "The API server does not accept the credentials of this kubeconfig"),
        ("forbidden", "The credentials of this kubeconfig may not read the cluster's state"),
        ("failing", "The API server runs but cannot do its work"),
    ],
)
def test_a_silent_api_is_a_report(cause: str, sentence: str) -> None:
    report = report_of_silence(Unanswered(cause, "seen so"), snapshots.expected(), NOW)
    assert report["healthy"] is False
    assert causes(report) == [sentence]
    assert [(node["name"], node["state"]) for node in report["nodes"]] == [
        ("server1", "unknown"),
        ("agent1", "unknown"),
        ("agent2", "unknown"),
    ]


def test_a_silent_etcd_is_named_before_the_timeout_it_causes() -> None:
    silence = Unanswered("timeout", "there is no answer within 10 s")
    silence.failing_checks = ["etcd"]
    report = report_of_silence(silence, snapshots.expected(), NOW)
    assert causes(report) == ["etcd does not answer, so the API can neither read nor write"]


def _condition(found: Snapshot, node: str, **condition: str) -> None:
    conditions = snapshots.find(found, "Node", node)["status"]["conditions"]
    conditions[:] = [entry for entry in conditions if entry["type"] != condition["type"]] + [condition]


def _not_ready(message: str) -> Change:
    def change(found: Snapshot) -> None:
        _condition(found, "agent1", type="Ready", status="False", reason="KubeletNotReady", message=message)

    return change


def _pod(found: Snapshot, name: str, **status: t.Any) -> Object:
    pod = snapshots.find(found, "Pod", name)
    pod["status"] = {**pod["status"], "conditions": [{"type": "Ready", "status": "False"}], **status}
    return pod


def _waiting(name: str, reason: str, message: str = "") -> Change:
    def change(found: Snapshot) -> None:
        state = {"waiting": {"reason": reason, "message": message}}
        last = {"terminated": {"exitCode": 1, "reason": "Error"}} if reason == "CrashLoopBackOff" else {}
        _pod(found, name, containerStatuses=[{"name": "main", "state": state, "lastState": last}])

    return change


def _drop(kind: str, name: str) -> Change:
    def change(found: Snapshot) -> None:
        key = snapshots.LISTS[kind]
        data = t.cast(dict[str, t.Any], found)
        data[key] = [obj for obj in data[key] if obj["metadata"]["name"] != name]

    return change


def _cordon(found: Snapshot) -> None:
    snapshots.find(found, "Node", "agent1")["spec"]["unschedulable"] = True


def _pressure(found: Snapshot) -> None:
    _condition(found, "agent1", type="DiskPressure", status="True", reason="KubeletHasDiskPressure")


def _network_unavailable(found: Snapshot) -> None:
    _condition(
        found, "agent1", type="NetworkUnavailable", status="True", reason="NoRoute", message="network is unavailable"
    )
    _condition(
        found, "agent1", type="Ready", status="False", reason="KubeletNotReady", message="cni plugin not initialized"
    )


def _old_version(found: Snapshot) -> None:
    snapshots.find(found, "Node", "agent1")["status"]["nodeInfo"]["kubeletVersion"] = "v1.33.4"


def _failing_checks(found: Snapshot) -> None:
    found["failing_checks"] = ["etcd"]


def _dns_down(found: Snapshot) -> None:
    snapshots.find(found, "Deployment", "coredns")["status"]["availableReplicas"] = 0
    _waiting("coredns-7c9d8b6f5-2hx4m", "ErrImageNeverPull", "image is not present")(found)


def _full(found: Snapshot) -> None:
    snapshots.find(found, "IPAddressPool", "house")["spec"]["addresses"] = ["10.77.0.200/32"]


def _unannounced(found: Snapshot) -> None:
    found["advertisements"] = []


def _no_endpoint(found: Snapshot) -> None:
    found["endpoint_slices"] = []


def _unschedulable(found: Snapshot) -> None:
    scheduled = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes: Insufficient memory.",
    }
    _pod(found, "web-6d5f7c9b8-4qk7z", phase="Pending", conditions=[scheduled], containerStatuses=[])


def _evicted(found: Snapshot) -> None:
    _pod(
        found, "web-6d5f7c9b8-4qk7z", phase="Failed", reason="Evicted", message="The node was low on resource: memory."
    )


def _unready(found: Snapshot) -> None:
    _pod(found, "web-6d5f7c9b8-4qk7z", containerStatuses=[{"name": "web", "ready": False, "state": {"running": {}}}])


def _stuck(found: Snapshot) -> None:
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    _pod(found, "web-6d5f7c9b8-4qk7z", containerStatuses=[{"name": "web", "ready": False, "state": waiting}])
    event = copy.deepcopy(found["events"][0])
    event["metadata"]["name"] = "mount"
    event["involvedObject"] = {"kind": "Pod", "namespace": "shop", "name": "web-6d5f7c9b8-4qk7z"}
    event["reason"], event["message"] = "FailedMount", 'secret "tls" not found'
    found["events"].append(event)


def _oom(found: Snapshot) -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-21T07:59:00Z"}
    pod = snapshots.find(found, "Pod", "web-6d5f7c9b8-4qk7z")
    pod["status"]["containerStatuses"][0]["lastState"] = {"terminated": ended}


def _claim(**spec: str) -> Change:
    def change(found: Snapshot) -> None:
        claim = snapshots.find(found, "PersistentVolumeClaim", "data")
        claim["spec"].pop("storageClassName")
        claim["spec"].update(spec)
        claim["status"] = {"phase": "Pending"}
        if not spec:
            found["storage_classes"] = []

    return change


@pytest.mark.parametrize(
    ("change", "severity", "cause", "told"),
    [
        (
            _not_ready("container runtime is down"),
            "error",
            "containerd on agent1 is down or hangs",
            "container runtime is down",
        ),
        (_not_ready("PLEG is not healthy"), "error", "containerd on agent1 is down or hangs", "PLEG"),
        (_not_ready("node is shutting down"), "error", "The machine agent1 is shutting down", "shutting down"),
        (_not_ready("disk is gone"), "error", "The kubelet of agent1 reports that it cannot work", "disk is gone"),
        (_network_unavailable, "error", "The pod network runs but has not been set up on every machine", "agent1"),
        (_pressure, "error", "A machine runs short of what pods need", "DiskPressure"),
        (_failing_checks, "error", "etcd does not answer, so the API can neither read nor write", "etcd"),
        (_drop("Node", "agent2"), "error", "Machines of the inventory have not joined the cluster", "agent2"),
        (_drop("DaemonSet", "kube-proxy"), "error", "Service addresses (kube-proxy) is not installed", "not installed"),
        (
            _drop("Pod", "kube-scheduler-server1"),
            "error",
            "kube-scheduler does not run on server1",
            "its pod is not there",
        ),
        (_waiting("etcd-server1", "CrashLoopBackOff"), "error", "etcd does not run on server1", "exit status 1"),
        (_dns_down, "error", "The image is not on the machine and cannot be fetched", "ErrImageNeverPull"),
        (_unannounced, "error", "No advertisement covers the pool, so nobody answers for its addresses", "house"),
        (_cordon, "warning", "Somebody, or a run cut short, keeps new pods away from the machine", "agent1"),
        (
            _old_version,
            "warning",
            "A machine runs another version than the inventory asks for",
            "v1.33.4 instead of v1.34.2",
        ),
        (_full, "warning", "All addresses of the pool are taken", "1 of 1 used"),
        (
            _no_endpoint,
            "warning",
            "No ready pod stands behind the service, so its address does not answer",
            "10.77.0.200",
        ),
        (_unschedulable, "warning", "No machine can take the pod", "Insufficient memory"),
        (_evicted, "warning", "A machine ran short of memory or disk and ended the pod", "low on resource"),
        (_unready, "warning", "The program runs but does not answer its readiness probe", "readiness probe"),
        (_stuck, "warning", "The pod cannot be set up on its machine", 'FailedMount: secret "tls" not found'),
        (_oom, "warning", "A container needs more memory than its limit", "60 s ago"),
        (
            _waiting("web-6d5f7c9b8-4qk7z", "CrashLoopBackOff", "back-off 5m0s"),
            "warning",
            "The program in the container ends by itself",
            "back-off 5m0s; it ended with exit status 1 (Error)",
        ),
        (
            _waiting("web-6d5f7c9b8-4qk7z", "CreateContainerConfigError", 'configmap "x" not found'),
            "warning",
            "A ConfigMap or Secret that the pod names is missing",
            'configmap "x" not found',
        ),
        (_claim(), "warning", "The claim names no storage class, and the cluster has no default one", "Pending"),
        (_claim(storageClassName="fast"), "warning", "There is no storage class fast", "Pending"),
    ],
)
def test_one_thing_wrong_is_named_with_its_cause(change: Change, severity: str, cause: str, told: str) -> None:
    report = changed(change)
    assert [(problem["severity"], problem["cause"]) for problem in report["problems"]] == [(severity, cause)]
    assert report["healthy"] is (severity == "warning")
    assert told in json.dumps(report["problems"][0], ensure_ascii=False).replace('\\"', '"')


def test_pods_that_no_full_machine_takes_are_no_cause_of_their_own() -> None:
    def change(found: Snapshot) -> None:
        for name in ("server1", "agent1", "agent2"):
            _condition(found, name, type="DiskPressure", status="True", reason="KubeletHasDiskPressure")
        scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
        for name in ("coredns-7c9d8b6f5-2hx4m", "coredns-7c9d8b6f5-9lmpt"):
            _pod(found, name, phase="Pending", conditions=[scheduled], containerStatuses=[])
        snapshots.find(found, "Deployment", "coredns")["status"]["availableReplicas"] = 0

    report = changed(change)
    assert [(problem["cause"], problem["subject"]) for problem in report["problems"]] == [
        ("Machines run short of what pods need", "nodes server1, agent1, agent2")
    ]
    assert report["problems"][0]["consequences"] == [
        "2 pods without a machine",
        "Names: coredns: 0 of 2 replicas are available",
    ]


def test_pods_in_trouble_of_one_kind_are_one_problem() -> None:
    def change(found: Snapshot) -> None:
        _waiting("web-6d5f7c9b8-4qk7z", "ImagePullBackOff")(found)
        _waiting("web-6d5f7c9b8-r2m5x", "ImagePullBackOff")(found)

    report = changed(change)
    assert [problem["subject"] for problem in report["problems"]] == [
        "pods shop/web-6d5f7c9b8-4qk7z, shop/web-6d5f7c9b8-r2m5x"
    ]


def test_a_young_pod_that_is_not_ready_is_only_starting() -> None:
    def change(found: Snapshot) -> None:
        pod = _pod(found, "web-6d5f7c9b8-4qk7z", containerStatuses=[])
        pod["metadata"]["creationTimestamp"] = "2026-11-21T07:59:30Z"

    report = changed(change)
    assert report["problems"] == []
    assert (report["pods"]["ready"], report["pods"]["starting"]) == (18, 1)


def test_a_claim_that_waits_for_its_first_pod_is_no_problem() -> None:
    report = changed(_claim(storageClassName="local-path"))
    assert report["problems"] == []


def test_a_node_that_is_not_in_the_inventory_is_told() -> None:
    report = snapshots.report(nodes=[{"name": "server1", "role": "server", "address": ""}])
    assert causes(report, "warning") == ["A machine of the cluster does not stand in the inventory"]
    assert report["problems"][0]["subject"] == "node agent1, node agent2"


def test_what_is_off_is_not_missing() -> None:
    report = snapshots.report("no_pod_network", cni="none", load_balancer="none", pools=[], storage_classes=[])
    states = {layer["name"]: layer["state"] for layer in report["layers"]}
    assert (states["network"], states["storage"], states["load_balancer"]) == ("off", "off", "off")


def test_the_report_is_plain_data() -> None:
    report = snapshots.report("agent_not_ready")
    assert json.loads(json.dumps(report)) == report


def test_nothing_secret_is_taken_from_an_object() -> None:
    def change(found: Snapshot) -> None:
        pod = snapshots.find(found, "Pod", "web-6d5f7c9b8-4qk7z")
        pod["metadata"]["annotations"] = {"note": "hunter2"}
        pod["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": "hunter2"}]

    assert "hunter2" not in json.dumps(changed(change))


def test_events_that_say_the_same_are_one() -> None:
    def change(found: Snapshot) -> None:
        again = copy.deepcopy(found["events"][0])
        again["metadata"]["name"], again["eventTime"] = "again", "2026-11-21T07:45:00.000000Z"
        again["series"] = {"count": 4, "lastObservedTime": "2026-11-21T07:50:00.000000Z"}
        found["events"].append(again)

    events = changed(change)["events"]
    assert [(event["count"], event["age"]) for event in events] == [(5, "10m")]


def test_machines_are_ordered_as_people_count() -> None:
    report = report_of(*snapshots.many(12))
    assert [node["name"] for node in report["nodes"]] == [
        *(f"server{number}" for number in range(1, 4)),
        *(f"agent{number}" for number in range(1, 10)),
    ]


@pytest.mark.parametrize("engine", ["kubeadm", "k3s"])
def test_a_provider_that_does_kube_proxys_work_is_looked_at_for_it(engine: str) -> None:
    plan = {"engine": {"name": engine}, "cni": {"provider": "cilium", "layer": "cilium", "service_proxy": True}}
    daemon_set: dict[str, t.Any] = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "cilium", "namespace": "kube-system", "labels": {SET_LABEL: "cni"}},
        "spec": {"selector": {"matchLabels": {"k8s-app": "cilium"}}},
        "status": {"desiredNumberScheduled": 2, "numberReady": 1},
    }
    found = {**snapshots.snapshot("no_pod_network"), "workloads": [daemon_set]}
    layers = {one["name"]: one for one in report_of(t.cast(Snapshot, found), expectation(plan))["layers"]}
    assert (layers["proxy"]["provider"], layers["proxy"]["state"]) == ("cilium", "not ready")
    assert layers["network"]["state"] == "not ready"
    plan["cni"] = {"provider": "cilium", "layer": "cilium", "service_proxy": False}
    assert expectation(plan)["within"] == (["proxy"] if engine == "k3s" else [])
    assert expectation(plan)["proxy"] == "kube-proxy"


def test_what_k3s_has_within_itself_is_not_missing() -> None:
    plan = {
        "engine": {"name": "k3s"},
        "cni": {"provider": "flannel", "layer": "none"},
        "load_balancer": {"provider": "servicelb", "pools": []},
    }
    report = report_of(snapshots.snapshot("no_pod_network"), expectation(plan))
    layer = next(one for one in report["layers"] if one["name"] == "load_balancer")
    assert expectation(plan)["within"] == ["proxy", "network", "load_balancer"]
    assert layer["provider"] == "servicelb"
    assert layer["state"] != "missing"


def test_a_service_that_waits_for_servicelb_is_told_of_ports_and_not_of_pools() -> None:
    waiting = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }
    found = {**snapshots.snapshot("no_pod_network"), "services": [waiting], "pools": None}
    plan = {"engine": {"name": "k3s"}, "load_balancer": {"provider": "servicelb", "pools": []}}
    report = report_of(t.cast(Snapshot, found), expectation(plan))
    assert report["services"][0]["why"] == "no node has taken it; its port may be taken on all of them"
    (problem,) = [one for one in report["problems"] if "default/web" in str(one)]
    assert "free it on a node" in str(problem)
    assert "klubster_pools" not in str(problem)
