# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What was put on this machine, and what stood there before: the memory that ``reset`` works from.

The order is what makes a run that is killed harmless: copy aside what stands there, write down the intention, then
put the new file in place. Whatever step is missing, the next run finds it by looking at the file itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import typing as t
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically

SCHEMA = 1
STATE_DIRECTORY = Path("/var/lib/klubster")


class RecordError(KlubsterError):
    """The record cannot be read."""


@dataclass(frozen=True)
class Before:
    """A file that stood in the way of ours, copied aside."""

    backup: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class Stamp:
    """What tells, without reading it, that a file is the one that was verified."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """The stamp of a regular file; None when there is none (a link is not one)."""
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not _is_regular(status.st_mode):
            return None
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass(frozen=True)
class Entry:
    """One file, or one marked block in a file that is not ours."""

    owner_set: str
    sha256: str
    stamp: Stamp | None = None
    before: Before | None = None
    #: name of the block; None for a whole file
    block: str | None = None
    #: stood there already just as we want it: reset leaves it; for a block: the file around it
    foreign: bool = False


@dataclass
class Record:
    """``installed.json`` in memory."""

    directory: Path = STATE_DIRECTORY
    entries: dict[str, Entry] = field(default_factory=dict)
    #: folders, and files that came empty, which did not exist before
    directories: list[str] = field(default_factory=list)
    #: folders that were absent or empty, so that all in them came with the cluster, and the mode they had;
    #: None: not looked yet
    data: dict[str, int | None] | None = None
    #: packages that were missing when we first looked
    packages: list[str] = field(default_factory=list)
    #: kernel settings as they were
    sysctls: dict[str, str] = field(default_factory=dict)
    #: firewall tables that existed before, ``family name``; None: not looked yet
    firewall_tables: list[str] | None = None
    #: whether ufw has rules of ours
    firewall_rules: bool = False
    #: unit -> digest of the files it was last started with
    services: dict[str, str] = field(default_factory=dict)
    #: image reference -> sha256 of the archive of the bundle, or digest in the archive of the user, that it came from
    images: dict[str, str] = field(default_factory=dict)
    _saved: str = ""

    @property
    def path(self) -> Path:
        return self.directory / "installed.json"

    @classmethod
    def load(cls, directory: Path | None = None) -> Record:
        """Read the record; an empty one when there is none.

        :raises RecordError: it is damaged, or of a newer collection.
        """
        record = cls(directory or STATE_DIRECTORY)
        try:
            text = record.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return record
        try:
            data = json.loads(text)
            if data["schema"] != SCHEMA:
                raise RecordError(
                    f"{record.path} has schema {data['schema']}, this collection reads {SCHEMA}. "
                    "Use the collection that wrote it."
                )
            record._fill(data)
        except (KeyError, TypeError, ValueError) as exc:
            raise RecordError(
                f"{record.path} is damaged ({exc}). Move it away to start anew; reset will then not know what "
                "stood on the machine before."
            ) from exc
        record._saved = record._text()
        return record

    def _fill(self, data: dict[str, t.Any]) -> None:
        for path, entry in data["files"].items():
            stamp, before = entry.get("stamp"), entry.get("before")
            self.entries[path] = Entry(
                owner_set=entry["owner_set"],
                sha256=entry["sha256"],
                stamp=Stamp(**stamp) if stamp else None,
                before=Before(**before) if before else None,
                block=entry.get("block"),
                foreign=entry.get("foreign", False),
            )
        self.directories = list(data["directories"])
        self.data = data.get("data")
        self.packages = list(data["packages"])
        self.sysctls = dict(data["sysctls"])
        self.firewall_tables = data["firewall_tables"]
        self.firewall_rules = data.get("firewall_rules", False)
        self.services = dict(data["services"])
        self.images = dict(data["images"])

    def _text(self) -> str:
        data = {
            "schema": SCHEMA,
            "files": {path: asdict(entry) for path, entry in sorted(self.entries.items())},
            "directories": self.directories,
            "data": self.data,
            "packages": self.packages,
            "sysctls": self.sysctls,
            "firewall_tables": self.firewall_tables,
            "firewall_rules": self.firewall_rules,
            "services": self.services,
            "images": self.images,
        }
        return json.dumps(data, indent=1) + "\n"

    def save(self) -> bool:
        """Write the record if it differs from what was read; return whether it did."""
        text = self._text()
        if text == self._saved:
            return False
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self.path, text.encode(), mode=0o600)
        self._saved = text
        return True

    def of_set(self, name: str) -> dict[str, Entry]:
        """The entries of one set."""
        return {path: entry for path, entry in self.entries.items() if entry.owner_set == name}

    def make_directory(self, path: Path, mode: int = 0o755) -> None:
        """Make a folder and its parents; each new one is written down before it exists."""
        missing = [path, *path.parents]
        missing = [folder for folder in missing if not folder.is_dir()]
        for folder in reversed(missing):
            if str(folder) not in self.directories:
                self.directories.append(str(folder))
                self.save()
            folder.mkdir(mode=mode, exist_ok=True)

    def note_data(self, folders: t.Sequence[str], incidental: t.Sequence[str] = ()) -> None:
        """Remember, once, which folders are the cluster's alone: those that are absent or empty now.

        :param incidental: places that the cluster makes as well, but that are not its own.
        """
        if self.data is not None:
            return
        self.data = {}
        for name in (*folders, *incidental):
            if not os.path.lexists(name) and name not in self.directories:
                self.directories.append(name)
        for name in folders:
            folder = Path(name)
            if not folder.exists():
                self.data[name] = None
            elif folder.is_dir() and not any(folder.iterdir()):
                self.data[name] = folder.stat().st_mode & 0o7777
        self.save()

    def set_aside(self, path: Path) -> Before | None:
        """Copy what stands at ``path`` aside, unless it is ours already; None when nothing foreign stood there."""
        known = self.entries.get(str(path))
        if known is not None:
            return known.before
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        backup = self.directory / "before" / hashlib.sha256(str(path).encode()).hexdigest()[:24]
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup.parent.mkdir(mode=0o700, exist_ok=True)
        partial = backup.with_suffix(".partial")
        shutil.copyfile(path, partial)
        partial.chmod(0o600)
        partial.replace(backup)
        return Before(str(backup), status.st_mode & 0o7777, status.st_uid, status.st_gid)

    def put_back(self, path: Path) -> None:
        """Undo one whole file: what stood there before returns; what came with us goes."""
        entry = self.entries[str(path)]
        if entry.before is None:
            if not entry.foreign:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
        else:
            backup = Path(entry.before.backup)
            if backup.exists():
                write_atomically(
                    path,
                    backup.read_bytes(),
                    mode=entry.before.mode,
                    uid=entry.before.uid,
                    gid=entry.before.gid,
                )
        del self.entries[str(path)]
        self.save()
        if entry.before is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(entry.before.backup).unlink()


@contextlib.contextmanager
def locked(directory: Path | None = None) -> t.Iterator[None]:
    """Hold the machine's lock: a run that was cut short may still be at work here while the next one starts."""
    directory = directory or STATE_DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_regular(mode: int) -> bool:
    return mode & 0o170000 == 0o100000


__all__ = ("STATE_DIRECTORY", "Before", "Entry", "Record", "RecordError", "Stamp", "locked")
