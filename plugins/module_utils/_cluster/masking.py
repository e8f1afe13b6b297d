# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What of an object may be shown: no secret, no fingerprint of one, no thousand lines of schema."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    DIGEST,
    Object,
    digest_of,
    normalised,
)

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def shown(obj: t.Mapping[str, t.Any] | None, side: str, *, other: t.Mapping[str, t.Any] | None = None) -> Object:
    """The object for a diff; ``side`` is before or after, ``other`` the object on the other side."""
    if obj is None:
        return {}
    plain = normalised(obj)
    annotations = {
        key: value
        for key, value in (plain["metadata"].get("annotations") or {}).items()
        if key not in (DIGEST, _LAST_APPLIED)
    }
    metadata = {key: value for key, value in plain["metadata"].items() if key != "annotations"}
    plain["metadata"] = {**metadata, **({"annotations": annotations} if annotations else {})}
    if plain.get("kind") == "Secret":
        for part in ("data", "stringData"):
            if part in plain:
                plain[part] = _masked(plain[part], (other or {}).get(part), side)
    if plain.get("kind") == "CustomResourceDefinition":
        plain = _without_schemas(plain)
    return plain


def _masked(data: t.Any, other: t.Any, side: str) -> t.Any:
    """Keys are shown, values never; equal values read equal on both sides."""
    if not isinstance(data, dict):
        return "(masked)"
    others = other if isinstance(other, dict) else {}
    return {key: "(masked)" if others.get(key) == value else f"(masked) {side}" for key, value in data.items()}


def _without_schemas(definition: Object) -> Object:
    spec = dict(definition.get("spec") or {})
    versions = [
        {**version, **({"schema": f"(schema {digest_of(version['schema'])})"} if "schema" in version else {})}
        for version in spec.get("versions") or []
    ]
    return {**definition, "spec": {**spec, "versions": versions}}


__all__ = ("shown",)
