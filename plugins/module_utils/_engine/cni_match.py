# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The pod network that is wanted, compared with the one that a living cluster keeps, before anything is changed."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import Api, ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import REMEDY, VARIABLES

#: where the layer ``cni`` notes what must not change
RECORD = "/api/v1/namespaces/kube-system/configmaps/klubster-set-cni"


def refused(api: Api, wanted: t.Mapping[str, str]) -> list[Problem]:
    """What a living cluster would not take; nothing where it has no pod network of ours yet.

    :param wanted: what the plan says that a cluster keeps.
    """
    if not wanted:
        return []
    try:
        record = api.get(RECORD)
    except ApiError:
        return []
    try:
        have = json.loads((record.get("data") or {}).get("fixed") or "{}")
    except ValueError:
        return []
    if not isinstance(have, dict):
        return []
    return [
        Problem(VARIABLES.get(key, key), value, f"The living cluster has {have[key]!r}, and keeps it.", REMEDY)
        for key, value in wanted.items()
        if key in have and have[key] != value
    ]


__all__ = ("RECORD", "refused")
