# SPDX-License-Identifier: Apache-2.0
"""Measures what the project promises about time, in one run on one machine, and compares with the promises.

Makes a lab of its own, called bench. Writes build/bench.json and prints a table; the exit status tells whether all
promises were kept. Absolute times say something about the machine, ratios about the collection.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
RESULT = ROOT / "build" / "bench.json"
LOGS = ROOT / "build" / "reports" / "bench"


@dataclass(frozen=True)
class Promise:
    """A figure that may not be exceeded."""

    figure: str
    limit: float
    unit: str


PROMISES = (
    Promise("bundle_unchanged", 5.0, "s"),
    Promise("bundle_cold", 25 * 60.0, "s"),
    Promise("machines_up", 8.0, "s"),
    Promise("cold_to_floor", 1.5, ""),
    Promise("noop_to_cold", 0.10, ""),
    Promise("noop_changed", 0.0, ""),
)


class Bench:
    def __init__(self) -> None:
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "KLUBSTER_LAB_NAME": "bench",
        }
        self.samples: dict[str, list[float]] = {}
        self.details: dict[str, t.Any] = {}

    def timed(self, name: str, argv: t.Sequence[str], more: t.Mapping[str, str] | None = None) -> str:
        """Run a command, keep its time and its log; stop everything when it fails."""
        print(f"  {name} ...", end="", flush=True)
        start = time.monotonic()
        done = subprocess.run(
            [str(BIN / argv[0]), *argv[1:]],
            cwd=ROOT,
            env={**self.environment, **(more or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"{name}.log").write_text(done.stdout, encoding="utf-8")
        print(f" {seconds:.1f} s", flush=True)
        if done.returncode != 0:
            raise SystemExit(f"{name} failed; see {LOGS / name}.log\n{done.stdout[-3000:]}")
        self.samples.setdefault(name, []).append(seconds)
        return done.stdout

    def play(self, name: str, *playbooks: str, more: t.Mapping[str, str] | None = None) -> str:
        return self.timed(name, ["ansible-playbook", *playbooks], more)

    def bundle(self, cold: bool) -> None:
        if cold:
            # Nothing of an earlier build: no component, no Go build cache, no downloaded module.
            folder = ROOT / "build" / "cold"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            more = {"XDG_CACHE_HOME": str(folder), "GOPATH": str(folder / "go"), "GOFLAGS": "-modcacherw"}
            self.play("bundle_cold", "playbooks/bundle.yml", more=more)
            shutil.rmtree(folder, ignore_errors=True)
        self.play("bundle_first", "playbooks/bundle.yml")
        self.play("bundle_unchanged", "playbooks/bundle.yml")

    def fresh_machines(self) -> None:
        self.play("machines_down", "playbooks/lab_down.yml")
        self.play("machines_up", "playbooks/lab_up.yml")

    def cluster(self) -> None:
        self.fresh_machines()
        floor = json.loads(self.timed("floor_process", ["python", "tests/benchmarks/floor.py"]))
        self.samples.setdefault("floor", []).append(floor["seconds"])
        self.details["floor_marks"] = floor["marks"]
        self.fresh_machines()
        self.play("cold", "playbooks/site.yml")
        output = self.play("noop", "playbooks/site.yml")
        changed = sum(int(count) for count in re.findall(r"changed=(\d+)", output))
        self.samples.setdefault("noop_changed", []).append(changed)

    def figures(self) -> dict[str, float]:
        medians = {name: statistics.median(values) for name, values in self.samples.items()}
        if {"cold", "floor", "noop"} <= set(medians):
            medians["cold_to_floor"] = medians["cold"] / medians["floor"]
            medians["noop_to_cold"] = medians["noop"] / medians["cold"]
        return {name: round(value, 3) for name, value in medians.items()}


def table(figures: t.Mapping[str, float]) -> tuple[str, bool]:
    lines = [f"{'figure':<20}{'measured':>12}{'limit':>12}  verdict"]
    good = True
    for promise in PROMISES:
        if promise.figure not in figures:
            lines.append(f"{promise.figure:<20}{'-':>12}{promise.limit:>12g}  not measured")
            continue
        kept = figures[promise.figure] <= promise.limit
        good = good and kept
        verdict = "kept" if kept else "BROKEN"
        lines.append(f"{promise.figure:<20}{figures[promise.figure]:>12.2f}{promise.limit:>12g}  {verdict}")
    promised = {promise.figure for promise in PROMISES}
    lines += [f"{name:<20}{value:>12.2f}" for name, value in sorted(figures.items()) if name not in promised]
    return "\n".join(lines), good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cold-bundle", action="store_true", help="also build everything from nothing (about 20 minutes)"
    )
    parser.add_argument("--runs", type=int, default=1, help="how often floor and cluster are measured; medians count")
    chosen = parser.parse_args()
    bench = Bench()
    try:
        bench.bundle(chosen.cold_bundle)
        for _run in range(chosen.runs):
            bench.cluster()
    finally:
        bench.play("machines_down", "playbooks/lab_down.yml")
    figures = bench.figures()
    text, good = table(figures)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()
    RESULT.write_text(
        json.dumps(
            {
                "figures": figures,
                "samples": bench.samples,
                "details": bench.details,
                "promises": [asdict(promise) for promise in PROMISES],
                "machine": {"cores": os.cpu_count(), "kernel": os.uname().release, "load_at_end": load},
                "kept": good,
            },
            indent=1,
        )
        + "\n",
        encoding="utf-8",
    )
    print(f"\n{text}\n\n{RESULT.relative_to(ROOT)} written")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
