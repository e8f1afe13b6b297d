# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Labels and taints of a Node object: ours are kept as wanted, those of others stay."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import (
    CONTROL_PLANE_TAINT,
    NodeSettings,
)

_OURS = "klubster.kateskit.dev/owned"


def patch_for(
    node: t.Mapping[str, t.Any], wanted: NodeSettings, taints: t.Sequence[t.Mapping[str, str]]
) -> dict[str, t.Any]:
    """A merge patch that gives the Node its wanted labels and taints; empty when it has them.

    An annotation names the labels and taints that we gave, so that one that left the inventory is taken away, and
    one that somebody else gave is not.
    """
    metadata = node.get("metadata") or {}
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    owned = _owned(annotations.get(_OURS))
    changes: dict[str, t.Any] = {key: None for key in owned["labels"] if key not in wanted.labels and key in labels}
    changes.update({key: value for key, value in wanted.labels.items() if labels.get(key) != value})
    have = list((node.get("spec") or {}).get("taints") or [])
    want = _taints(have, owned["taints"], taints)
    note = json.dumps(
        {"labels": sorted(wanted.labels), "taints": sorted(_identity(taint) for taint in taints)}, sort_keys=True
    )
    patch: dict[str, t.Any] = {}
    if changes:
        patch["metadata"] = {"labels": changes}
    if want != have:
        patch["spec"] = {"taints": want}
    if annotations.get(_OURS) != note and (patch or wanted.labels or taints or _OURS in annotations):
        patch.setdefault("metadata", {})["annotations"] = {_OURS: note}
    return patch


def digest(data: t.Mapping[str, t.Any]) -> str:
    """A short digest of data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def _taints(
    have: t.Sequence[t.Mapping[str, t.Any]], owned: t.Sequence[str], wanted: t.Sequence[t.Mapping[str, str]]
) -> list[dict[str, t.Any]]:
    identities = {_identity(taint) for taint in wanted}
    kept = []
    for taint in have:
        identity = _identity(taint)
        if identity in identities:
            continue
        # kubeadm gives a server its taint before we note anything.
        if identity in owned or identity == CONTROL_PLANE_TAINT:
            continue
        kept.append(dict(taint))
    mine = []
    for taint in wanted:
        same = [dict(entry) for entry in have if _identity(entry) == _identity(taint)]
        value = taint.get("value", "")
        mine.append(same[0] if same and same[0].get("value", "") == value else dict(taint))
    result = [*mine, *kept]
    # The order is the API's business.
    return list(map(dict, have)) if sorted(map(_text, result)) == sorted(map(_text, have)) else result


def may_be_of(node: t.Mapping[str, t.Any], address: str) -> bool:
    """Whether a Node object can be that of the machine with this address: another machine may have taken its name.

    A kubelet that was cut short may not have reported any address yet, and is not ready then.
    """
    status = node.get("status") or {}
    addresses = [entry.get("address") for entry in status.get("addresses") or () if entry.get("type") == "InternalIP"]
    if addresses:
        return address in addresses
    ready = any(
        entry.get("type") == "Ready" and entry.get("status") == "True" for entry in status.get("conditions") or ()
    )
    return bool(node) and not ready


def _identity(taint: t.Mapping[str, t.Any]) -> str:
    return f"{taint['key']}:{taint['effect']}"


def _text(taint: t.Mapping[str, t.Any]) -> str:
    return json.dumps(taint, sort_keys=True)


def _owned(note: str | None) -> dict[str, list[str]]:
    try:
        data = json.loads(note or "{}")
        return {"labels": list(data.get("labels", [])), "taints": list(data.get("taints", []))}
    except (ValueError, AttributeError):
        return {"labels": [], "taints": []}


__all__ = ("digest", "may_be_of", "patch_for")
