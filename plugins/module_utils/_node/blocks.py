# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A marked block of lines in a file that belongs to somebody else."""

from __future__ import annotations

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


class BlockError(KlubsterError):
    """The marks in the file do not pair."""


def marks(name: str) -> tuple[str, str]:
    """The lines that stand around a block."""
    return f"# BEGIN klubster {name}", f"# END klubster {name}"


def with_block(text: str, name: str, lines: str | None) -> str:
    """``text`` with the block ``name`` holding ``lines``; without the block when ``lines`` is None.

    A new block goes to the end. Everything outside the marks stays as it is, byte for byte.

    :raises BlockError: one of the marks is missing or there are several.
    """
    head, tail = marks(name)
    begin, end = _span(text, head, tail)
    if lines is None:
        return text if begin is None else text[:begin] + text[end:]
    body = lines if not lines or lines.endswith("\n") else lines + "\n"
    block = f"{head}\n{body}{tail}\n"
    if begin is not None:
        return text[:begin] + block + text[end:]
    # A last line without its newline must not swallow the mark.
    joint = "" if not text or text.endswith("\n") else "\n"
    return text + joint + block


def block_of(text: str, name: str) -> str | None:
    """The lines inside the block; None when there is no such block."""
    head, tail = marks(name)
    begin, end = _span(text, head, tail)
    if begin is None or end is None:
        return None
    return text[begin + len(head) + 1 : text.rindex(tail, begin, end)]


def _span(text: str, head: str, tail: str) -> tuple[int | None, int | None]:
    begins, ends = _positions(text, head), _positions(text, tail)
    if not begins and not ends:
        return None, None
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise BlockError(
            f"The marks '{head}' and '{tail}' do not pair: {len(begins)} and {len(ends)} of them. "
            "Remove the remains by hand; the block is written anew."
        )
    stop = ends[0] + len(tail)
    return begins[0], stop + 1 if text[stop : stop + 1] == "\n" else stop


def _positions(text: str, line: str) -> list[int]:
    found: list[int] = []
    position = 0
    for row in text.splitlines(keepends=True):
        if row.rstrip("\r\n") == line:
            found.append(position)
        position += len(row)
    return found


__all__ = ("BlockError", "block_of", "marks", "with_block")
