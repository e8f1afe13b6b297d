# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""Upstream's manifests, fetched to the controller's cache before anything is changed."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import upstream
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._node.download import DownloadError, fetch, has_sum
from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import Client, Limits
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import shown

#: seconds; each is a small file
_LIMITS = Limits(stall=15, total=60)


def fetch_manifests(plan: t.Mapping[str, t.Any]) -> list[Problem]:
    """Fetch what is not there yet; without it, nothing is asked for."""
    problems, layers = [], plan["layers"]
    for one in upstream.needed(plan):
        place = Path(layers["directory"]) / one.place
        if has_sum(place, one.sha256):
            continue
        try:
            fetch(one.urls(layers["mirrors"]), place, one.sha256, client=Client(limits=_LIMITS))
        except DownloadError as exc:
            problems.append(
                Problem(
                    upstream.VARIABLE,
                    [shown(mirror) for mirror in layers["mirrors"]] or upstream.HOST,
                    f"{one.component} {one.version} has to be fetched: {exc}",
                    "Give a mirror that this computer reaches, or a bundle (klubster_layers_source: bundle).",
                )
            )
    return problems


__all__ = ("fetch_manifests",)
