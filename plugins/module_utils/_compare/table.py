# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A report as rows of words, which the terminal and the page show alike."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._compare.paths import PATHS
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.report import METRICS, Report, Result, Value
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import clean

_NONE = "-"
_SHOWN = ("throughput", "round_trip_p50", "round_trip_p99", "connect_p50")


@dataclass(frozen=True)
class Block:
    """One table."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(value: Value | None, *, spread: bool = False) -> str:
    """The median, its ratio to the host's own network, and when asked the spread."""
    if value is None:
        return _NONE
    told = number(value["median"])
    if spread and value["count"] > 1:
        told += f" [{number(value['low'])}-{number(value['high'])}]"
    return told if value["ratio"] is None else f"{told} ({number(value['ratio'])}x)"


def blocks(report: Report, *, spread: bool = False) -> list[Block]:
    """Tables with numbers, what was not measured, and what the programs took."""
    measured = [choice for choice in report["choices"] if choice["state"] == "measured"]
    found = []
    if measured:
        head = ("", *(choice["name"] for choice in measured))
        for metric in METRICS if spread else _SHOWN:
            _key, title, unit, _divisor = METRICS[metric]
            rows = tuple(
                (label, *(cell(choice["paths"].get(path, {}).get(metric), spread=spread) for choice in measured))
                for path, label in PATHS.items()
            )
            found.append(Block(f"{title}, {unit}", head, rows))
        found.append(Block("NetworkPolicy", head, (("kept", *(_policy(choice) for choice in measured)),)))
        found += _cost(measured)
    found += _missing(report)
    return found


def _policy(choice: Result) -> str:
    if choice["policy"] is None:
        return f"not known: {choice['policy_reason']}"
    return "yes" if choice["policy"] else "NO, ignored"


def _cost(measured: t.Sequence[Result]) -> list[Block]:
    rows = [
        (
            choice["name"],
            machine,
            program,
            _NONE if took["cpu_percent"] is None else f"{took['cpu_percent']:.2f}",
            f"{took['memory_bytes'] / 2**20:.0f}",
        )
        for choice in measured
        for machine, programs in sorted(choice["cost"].items())
        for program, took in sorted(programs.items())
    ]
    head = ("choice", "machine", "program", "% of a core", "MiB")
    return [Block("The network's own programs, over all loads", head, tuple(rows))] if rows else []


def _missing(report: Report) -> list[Block]:
    rows = [
        (choice["name"], {"failed": "failed", "not run": "not run here"}.get(choice["state"], ""), choice["reason"])
        for choice in report["choices"]
        if choice["state"] != "measured"
    ]
    rows += [
        (choice["name"], PATHS.get(path, path), reason)
        for choice in report["choices"]
        for path, reason in choice["missing"].items()
    ]
    return [Block("Not measured", ("choice", "what", "why"), tuple(rows))] if rows else []


def render(report: Report) -> str:
    """As lines for a terminal."""
    name = clean(report["cluster"])
    lines = [f"Pod networks of {name}: medians; in brackets the ratio to the host's own network, same machines"]
    for block in blocks(report):
        lines += ["", block.title]
        lines += _lines(block)
    return "\n".join(lines)


def _lines(block: Block) -> list[str]:
    rows = [tuple(clean(word) for word in row) for row in (block.head, *block.rows)]
    # Reasons may be long: the last column is as wide as it likes.
    widths = [max(len(row[index]) for row in rows) for index in range(len(block.head) - 1)]
    return [
        ("  " + "  ".join([*(word.ljust(width) for word, width in zip(row, widths)), row[-1]])).rstrip() for row in rows
    ]


__all__ = ("Block", "blocks", "cell", "number", "render")
