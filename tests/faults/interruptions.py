# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Kill site.yml at random moments, again and again, then let it finish and hold it to what it promises.

Every run starts from what the killed one left. The seed reproduces the moments. The last two runs are whole:
the first must succeed, the second must change nothing. Verification from outside is the caller's next step.
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
    ended_before: bool


def command(inventory: Path) -> list[str]:
    return [str(ROOT / ".venv/bin/ansible-playbook"), "-i", str(inventory), str(ROOT / "playbooks/site.yml")]


def interrupt(inventory: Path, seconds: float, log: Path) -> Interruption:
    """Start site.yml and kill the controller's whole process group after ``seconds``."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command(inventory),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(timeout=seconds)
            ended = True
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            ended = False
    tasks = _TASK.findall(log.read_text(errors="replace"))
    return Interruption(round(seconds, 2), tasks[-1] if tasks else "(before the first task)", ended)


def finish(inventory: Path, log: Path) -> dict[str, int]:
    """A whole run; returns the number of changes by machine, or raises with the end of what it printed."""
    with log.open("wb") as stream:
        done = subprocess.run(
            command(inventory),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            timeout=900,
            check=False,
        )
    text = log.read_text(errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"site.yml did not repair what was interrupted; see {log}:\n{text[-4000:]}")
    return {match["host"]: int(match["changed"]) for match in _RECAP.finditer(text)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", type=Path, default=ROOT / "inventories/lab")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=6, help="how many runs to kill")
    parser.add_argument("--longest", type=float, default=75.0, help="seconds after which a run is killed at the latest")
    parser.add_argument("--output", type=Path, default=ROOT / "build/interruptions")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    # The moments only have to be reproducible, not unpredictable.
    moments = random.Random(options.seed)
    killed: list[Interruption] = []
    for number in range(options.count):
        killed.append(
            interrupt(options.inventory, moments.uniform(2, options.longest), options.output / f"run{number}.log")
        )
        print(f"{number + 1:3d}  killed after {killed[-1].seconds:6.2f} s in: {killed[-1].task}", flush=True)
    start = time.monotonic()
    finish(options.inventory, options.output / "repair.log")
    repaired = time.monotonic() - start
    changes = finish(options.inventory, options.output / "rerun.log")
    report = {
        "seed": options.seed,
        "killed": [asdict(entry) for entry in killed],
        "repair_seconds": round(repaired, 1),
        "rerun_changes": changes,
    }
    (options.output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"repaired in {repaired:.1f} s; changes of the run after it: {changes}")
    if not changes or any(changes.values()):
        sys.exit("the run after the repair still changed something")


if __name__ == "__main__":
    main()
