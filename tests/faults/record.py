# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What was interrupted and what became of it: kept in a file that later invocations add to, shown as a table."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass, field
from pathlib import Path

#: seconds in which no server may answer: an election, on a machine with two busy processors
LONGEST_GAP = 20.0


@dataclass(frozen=True)
class Interruption:
    """One run that did not end as it wished."""

    kind: str
    task: str
    seconds: float
    machine: str = ""


@dataclass
class Round:
    """Interruptions one after the other, each meeting what the one before left; then a run that must repair all."""

    number: int
    seed: int
    engine: str
    lab: str
    began: str
    interruptions: list[Interruption] = field(default_factory=list)
    repaired: bool = False
    repair_seconds: float = 0.0
    rerun_changes: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    gap: float = 0.0
    gap_judged: bool = False
    failure: str = ""

    @property
    def settled(self) -> bool:
        """Whether the run after the repair changed nothing, on any machine."""
        return bool(self.rerun_changes) and not any(self.rerun_changes.values())

    @property
    def quorum_lost(self) -> bool:
        return self.gap_judged and self.gap > LONGEST_GAP

    @property
    def good(self) -> bool:
        return self.repaired and self.settled and not self.lost and not self.quorum_lost and not self.failure


def load(path: Path) -> list[Round]:
    if not path.exists():
        return []
    rounds = []
    for entry in json.loads(path.read_text(encoding="utf-8"))["rounds"]:
        known = {name: value for name, value in entry.items() if name in Round.__dataclass_fields__}
        known["interruptions"] = [Interruption(**one) for one in entry["interruptions"]]
        rounds.append(Round(**known))
    return rounds


def save(path: Path, rounds: t.Sequence[Round]) -> None:
    data = {
        "interruptions": sum(len(entry.interruptions) for entry in rounds),
        "rounds": [{**asdict(entry), "good": entry.good} for entry in rounds],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    path.with_suffix(".txt").write_text(table(rounds) + "\n", encoding="utf-8")


def table(rounds: t.Sequence[Round]) -> str:
    """A line for each interruption, then the sums."""
    lines = [f"{'round':>5} {'lab':<13}{'kind':<12}{'after':>7}  {'machine':<9}{'task':<58}{'round is'}"]
    for entry in rounds:
        for one in entry.interruptions:
            lines.append(
                f"{entry.number:>5} {entry.lab:<13}{one.kind:<12}{one.seconds:>5.1f} s  {one.machine:<9}"
                f"{one.task[:56]:<58}{'well' if entry.good else 'NOT WELL'}"
            )
    kinds = [one.kind for entry in rounds for one in entry.interruptions]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
    gaps = [entry.gap for entry in rounds if entry.gap_judged]
    lines += [
        "",
        f"interruptions          {len(kinds)} ({counts}) in {len(rounds)} rounds",
        f"rounds repaired        {sum(entry.repaired for entry in rounds)}",
        f"then without a change  {sum(entry.settled for entry in rounds)}",
        f"acknowledged objects   {sum(entry.acknowledged for entry in rounds)}",
        f"lost objects           {sum(len(entry.lost) for entry in rounds)}",
        f"quorum losses          {sum(entry.quorum_lost for entry in rounds)} of {len(gaps)} rounds with three servers"
        + (f"; longest time without an answer {max(gaps):.1f} s" if gaps else ""),
    ]
    lines += [f"round {entry.number}: {entry.failure}" for entry in rounds if entry.failure]
    return "\n".join(lines)


__all__ = ("LONGEST_GAP", "Interruption", "Round", "load", "save", "table")
