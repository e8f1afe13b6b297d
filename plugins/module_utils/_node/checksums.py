# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Files in the format of sha256sum: a sum and a name on each line."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

_LINE = re.compile(r"(?P<sum>[0-9A-Fa-f]{64}) [ *](?P<name>\S(?:.*\S)?)")
_SUM = re.compile(r"[0-9A-Fa-f]{64}")


class ChecksumListError(KlubsterError):
    """A list of sums cannot be used."""


def is_sha256(text: str) -> bool:
    """Whether ``text`` is a sha256 in hexadecimal digits."""
    return bool(_SUM.fullmatch(text))


def parse(content: bytes, source: str) -> dict[str, str]:
    """Name -> sha256 of every line. A list with one bad line is refused as a whole: it may have been cut off there.

    :param source: where it comes from, for messages.
    :raises ChecksumListError: names the line, or the name that occurs twice.
    """
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as exc:
        raise ChecksumListError(f"{source} is no text; a list of sums was expected.") from exc
    if lines.pop() != "":
        raise ChecksumListError(f"{source} does not end with a line end: it was cut off, or is no list of sums.")
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        if not found:
            raise ChecksumListError(
                f"{source}, line {number}: {line[:80]!r} is not '<64 hexadecimal digits>  <name>'. "
                "Is it the list of sums, and not a page of a proxy?"
            )
        name = found["name"]
        if name in sums:
            raise ChecksumListError(f"{source}, line {number}: {name!r} occurs twice.")
        sums[name] = found["sum"].lower()
    if not sums:
        raise ChecksumListError(f"{source} is empty.")
    return sums


def pick(sums: t.Mapping[str, str], name: str, source: str) -> str:
    """The sum of one name.

    :raises ChecksumListError: the list does not name it; says what it names.
    """
    try:
        return sums[name]
    except KeyError as exc:
        listed = ", ".join(sorted(sums)[:8]) + (", …" if len(sums) > 8 else "")
        raise ChecksumListError(f"{source} has no sum for {name!r}; it names {listed}.") from exc


__all__ = ("ChecksumListError", "is_sha256", "parse", "pick")
