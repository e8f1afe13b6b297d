# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From the API's objects to what a person wants to know of machines, layers, storage and pods."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import SET_LABEL
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.ready import condition, why_not_ready
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import (
    Claim,
    Component,
    Event,
    Expected,
    Layer,
    LayerState,
    Node,
    NodeState,
    Object,
    Pods,
    PodTrouble,
    Snapshot,
    StorageClass,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import (
    age,
    clean,
    day_and_time,
    seconds_between,
    size,
)

#: seconds that a pod may take to start before it counts as stuck
GRACE = 60.0
#: seconds for which a killed container is worth telling
RECENT = 600.0
#: what a control plane made by kubeadm consists of; etcd may stand elsewhere
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")

_PRESSURE = ("MemoryPressure", "DiskPressure", "PIDPressure")
_SERVER_LABELS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_STARTING = ("", "ContainerCreating", "PodInitializing")
_MOST_EVENTS = 20


@dataclass(frozen=True)
class LayerKind:
    """How a layer is recognised: by the set our objects carry, or by the names its makers gave."""

    name: str
    title: str
    set_name: str
    names: tuple[str, ...] = ()
    app: str = ""
    #: where a cluster without it cannot work
    essential: bool = False


LAYERS = (
    LayerKind(
        "network",
        "Pod network",
        "cni",
        ("kube-flannel", "kube-flannel-ds", "calico-node", "kube-router", "cilium"),
        "flannel",
    ),
    LayerKind("proxy", "Service addresses", "proxy", ("kube-proxy",), essential=True),
    LayerKind("dns", "Names", "dns", ("coredns",), essential=True),
    LayerKind("storage", "Storage", "storage", ("local-path-provisioner",), "local-path-provisioner"),
    LayerKind(
        "load_balancer",
        "Load balancer",
        "load-balancer",
        ("metallb-controller", "metallb-speaker", "openelb-controller", "openelb-speaker"),
        "metallb",
    ),
)
#: load balancers that want the same ports, by a word in the names or namespaces of their workloads
BALANCERS = {"metallb": "MetalLB", "openelb": "OpenELB"}


_PROXIES = {"cilium": ("cilium",), "kube_router": ("kube-router",)}


def name_of(obj: Object) -> str:
    return clean((obj.get("metadata") or {}).get("name"))


def namespace_of(obj: Object) -> str:
    return clean((obj.get("metadata") or {}).get("namespace"))


def labels_of(obj: Object) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def spec_of(obj: Object) -> dict[str, t.Any]:
    return obj.get("spec") or {}


def status_of(obj: Object) -> dict[str, t.Any]:
    return obj.get("status") or {}


def created(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("creationTimestamp") or "")


# Machines


def nodes_of(snapshot: Snapshot, expected: Expected) -> list[Node]:
    """Servers first, then by name; machines of the inventory that have not joined stand among them."""
    pods: dict[str, int] = {}
    for pod in snapshot["pods"]:
        if status_of(pod).get("phase") not in ("Succeeded", "Failed"):
            host = clean(spec_of(pod).get("nodeName"))
            pods[host] = pods.get(host, 0) + 1
    found = [_node(obj, pods.get(name_of(obj), 0), snapshot["now"]) for obj in snapshot["nodes"]]
    known = {node["name"] for node in found}
    found += [
        _absent(want["name"], want["role"], want["address"]) for want in expected["nodes"] if want["name"] not in known
    ]
    return sorted(found, key=lambda node: (node["role"] != "server", natural(node["name"])))


def natural(name: str) -> list[tuple[int, int, str]]:
    """Key that puts ``agent2`` before ``agent10``."""
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for character in name + " ":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, character))
    return parts


def _node(obj: Object, pods: int, now: str) -> Node:
    spec, status = spec_of(obj), status_of(obj)
    info, capacity = status.get("nodeInfo") or {}, status.get("capacity") or {}
    server = any(label in labels_of(obj) for label in _SERVER_LABELS)
    ready = condition(obj, "Ready")
    state: NodeState = "not ready"
    if not ready or ready.get("status") == "Unknown":
        state = "unknown"
    elif ready.get("status") == "True":
        state = "ready"
    reasons = [] if state == "ready" else [clean(ready.get("message") or ready.get("reason") or "has not reported yet")]
    network = condition(obj, "NetworkUnavailable")
    if state != "unknown" and network.get("status") == "True":
        reasons.append(clean(network.get("message") or network.get("reason")))
    since = ready.get("lastTransitionTime")
    if reasons and since:
        reasons[0] = f"{reasons[0].rstrip('.')} (since {day_and_time(str(since))})"
    return Node(
        name=name_of(obj),
        role="server" if server else "agent",
        state=state,
        why="; ".join(reasons),
        addresses=[
            clean(entry.get("address")) for entry in status.get("addresses") or [] if entry.get("type") == "InternalIP"
        ],
        pod_networks=[clean(network) for network in spec.get("podCIDRs") or [spec.get("podCIDR")] if network],
        version=clean(info.get("kubeletVersion")),
        runtime=clean(info.get("containerRuntimeVersion")),
        system=clean(info.get("osImage")),
        created=created(obj),
        age=age(created(obj), now),
        cordoned=bool(spec.get("unschedulable")),
        pressure=[name for name in _PRESSURE if condition(obj, name).get("status") == "True"],
        cpu=clean(capacity.get("cpu")),
        memory=size(capacity.get("memory", "")),
        pods=pods,
        pods_max=int(capacity.get("pods") or 0),
    )


def _absent(name: str, role: str, address: str) -> Node:
    return Node(
        name=clean(name),
        role=clean(role),
        state="missing",
        why="stands in the inventory but has not joined the cluster",
        addresses=[clean(address)] if address else [],
        pod_networks=[],
        version="",
        runtime="",
        system="",
        created="",
        age="",
        cordoned=False,
        pressure=[],
        cpu="",
        memory="",
        pods=0,
        pods_max=0,
    )


# The control plane and the layers


def control_plane_of(snapshot: Snapshot) -> list[Component]:
    """The static pods of each server; nothing where the engine keeps them in one process."""
    pods = [pod for pod in snapshot["pods"] if labels_of(pod).get("tier") == "control-plane"]
    found = {(clean(labels_of(pod).get("component")), clean(spec_of(pod).get("nodeName"))): pod for pod in pods}
    if not found:
        return []
    servers = [name_of(node) for node in snapshot["nodes"] if any(label in labels_of(node) for label in _SERVER_LABELS)]
    names = sorted({*CONTROL_PLANE, *(name for name, _node_name in found)})
    keys = sorted({(server, name) for server in servers for name in names} | {(node, name) for name, node in found})
    components = []
    for node, name in keys:
        pod = found.get((name, node))
        why = "its pod is not there" if pod is None else clean(_pod_why(pod, snapshot))
        components.append(Component(name=name, node=node, ready=not why, why=why))
    return components


def _pod_why(pod: Object, snapshot: Snapshot) -> str:
    """Why a pod is not ready, the telling reason first; empty when it is ready."""
    why = why_not_ready(pod)
    if not why:
        return ""
    trouble = trouble_of(pod, snapshot)
    return f"{trouble['reason']}: {trouble['detail']}" if trouble else why


def layers_of(snapshot: Snapshot, expected: Expected) -> list[Layer]:
    wanted = {
        "network": expected["cni"],
        "load_balancer": expected["load_balancer"],
        "storage": "local-path" if expected["storage_classes"] else "",
        "dns": "coredns",
        "proxy": expected["proxy"],
    }
    # A pod network that does kube-proxy's work does it in the pods that carry packets.
    proxies = {"proxy": _PROXIES.get(expected["proxy"])}
    kinds = [replace(kind, names=proxies.get(kind.name) or kind.names) for kind in LAYERS]
    return [_layer(kind, wanted[kind.name], snapshot, within=kind.name in expected["within"]) for kind in kinds]


def _layer(kind: LayerKind, wanted: str, snapshot: Snapshot, *, within: bool) -> Layer:
    workloads = sorted((workload for workload in snapshot["workloads"] if _belongs(workload, kind)), key=name_of)
    reasons: list[str] = []
    down: list[Object] = []
    for workload in workloads:
        why = why_not_ready(workload)
        if why:
            pods = [pod for pod in snapshot["pods"] if _selects(workload, pod) and why_not_ready(pod)]
            said = sorted(
                f"{clean(spec_of(pod).get('nodeName')) or 'no machine'}: {_pod_why(pod, snapshot)}" for pod in pods
            )
            reasons.append(clean("; ".join([f"{name_of(workload)}: {why}", *said[:3]])))
            down += pods
    state: LayerState = "not ready" if reasons else "ready"
    if not workloads:
        expects = kind.essential or wanted not in ("", "none")
        state = "within" if within else "missing" if expects else "off"
    return Layer(
        name=kind.name,
        title=kind.title,
        provider=clean(wanted or ", ".join(name_of(workload) for workload in workloads)),
        state=state,
        why="; ".join(reasons),
        workloads=[f"{namespace_of(workload)}/{name_of(workload)}" for workload in workloads],
        pods=sorted(f"{namespace_of(pod)}/{name_of(pod)}" for pod in down),
        machines=sorted({clean(spec_of(pod).get("nodeName")) for pod in down}),
    )


def _belongs(workload: Object, kind: LayerKind) -> bool:
    labels = labels_of(workload)
    if SET_LABEL in labels:
        mark = labels[SET_LABEL]
        return mark == kind.set_name or mark.startswith(f"{kind.set_name}-") or name_of(workload) in kind.names
    apps = (labels.get("app.kubernetes.io/name"), labels.get("app"))
    return name_of(workload) in kind.names or bool(kind.app and kind.app in apps)


def _selects(workload: Object, pod: Object) -> bool:
    wanted = (spec_of(workload).get("selector") or {}).get("matchLabels") or {}
    same = namespace_of(workload) == namespace_of(pod)
    return bool(wanted) and same and wanted.items() <= labels_of(pod).items()


# Pods and warnings


def pods_of(snapshot: Snapshot) -> Pods:
    ready = finished = starting = 0
    troubles: list[PodTrouble] = []
    for pod in snapshot["pods"]:
        trouble = trouble_of(pod, snapshot)
        if trouble:
            troubles.append(trouble)
        elif status_of(pod).get("phase") == "Succeeded":
            finished += 1
        elif why_not_ready(pod):
            starting += 1
        else:
            ready += 1
    troubles.sort(key=lambda trouble: (trouble["namespace"], trouble["name"]))
    return Pods(total=len(snapshot["pods"]), ready=ready, finished=finished, starting=starting, troubles=troubles)


def trouble_of(pod: Object, snapshot: Snapshot) -> PodTrouble | None:
    """What is wrong with a pod, in the words of whoever noticed first; nothing while it may still be starting."""
    found = _trouble(pod, snapshot)
    if found is None:
        return None
    reason, detail = found
    return PodTrouble(
        namespace=namespace_of(pod),
        name=name_of(pod),
        node=clean(spec_of(pod).get("nodeName")),
        reason=clean(reason),
        detail=clean(detail),
        age=age(created(pod), snapshot["now"]),
    )


def _trouble(pod: Object, snapshot: Snapshot) -> tuple[str, str] | None:
    status, now = status_of(pod), snapshot["now"]
    if status.get("phase") == "Succeeded":
        return None
    removal = (pod.get("metadata") or {}).get("deletionTimestamp")
    if removal:
        late = seconds_between(str(removal), now) or 0.0
        return ("Terminating", f"should have ended {late:.0f} s ago") if late > GRACE else None
    if status.get("phase") == "Failed":
        return str(status.get("reason") or "Failed"), str(status.get("message") or _ended(pod))
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or "Unschedulable"), str(scheduled.get("message") or "")
    found = _container_trouble(pod, now)
    if found:
        return found
    return _slow(pod, snapshot) if why_not_ready(pod) else None


def _container_trouble(pod: Object, now: str) -> tuple[str, str] | None:
    for entry in _containers(pod):
        state = entry.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        before = (entry.get("lastState") or {}).get("terminated") or {}
        if waiting.get("reason", "") not in _STARTING:
            last = f"; it ended {_exit(before)}" if before else ""
            text = f"container {entry.get('name')}: {waiting.get('message', '')}".rstrip(": ")
            return str(waiting["reason"]), text + last
        if ended and ended.get("exitCode") != 0:
            return str(ended.get("reason") or "Error"), f"container {entry.get('name')} ended {_exit(ended)}"
        ago = seconds_between(str(before.get("finishedAt") or ""), now)
        if before.get("reason") == "OOMKilled" and ago is not None and ago < RECENT:
            return "OOMKilled", f"container {entry.get('name')} used more memory than it may, {ago:.0f} s ago"
    return None


def _slow(pod: Object, snapshot: Snapshot) -> tuple[str, str] | None:
    """A pod that is not ready though nothing failed: trouble only when it lasts."""
    since = condition(pod, "Ready").get("lastTransitionTime") or created(pod)
    lasted = seconds_between(str(since), snapshot["now"])
    if lasted is None or lasted <= GRACE:
        return None
    host = clean(spec_of(pod).get("nodeName"))
    if any(name_of(node) == host and condition(node, "Ready").get("status") == "Unknown" for node in snapshot["nodes"]):
        return "MachineLost", f"{host} does not answer"
    for entry in _containers(pod):
        state = entry.get("state") or {}
        if state.get("running") and not entry.get("ready"):
            return "NotReady", f"container {entry.get('name')} runs but does not pass its readiness probe"
        waiting = (state.get("waiting") or {}).get("reason")
        if waiting:
            return str(waiting), _newest_warning(pod, snapshot) or f"for {lasted:.0f} s"
    reason = str(condition(pod, "Ready").get("reason") or "NotReady")
    return reason, _newest_warning(pod, snapshot) or f"for {lasted:.0f} s"


def _containers(pod: Object) -> list[dict[str, t.Any]]:
    status = status_of(pod)
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _ended(pod: Object) -> str:
    for entry in _containers(pod):
        ended = (entry.get("state") or {}).get("terminated") or {}
        if ended and ended.get("exitCode") != 0:
            return f"container {entry.get('name')} ended {_exit(ended)}"
    return ""


def _exit(ended: t.Mapping[str, t.Any]) -> str:
    reason = ended.get("reason")
    text = f"with exit status {ended.get('exitCode')}"
    return f"{text} ({reason})" if reason else text


def _newest_warning(obj: Object, snapshot: Snapshot) -> str:
    about = [
        event
        for event in snapshot["events"]
        if (event.get("involvedObject") or {}).get("name") == name_of(obj)
        and clean((event.get("involvedObject") or {}).get("namespace")) == namespace_of(obj)
    ]
    if not about:
        return ""
    newest = max(about, key=_last_seen)
    return clean(f"{newest.get('reason')}: {newest.get('message', '')}")


def events_of(snapshot: Snapshot) -> list[Event]:
    """Warnings, those that say the same as one; the newest first."""
    found: dict[tuple[str, str, str], Event] = {}
    for event in sorted(snapshot["events"], key=_last_seen):
        about = event.get("involvedObject") or {}
        place = "/".join(clean(part) for part in (about.get("namespace"), about.get("name")) if part)
        key = (clean(event.get("reason")), f"{clean(about.get('kind'))} {place}", clean(event.get("message")))
        series = event.get("series") or {}
        times = int(event.get("count") or series.get("count") or 1)
        before = found.pop(key, None)
        last = _last_seen(event)
        found[key] = Event(
            time=last,
            age=age(last, snapshot["now"]),
            count=times + (before["count"] if before else 0),
            reason=key[0],
            about=key[1],
            message=key[2],
        )
    return list(reversed(list(found.values())))[:_MOST_EVENTS]


def _last_seen(event: Object) -> str:
    series = event.get("series") or {}
    for text in (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"), created(event)):
        if text:
            return str(text)
    return ""


# Storage


def claims_of(snapshot: Snapshot) -> list[Claim]:
    found = []
    for obj in snapshot["claims"]:
        spec, status = spec_of(obj), status_of(obj)
        why = why_not_ready(obj) or ""
        if why:
            why = _newest_warning(obj, snapshot) or why
        given = (status.get("capacity") or {}).get("storage")
        asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        found.append(
            Claim(
                namespace=namespace_of(obj),
                name=name_of(obj),
                phase=clean(status.get("phase")),
                size=size(given or asked or ""),
                storage_class=clean(spec.get("storageClassName")),
                volume=clean(spec.get("volumeName")),
                why=clean(why),
            )
        )
    return sorted(found, key=lambda claim: (claim["namespace"], claim["name"]))


def storage_classes_of(snapshot: Snapshot) -> list[StorageClass]:
    found = [
        StorageClass(
            name=name_of(obj),
            provisioner=clean(obj.get("provisioner")),
            default=annotations_of(obj).get(_DEFAULT_CLASS) == "true",
            binding=clean(obj.get("volumeBindingMode") or "Immediate"),
        )
        for obj in snapshot["storage_classes"]
    ]
    return sorted(found, key=lambda entry: entry["name"])


__all__ = (
    "BALANCERS",
    "CONTROL_PLANE",
    "GRACE",
    "LAYERS",
    "annotations_of",
    "claims_of",
    "control_plane_of",
    "events_of",
    "labels_of",
    "layers_of",
    "name_of",
    "namespace_of",
    "natural",
    "nodes_of",
    "pods_of",
    "spec_of",
    "status_of",
    "storage_classes_of",
    "trouble_of",
)
