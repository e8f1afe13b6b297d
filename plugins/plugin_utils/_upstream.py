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
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import shown


def fetch_manifests(plan: t.Mapping[str, t.Any]) -> list[Problem]:
    """Fetch what is not there yet; without it, nothing is asked for."""
    problems, layers, needed = [], plan["layers"], upstream.needed(plan)
    if not needed:
        return []
    # Read in each run otherwise, though most have nothing to fetch.
    from ansible_collections.kateskit.klubster.plugins.module_utils._node.download import (  # noqa: PLC0415
        DownloadError,
        fetch,
        has_sum,
    )
    from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import Client, Limits  # noqa: PLC0415

    # Each is a small file.
    client = Client(limits=Limits(stall=15, total=60))
    for one in needed:
        place = Path(layers["directory"]) / one.place
        if has_sum(place, one.sha256):
            continue
        try:
            fetch(one.urls(layers["mirrors"]), place, one.sha256, client=client)
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
