# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import errno
import typing as t
from dataclasses import dataclass


class KlubsterError(Exception):
    """Anything the collection knows how to explain to its user; ``main`` turns it into ``fail_json``."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with what the user gave.

    :param variable: the variable's name as the user writes it, with an index or a host where it helps.
    :param value: the value as found.
    :param rule: what holds for it.
    :param remedy: what to do about it.
    """

    variable: str
    value: t.Any
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.variable} = {self.value!r}: {self.rule} {self.remedy}"


def reason(exc: Exception) -> str:
    """What to tell the user of something that went wrong, the likely cause first."""
    code = exc.errno if isinstance(exc, OSError) else None
    where = f" of {exc.filename}" if isinstance(exc, OSError) and exc.filename else ""
    if code in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full. Free some space on the file system{where}, then run again.\n{exc}"
    if code == errno.EROFS:
        return f"The file system{where} is mounted read-only. Mount it read-write, or repair it.\n{exc}"
    return str(exc)


class InvalidInput(KlubsterError):
    """The input breaks rules; carries every problem found, so that one run shows them all."""

    def __init__(self, problems: t.Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        lines = [f"{head} in the input; nothing was changed."]
        lines += [f"  - {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))


class EngineError(KlubsterError):
    """The engine did not do what it should; the message begins with the likely cause."""


class CommandFailed(KlubsterError):
    """A program ended with an unexpected exit status."""

    def __init__(self, argv: t.Sequence[str], rc: int, stdout: str, stderr: str) -> None:
        self.argv, self.rc, self.stdout, self.stderr = tuple(argv), rc, stdout, stderr
        said = (stderr.strip() or stdout.strip())[-2000:]
        super().__init__(f"{argv[0]} ended with exit status {rc}: {said}")


__all__ = ("CommandFailed", "EngineError", "InvalidInput", "KlubsterError", "Problem", "reason")
