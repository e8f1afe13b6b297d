# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Mode, owner and group of one file, as a user writes them and as they are."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._difference import Difference
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem


@dataclass(frozen=True)
class FileAttributes:
    """What a file shall have; -1 leaves an owner or group as it is."""

    mode: int
    uid: int = -1
    gid: int = -1

    @classmethod
    def parse(cls, mode: str, owner: str | None, group: str | None) -> FileAttributes:
        """Octal digits, and names or numbers.

        :raises InvalidInput: names everything that cannot be right.
        """
        problems: list[Problem] = []
        found = cls(_mode(mode, problems), _number(owner, "owner", problems), _number(group, "group", problems))
        if problems:
            raise InvalidInput(problems)
        return found

    def compare(self, path: Path, difference: Difference) -> None:
        """Add what differs from ``path``; a file that is not there differs in nothing but its mode."""
        have = path.lstat() if path.is_symlink() or path.exists() else None
        difference.add("mode", want=f"{self.mode:04o}", have=f"{stat.S_IMODE(have.st_mode):04o}" if have else None)
        if self.uid >= 0:
            difference.add("owner", want=self.uid, have=have.st_uid if have else None)
        if self.gid >= 0:
            difference.add("group", want=self.gid, have=have.st_gid if have else None)

    def like(self, path: Path) -> FileAttributes:
        """These, with owner and group of the file that is to be replaced where none are given."""
        try:
            have = path.lstat()
        except FileNotFoundError:
            return self
        return replace(
            self,
            uid=have.st_uid if self.uid < 0 else self.uid,
            gid=have.st_gid if self.gid < 0 else self.gid,
        )

    def apply(self, path: Path) -> None:
        """Set them on a file that is there."""
        os.chown(path, self.uid, self.gid)
        # After chown, which takes the setuid bit away.
        path.chmod(self.mode)


def _mode(text: str, problems: list[Problem]) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        problems.append(Problem("mode", text, "is not octal digits in quotes.", 'Write it like "0644".'))
    return mode


def _number(name: str | None, variable: t.Literal["owner", "group"], problems: list[Problem]) -> int:
    if name is None:
        return -1
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if variable == "owner" else grp.getgrnam(name).gr_gid
    except KeyError:
        problems.append(Problem(variable, name, "is not known on this machine.", "Create it first, or give a number."))
        return -1


__all__ = ("FileAttributes",)
