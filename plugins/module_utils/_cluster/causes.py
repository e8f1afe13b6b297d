# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Why a workload does not get ready: read from its pods, their containers and the warnings about them."""

from __future__ import annotations

import typing as t
from functools import partial

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Kind, Object, Ref
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.ready import condition, why_not_ready
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import ClusterError, Service

_POD = Kind("v1", "Pod")
_EVENT = Kind("v1", "Event")
_NODE = Kind("v1", "Node")
_WITH_PODS = ("DaemonSet", "Deployment", "StatefulSet", "Job", "ReplicaSet")
_IMAGE_REASONS = ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName")
_LIMIT = 8


def explain(service: Service, refs: t.Iterable[Ref]) -> list[str]:
    """Likely causes, the most telling first."""
    found: list[tuple[int, str]] = []
    namespaces: dict[str, list[Object]] = {}
    for ref in refs:
        live = service.get(ref)
        if live is None or ref.kind.kind not in (*_WITH_PODS, "Pod"):
            continue
        pods = [live] if ref.kind.kind == "Pod" else _pods_of(service, live, ref.namespace)
        if ref.namespace not in namespaces:
            namespaces[ref.namespace] = service.list(_EVENT, namespace=ref.namespace, fields="type=Warning")
        waiting = [pod for pod in pods if why_not_ready(pod)]
        for pod in waiting:
            found += causes_of_pod(pod, partial(_tail, service, pod))
        found += causes_of_events(namespaces[ref.namespace], {_name(live), *(_name(pod) for pod in waiting)})
    found += causes_of_nodes(service.list(_NODE))
    ordered = [text for _weight, text in sorted(found, key=lambda cause: cause[0])]
    return list(dict.fromkeys(ordered))[:_LIMIT]


def causes_of_pod(pod: Object, tail: t.Callable[[str], str]) -> list[tuple[int, str]]:
    """What the pod's own state says; ``tail`` fetches the last lines of a container that has ended."""
    where = f"Pod {_place(pod)}"
    node = (pod.get("spec") or {}).get("nodeName")
    if node:
        where += f" on {node}"
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return [(1, f"{where} finds no node: {scheduled.get('message', scheduled.get('reason', ''))}")]
    status = pod.get("status") or {}
    found: list[tuple[int, str]] = []
    for entry in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        name, state = entry.get("name"), entry.get("state") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or (entry.get("lastState") or {}).get("terminated") or {}
        reason = waiting.get("reason", "")
        if reason in _IMAGE_REASONS:
            found.append((0, f"{where}: the image {entry.get('image')} is not on that machine ({reason})."))
        elif ended and ended.get("exitCode", 0) != 0:
            text = f"{where}: container {name} ended with exit status {ended['exitCode']} ({ended.get('reason', '')})"
            last = (ended.get("message") or tail(str(name))).strip()
            found.append((0, f"{text}: {last}" if last else f"{text}."))
        elif reason and reason not in ("ContainerCreating", "PodInitializing"):
            found.append((1, f"{where}: container {name} waits: {reason} {waiting.get('message', '')}".rstrip()))
        elif state.get("running") and not entry.get("ready"):
            found.append((4, f"{where}: container {name} runs but does not pass its readiness probe."))
    return found


def causes_of_events(events: t.Iterable[Object], names: t.Collection[str]) -> list[tuple[int, str]]:
    """The newest warning of each reason about one of these objects."""
    newest: dict[tuple[str, str], Object] = {}
    for event in events:
        about = event.get("involvedObject") or {}
        if about.get("name") in names:
            key = (str(about.get("name")), str(event.get("reason")))
            if key not in newest or _time(newest[key]) <= _time(event):
                newest[key] = event
    ordered = sorted(newest.items(), key=lambda entry: _time(entry[1]), reverse=True)
    return [(2, f"{name}: {reason}: {str(event.get('message', '')).strip()}") for (name, reason), event in ordered]


def causes_of_nodes(nodes: t.Iterable[Object]) -> list[tuple[int, str]]:
    """Nodes that are not ready."""
    found = []
    for node in nodes:
        reason = why_not_ready(node)
        if reason:
            found.append((3, f"Node {_name(node)}: {reason}"))
    return found


def _pods_of(service: Service, workload: Object, namespace: str) -> list[Object]:
    wanted = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    labels = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
    return service.list(_POD, namespace=namespace, labels=labels) if labels else []


def _tail(service: Service, pod: Object, container: str) -> str:
    try:
        return service.logs(Ref.of({**pod, "apiVersion": "v1", "kind": "Pod"}), container, lines=5, previous=True)
    except ClusterError:
        return ""


def _name(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("name"))


def _place(obj: Object) -> str:
    return f"{(obj.get('metadata') or {}).get('namespace')}/{_name(obj)}"


def _time(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


__all__ = ("causes_of_events", "causes_of_nodes", "causes_of_pod", "explain")
