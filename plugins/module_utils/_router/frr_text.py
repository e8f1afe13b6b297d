# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""FRR's configuration as a tree of lines, whatever they mean."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

#: what ends a block and says nothing else
_ENDS = ("exit", "end", "exit-address-family", "exit-vrf")
#: how a block is closed, by the first word of its header
_CLOSED_BY = {"address-family": "exit-address-family", "vrf": "exit-vrf"}
#: headers of blocks: they are closed even when nothing is in them, else what follows would be read as theirs
_BLOCKS = ("router", "interface", "route-map", "bfd", "vrf", "profile", "peer", "address-family", "line")

Path = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A line, with the lines that are inside of it."""

    text: str
    inside: tuple[Entry, ...] = ()

    def paths(self) -> list[Path]:
        """Every line under this one with all that it is in, itself first."""
        found: list[Path] = [(self.text,)]
        for entry in self.inside:
            found += [(self.text, *path) for path in entry.paths()]
        return found


def parse(text: str) -> tuple[Entry, ...]:
    """What ``show running-config`` prints, or what is in frr.conf; comments and empty lines are left out."""
    lines = []
    for raw in text.splitlines():
        line = raw.strip()
        if line in ("Building configuration...", "Current configuration:") or line.startswith("!") or not line:
            continue
        lines.append((len(raw) - len(raw.lstrip()), line))
    entries, dummy = _inside(lines, 0, 0)
    return entries


def _inside(lines: list[tuple[int, str]], start: int, depth: int) -> tuple[tuple[Entry, ...], int]:
    made: list[Entry] = []
    at = start
    while at < len(lines):
        indent, line = lines[at]
        if indent < depth:
            break
        if line in _ENDS:
            at += 1
            continue
        at += 1
        children: tuple[Entry, ...] = ()
        if at < len(lines) and lines[at][0] > indent and lines[at][1] not in _ENDS:
            children, at = _inside(lines, at, lines[at][0])
        made.append(Entry(line, children))
    return tuple(made), at


def write(entries: t.Iterable[Entry]) -> str:
    """The entries as a configuration file."""
    lines: list[str] = []
    last = ""
    for entry in entries:
        kind = entry.text.split(" ")[0]
        if entry.inside or kind in _BLOCKS or kind != last:
            lines.append("!")
        lines += _written(entry, 0)
        last = kind
    return "\n".join([*lines, "!", ""])


def _written(entry: Entry, depth: int) -> list[str]:
    indent = " " * depth
    lines = [indent + entry.text]
    for child in entry.inside:
        lines += _written(child, depth + 1)
    if entry.inside or entry.text.split(" ")[0] in _BLOCKS:
        lines.append(indent + _CLOSED_BY.get(entry.text.split(" ")[0], "exit"))
    return lines


def paths(entries: t.Iterable[Entry]) -> frozenset[Path]:
    """All lines, each with what it is in. Blocks in which there is something are not lines of their own."""
    found: set[Path] = set()
    for entry in entries:
        inner = [path for child in entry.inside for path in child.paths()]
        found.update((entry.text, *path) for path in inner)
        if not inner:
            found.add((entry.text,))
    return frozenset(found)


__all__ = ("Entry", "Path", "parse", "paths", "write")
