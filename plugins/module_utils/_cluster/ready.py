# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""When is an object ready, and if it is not, why: a table of pure predicates, and the one waiter that asks them.

A predicate takes the live object and returns nothing when it is ready, else a sentence that says what is missing.
"""

from __future__ import annotations

import math
import time
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    Object,
    annotations_of,
    labels_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import ClusterError, Unreachable

Predicate = t.Callable[[t.Mapping[str, t.Any]], t.Optional[str]]


def condition(obj: t.Mapping[str, t.Any], name: str) -> dict[str, t.Any]:
    """The condition of this type in the object's status, or nothing."""
    for entry in _status(obj).get("conditions") or []:
        if entry.get("type") == name:
            return dict(entry)
    return {}


def _status(obj: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return dict(obj.get("status") or {})


def _spec(obj: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return dict(obj.get("spec") or {})


def _by_condition(name: str) -> Predicate:
    def predicate(obj: t.Mapping[str, t.Any]) -> str | None:
        found = condition(obj, name)
        if found.get("status") == "True":
            return None
        if not found:
            return f"has no condition {name} yet"
        return f"{name} is {found.get('status')}: {found.get('reason', '')} {found.get('message', '')}".strip()

    return predicate


def _by_phase(phase: str) -> Predicate:
    def predicate(obj: t.Mapping[str, t.Any]) -> str | None:
        found = _status(obj).get("phase")
        return None if found == phase else f"is {found or 'without a phase'}, not {phase}"

    return predicate


def _unseen(obj: t.Mapping[str, t.Any]) -> str | None:
    generation = (obj.get("metadata") or {}).get("generation", 0)
    if int(_status(obj).get("observedGeneration") or 0) < int(generation):
        return "its controller has not looked at the newest definition yet"
    return None


def _deployment(obj: t.Mapping[str, t.Any]) -> str | None:
    status, wanted = _status(obj), int(_spec(obj).get("replicas", 1))
    unseen = _unseen(obj)
    if unseen:
        return unseen
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    if updated < wanted:
        return f"{updated} of {wanted} replicas run the newest definition"
    if int(status.get("replicas") or 0) > updated:
        return f"{int(status['replicas']) - updated} replicas of the old definition still run"
    if available < wanted:
        return f"{available} of {wanted} replicas are available"
    return None


def _daemon_set(obj: t.Mapping[str, t.Any]) -> str | None:
    status = _status(obj)
    unseen = _unseen(obj)
    if unseen:
        return unseen
    wanted = int(status.get("desiredNumberScheduled") or 0)
    updated, ready = int(status.get("updatedNumberScheduled") or 0), int(status.get("numberReady") or 0)
    rolling = (_spec(obj).get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    if rolling and updated < wanted:
        return f"{updated} of {wanted} pods run the newest definition"
    if ready < wanted:
        return f"{ready} of {wanted} pods are ready"
    return None


def _stateful_set(obj: t.Mapping[str, t.Any]) -> str | None:
    status, wanted = _status(obj), int(_spec(obj).get("replicas", 1))
    unseen = _unseen(obj)
    if unseen:
        return unseen
    updated, ready = int(status.get("updatedReplicas") or 0), int(status.get("readyReplicas") or 0)
    if updated < wanted:
        return f"{updated} of {wanted} replicas run the newest definition"
    return None if ready >= wanted else f"{ready} of {wanted} replicas are ready"


def _pod(obj: t.Mapping[str, t.Any]) -> str | None:
    if _status(obj).get("phase") == "Succeeded":
        return None
    return _by_condition("Ready")(obj)


def _job(obj: t.Mapping[str, t.Any]) -> str | None:
    failed = condition(obj, "Failed")
    if failed.get("status") == "True":
        return f"has failed: {failed.get('message', '')}"
    return _by_condition("Complete")(obj)


def _custom_resource_definition(obj: t.Mapping[str, t.Any]) -> str | None:
    accepted = condition(obj, "NamesAccepted")
    if accepted.get("status") == "False":
        return f"its names were not accepted: {accepted.get('message', '')}"
    return _by_condition("Established")(obj)


def _service(obj: t.Mapping[str, t.Any]) -> str | None:
    """Only one that waits for a load balancer has anything to wait for."""
    if _spec(obj).get("type") != "LoadBalancer":
        return None
    return None if (_status(obj).get("loadBalancer") or {}).get("ingress") else "has no address outside the cluster yet"


def _webhooks(obj: t.Mapping[str, t.Any]) -> str | None:
    for entry in obj.get("webhooks") or []:
        client = entry.get("clientConfig") or {}
        if client.get("service") and not client.get("caBundle"):
            return f"its controller has not given {entry.get('name')} a CA yet, so the API cannot trust its answers"
    return None


def _endpoint_slice(obj: t.Mapping[str, t.Any]) -> str | None:
    endpoints = obj.get("endpoints") or []
    if any((entry.get("conditions") or {}).get("ready") is not False for entry in endpoints):
        return None
    return "no pod behind the service is ready to answer"


READY: dict[str, Predicate] = {
    "APIService": _by_condition("Available"),
    "CustomResourceDefinition": _custom_resource_definition,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "Job": _job,
    "Namespace": _by_phase("Active"),
    "Node": _by_condition("Ready"),
    "PersistentVolumeClaim": _by_phase("Bound"),
    "Pod": _pod,
    "Service": _service,
    "StatefulSet": _stateful_set,
}

#: only of what a set waits for by name: an object of ours may be whole without it, and its controller writes it later
ANSWERING: dict[str, Predicate] = {
    "EndpointSlice": _endpoint_slice,
    "MutatingWebhookConfiguration": _webhooks,
    "ValidatingWebhookConfiguration": _webhooks,
}


def why_not_ready(obj: t.Mapping[str, t.Any]) -> str | None:
    """Nothing when the object is ready or of a kind that has nothing to wait for."""
    if (obj.get("metadata") or {}).get("deletionTimestamp"):
        return "is being removed"
    predicate = READY.get(str(obj.get("kind")))
    return predicate(obj) if predicate else None


def why_not_answering(obj: t.Mapping[str, t.Any]) -> str | None:
    """The same for an object that a set waits for because something has to answer behind it."""
    predicate = ANSWERING.get(str(obj.get("kind")))
    return why_not_ready(obj) or (predicate(obj) if predicate else None)


#: kinds of pools, and how a service says from which of them it has its address
HELD: dict[str, t.Callable[[t.Mapping[str, t.Any]], str | None]] = {
    "IPAddressPool": lambda service: annotations_of(service).get("metallb.io/ip-allocated-from-pool"),
    "Eip": lambda service: labels_of(service).get("eip.openelb.kubesphere.io/v1alpha2"),
}


def why_not_released(kind: str, pool: str, services: t.Iterable[Object]) -> str | None:
    """Whether no service holds an address of this pool any more.

    :param kind: of the pool, one of ``HELD``.
    """
    holders = []
    for service in services:
        metadata = service.get("metadata") or {}
        if HELD[kind](service) == pool:
            ingress = (_status(service).get("loadBalancer") or {}).get("ingress") or []
            addresses = ", ".join(str(entry.get("ip") or entry.get("hostname")) for entry in ingress)
            holders.append(f"{metadata.get('namespace')}/{metadata.get('name')} ({addresses})")
    return f"services still hold its addresses: {'; '.join(sorted(holders))}" if holders else None


class Timeout(ClusterError):
    """The deadline passed; says what was still missing, and why as far as the cluster told."""


class Clock(t.Protocol):
    def now(self) -> float:
        """Seconds of a clock that never goes back."""

    def pause(self, seconds: float) -> None:
        """Let time pass."""


class RealClock:
    def now(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


class Waiter:
    """Asks until nothing is missing or the deadline has passed; the only place where time passes."""

    def __init__(self, clock: Clock, timeout: float, *, first_pause: float = 0.1, longest_pause: float = 1.0) -> None:
        self._clock = clock
        self._timeout = timeout
        self._first_pause, self._longest_pause = first_pause, longest_pause
        self.waited = 0.0
        #: of each wait the seconds, and what was missing when it was last looked
        self.last: list[tuple[float, str]] = []
        self._deadline = clock.now() + timeout

    def begin(self) -> None:
        """All the time anew, for what comes next."""
        self._deadline = self._clock.now() + self._timeout

    def until(
        self,
        missing: t.Callable[[], t.Mapping[str, str]],
        explain: t.Callable[[t.Collection[str]], t.Sequence[str]],
        *,
        within: float = math.inf,
    ) -> None:
        """Wait until ``missing`` returns nothing.

        :param missing: what is not ready, each with the reason. An API that does not answer counts as not ready:
            a server may be restarting.
        :param explain: likely causes for what is still missing, asked once when the time is over.
        :param within: seconds for this alone, of those that are left for all.
        :raises Timeout: the deadline has passed.
        """
        begin, pause, last = self._clock.now(), self._first_pause, dict[str, str]()
        deadline = min(self._deadline, begin + within)
        while True:
            found = _asked(missing)
            now = self._clock.now()
            if not found:
                self.waited += now - begin
                self.last += [(now - begin, f"{name}: {why}") for name, why in last.items()]
                return
            last = dict(found)
            if now >= deadline:
                raise Timeout(_timeout_text(min(self._timeout, within), found, _explained(explain, found)))
            self._clock.pause(min(pause, max(deadline - now, 0.01)))
            pause = min(pause * 1.5, self._longest_pause)


def _asked(missing: t.Callable[[], t.Mapping[str, str]]) -> t.Mapping[str, str]:
    try:
        return missing()
    except Unreachable as exc:
        return {"the API": str(exc)}


def _explained(
    explain: t.Callable[[t.Collection[str]], t.Sequence[str]], missing: t.Mapping[str, str]
) -> t.Sequence[str]:
    try:
        return explain(missing.keys())
    except ClusterError as exc:
        return [f"The causes could not be looked up: {exc}"]


def _timeout_text(timeout: float, missing: t.Mapping[str, str], causes: t.Sequence[str]) -> str:
    lines = [f"After {timeout:g} s this was still not ready:"]
    if causes:
        lines.insert(0, f"Likely cause: {causes[0]}")
    lines += [f"  - {name}: {reason}" for name, reason in missing.items()]
    if len(causes) > 1:
        lines += ["Also seen:"] + [f"  - {cause}" for cause in causes[1:]]
    return "\n".join(lines)


__all__ = (
    "ANSWERING",
    "HELD",
    "READY",
    "Clock",
    "Predicate",
    "RealClock",
    "Timeout",
    "Waiter",
    "condition",
    "why_not_answering",
    "why_not_ready",
    "why_not_released",
)
