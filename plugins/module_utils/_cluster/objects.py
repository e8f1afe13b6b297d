# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What is common to all cluster objects: identity, our marks on them, their order, and what counts as the same."""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

Object = dict[str, t.Any]

FIELD_MANAGER = "klubster"
MANAGED_BY = "app.kubernetes.io/managed-by"
SET_LABEL = "klubster.kateskit.dev/set"
RECORD_LABEL = "klubster.kateskit.dev/record"
DIGEST = "klubster.kateskit.dev/digest"
RECORD_NAMESPACE = "kube-system"

# What the API server writes by itself; it says nothing about whether an object is what was asked for.
_SERVER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)

# An object comes after everything it may depend on; what is not listed is a custom resource or has no dependants.
_RANKS = {
    "CustomResourceDefinition": 10,
    "Namespace": 20,
    "PriorityClass": 30,
    "RuntimeClass": 30,
    "ServiceAccount": 40,
    "ClusterRole": 41,
    "Role": 41,
    "ClusterRoleBinding": 42,
    "RoleBinding": 42,
    "ConfigMap": 50,
    "Secret": 50,
    "StorageClass": 51,
    "CSIDriver": 51,
    "IngressClass": 51,
    "PersistentVolume": 52,
    "PersistentVolumeClaim": 53,
    "NetworkPolicy": 54,
    "Service": 60,
    "Pod": 70,
    "DaemonSet": 70,
    "Deployment": 70,
    "StatefulSet": 70,
    "ReplicaSet": 70,
    "Job": 70,
    "CronJob": 70,
    "MutatingWebhookConfiguration": 80,
    "ValidatingWebhookConfiguration": 80,
    "APIService": 80,
}
_OTHER_RANK = 75
CUSTOM_RANK = 90
_CORE_GROUPS = frozenset({"", "apps", "autoscaling", "batch", "policy"})


class DefinitionError(KlubsterError):
    """A definition cannot be used as it is."""


@dataclass(frozen=True, order=True)
class Kind:
    """A kind of objects, as a definition names it."""

    api_version: str
    kind: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def custom(self) -> bool:
        """Whether the kind comes from a CustomResourceDefinition rather than from Kubernetes itself."""
        return self.group not in _CORE_GROUPS and not self.group.endswith(".k8s.io")

    def __str__(self) -> str:
        return f"{self.api_version}/{self.kind}"

    @classmethod
    def parse(cls, text: str) -> Kind:
        api_version, dummy, kind = text.strip().rpartition("/")
        return cls(api_version, kind)


@dataclass(frozen=True, order=True)
class Ref:
    """Which object is meant."""

    kind: Kind
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind.kind} {place}{self.name}"

    @classmethod
    def of(cls, obj: t.Mapping[str, t.Any]) -> Ref:
        """The reference of a complete object.

        :raises DefinitionError: apiVersion, kind or metadata.name is missing.
        """
        metadata = obj.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        api_version, kind, name = obj.get("apiVersion"), obj.get("kind"), metadata.get("name")
        for field, value in (("apiVersion", api_version), ("kind", kind), ("metadata.name", name)):
            if not isinstance(value, str) or not value:
                raise DefinitionError(
                    f"A definition (kind {kind!r}, name {name!r}) has {field} = {value!r}; it must be a text. "
                    "Give every definition apiVersion, kind and metadata.name."
                )
        return cls(Kind(str(api_version), str(kind)), str(name), str(metadata.get("namespace") or ""))


def rank(ref: Ref) -> int:
    """The object's place in the order of applying; removing goes the other way round."""
    if ref.kind.custom:
        return CUSTOM_RANK
    return _RANKS.get(ref.kind.kind, _OTHER_RANK)


def flatten(definitions: t.Iterable[t.Mapping[str, t.Any] | None]) -> list[Object]:
    """Definitions without empty documents and with the items of ``kind: List`` taken out of it."""
    flat: list[Object] = []
    for definition in definitions:
        if not definition:
            continue
        if str(definition.get("kind", "")).endswith("List") and isinstance(definition.get("items"), list):
            flat += flatten(definition["items"])
        else:
            flat.append(dict(definition))
    return flat


def prepared(definition: t.Mapping[str, t.Any], set_name: str) -> Object:
    """The definition as it is applied: with our marks, without what only the API server may write."""
    obj: Object = _without_none({key: value for key, value in definition.items() if key != "status"})
    metadata = obj.setdefault("metadata", {})
    for key in _SERVER_METADATA:
        metadata.pop(key, None)
    text = obj.pop("stringData", None) if obj.get("kind") == "Secret" else None
    if text:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
        obj["data"] = {**obj.get("data", {}), **encoded}
    metadata["labels"] = {**(metadata.get("labels") or {}), MANAGED_BY: FIELD_MANAGER, SET_LABEL: set_name}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), DIGEST: digest_of(obj)}
    return obj


def digest_of(value: t.Any) -> str:
    """A short fingerprint of plain data."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_ours(obj: t.Mapping[str, t.Any]) -> bool:
    return labels_of(obj).get(MANAGED_BY) == FIELD_MANAGER


def set_of(obj: t.Mapping[str, t.Any]) -> str:
    return labels_of(obj).get(SET_LABEL, "")


def labels_of(obj: t.Mapping[str, t.Any]) -> dict[str, str]:
    return dict((obj.get("metadata") or {}).get("labels") or {})


def annotations_of(obj: t.Mapping[str, t.Any]) -> dict[str, str]:
    return dict((obj.get("metadata") or {}).get("annotations") or {})


def has_owner(obj: t.Mapping[str, t.Any]) -> bool:
    """Whether a controller made the object from another one (and copied our labels along)."""
    return bool((obj.get("metadata") or {}).get("ownerReferences"))


def satisfied(live: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> bool:
    """Whether applying ``wanted`` again would change nothing.

    All of it stands in the live object, and with it the digest, an annotation, which says that the last thing we
    applied was exactly this: so there is no field of ours to take away. A no of this function may be wrong (the API
    server writes some values in its own way), a yes never is.
    """
    return contains(live, wanted)


def contains(live: t.Any, wanted: t.Any) -> bool:
    """Whether every value of ``wanted`` stands in ``live``; lists must have the same length."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            (key in live and contains(live[key], value)) or (key not in live and value == [])
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(contains(have, want) for have, want in zip(live, wanted))
        )
    return type(live) is type(wanted) and bool(live == wanted)


def normalised(obj: t.Mapping[str, t.Any]) -> Object:
    """The object without what changes by itself: two equal results mean that nothing changed."""
    plain = {key: value for key, value in obj.items() if key != "status"}
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SERVER_METADATA}
    return {**plain, "metadata": metadata}


def _without_none(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _without_none(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_without_none(entry) for entry in value]
    return value


__all__ = (
    "CUSTOM_RANK",
    "DIGEST",
    "FIELD_MANAGER",
    "MANAGED_BY",
    "RECORD_LABEL",
    "RECORD_NAMESPACE",
    "SET_LABEL",
    "DefinitionError",
    "Kind",
    "Object",
    "Ref",
    "annotations_of",
    "contains",
    "digest_of",
    "flatten",
    "has_owner",
    "is_ours",
    "labels_of",
    "normalised",
    "prepared",
    "rank",
    "satisfied",
    "set_of",
)
