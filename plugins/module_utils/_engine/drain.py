# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Draining a Node: which pods go, which stay, and why one does not go. Everything but ``evict_all`` is pure."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import Api, ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

Object = t.Mapping[str, t.Any]
#: on a Node that we cordoned: why
CLOSED = "klubster.kateskit.dev/closed"
_MIRROR = "kubernetes.io/config.mirror"
_PAUSE = 0.5


class DrainError(KlubsterError):
    """Pods do not leave; the message says which and why."""


@dataclass(frozen=True)
class Sorted:
    """Pods of a Node.

    :param evicted: they go, and come back elsewhere.
    :param alone: nothing would bring them back.
    """

    evicted: tuple[Object, ...]
    alone: tuple[Object, ...]


def sort_pods(pods: t.Sequence[Object]) -> Sorted:
    """Which pods a drain is about. Pods of DaemonSets and static pods belong to the Node and stay."""
    evicted: list[Object] = []
    alone: list[Object] = []
    for pod in pods:
        metadata = pod.get("metadata") or {}
        if _MIRROR in (metadata.get("annotations") or {}):
            continue
        owner = next((entry for entry in metadata.get("ownerReferences") or [] if entry.get("controller")), None)
        if owner and owner.get("kind") == "DaemonSet":
            continue
        over = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
        (evicted if owner or over else alone).append(pod)
    return Sorted(tuple(evicted), tuple(alone))


def close_patch(node: Object, why: str) -> dict[str, t.Any]:
    """Cordon, and note that it was us; empty where somebody else cordoned before, or we did."""
    if (node.get("spec") or {}).get("unschedulable"):
        return {}
    return {"metadata": {"annotations": {CLOSED: why}}, "spec": {"unschedulable": True}}


def open_patch(node: Object) -> dict[str, t.Any]:
    """Uncordon what we cordoned; empty for every other Node."""
    if not is_ours(node):
        return {}
    return {"metadata": {"annotations": {CLOSED: None}}, "spec": {"unschedulable": None}}


def is_ours(node: Object) -> bool:
    """Whether we cordoned this Node."""
    return CLOSED in ((node.get("metadata") or {}).get("annotations") or {})


def name_of(pod: Object) -> str:
    metadata = pod["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}"


def refuse_alone(node: str, pods: t.Sequence[Object]) -> None:
    """Refuse to end pods that nothing brings back.

    :raises DrainError: names them.
    """
    if pods:
        names = ", ".join(name_of(pod) for pod in pods[:5]) + (", …" if len(pods) > 5 else "")
        raise DrainError(
            f"Nothing would bring back these pods of {node}: {names}. Move or delete them, "
            "or set klubster_drain_force: true to end them."
        )


def evict_all(
    api: Api,
    node: str,
    *,
    timeout: float,
    force: bool,
    clock: t.Callable[[], float] = time.monotonic,
    lost: t.Callable[[], bool] = lambda: False,
) -> int:
    """Evict the pods of a Node and wait until they are gone; how many went.

    What a PodDisruptionBudget does not allow now is asked again until the deadline. A machine that lost its power seems
    well for 40 s and more: its pods are waited for no longer than until ``lost`` says so, for nobody there ends them.

    :raises DrainError: pods that nothing brings back, or the deadline passed; says which pods stay, and why.
    """
    found = sort_pods(pods_of(api, node))
    if not force:
        refuse_alone(node, found.alone)
    waiting = {pod["metadata"]["uid"]: pod for pod in (*found.evicted, *(found.alone if force else ()))}
    total = len(waiting)
    refused: dict[str, str] = {}
    asked: set[str] = set()
    deadline = clock() + timeout
    while waiting:
        for uid, pod in waiting.items():
            if uid in asked:
                continue
            why = _evict(api, pod)
            if why is None:
                asked.add(uid)
                refused.pop(uid, None)
            else:
                refused[uid] = why
        there = {pod["metadata"]["uid"] for pod in pods_of(api, node)}
        waiting = {uid: pod for uid, pod in waiting.items() if uid in there}
        if waiting and lost():
            break
        if waiting and clock() > deadline:
            raise DrainError(_why_not(node, waiting, refused, timeout))
        if waiting:
            time.sleep(_PAUSE)
    return total - len(waiting)


def pods_of(api: Api, node: str) -> list[Object]:
    """All pods of a Node."""
    selector = urllib.parse.quote(f"spec.nodeName={node}", safe="")
    return list(api.get(f"/api/v1/pods?fieldSelector={selector}").get("items") or [])


def _evict(api: Api, pod: Object) -> str | None:
    """Ask for one eviction; None when it was granted, else why it was not."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
    }
    try:
        api.post(path, body)
    except ApiError as exc:
        if exc.status in {404, 409}:
            return None  # gone, or another pod bears the name by now
        if exc.status in {0, 429, 500, 503, 504}:
            return _reason(exc)
        raise
    return None


def _reason(exc: ApiError) -> str:
    """What the API says about an eviction: of a budget the sentence that names it."""
    try:
        causes = json.loads(exc.body)["details"]["causes"]
        return str(next(entry["message"] for entry in causes if entry.get("message")))
    except (ValueError, KeyError, TypeError, StopIteration):
        return str(exc)


def _why_not(node: str, waiting: t.Mapping[str, Object], refused: t.Mapping[str, str], timeout: float) -> str:
    lines = []
    for uid, pod in list(waiting.items())[:5]:
        why = refused.get(uid) or "it was told to end and has not ended yet"
        lines.append(f"{name_of(pod)}: {why}")
    more = len(waiting) - len(lines)
    cause = "A PodDisruptionBudget forbids it" if refused else "Its pods take too long to end"
    remedy = (
        "Give it more replicas, or let its owner change the budget"
        if refused
        else "Look at these pods, or give more time: klubster_drain_timeout"
    )
    tail = f"; and {more} more" if more > 0 else ""
    return f"{cause}: {node} was not empty after {timeout:g} s. {'; '.join(lines)}{tail}. {remedy}."


__all__ = (
    "CLOSED",
    "DrainError",
    "Sorted",
    "close_patch",
    "evict_all",
    "is_ours",
    "name_of",
    "open_patch",
    "pods_of",
    "refuse_alone",
    "sort_pods",
)
