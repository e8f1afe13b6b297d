# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Keep the page of a cluster's status in a file."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Report
from ansible_collections.kateskit.klubster.plugins.module_utils._status.page import render, same_state, summary

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Kept:
    changed: bool
    path: str
    #: verdict and time on the page that was there, and on the one that is there now
    before: dict[str, str]
    after: dict[str, str]


def default_path(name: str, environment: t.Mapping[str, str]) -> Path:
    """Where the page of a cluster goes when nobody says otherwise."""
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "klubster" / "status" / f"{_UNFIT.sub('-', name).strip('.-') or 'cluster'}.html"


def keep(report: Report, path: str, *, check: bool) -> Kept:
    """Write the page unless the one there shows the same state.

    :raises OSError: the file cannot be read or written.
    """
    file = Path(path).expanduser()
    old = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    before = summary(old)
    if old and same_state(old, report):
        return Kept(changed=False, path=str(file), before=before, after=before)
    page = render(report)
    if not check:
        write_atomically(file, page.encode(), mode=0o644, uid=os.geteuid(), gid=os.getegid())
    return Kept(changed=True, path=str(file), before=before, after=summary(page))


__all__ = ("Kept", "default_path", "keep")
