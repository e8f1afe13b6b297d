# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Who measures what: two machines, pods on them, services in front of a pod, and the paths between."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._compare import load
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem

NAMESPACE = "klubster-measure"
#: the set of pods and services, and that of the rule which is tried
SET, POLICY_SET = "measure-cni", "measure-cni-policy"
PORT = 5201
#: path -> what it is called, in the order in which it is shown
PATHS = {
    "host": "host to host",
    "pod_same": "pod to pod, same node",
    "pod_other": "pod to pod, other node",
    "service": "pod to service",
    "outside_host": "outside to host",
    "outside": "outside to LoadBalancer",
}
#: what a path is compared with: the same two machines without Kubernetes in between
BASES = {"outside": "outside_host"}
_ACCOUNT = "measure"
_ONE_MACHINE = "the cluster has one machine only"
_NO_CLIENT = "no machine outside the cluster was named"
_NO_BALANCER = "the cluster has no load balancer with a pool"


def base_of(path: str) -> str:
    return BASES.get(path, "host")


def layout(plan: t.Mapping[str, t.Any], client: str, amounts: t.Mapping[str, int]) -> dict[str, t.Any]:
    """Two machines, the one outside, and what cannot be measured with the reason.

    The far machine is an agent where there is one: load balancers do not announce from servers then.

    :param plan: what cluster_plan returned.
    :param client: inventory host outside the cluster; may be empty.
    :param amounts: how much is measured, by the names of the role's variables without their prefix.
    :raises InvalidInput: before anything was touched.
    """
    problems = load.out_of_bounds(amounts, "measure_cni_")
    machines = [_machine(entry) for entry in plan["machines"]]
    agents = [entry for entry in machines if entry["name"] in plan["agents"]]
    servers = [entry for entry in machines if entry["name"] not in plan["agents"]]
    if client and client in (entry["name"] for entry in machines):
        rule = "it is a machine of the cluster, but stands for what is outside."
        problems.append(Problem("measure_cni_client", client, rule, "Name another machine, or none."))
    if problems:
        raise InvalidInput(problems)
    near, far = agents[:2] if len(agents) > 1 else (servers[0], [*agents, *servers[1:], *servers][0])
    balancer = plan["load_balancer"]
    missing: dict[str, str] = {}
    if near == far:
        missing |= dict.fromkeys(("host", "pod_other"), _ONE_MACHINE)
    if not client:
        missing |= dict.fromkeys(("outside_host", "outside"), _NO_CLIENT)
    elif balancer["provider"] == "none" or (balancer["provider"] != "servicelb" and not balancer["pools"]):
        missing["outside"] = _NO_BALANCER
    rounds = amounts["rounds"] * len(PATHS)
    # Whatever happens, what answers the loads ends after this many seconds.
    lifetime = min(load.BOUNDS["lifetime"][1], 300 + rounds * (3 * amounts["seconds"] + amounts["timeout"] + 10))
    return {
        "near": near,
        "far": far,
        "client": client,
        "missing": missing,
        "machines": list(dict.fromkeys((near["name"], far["name"]))),
        "amounts": dict(amounts),
        "lifetime": lifetime,
    }


def _machine(entry: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {key: str(entry[key]) for key in ("name", "node_name", "address")}


def definitions(found: t.Mapping[str, t.Any], image: str) -> list[dict[str, t.Any]]:
    """What the cluster holds while it is measured."""
    pods = {"near": found["near"], "beside": found["near"], "far": found["far"]}
    made: list[dict[str, t.Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}]
    # A pod that comes before its namespace's default account would be refused.
    made.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(_ACCOUNT)})
    made += [_pod(name, machine["node_name"], image) for name, machine in pods.items()]
    made.append(_service("inside", {"type": "ClusterIP"}))
    if "outside" not in found["missing"]:
        # The packet is not sent on to another node: the way from outside is that to the machine itself.
        made.append(_service("outside", {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}))
    return made


def _metadata(name: str) -> dict[str, t.Any]:
    return {"name": name, "namespace": NAMESPACE}


def _pod(name: str, node: str, image: str) -> dict[str, t.Any]:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**_metadata(name), "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "serviceAccountName": _ACCOUNT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65535,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {"name": "pause", "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": security}
            ],
        },
    }


def _service(name: str, spec: dict[str, t.Any]) -> dict[str, t.Any]:
    ports = [{"name": "iperf3", "port": PORT, "protocol": "TCP"}, {"name": "echo", "port": PORT + 1, "protocol": "TCP"}]
    spec = {**spec, "selector": {"app": "far"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(name), "spec": spec}


def policy() -> list[dict[str, t.Any]]:
    """Nobody may reach the far pod."""
    spec = {"podSelector": {"matchLabels": {"app": "far"}}, "policyTypes": ["Ingress"]}
    return [
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": _metadata("nobody"), "spec": spec}
    ]


def work(found: t.Mapping[str, t.Any], objects: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """What serves where, who asks whom, and in which order.

    All paths are measured in turns: what disturbs the machines for a while then disturbs all of them.

    :param found: what ``layout`` returned.
    :param objects: pods and services as the API has them.
    """
    pods = {entry["metadata"]["name"]: entry for entry in objects if entry["kind"] == "Pod"}
    services = {entry["metadata"]["name"]: entry for entry in objects if entry["kind"] == "Service"}
    near, far, client = found["near"]["name"], found["far"]["name"], found["client"]
    uid = {name: entry["metadata"]["uid"] for name, entry in pods.items()}
    address = {name: entry["status"]["podIP"] for name, entry in pods.items()}
    serves = [
        {"name": "host", "machine": far, "pod": "", "address": found["far"]["address"]},
        {"name": "beside", "machine": near, "pod": uid["beside"], "address": address["beside"]},
        {"name": "far", "machine": far, "pod": uid["far"], "address": address["far"]},
    ]
    loads = {
        "host": (near, "", found["far"]["address"]),
        "pod_same": (near, uid["near"], address["beside"]),
        "pod_other": (near, uid["near"], address["far"]),
        "service": (near, uid["near"], services["inside"]["spec"]["clusterIP"]),
        "outside_host": (client, "", found["far"]["address"]),
        "outside": (client, "", _ingress(services.get("outside"))),
    }
    turn = [
        {"path": path, "machine": machine, "pod": pod, "address": to}
        for path, (machine, pod, to) in loads.items()
        if path not in found["missing"]
    ]
    return {
        "serves": serves,
        "loads": [{"round": number, **entry} for number in range(1, found["amounts"]["rounds"] + 1) for entry in turn],
        "policy": {"machine": near, "pod": uid["near"], "address": address["far"]},
    }


def _ingress(service: t.Mapping[str, t.Any] | None) -> str:
    entries = ((service or {}).get("status") or {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(entries[0].get("ip", ""))


__all__ = (
    "BASES",
    "NAMESPACE",
    "PATHS",
    "POLICY_SET",
    "PORT",
    "SET",
    "base_of",
    "definitions",
    "layout",
    "policy",
    "work",
)
