# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Where files from the controller arrive."""

from __future__ import annotations

import pwd
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


class StagingError(KlubsterError):
    """Files cannot arrive."""


def arrival_name(source: str) -> str:
    """The name under which a file of the bundle arrives."""
    return source.replace("/", "__")


def staged(staging: Path, sources: t.Iterable[str]) -> dict[str, Path]:
    """Path inside the bundle -> arrived file."""
    return {source: staging / arrival_name(source) for source in sources}


def user_id(name: str) -> int | None:
    """The number of the login user; None when it is root or the same user."""
    if name in {"", "root"}:
        return None
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as exc:
        raise StagingError(f"The login user {name!r} is unknown on this machine. Set ansible_user.") from exc


__all__ = ("StagingError", "arrival_name", "staged", "user_id")
