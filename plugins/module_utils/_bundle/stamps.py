# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What is known of files, kept in the controller's cache, so that one that stayed the same is not read again."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically


def stamp(path: Path) -> list[int]:
    """What is another when the file is: size, times and inode.

    :raises OSError: there is no such file.
    """
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def load(path: Path) -> dict[str, t.Any]:
    """What was kept, by file; nothing where that cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def keep(path: Path, known: t.Mapping[str, t.Any]) -> None:
    """Keep it. Where that is not possible, the next run only takes longer."""
    with contextlib.suppress(OSError):
        write_atomically(path, (json.dumps(known, indent=0) + "\n").encode(), uid=os.getuid(), gid=os.getgid())


__all__ = ("keep", "load", "stamp")
