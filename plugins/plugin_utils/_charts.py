# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""The chart of the pod network, fetched where it comes from a URL, and looked at before anything is changed."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import charts
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.plugin_utils._given import fetch_given


def chart_problems(plan: t.Mapping[str, t.Any]) -> list[Problem]:
    """What is wrong with the plan's chart and manifests; a chart that is not here yet is fetched first."""
    url, sha256 = str(plan["cni"].get("chart") or ""), str(plan["cni"].get("chart_sha256") or "")
    missing = fetch_given(charts.VARIABLE, url, sha256, charts.fetched(sha256), "chart")
    return [*missing, *charts.problems(plan)]


__all__ = ("chart_problems",)
