# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""Snapshots for tests: one healthy cluster as data, and what differs from it in others."""

from __future__ import annotations

import copy
import functools
import typing as t
from pathlib import Path

import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._status.collect import Unanswered
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Expected, Object, Report, Snapshot
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import (
    expectation,
    report_of,
    report_of_silence,
)

FIXTURES = Path(__file__).parent / "fixtures"
#: reports that every way of showing one is tested with
NAMES = ("healthy", "agent_not_ready", "no_pod_network", "no_pool", "silent", "twelve")
LISTS = {
    "Node": "nodes",
    "Pod": "pods",
    "DaemonSet": "workloads",
    "Deployment": "workloads",
    "Service": "services",
    "EndpointSlice": "endpoint_slices",
    "PersistentVolumeClaim": "claims",
    "StorageClass": "storage_classes",
    "IPAddressPool": "pools",
    "L2Advertisement": "advertisements",
    "BGPAdvertisement": "advertisements",
    "BGPPeer": "bgp_peers",
    "ServiceL2Status": "announcements",
    "ServiceBGPStatus": "announcements",
    "Event": "events",
}


def load(name: str) -> t.Any:
    """A fixture, each time as a copy of its own."""
    return copy.deepcopy(_parsed(name))


@functools.cache
def _parsed(name: str) -> t.Any:
    return yaml.safe_load((FIXTURES / f"{name}.yml").read_text(encoding="utf-8"))


def expected(**changes: t.Any) -> Expected:
    return t.cast(Expected, {**expectation(load("plan")), **changes})


def snapshot(name: str = "healthy") -> Snapshot:
    found = t.cast(Snapshot, load("healthy"))
    if name == "healthy":
        return found
    difference = load(name)
    data = t.cast(dict[str, t.Any], found)
    for pattern in difference.get("remove", []):
        key = LISTS[pattern["kind"]]
        data[key] = [obj for obj in data[key] if not _matches(obj, pattern)]
    for key in difference.get("not_served", []):
        data[key] = None
    for node in found["nodes"] if "nodes_conditions" in difference else []:
        node["status"]["conditions"] = copy.deepcopy(difference["nodes_conditions"])
    for obj in difference.get("objects", []):
        put(found, obj)
    return found


def put(found: Snapshot, obj: Object) -> None:
    """Add an object, in the place of the one with its name."""
    data = t.cast(dict[str, t.Any], found)
    key = LISTS[obj["kind"]]
    pattern = {"kind": obj["kind"], "name": obj["metadata"]["name"], "namespace": obj["metadata"].get("namespace")}
    data[key] = [entry for entry in data[key] or [] if not _matches(entry, pattern)] + [obj]


def find(found: Snapshot, kind: str, name: str) -> Object:
    for obj in t.cast(dict[str, t.Any], found)[LISTS[kind]]:
        if obj["kind"] == kind and obj["metadata"]["name"] == name:
            return t.cast(Object, obj)
    raise KeyError(f"{kind} {name}")


def report(name: str = "healthy", **changes: t.Any) -> Report:
    return report_of(snapshot(name), expected(**changes))


def named(name: str) -> Report:
    """One of the reports of ``NAMES``."""
    if name == "silent":
        return report_of_silence(Unanswered("refused", "refused"), expected(), "2026-11-21T08:00:00Z")
    return report_of(*many(12)) if name == "twelve" else report(name)


def many(count: int) -> tuple[Snapshot, Expected]:
    """The healthy cluster with ``count`` machines, three of them servers where there are that many."""
    found = snapshot()
    servers = 3 if count >= 3 else 1
    names = [f"server{number}" for number in range(1, servers + 1)]
    names += [f"agent{number}" for number in range(1, count - servers + 1)]
    pattern = {name: find(found, "Node", name) for name in ("server1", "agent1")}
    nodes = []
    for position, name in enumerate(names):
        node = copy.deepcopy(pattern["server1" if name.startswith("server") else "agent1"])
        node["metadata"]["name"] = name
        node["spec"]["podCIDRs"] = [f"10.244.{position}.0/24"]
        node["status"]["addresses"] = [{"type": "InternalIP", "address": f"10.77.0.{11 + position}"}]
        nodes.append(node)
    found["nodes"] = nodes
    found["pods"] = [pod for pod in found["pods"] if pod["spec"]["nodeName"] in names and not _is_part(pod)]
    wanted = [{"name": name, "role": name.rstrip("0123456789"), "address": ""} for name in names]
    return found, expected(nodes=wanted)


def _is_part(pod: Object) -> bool:
    return bool(pod["metadata"].get("labels", {}).get("tier") == "control-plane")


def _matches(obj: Object, pattern: t.Mapping[str, t.Any]) -> bool:
    metadata = obj["metadata"]
    same = all(metadata.get(key) == pattern[key] for key in ("name", "namespace") if pattern.get(key))
    return obj["kind"] == pattern["kind"] and same
