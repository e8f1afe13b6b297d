# SPDX-License-Identifier: Apache-2.0
"""Measures what the project promises about time, in one run on one machine, and compares with the promises.

Without arguments everything but the bundle from nothing; with arguments only what they name. Makes labs of its own,
called bench. Writes build/bench.json and prints a table with what each figure was made from; the exit status tells
whether all promises were kept. Absolute times say something about the machine, ratios about the collection.
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

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "verify"))

import snapshot  # noqa: E402

BIN = Path(sys.executable).parent
RESULT = ROOT / "build" / "bench.json"
LOGS = ROOT / "build" / "reports" / "bench"


@dataclass(frozen=True)
class Promise:
    """A figure that may not be exceeded."""

    figure: str
    limit: float
    unit: str
    #: what it was made from
    inputs: tuple[str, ...] = ()


PROMISES = (
    Promise("bundle_unchanged", 5.0, "s"),
    Promise("bundle_cold", 25 * 60.0, "s"),
    Promise("machines_up", 8.0, "s"),
    Promise("cold_to_floor", 1.5, "", ("cold", "floor")),
    Promise("noop_to_cold", 0.06, "", ("noop", "cold")),
    Promise("noop_changed", 0.0, "tasks"),
    Promise("noop_restarted", 0.0, "processes"),
    Promise("ha_cold_to_floor", 1.4, "", ("ha_cold", "ha_floor")),
    Promise("ha_noop_to_cold", 0.06, "", ("ha_noop", "ha_cold")),
    Promise("ha_noop_changed", 0.0, "tasks"),
    Promise("ha_noop_restarted", 0.0, "processes"),
    Promise("ha_add_to_cold", 0.4, "", ("ha_add", "ha_cold")),
    Promise("ha_rolling_failed", 0.0, "requests", ("ha_rolling_requests", "ha_rolling", "ha_rolling_api_gap")),
    Promise("cpu_per_host", 0.4, "s", ("hosts_few_cpu", "hosts_many_cpu")),
)


RATIOS = (
    ("cold_to_floor", "cold", "floor"),
    ("noop_to_cold", "noop", "cold"),
    ("ha_cold_to_floor", "ha_cold", "ha_floor"),
    ("ha_noop_to_cold", "ha_noop", "ha_cold"),
    ("ha_add_to_cold", "ha_add", "ha_cold"),
)
#: how often nothing to do is measured; the median counts
NOOPS = 3
#: the inventories of Molecule's scenarios with three servers
INVENTORIES = {"k3s": "lab_k3s", "kubeadm": "lab_ha"}


def spare_inventory(engine: str) -> Path:
    """An inventory with a machine more, which is no node yet."""
    folder = ROOT / "build" / "bench-ha"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "inventories" / INVENTORIES[engine], folder)
    lab = yaml.safe_load((folder / "lab.yml").read_text())
    lab["machines"]["agent3"] = {"groups": ["spare"], "addresses": {"lan": "10.77.0.23"}}
    (folder / "lab.yml").write_text(yaml.safe_dump(lab, sort_keys=False))
    return folder


def employ(folder: Path) -> None:
    """Let the spare machine be an agent."""
    lab = yaml.safe_load((folder / "lab.yml").read_text())
    lab["machines"]["agent3"]["groups"] = ["agents"]
    (folder / "lab.yml").write_text(yaml.safe_dump(lab, sort_keys=False))


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
        self.inventory: tuple[str, ...] = ()
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
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"{name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        print(f" {seconds:.1f} s", flush=True)
        if done.returncode != 0:
            raise SystemExit(f"{name} failed; see {LOGS / name}.log\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        self.samples.setdefault(name, []).append(seconds)
        return done.stdout

    def play(self, name: str, *arguments: str, more: t.Mapping[str, str] | None = None) -> str:
        return self.timed(name, ["ansible-playbook", *self.inventory, *arguments], more)

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

    def floor(self, name: str) -> None:
        argv = ["python", "tests/benchmarks/floor.py", *self.inventory]
        floor = json.loads(self.timed(f"{name}_process", argv))
        self.samples.setdefault(name, []).append(floor["seconds"])
        self.details[f"{name}_marks"] = floor["marks"]

    def nothing_to_do(self, name: str) -> None:
        """Run again: how long it takes, whether it says that it changed something, and whether a process is another."""
        before = self.look(f"{name}_before")
        # A few seconds, of which a busy machine takes its part.
        output = "".join(self.play(name, "playbooks/site.yml") for _run in range(NOOPS))
        changed = sum(int(count) for count in re.findall(r"changed=(\d+)", output))
        self.samples.setdefault(f"{name}_changed", []).append(changed)
        found = snapshot.compare("restarted", before, self.look(f"{name}_after"))
        self.samples.setdefault(f"{name}_restarted", []).append(len(found))
        self.details[f"{name}_restarted"] = found

    def look(self, name: str) -> Path:
        """What runs on each machine."""
        folder = LOGS / "looks" / name
        shutil.rmtree(folder, ignore_errors=True)
        given = json.dumps({"look_folder": str(folder), "look_name": name})
        self.play(f"look_{name}", "molecule/look/look.yml", "-e", given)
        return folder

    def cluster(self) -> None:
        self.inventory = ()
        self.fresh_machines()
        self.floor("floor")
        self.fresh_machines()
        self.play("cold", "playbooks/site.yml")
        self.nothing_to_do("noop")

    def high_availability(self, engine: str, *, begin_only: bool = False) -> None:
        """Three servers and two agents, then one agent more, then a changed key on all of them."""
        folder = spare_inventory(engine)
        self.inventory = ("--inventory", str(folder))
        self.fresh_machines()
        self.floor("ha_floor")
        self.fresh_machines()
        self.play("ha_cold", "playbooks/site.yml")
        if begin_only:
            return
        self.nothing_to_do("ha_noop")
        employ(folder)
        self.play("ha_add", "playbooks/site.yml")
        argv = ["python", "tests/benchmarks/rolling.py", *self.inventory]
        rolling = json.loads(self.timed("ha_rolling_process", argv))
        self.details["ha_rolling"] = rolling
        for name, value in (
            ("ha_rolling", rolling["seconds"]),
            ("ha_rolling_requests", rolling["requests"]),
            ("ha_rolling_failed", len(rolling["failed"])),
            ("ha_rolling_api_gap", rolling["api_gap"]),
        ):
            self.samples.setdefault(name, []).append(value)
        self.play("machines_down", "playbooks/lab_down.yml")
        self.inventory = ()

    def hosts(self, few: int, many: int) -> None:
        argv = ["python", "tests/benchmarks/hosts.py", f"--few={few}", f"--many={many}"]
        found = json.loads(self.timed("hosts", argv))
        self.details["hosts"] = found
        self.samples["hosts_few_cpu"] = [found["machines"][str(few)]["cpu"]]
        self.samples["hosts_many_cpu"] = [found["machines"][str(many)]["cpu"]]
        self.samples["cpu_per_host"] = [found["cpu_per_host"]]

    def figures(self) -> dict[str, float]:
        medians = {name: statistics.median(values) for name, values in self.samples.items()}
        for figure, over, under in RATIOS:
            if over in medians and under in medians:
                medians[figure] = medians[over] / medians[under]
        return {name: round(value, 3) for name, value in medians.items()}


def table(figures: t.Mapping[str, float]) -> tuple[str, bool]:
    lines = [f"{'figure':<20}{'measured':>12}{'goal':>12}  verdict       made from"]
    good = True
    for promise in PROMISES:
        if promise.figure not in figures:
            lines.append(f"{promise.figure:<20}{'-':>12}{promise.limit:>12g}  not measured")
            continue
        kept = figures[promise.figure] <= promise.limit
        good = good and kept
        inputs = ", ".join(f"{name} {figures[name]:g}" for name in promise.inputs if name in figures)
        verdict = "PASS" if kept else "MISSED"
        measured = f"{promise.figure:<20}{figures[promise.figure]:>12.3f}{promise.limit:>12g}"
        lines.append(f"{measured}  {verdict:<12}  {inputs}".rstrip())
    promised = {promise.figure for promise in PROMISES}
    lines += [f"{name:<20}{value:>12.2f}" for name, value in sorted(figures.items()) if name not in promised]
    return "\n".join(lines), good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cold-bundle", action="store_true", help="also build everything from nothing (about 20 minutes)"
    )
    parser.add_argument("--bundle", action="store_true", help="the bundle, unchanged")
    parser.add_argument("--site", action="store_true", help="one server and two agents by kubeadm")
    parser.add_argument("--ha", action="store_true", help="three servers, two agents: cold, again, add, rolling change")
    parser.add_argument("--engine", choices=sorted(INVENTORIES), default="k3s", help="for --ha; k3s is the stand-in")
    parser.add_argument("--begin-only", action="store_true", help="of --ha only the floor and the cold run")
    parser.add_argument("--hosts", action="store_true", help="the controller's processor time for one more machine")
    parser.add_argument("--few", type=int, default=5)
    parser.add_argument("--many", type=int, default=50)
    parser.add_argument("--runs", type=int, default=1, help="how often clusters and floors are measured; medians count")
    chosen = parser.parse_args()
    everything = not (chosen.bundle or chosen.site or chosen.ha or chosen.hosts or chosen.cold_bundle)
    bench = Bench()
    try:
        if everything or chosen.bundle or chosen.cold_bundle:
            bench.bundle(chosen.cold_bundle)
        for _run in range(chosen.runs):
            if everything or chosen.site:
                bench.cluster()
            if everything or chosen.ha:
                bench.high_availability(chosen.engine, begin_only=chosen.begin_only)
        if everything or chosen.hosts:
            bench.hosts(chosen.few, chosen.many)
    finally:
        bench.inventory = ()
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
                "engine_of_ha": chosen.engine,
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
