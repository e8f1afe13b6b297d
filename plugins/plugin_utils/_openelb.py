# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""OpenELB's manifest, fetched where it comes from a URL, and looked at before anything is changed."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import openelb
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.plugin_utils._given import fetch_given


def openelb_problems(plan: t.Mapping[str, t.Any]) -> list[Problem]:
    """What is wrong with the manifest; without OpenELB, nothing is asked for."""
    balancer = plan["load_balancer"]
    if balancer["provider"] != "openelb":
        return []
    wanted = balancer["openelb"]
    url, sha256 = wanted["manifest"], wanted["manifest_sha256"]
    missing = fetch_given(openelb.VARIABLE, url, sha256, openelb.place(wanted), "manifest")
    return missing or openelb.problems(wanted)


__all__ = ("openelb_problems",)
