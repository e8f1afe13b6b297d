# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Large files to their places: only what is missing is sent, and nothing is moved before its sha256 is proven."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of
from ansible_collections.kateskit.klubster.plugins.module_utils._node import checksums
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Entry, Record, Stamp

_RESERVE = 64 * 1024 * 1024


class InstallError(KlubsterError):
    """A file cannot be installed."""


@dataclass(frozen=True)
class WantedInstall:
    """A file of the bundle and the place where it belongs.

    :param source: its path inside the bundle; names it in messages.
    :param sha256: empty while the machine has no list that says it; the file then counts as missing.
    :param size: None where only the sum is known.
    """

    source: str
    path: str
    sha256: str
    size: int | None
    mode: int = 0o755
    #: list of sums on the machine, beside which the file was fetched
    sums: str = ""


@dataclass(frozen=True)
class Comparison:
    """What is missing or wrong, which files of ours are no longer wanted, and what only the record lacks."""

    missing: tuple[WantedInstall, ...] = ()
    wrong_mode: tuple[WantedInstall, ...] = ()
    surplus: tuple[str, ...] = ()
    seen: tuple[tuple[WantedInstall, Stamp], ...] = ()

    @property
    def empty(self) -> bool:
        return not self.missing and not self.wrong_mode and not self.surplus


#: one file, as modules take it
FILE_OPTIONS: dict[str, t.Any] = {
    "source": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0755"},
    "sha256": {"type": "str"},
    "size": {"type": "int"},
    "sums": {"type": "path"},
}


def parse(files: t.Sequence[t.Mapping[str, t.Any]]) -> list[WantedInstall]:
    """The entries of a module's list, completed on the controller.

    :raises InstallError: an entry has no sha256 or size, or no octal mode.
    """
    wanted = []
    for entry in files:
        sums = entry.get("sums") or ""
        if not sums and (not entry.get("sha256") or entry.get("size") is None):
            raise InstallError(f"{entry['source']}: sha256 and size are missing. Give bundle_dir.")
        try:
            mode = int(str(entry["mode"]), 8)
        except ValueError as exc:
            raise InstallError(f"{entry['source']}: mode {entry['mode']!r} is not octal digits in quotes.") from exc
        if sums:
            wanted.append(
                WantedInstall(entry["source"], entry["path"], listed(sums, entry["source"]), None, mode, sums)
            )
        else:
            wanted.append(WantedInstall(entry["source"], entry["path"], entry["sha256"], int(entry["size"]), mode))
    return wanted


def listed(sums: str, source: str) -> str:
    """The sum in a list on this machine; empty when there is none, or when it is no use and is fetched again."""
    try:
        return checksums.parse(Path(sums).read_bytes(), sums).get(source, "")
    except (OSError, checksums.ChecksumListError):
        return ""


def compare(wanted: t.Sequence[WantedInstall], name: str, record: Record) -> Comparison:
    """Compare a set with the machine. A file whose stamp is the recorded one is not read."""
    missing, wrong_mode, seen = [], [], []
    for item in wanted:
        path = Path(item.path)
        stamp = Stamp.of(path)
        known = record.entries.get(item.path)
        if stamp is None or not item.sha256 or item.size not in (None, stamp.size):
            missing.append(item)
            continue
        if known is None or known.stamp != stamp or known.sha256 != item.sha256:
            if sha256_of(path) != item.sha256:
                missing.append(item)
                continue
            seen.append((item, stamp))
        if stat.S_IMODE(path.lstat().st_mode) != item.mode:
            wrong_mode.append(item)
    kept = {item.path for item in wanted}
    surplus = tuple(path for path in sorted(record.of_set(name)) if path not in kept)
    return Comparison(tuple(missing), tuple(wrong_mode), surplus, tuple(seen))


def settle(comparison: Comparison, name: str, record: Record) -> None:
    """All that needs nothing sent: note files that are right, set modes, remove files that left the set."""
    for item, stamp in comparison.seen:
        known = record.entries.get(item.path)
        record.entries[item.path] = (
            replace(known, owner_set=name, sha256=item.sha256, stamp=stamp)
            if known
            else Entry(name, item.sha256, stamp=stamp, foreign=True)
        )
    for item in comparison.wrong_mode:
        path = Path(item.path)
        path.chmod(item.mode)
        record.entries[item.path] = replace(record.entries[item.path], stamp=Stamp.of(path))
    for gone in comparison.surplus:
        record.put_back(Path(gone))
    record.save()


def check_space(missing: t.Sequence[WantedInstall], staging: Path) -> None:
    """Refuse before anything is sent when a file system is too small.

    :raises InstallError: names the file system, what is free and what is needed.
    """
    needs: dict[int, tuple[Path, int]] = {}
    arriving = _existing(staging)
    for item in missing:
        place = _existing(Path(item.path).parent)
        for folder in {_device(arriving): arriving, _device(place): place}.values():
            device = _device(folder)
            first, total = needs.get(device, (folder, 0))
            needs[device] = (first, total + (item.size or 0))
    for folder, total in needs.values():
        require_space(folder, total)


def require_space(folder: Path, total: int) -> None:
    """Refuse when the file system of ``folder`` has not ``total`` bytes to spare."""
    free = shutil.disk_usage(_existing(folder)).free
    if free < total + _RESERVE:
        raise InstallError(
            f"The file system of {folder} has {_megabytes(free)} free, {_megabytes(total + _RESERVE)} are needed. "
            "Free some space, or put a larger file system there; nothing was sent."
        )


def prepare_staging(place: Path, owner: int | None) -> Path:
    """A new folder below ``place`` for arriving files; what a run that was cut short left there goes.

    Its name is new each time: a module of the earlier run may still be at work, and must not take what arrives now.
    """
    remove_staging(place)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=place))
    if owner:
        # The login user writes here, so it must be able to reach the folder, though not to list its parents.
        os.chown(staging, owner, -1)
        for folder in staging.parents[:3]:
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)
    return staging


def remove_staging(staging: Path) -> None:
    """Remove what is there. A transfer that outlives its run may add to it meanwhile: the next run removes that."""
    shutil.rmtree(staging, ignore_errors=True)


def verify(staged: Path, source: str, sha256: str) -> None:
    """Compare an arrived file with its sha256; a wrong one is removed.

    :raises InstallError: names the file and what to do.
    """
    try:
        found = sha256_of(staged)
    except FileNotFoundError as exc:
        raise InstallError(f"{source} did not arrive on the machine. Run again.") from exc
    if found != sha256:
        staged.unlink()
        raise InstallError(
            f"{source} arrived damaged: sha256 {found}, the bundle's manifest says {sha256}. It was removed and "
            "nothing was put in its place. Run again; if it happens again, check its memory, disk and network."
        )


def place(staged: t.Mapping[str, Path], missing: t.Sequence[WantedInstall], name: str, record: Record) -> None:
    """Verify arrived files and move each into its place in one step.

    :param staged: path inside the bundle -> arrived file.
    """
    for item in missing:
        record.make_directory(Path(item.path).parent)
        known = record.entries.get(item.path)
        before = known.before if known else record.set_aside(Path(item.path))
        record.entries[item.path] = Entry(name, item.sha256, before=before)
    record.save()
    try:
        for item in missing:
            arrived = staged[item.source]
            verify(arrived, item.source, item.sha256)
            _move(arrived, Path(item.path), item.mode)
            known = record.entries[item.path]
            record.entries[item.path] = replace(known, stamp=Stamp.of(Path(item.path)))
    finally:
        record.save()


def fetched(missing: t.Sequence[WantedInstall]) -> dict[str, Path]:
    """Files that the machine has fetched itself: they lie beside their list of sums.

    :raises InstallError: one has not arrived, or no list names it.
    """
    found = {item.source: Path(item.sums).with_name(item.source) for item in missing}
    for item in missing:
        if not item.sha256 or not found[item.source].is_file():
            raise InstallError(f"{item.source} is not in {Path(item.sums).parent}. Fetch it first, then run again.")
    return found


def _move(arrived: Path, place: Path, mode: int) -> None:
    """Rename into place; across file systems, copy beside the place first.

    Not synced to the disk: after a power cut an unwritten file has another size than its stamp, and is sent again.
    """
    partial = place.with_name(f".{place.name}.klubster")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    try:
        arrived.rename(partial)
    except OSError:
        shutil.copyfile(arrived, partial)
        arrived.unlink()
    os.chown(partial, os.geteuid(), os.getegid())
    partial.chmod(mode)
    partial.replace(place)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _device(path: Path) -> int:
    return path.stat().st_dev


def _megabytes(size: int) -> str:
    return f"{size / 1048576:.0f} MB"


__all__ = (
    "FILE_OPTIONS",
    "Comparison",
    "InstallError",
    "WantedInstall",
    "check_space",
    "compare",
    "fetched",
    "listed",
    "parse",
    "place",
    "prepare_staging",
    "remove_staging",
    "require_space",
    "settle",
    "verify",
)
