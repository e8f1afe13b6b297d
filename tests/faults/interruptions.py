# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Kill site.yml at random moments, then let it finish and hold it to what it promises, again and again.

A round begins with machines without a cluster, kills one to three runs, each of which starts from what the one before
left, and ends with two whole runs: the first must succeed, the second must change nothing. Then the cluster is reset.
A run that ended before its moment came is no interruption and is not counted. The seed reproduces the moments.
The last round's cluster stays; to verify it from outside is the caller's next step.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.*?)\]", re.MULTILINE)
_RECAP = re.compile(
    r"^(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)\s",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Interruption:
    """One killed run: after how many seconds, and in which task."""

    seconds: float
    task: str


@dataclass(frozen=True)
class Round:
    """What was killed, how long the repair took, and what the run after it still changed."""

    killed: tuple[Interruption, ...]
    repair_seconds: float
    rerun_changes: dict[str, int]


def command(inventory: Path, playbook: str, *more: str) -> list[str]:
    program = ROOT / ".venv/bin/ansible-playbook"
    return [str(program), "-i", str(inventory), str(ROOT / "playbooks" / f"{playbook}.yml"), *more]


def interrupt(inventory: Path, seconds: float, log: Path) -> Interruption | None:
    """Start site.yml and kill the controller's whole process group after ``seconds``; None when it ended before."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command(inventory, "site"),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        else:
            return None
    tasks = _TASK.findall(log.read_text(errors="replace"))
    return Interruption(round(seconds, 2), tasks[-1] if tasks else "(before the first task)")


def finish(inventory: Path, log: Path, playbook: str = "site", *more: str) -> dict[str, int]:
    """A whole run; returns the number of changes by machine, or raises with the end of what it printed."""
    with log.open("wb") as stream:
        done = subprocess.run(
            command(inventory, playbook, *more),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            timeout=900,
            check=False,
        )
    text = log.read_text(errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"{playbook}.yml did not repair what was interrupted; see {log}:\n{text[-4000:]}")
    return {match["host"]: int(match["changed"]) for match in _RECAP.finditer(text)}


def one_round(options: argparse.Namespace, moments: random.Random, number: int, most: int) -> Round:
    """Kill, repair, run again."""
    killed: list[Interruption] = []
    for attempt in range(min(moments.randint(1, 3), most)):
        log = options.output / f"round{number}-killed{attempt}.log"
        found = interrupt(options.inventory, moments.uniform(2, options.longest), log)
        if found is None:
            break
        killed.append(found)
        print(f"round {number}: killed after {found.seconds:6.2f} s in: {found.task}", flush=True)
    start = time.monotonic()
    finish(options.inventory, options.output / f"round{number}-repair.log")
    repaired = time.monotonic() - start
    changes = finish(options.inventory, options.output / f"round{number}-rerun.log")
    print(f"round {number}: repaired in {repaired:.1f} s; changes of the run after it: {changes}", flush=True)
    return Round(tuple(killed), round(repaired, 1), changes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", type=Path, default=ROOT / "inventories/lab")
    parser.add_argument("--name", default="lab", help="name of the cluster, so that it may be reset")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=6, help="how many runs to kill")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds after which a run is killed at the latest")
    parser.add_argument("--output", type=Path, default=ROOT / "build/interruptions")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    # The moments only have to be reproducible, not unpredictable.
    moments = random.Random(options.seed)
    rounds: list[Round] = []
    left = options.count
    while left > 0:
        finish(options.inventory, options.output / "reset.log", "reset", "-e", f"klubster_reset={options.name}")
        rounds.append(one_round(options, moments, len(rounds) + 1, left))
        left -= len(rounds[-1].killed)
    report = {"seed": options.seed, "rounds": [asdict(entry) for entry in rounds]}
    (options.output / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    unsettled = [entry for entry in rounds if not entry.rerun_changes or any(entry.rerun_changes.values())]
    print(f"{options.count - left} interruptions in {len(rounds)} rounds, {len(rounds) - len(unsettled)} repaired")
    if unsettled:
        sys.exit("a run after a repair still changed something")


if __name__ == "__main__":
    main()
