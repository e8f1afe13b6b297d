# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""One writer at a time for a folder, also when the folder itself comes and goes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t
from pathlib import Path


@contextlib.contextmanager
def locked_folder(path: Path) -> t.Iterator[None]:
    """Hold the folder's lock, made if need be; released when this process ends, however it ends."""
    while True:
        path.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Who held the lock before may have removed the folder.
            if _same(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)


def _same(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


__all__ = ("locked_folder",)
