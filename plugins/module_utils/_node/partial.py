# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A file that is on its way: what has arrived of it, and how a later run goes on from there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import threading
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically

_BLOCK = 1 << 20


class Occupied(KlubsterError):
    """Another process is fetching the same file."""


@dataclass(frozen=True)
class Origin:
    """Where the first bytes came from.

    :param sha256: of the whole file that is wanted; a partial file of another one is worthless.
    :param server: digest of the URL, which may hold secrets.
    :param validator: what the server calls this version of the file; empty when it does not say.
    """

    sha256: str
    server: str = ""
    validator: str = ""


def server_id(url: str) -> str:
    """A name for a URL that gives none of its secrets away."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


class Partial:
    """``<name>.partial`` and, beside it, ``<name>.partial.json``; locked while it is open.

    A lock on the file itself ends with the process, however that ends.
    """

    def __init__(self, dest: Path, sha256: str) -> None:
        self.dest, self.sha256 = dest, sha256
        self.path = dest.with_name(f"{dest.name}.partial")
        self.size = 0
        self.origin = Origin(sha256)
        self._note = dest.with_name(f"{dest.name}.partial.json")
        self._digest = hashlib.sha256()
        self._descriptor = -1

    def open(self, patience: float) -> None:
        """Take the file, waiting up to ``patience`` seconds for another process, and read what is there.

        :raises Occupied: the other process took longer.
        :raises OSError: as the operating system says.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                self._lock(patience)
                if self._is_ours():
                    break
            except BaseException:
                self.close()
                raise
            self.close()
        self._read()

    def close(self) -> None:
        """Let go; what has arrived stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def sum(self) -> str:
        """The sha256 of what has arrived."""
        return self._digest.hexdigest()

    def begin(self, origin: Origin) -> None:
        """Write down where the bytes that follow come from."""
        if origin != self.origin:
            self.origin = origin
            write_atomically(
                self._note, json.dumps(asdict(origin)).encode(), mode=0o600, uid=os.geteuid(), gid=os.getegid()
            )

    def append(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._digest.update(block)
        self.size += len(block)

    def restart(self) -> None:
        """Forget what has arrived."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self.size = 0

    def finish(self, mode: int, uid: int, gid: int) -> None:
        """Move the whole, verified file into its place in one step."""
        if self.sum != self.sha256:
            raise AssertionError(f"{self.path} is not verified")
        os.fchown(self._descriptor, uid, gid)
        os.fchmod(self._descriptor, mode)
        os.fsync(self._descriptor)
        self.path.replace(self.dest)
        self._forget()

    def remove(self) -> None:
        """Take away what has arrived. Only while it is locked."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._forget()

    def _forget(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._note.unlink()

    def _lock(self, patience: float) -> None:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        # flock knows no time limit. A thread that is still waiting ends with the process.
        waiting = threading.Thread(target=_lock_and_close, args=(os.dup(self._descriptor),), daemon=True)
        waiting.start()
        waiting.join(patience)
        if waiting.is_alive():
            raise Occupied(f"Another process has been fetching {self.dest} for more than {patience:.3g} s.")

    def _is_ours(self) -> bool:
        """Whether the name still leads to the file that was locked, and nobody else can write to it."""
        held = os.fstat(self._descriptor)
        try:
            named = self.path.lstat()
        except FileNotFoundError:
            return False
        if (held.st_dev, held.st_ino) != (named.st_dev, named.st_ino):
            return False
        if held.st_uid != os.geteuid() or not stat.S_ISREG(held.st_mode) or held.st_nlink != 1:
            self.path.unlink()
            return False
        os.fchmod(self._descriptor, 0o600)
        return True

    def _read(self) -> None:
        self.origin = self._noted()
        if self.origin.sha256 != self.sha256:
            self.origin = Origin(self.sha256)
            self.restart()
            return
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        for block in iter(lambda: os.read(self._descriptor, _BLOCK), b""):
            self._digest.update(block)
            self.size += len(block)

    def _noted(self) -> Origin:
        try:
            data: t.Any = json.loads(self._note.read_text(encoding="utf-8"))
            return Origin(str(data["sha256"]), str(data["server"]), str(data["validator"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Origin("")


def _lock_and_close(duplicate: int) -> None:
    """Lock through a duplicate: the lock stays with the original for as long as that is open."""
    try:
        fcntl.flock(duplicate, fcntl.LOCK_EX)
    finally:
        os.close(duplicate)


__all__ = ("Occupied", "Origin", "Partial", "server_id")
