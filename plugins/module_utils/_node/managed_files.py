# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Sets of small files: what is wanted against what stands there, then one guarded step that changes it."""

from __future__ import annotations

import errno
import grp
import hashlib
import pwd
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically
from ansible_collections.kateskit.klubster.plugins.module_utils._node.blocks import block_of, with_block
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Entry, Record, Stamp


@dataclass(frozen=True)
class WantedFile:
    """A file of ours, or our block in a shared file.

    :param content: the whole file, or the lines inside the block.
    :param block: name of the block; None for a whole file.
    :param secret: the content never appears in a diff.
    """

    path: str
    content: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    block: str | None = None
    secret: bool = False

    @classmethod
    def parse(cls, data: t.Mapping[str, t.Any], position: int) -> WantedFile:
        """One entry of a module's list; owner and group may be names.

        :raises InvalidInput: names the entry and what is wrong with it.
        """
        variable = f"files[{position}]"
        path = str(data["path"])
        if not path.startswith("/") or ".." in path.split("/"):
            raise InvalidInput([Problem(f"{variable}.path", path, "is not an absolute path.", "Give the full path.")])
        return cls(
            path=path,
            content=str(data["content"]),
            mode=_mode(data.get("mode"), variable),
            uid=_identity(data.get("owner"), variable, "owner"),
            gid=_identity(data.get("group"), variable, "group"),
            block=data.get("block") or None,
            secret=bool(data.get("secret")),
        )


@dataclass(frozen=True)
class Change:
    """What will happen to one path; ``before`` and ``after`` are what a diff shows."""

    path: str
    action: t.Literal["create", "replace", "attributes", "remove"]
    before: str
    after: str


@dataclass(frozen=True)
class _Actual:
    text: str | None
    mode: int
    uid: int
    gid: int


def plan(wanted: t.Sequence[WantedFile], name: str, record: Record, *, prune: bool = True) -> list[Change]:
    """Compare a set with the machine. Files of the set that are no longer wanted are removed when ``prune``."""
    changes = []
    for item in wanted:
        change = _compare(item)
        if change is not None:
            changes.append(change)
    if prune:
        changes += _leftovers(wanted, name, record)
    return changes


def apply(wanted: t.Sequence[WantedFile], changes: t.Sequence[Change], name: str, record: Record) -> None:
    """Make ``changes`` happen and keep the record of the whole set.

    Entries that are right already, but not in the record (it was lost, or a run was cut short), are written down too.
    """
    by_path = {item.path: item for item in wanted}
    differing = {change.path for change in changes}
    for item in wanted:
        record.make_directory(Path(item.path).parent)
        record.entries[item.path] = _entry(item, name, record, right=item.path not in differing)
    record.save()
    for change in changes:
        if change.action == "remove":
            remove(record, change.path)
        else:
            _write(by_path[change.path])
    for item in wanted:
        if item.block is None:
            stamp = Stamp.of(Path(item.path))
            record.entries[item.path] = replace(record.entries[item.path], stamp=stamp)
    record.save()


def _entry(item: WantedFile, name: str, record: Record, *, right: bool) -> Entry:
    path, digest = Path(item.path), _digest(item.content)
    known = record.entries.get(item.path)
    if known is not None:
        return replace(known, owner_set=name, sha256=digest, block=item.block)
    if item.block is not None:
        return Entry(name, digest, block=item.block, foreign=path.exists())
    if right:
        return Entry(name, digest, foreign=True)
    return Entry(name, digest, before=record.set_aside(path))


def remove(record: Record, path: str) -> None:
    """Take away one file or block of ours and give back what stood there."""
    entry = record.entries[path]
    if entry.block is None:
        record.put_back(Path(path))
        return
    file = Path(path)
    actual = _actual(file)
    if actual.text is not None:
        rest = with_block(actual.text, entry.block, None)
        if not entry.foreign and not rest.strip():
            file.unlink()
        elif rest != actual.text:
            _rewrite(file, rest)
    del record.entries[path]
    record.save()


def describe(changes: t.Sequence[Change]) -> list[dict[str, str]]:
    """Ansible's list of diffs, one entry for each file."""
    return [
        {
            "before_header": change.path,
            "after_header": change.path,
            "before": change.before,
            "after": change.after,
        }
        for change in changes
    ]


def _compare(item: WantedFile) -> Change | None:
    actual = _actual(Path(item.path))
    if item.block is not None:
        return _compare_block(item, actual)
    if actual.text == item.content and (actual.mode, actual.uid, actual.gid) == (item.mode, item.uid, item.gid):
        return None
    if actual.text is None:
        return Change(item.path, "create", "", _shown(item, item.content))
    if actual.text == item.content:
        return Change(
            item.path,
            "attributes",
            f"mode {actual.mode:04o} owner {actual.uid} group {actual.gid}\n",
            f"mode {item.mode:04o} owner {item.uid} group {item.gid}\n",
        )
    return Change(item.path, "replace", _shown(item, actual.text, "before"), _shown(item, item.content))


def _compare_block(item: WantedFile, actual: _Actual) -> Change | None:
    text = actual.text or ""
    after = with_block(text, item.block or "", item.content)
    if actual.text is not None and after == text:
        return None
    have = block_of(text, item.block or "") or ""
    action: t.Literal["create", "replace"] = "create" if actual.text is None else "replace"
    return Change(item.path, action, _shown(item, have, "before"), _shown(item, item.content))


def _leftovers(wanted: t.Sequence[WantedFile], name: str, record: Record) -> list[Change]:
    kept = {item.path for item in wanted}
    changes = []
    for path, entry in sorted(record.of_set(name).items()):
        if path not in kept:
            changes.append(Change(path, "remove", f"{'file' if entry.block is None else 'block'} of set {name}\n", ""))
    return changes


def _write(item: WantedFile) -> None:
    path = Path(item.path)
    if item.block is not None:
        actual = _actual(path)
        _rewrite(path, with_block(actual.text or "", item.block, item.content), item)
        return
    write_atomically(path, item.content.encode(), mode=item.mode, uid=item.uid, gid=item.gid)


def _rewrite(path: Path, text: str, item: WantedFile | None = None) -> None:
    """Write a shared file and leave its mode and owner alone.

    A container may have /etc/hosts as a mount point, which cannot be replaced: then it is written in place.
    """
    try:
        status = path.stat()
        mode, uid, gid = status.st_mode & 0o7777, status.st_uid, status.st_gid
    except FileNotFoundError:
        mode, uid, gid = (item.mode, item.uid, item.gid) if item else (0o644, 0, 0)
    target = path.resolve()
    try:
        write_atomically(target, text.encode(errors="surrogateescape"), mode=mode, uid=uid, gid=gid)
    except OSError as exc:
        if exc.errno != errno.EBUSY:
            raise
        target.write_text(text, encoding="utf-8", errors="surrogateescape")


def _actual(path: Path) -> _Actual:
    try:
        status = path.stat()
        text = path.read_bytes().decode("utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return _Actual(None, 0, 0, 0)
    return _Actual(text, status.st_mode & 0o7777, status.st_uid, status.st_gid)


def _shown(item: WantedFile, text: str, side: str = "after") -> str:
    if item.secret:
        return f"(masked {side})\n"
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mode(value: t.Any, variable: str) -> int:
    if value is None:
        return 0o644
    try:
        mode = int(str(value), 8)
    except ValueError:
        mode = -1
    if not isinstance(value, str) or not 0 <= mode <= 0o7777:
        raise InvalidInput(
            [Problem(f"{variable}.mode", value, "is not octal digits in quotes.", 'Write it like "0644".')]
        )
    return mode


def _identity(value: t.Any, variable: str, what: str) -> int:
    if value is None or value == "root":
        return 0
    text = str(value)
    if text.isdigit():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid if what == "owner" else grp.getgrnam(text).gr_gid
    except KeyError as exc:
        raise InvalidInput(
            [Problem(f"{variable}.{what}", value, f"is not an {what} of this machine.", "Create it first.")]
        ) from exc


__all__ = ("Change", "WantedFile", "apply", "describe", "plan", "remove")
