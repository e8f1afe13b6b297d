# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory, as far as the applier can tell one from a real one."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    Kind,
    Object,
    Ref,
    labels_of,
    normalised,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import Refused, UnknownKind

CRD = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
NAMESPACE = Kind("v1", "Namespace")


class FakeClock:
    """Time that passes only when somebody waits; things can be set to happen on the way."""

    def __init__(self) -> None:
        self.time = 0.0
        self._events: list[tuple[float, t.Callable[[], None]]] = []

    def at(self, when: float, event: t.Callable[[], None]) -> None:
        self._events.append((when, event))

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds
        due = [event for when, event in self._events if when <= self.time]
        self._events = [entry for entry in self._events if entry[0] > self.time]
        for event in due:
            event()


class FakeCluster:
    """Implements Service. ``calls`` is what was asked, ``refuse`` lets a test say no."""

    def __init__(self) -> None:
        self.objects: dict[Ref, Object] = {}
        self.calls: list[tuple[str, str]] = []
        self.refuse: t.Callable[[Object, bool], Refused | None] = lambda _obj, _dry_run: None
        #: what the API server adds on its own
        self.default: t.Callable[[Object], None] = lambda _obj: None
        #: why an object may not go
        self.keep: t.Callable[[Ref], Refused | None] = lambda _ref: None
        self.finalized: set[Ref] = set()
        self._version = 0
        self.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})

    def add(self, obj: Object, *, status: Object | None = None) -> Ref:
        """Put an object there as somebody else would."""
        ref = Ref.of(obj)
        self._store(ref, copy.deepcopy(obj))
        if status is not None:
            self.objects[ref]["status"] = status
        return ref

    def set_status(self, ref: Ref, **status: t.Any) -> None:
        self.objects[ref]["status"] = status

    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] in ("apply", "create", "delete")]

    # Service

    def list(self, kind: Kind, *, namespace: str = "", labels: str = "", fields: str = "") -> list[Object]:
        assert fields in ("", "type=Warning"), "no other field selector is understood here"
        self.calls.append(("list", str(kind)))
        self._served(kind)
        return [
            copy.deepcopy(obj)
            for ref, obj in self.objects.items()
            if ref.kind == kind and (not namespace or ref.namespace == namespace) and _selected(obj, labels)
        ]

    def get(self, ref: Ref) -> Object | None:
        self.calls.append(("get", str(ref)))
        return copy.deepcopy(self.objects.get(ref))

    def apply(self, obj: Object, *, dry_run: bool) -> Object:
        ref = Ref.of(obj)
        self.calls.append(("dry-run" if dry_run else "apply", str(ref)))
        self._admit(ref, obj, dry_run)
        live = self.objects.get(ref)
        result = copy.deepcopy(obj)
        if live is not None:
            result["metadata"] = {**_server_metadata(live), **result["metadata"]}
            if "status" in live:
                result["status"] = copy.deepcopy(live["status"])
        self.default(result)
        if dry_run:
            return result
        if live is not None and normalised(live) == normalised(result):
            return copy.deepcopy(live)
        self._store(ref, result)
        return copy.deepcopy(self.objects[ref])

    def create(self, obj: Object, *, dry_run: bool) -> Object:
        ref = Ref.of(obj)
        self.calls.append(("create", str(ref)))
        self._admit(ref, obj, dry_run)
        if ref in self.objects:
            raise Refused(f"creating {ref}", 409, "AlreadyExists", "already exists")
        self._store(ref, copy.deepcopy(obj))
        return copy.deepcopy(self.objects[ref])

    def delete(self, ref: Ref, *, uid: str) -> None:
        self.calls.append(("delete", str(ref)))
        live = self.objects.get(ref)
        if live is None or live["metadata"]["uid"] != uid:
            return
        refusal = self.keep(ref)
        if refusal is not None:
            raise refusal
        if ref in self.finalized:
            live["metadata"]["deletionTimestamp"] = "now"
            live["metadata"]["finalizers"] = ["example.org/hold"]
        else:
            del self.objects[ref]

    def logs(self, pod: Ref, container: str, *, lines: int, previous: bool) -> str:
        return f"last {lines} lines of {container} in {pod}{' before' if previous else ''}"

    def _served(self, kind: Kind) -> None:
        if not kind.custom:
            return
        for ref, obj in self.objects.items():
            if ref.kind == CRD and obj["spec"]["group"] == kind.group and obj["spec"]["names"]["kind"] == kind.kind:
                return
        raise UnknownKind(kind)

    def _admit(self, ref: Ref, obj: Object, dry_run: bool) -> None:
        self._served(ref.kind)
        if ref.namespace and Ref(NAMESPACE, ref.namespace) not in self.objects:
            raise Refused(f"applying {ref}", 404, "NotFound", f'namespaces "{ref.namespace}" not found')
        refusal = self.refuse(obj, dry_run)
        if refusal is not None:
            raise refusal

    def _store(self, ref: Ref, obj: Object) -> None:
        self._version += 1
        metadata = obj.setdefault("metadata", {})
        metadata.setdefault("uid", f"uid-{self._version}")
        metadata["resourceVersion"] = str(self._version)
        if ref.kind.kind == "Namespace":
            obj.setdefault("status", {"phase": "Active"})
        if ref.kind == CRD:
            obj.setdefault("status", {"conditions": [{"type": "Established", "status": "True"}]})
        self.objects[ref] = obj


def _server_metadata(obj: Object) -> Object:
    return {key: value for key, value in obj["metadata"].items() if key in ("uid", "resourceVersion", "finalizers")}


def _selected(obj: Object, selector: str) -> bool:
    have = labels_of(obj)
    rest, dummy, names = selector.partition(",klubster.kateskit.dev/set in (")
    if names and have.get("klubster.kateskit.dev/set") not in names.rstrip(")").split(","):
        return False
    return all(
        have.get(key) == value for key, dummy, value in (part.partition("=") for part in rest.split(",") if part)
    )
