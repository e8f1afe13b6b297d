# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Put a report together."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service_names_place import NAME, NAMESPACE
from ansible_collections.kateskit.klubster.plugins.module_utils._status.balance import pools_of, services_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.collect import Unanswered
from ansible_collections.kateskit.klubster.plugins.module_utils._status.diagnose import diagnose
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import (
    SCHEMA,
    Api,
    Expected,
    ExpectedNode,
    LoadBalancedService,
    Networks,
    Node,
    Pods,
    Report,
    RouterLook,
    ServiceNames,
    Snapshot,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.observe import (
    claims_of,
    control_plane_of,
    events_of,
    layers_of,
    nodes_of,
    pods_of,
    storage_classes_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.routing import routing_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import clean

_NOTHING = Snapshot(
    server="",
    now="",
    version="",
    failing_checks=[],
    nodes=[],
    pods=[],
    workloads=[],
    services=[],
    endpoint_slices=[],
    claims=[],
    storage_classes=[],
    service_networks=[],
    pools=None,
    advertisements=None,
    announcements=None,
    bgp_peers=[],
    calico_bgp=[],
    events=[],
)


def expectation(plan: t.Mapping[str, t.Any]) -> Expected:
    """What the inventory says, from the cluster's plan; without one nothing is expected."""
    networks, balancer = plan.get("networks") or {}, plan.get("load_balancer") or {}
    names = plan.get("names") or {}
    local_path = (plan.get("storage") or {}).get("local_path") or {}
    cni = plan.get("cni") or {}
    return Expected(
        name=str(plan.get("name") or ""),
        version=str((plan.get("engine") or {}).get("version") or ""),
        nodes=[
            ExpectedNode(name=str(machine["node_name"]), role=str(machine["role"]), address=str(machine["address"]))
            for machine in plan.get("machines") or []
        ],
        pod_networks=[str(network) for network in networks.get("pod") or []],
        service_networks=[str(network) for network in networks.get("service") or []],
        dns_address=str(networks.get("dns_address") or ""),
        cni=str(cni.get("provider") or ""),
        proxy=str(cni["provider"]) if cni.get("service_proxy") else "kube-proxy",
        within=_within(plan),
        load_balancer=str(balancer.get("provider") or ""),
        pools=[str(pool["name"]) for pool in balancer.get("pools") or []],
        storage_classes=[str(local_path["class_name"])] if local_path.get("enabled") else [],
        zone=str(names.get("zone") or ""),
        aliases=sorted(str(alias) for alias in names.get("aliases") or {}),
    )


def _within(plan: t.Mapping[str, t.Any]) -> list[str]:
    cni, balancer = plan.get("cni") or {}, plan.get("load_balancer") or {}
    if (plan.get("engine") or {}).get("name") != "k3s":
        return []
    found = [] if cni.get("service_proxy") else ["proxy"]
    if cni.get("layer") != cni.get("provider"):
        found.append("network")
    if balancer.get("provider") == "servicelb":
        found.append("load_balancer")
    return found


def report_of(snapshot: Snapshot, expected: Expected, looks: t.Sequence[RouterLook] = ()) -> Report:
    """A report of a cluster whose API answers.

    :param looks: at the routers around it.
    """
    pools = pools_of(snapshot)
    nodes = nodes_of(snapshot, expected)
    services = services_of(snapshot, pools, within="load_balancer" in expected["within"])
    found = Report(
        schema=SCHEMA,
        name=clean(expected["name"]) or "cluster",
        generated=snapshot["now"],
        healthy=False,
        problems=[],
        api=Api(
            server=clean(snapshot["server"]),
            answers=True,
            version=clean(snapshot["version"]),
            cause="",
            why="",
            failing_checks=[clean(name) for name in snapshot["failing_checks"]],
        ),
        nodes=nodes,
        control_plane=control_plane_of(snapshot),
        layers=layers_of(snapshot, expected),
        networks=_networks(snapshot, expected),
        pools=pools,
        services=services,
        routing=routing_of(looks, nodes, snapshot, services, answers=True),
        names=_names(expected, services),
        storage_classes=storage_classes_of(snapshot),
        claims=claims_of(snapshot),
        pods=pods_of(snapshot),
        events=events_of(snapshot),
    )
    return _judged(found, expected)


def report_of_silence(silence: Unanswered, expected: Expected, now: str, looks: t.Sequence[RouterLook] = ()) -> Report:
    """A report of a cluster whose API does not answer: the machines are those of the inventory."""
    nodes: list[Node] = nodes_of(_NOTHING, expected)
    for node in nodes:
        node["state"], node["why"] = "unknown", "the API does not answer"
    found = Report(
        schema=SCHEMA,
        name=clean(expected["name"]) or "cluster",
        generated=now,
        healthy=False,
        problems=[],
        api=Api(
            server=clean(silence.server),
            answers=False,
            version=clean(silence.version),
            cause=silence.cause,
            why=clean(silence.why),
            failing_checks=[clean(name) for name in silence.failing_checks],
        ),
        nodes=nodes,
        control_plane=[],
        layers=[],
        networks=_networks(_NOTHING, expected),
        pools=[],
        services=[],
        routing=routing_of(looks, nodes, _NOTHING, [], answers=False),
        names=None,
        storage_classes=[],
        claims=[],
        pods=Pods(total=0, ready=0, finished=0, starting=0, troubles=[]),
        events=[],
    )
    return _judged(found, expected)


def _judged(report: Report, expected: Expected) -> Report:
    report["problems"] = diagnose(report, expected)
    report["healthy"] = all(problem["severity"] != "error" for problem in report["problems"])
    return report


def _names(expected: Expected, services: t.Sequence[LoadBalancedService]) -> ServiceNames | None:
    """The server that ``klubster_names`` asks for."""
    if not expected["zone"]:
        return None
    found = next((one for one in services if (one["namespace"], one["name"]) == (NAMESPACE, NAME)), None)
    why = ""
    if found is None:
        why = "the service is not there"
    elif not found["addresses"]:
        why = found["why"] or "it has no address"
    elif not found["endpoints"]:
        why = "no ready pod stands behind it"
    return ServiceNames(
        zone=clean(expected["zone"]),
        addresses=found["addresses"] if found else [],
        aliases=[clean(alias) for alias in expected["aliases"]],
        ready=not why,
        why=clean(why),
    )


def _networks(snapshot: Snapshot, expected: Expected) -> Networks:
    dns = [
        str((service.get("spec") or {}).get("clusterIP") or "")
        for service in snapshot["services"]
        if ((service.get("metadata") or {}).get("labels") or {}).get("k8s-app") == "kube-dns"
    ]
    return Networks(
        pod=[clean(network) for network in expected["pod_networks"]],
        service=[clean(network) for network in snapshot["service_networks"] or expected["service_networks"]],
        dns_address=clean(next(iter(dns), "") or expected["dns_address"]),
    )


__all__ = ("expectation", "report_of", "report_of_silence")
