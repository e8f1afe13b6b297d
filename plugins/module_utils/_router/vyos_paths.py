# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""VyOS's commands as paths: ``set protocols bgp system-as '65010'`` is four words."""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

Path = tuple[str, ...]
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=-]+")


class Unreadable(KlubsterError):
    """This is not what ``show configuration commands`` prints."""


def parse(text: str) -> frozenset[Path]:
    """The paths that ``show configuration commands`` prints.

    :raises Unreadable: a line that is no command of it.
    """
    found = set()
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            words = shlex.split(line)
        except ValueError as exc:
            raise Unreadable(f"A quote is open in what the router printed: {_start(line)}") from exc
        if len(words) < 2 or words[0] != "set":
            raise Unreadable(f"The router printed something that is no 'set' command: {_start(line)}")
        found.add(tuple(words[1:]))
    return frozenset(found)


def join(path: t.Iterable[str]) -> str:
    """A path as it is typed. Values with a quote are refused long before."""
    return " ".join(word if _PLAIN.fullmatch(word) else f"'{word}'" for word in path)


def _start(line: str) -> str:
    """Where a line begins; its end may be a secret."""
    return " ".join(line.split()[:3])


__all__ = ("Path", "Unreadable", "join", "parse")
