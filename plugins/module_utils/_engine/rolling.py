# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a running cluster is asked while one of its machines is changed: does it bear it, is the machine well again."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import drain
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import Api, ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.diagnosis import likely_cause
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import (
    Etcd,
    EtcdError,
    Member,
    refuse_to_stop,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

_PAUSE = 0.5
_NODES = "/api/v1/nodes"


class UnwellError(KlubsterError):
    """A machine did not become well, or the cluster would not bear its stop."""


@dataclass
class Rolling:
    """One machine of a running cluster, seen from a live server.

    :param api: of the server that is asked.
    :param own_api: of the machine itself, if it is a server.
    :param etcd: None for agents, and where the engine's data is kept elsewhere.
    """

    name: str
    api: Api
    own_api: Api | None = None
    etcd: Etcd | None = None
    timeout: float = 300.0

    def bearable(self) -> None:
        """Wait until all members of etcd answer, then see that a majority stays; a silent one is waited for first.

        :raises EtcdError: names who is silent.
        """
        if self.etcd is None:
            return
        deadline = time.monotonic() + min(self.timeout, 60.0)
        while True:
            try:
                members, healthy = self._members(self.etcd)
                refuse_to_stop(members, healthy, self.name)
            except EtcdError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def drained(self, why: str, *, timeout: float, force: bool) -> tuple[bool, int]:
        """Cordon and empty the Node: whether it was open, and how many pods went."""
        node = self._node()
        if not force:
            # Looked at before the Node is closed: what is refused shall not be felt.
            drain.refuse_alone(self.name, drain.sort_pods(drain.pods_of(self.api, self.name)).alone)
        patch = drain.close_patch(node, why)
        if patch:
            self.api.patch(f"{_NODES}/{self.name}", patch)
        if node_unwell(node):
            # kubelet does not answer, so no pod would end; they are moved by the cluster itself.
            return bool(patch), 0

        def lost() -> bool:
            return node_unwell(self._node()) is not None

        return bool(patch), drain.evict_all(self.api, self.name, timeout=timeout, force=force, lost=lost)

    def opened(self) -> bool:
        """Uncordon the Node if we cordoned it; whether we did."""
        patch = drain.open_patch(self._node())
        if patch:
            self.api.patch(f"{_NODES}/{self.name}", patch)
        return bool(patch)

    def well(self, version: str) -> None:
        """Wait until everything that belongs to the machine is well.

        :param version: what its kubelet shall say; empty: whatever it is.
        :raises UnwellError: the deadline passed; with what is not well.
        """
        deadline = time.monotonic() + self.timeout
        while True:
            unwell = self._unwell(version)
            if unwell is None:
                return
            if time.monotonic() > deadline:
                raise UnwellError(f"{self.name} did not become well within {self.timeout:g} s: {unwell}")
            time.sleep(_PAUSE)

    def _unwell(self, version: str) -> str | None:
        if self.own_api is not None and not self.own_api.ready():
            return "its API does not answer that it is ready"
        try:
            unwell = node_unwell(self._node(), version) or pods_unwell(drain.pods_of(self.api, self.name))
        except ApiError as exc:
            return str(exc)
        if unwell or self.etcd is None:
            return unwell
        try:
            return members_unwell(*self._members(self.etcd))
        except EtcdError as exc:
            return str(exc)

    def _node(self) -> dict[str, t.Any]:
        return self.api.get(f"{_NODES}/{self.name}")

    @staticmethod
    def _members(etcd: Etcd) -> tuple[list[Member], set[str]]:
        members = etcd.members()
        return members, {member.id for member in members if etcd.healthy(member)}


def node_unwell(node: drain.Object, version: str = "") -> str | None:
    """Why a Node is not well; None when it is."""
    status = node.get("status") or {}
    conditions = list(status.get("conditions") or [])
    if not any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions):
        return likely_cause("", conditions=conditions) or "the node is not ready"
    running = str((status.get("nodeInfo") or {}).get("kubeletVersion", "")).lstrip("v")
    if version and running != version.lstrip("v"):
        return f"its kubelet says that it is {running or 'unknown'}, not {version}"
    return None


def pods_unwell(pods: t.Sequence[drain.Object]) -> str | None:
    """Which static pod or pod of a DaemonSet on a Node is not ready, and why; None when all are."""
    for pod in pods:
        metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
        owners = [entry.get("kind") for entry in metadata.get("ownerReferences") or [] if entry.get("controller")]
        if not {"DaemonSet", "Node"}.intersection(owners) or metadata.get("deletionTimestamp"):
            continue
        conditions = status.get("conditions") or []
        if not any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions):
            return f"pod {drain.name_of(pod)} is not ready: {_why(status)}"
    return None


def members_unwell(members: t.Sequence[Member], healthy: t.Collection[str]) -> str | None:
    """Which member of etcd does not answer, or has not caught up."""
    for member in members:
        if member.id not in healthy:
            return f"etcd's member {member.name or member.id} does not answer"
        if member.learner:
            return f"etcd's member {member.name} has not caught up yet"
    return None


def _why(status: t.Mapping[str, t.Any]) -> str:
    for container in status.get("containerStatuses") or []:
        for state in (container.get("state") or {}).values():
            if isinstance(state, dict) and state.get("reason"):
                return f"{state['reason']} {state.get('message', '')}".strip()
    return str(status.get("phase", "unknown"))


__all__ = ("Rolling", "UnwellError", "members_unwell", "node_unwell", "pods_unwell")
