# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""The chart of the pod network, fetched where it comes from a URL, and looked at before anything is changed."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import charts
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._node.download import DownloadError, fetch, has_sum
from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import Client, Limits, shown

_LIMITS = Limits(stall=15, total=120)


def chart_problems(plan: t.Mapping[str, t.Any]) -> list[Problem]:
    """What is wrong with the plan's chart and manifests; a chart that is not here yet is fetched first."""
    return [*_fetch(plan["cni"]), *charts.problems(plan)]


def _fetch(cni: t.Mapping[str, t.Any]) -> list[Problem]:
    url, sha256 = str(cni.get("chart") or ""), str(cni.get("chart_sha256") or "")
    if "://" not in url or has_sum(charts.fetched(sha256), sha256):
        return []
    try:
        fetch([url], charts.fetched(sha256), sha256, client=Client(limits=_LIMITS))
    except DownloadError as exc:
        remedy = "Name an address that this computer reaches, or fetch the chart yourself and name the file."
        return [Problem(charts.VARIABLE, shown(url), f"The chart has to be fetched: {exc}", remedy)]
    return []


__all__ = ("chart_problems",)
