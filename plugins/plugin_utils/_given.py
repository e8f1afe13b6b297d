# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""A file that the user names by a URL, fetched to the controller's cache."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import shown


def fetch_given(variable: str, url: str, sha256: str, place: Path, what: str) -> list[Problem]:
    """Fetch it unless it is there, or is no URL.

    :param what: it is, in a word.
    """
    if "://" not in url:
        return []
    # Read in each run otherwise, though most inventories name no URL.
    from ansible_collections.kateskit.klubster.plugins.module_utils._node.download import (  # noqa: PLC0415
        DownloadError,
        fetch,
        has_sum,
    )
    from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import Client, Limits  # noqa: PLC0415

    if has_sum(place, sha256):
        return []
    try:
        fetch([url], place, sha256, client=Client(limits=Limits(stall=15, total=120)))
    except DownloadError as exc:
        remedy = f"Name an address that this computer reaches, or fetch the {what} yourself and name the file."
        return [Problem(variable, shown(url), f"The {what} has to be fetched: {exc}", remedy)]
    return []


__all__ = ("fetch_given",)
