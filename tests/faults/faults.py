# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Interrupt site.yml in every way, let it finish, and hold it to what it promises.

A round begins with machines without a cluster (or, with ``--labs ha``, after the first round with a living one whose
settings change), is interrupted several times, each time meeting what the interruption before left, and ends with two
whole runs: the first must repair everything, the second must change nothing. All the while somebody writes objects.

Kinds of interruption:
  stop        the run ends (kill -9) right after a task that changes something; all such tasks take their turn
  controller  the run is killed (kill -9) at a random moment
  machine     a random machine's plug is pulled at a random moment, and put in again seconds later

Results are added to build/faults.json; build/faults.txt is the table. The seed and a round's number decide all of it:
``--round N`` plays one again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ground import LAYOUTS, ROOT, Ground, Outcome
from record import Interruption, Round, load, save, table
from witness import Witness

KINDS = ("stop", "controller", "machine")
RESULT = ROOT / "build" / "faults.json"
LOGS = ROOT / "build" / "faults"
#: seconds that every run takes, also one with nothing to do
_SOON = 4.0


class Faults:
    """The rounds on one lab."""

    def __init__(self, ground: Ground, options: argparse.Namespace) -> None:
        self.ground, self.options = ground, options
        self.alive = False
        self._survey = LOGS / f"survey-{options.engine}-{ground.name}.json"

    # --- what a whole run does

    def survey(self) -> dict[str, t.Any]:
        """The tasks of a run from bare machines that change something, and how long that takes; measured once."""
        if not self._survey.exists():
            print("a whole run, to see which tasks change something ...", flush=True)
            self.ground.fresh()
            outcome = self.ground.run("survey").outcome()
            if outcome.rc != 0:
                raise SystemExit(f"site.yml fails without any interruption: {outcome.text[-3000:]}")
            stops = [entry for entry in outcome.note["tasks"] if entry["changed"]]
            self._survey.write_text(json.dumps({"seconds": outcome.seconds, "stops": stops}, indent=1))
            print(f"{len(stops)} tasks change something; {outcome.seconds:.0f} s", flush=True)
        return t.cast("dict[str, t.Any]", json.loads(self._survey.read_text()))

    # --- a round

    def plan(self, number: int, kinds: t.Sequence[str]) -> tuple[list[str], list[str]]:
        """Kinds of a round's interruptions, and the tasks after which it is stopped."""
        if self.options.short:
            # Early enough that the other two kinds find work.
            return ["stop", "machine", "controller"], [f"changed#{1 + number % 4}"]
        keys = [stop["key"] for stop in self.survey()["stops"]] if "stop" in kinds else []
        return plan_of(number, kinds, self.options.chain, keys, self.options.seed)

    def round(self, number: int, kinds: t.Sequence[str], stops: t.Sequence[str]) -> Round:
        """:param stops: tasks for the interruptions of kind stop, in the order of a run."""
        chance = random.Random(f"{self.options.seed}/{self.ground.name}/{number}")
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        entry = Round(number, self.options.seed, self.options.engine, self.ground.name, began)
        length = self._begin(number)
        waiting = list(stops)
        with Witness(self.ground) as witness:
            for attempt, kind in enumerate(kinds):
                log = f"round{number}-{attempt}-{kind}"
                if kind == "stop":
                    found = self._stop(log, waiting.pop(0))
                else:
                    found = self._at_random(log, kind, chance, length)
                    if found is None and self.options.short:
                        # A quick machine was done before; a short round needs each kind.
                        found = self._at_random(f"{log}-sooner", kind, chance, _SOON)
                if found is None:
                    # The run ended before its moment: that was no interruption.
                    continue
                entry.interruptions.append(found)
                where = f" on {found.machine}" if found.machine else ""
                print(f"round {number}: {kind}{where} after {found.seconds:5.1f} s in: {found.task}", flush=True)
            self._finish(number, entry, witness)
        self.alive = entry.good and self.options.lab == "ha"
        print(
            f"round {number}: {'well' if entry.good else 'NOT WELL'}; repaired in {entry.repair_seconds:.0f} s, then "
            f"{sum(entry.rerun_changes.values())} changes; {entry.acknowledged} acknowledged, {len(entry.lost)} lost"
            + (f"; longest gap {entry.gap:.1f} s" if entry.gap_judged else ""),
            flush=True,
        )
        return entry

    def _at_random(self, log: str, kind: str, chance: random.Random, length: float) -> Interruption | None:
        """An interruption within that many seconds; nothing when the run ended before."""
        if kind == "controller":
            return self._kill(log, chance.uniform(1, length))
        machine = chance.choice(sorted(self.ground.machines))
        return self._pull(log, machine, chance.uniform(1, length), chance.uniform(0.2, 6))

    def _begin(self, number: int) -> float:
        """Machines to interrupt; returns within how many seconds."""
        if not self.alive:
            self.ground.fresh()
            if self.options.lab == "ha" or self.options.short:
                return float(self.options.longest)
            return min(self.options.longest, float(self.survey()["seconds"]))
        # A living cluster is given work: kubelet's and kube-proxy's settings, labels, and another range of addresses.
        own = {
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "evictionHard": {"imagefs.available": "1Gi", "memory.available": "100Mi", "nodefs.available": "1Gi"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "maxPods": 100 + number % 50,
        }
        last = 200 + number % 40
        settings: dict[str, t.Any] = {
            "klubster_kubelet_config": own,
            "klubster_labels": {"klubster.kateskit.dev/round": str(number)},
            "klubster_pools": [{"name": "lan", "addresses": [f"10.77.0.150-10.77.0.{last}"]}],
        }
        if self.options.engine == "kubeadm":
            settings["klubster_kube_proxy_config"] = {
                "conntrack": {"maxPerCore": 0, "min": 0},
                "iptables": {"minSyncPeriod": f"{1 + number % 3}s"},
            }
        self.ground.settings(settings)
        return 25.0

    def _stop(self, log: str, key: str) -> Interruption | None:
        start = time.monotonic()
        outcome = self.ground.run(log, stop_after=key).outcome()
        if outcome.note.get("stopped") != key:
            return None
        return Interruption("stop", outcome.note["tasks"][-1]["name"], round(time.monotonic() - start, 1))

    def _kill(self, log: str, seconds: float) -> Interruption | None:
        run = self.ground.run(log)
        if run.ended(seconds):
            return None
        run.kill()
        return Interruption("controller", run.task(), round(seconds, 1))

    def _pull(self, log: str, machine: str, seconds: float, dark: float) -> Interruption | None:
        run = self.ground.run(log)
        if run.ended(seconds):
            return None
        self.ground.pull_plug(machine)
        task = run.task()
        run.ended(dark)
        self.ground.plug_in(machine)
        run.outcome()
        return Interruption("machine", task, round(seconds, 1), machine)

    def _finish(self, number: int, entry: Round, witness: Witness) -> None:
        repair = self.ground.run(f"round{number}-repair").outcome()
        entry.repaired, entry.repair_seconds = repair.rc == 0, round(repair.seconds, 1)
        if repair.rc != 0:
            entry.failure = f"the repair failed in: {repair.last_task}; see round{number}-repair.log"
            return
        again: Outcome = self.ground.run(f"round{number}-again").outcome()
        entry.rerun_changes = again.changes if again.rc == 0 else {}
        try:
            seen = witness.close()
        except OSError as exc:
            entry.failure = str(exc)
            return
        entry.acknowledged, entry.lost = seen.acknowledged, seen.lost
        entry.gap, entry.gap_judged = seen.longest_gap, seen.judged_gap


def plan_of(
    number: int, kinds: t.Sequence[str], chain: int, keys: t.Sequence[str], seed: int
) -> tuple[list[str], list[str]]:
    """Kinds of a round's interruptions, and the tasks after which it is stopped.

    With stops alone, round after round takes tasks a third of the list apart, so that all have their turn soon.
    """
    if tuple(kinds) == ("stop",):
        step = -(-len(keys) // chain)
        first = (number + seed) % step
        chosen = [keys[position] for position in range(first, len(keys), step)]
        return ["stop"] * len(chosen), chosen
    chance = random.Random(f"kinds/{seed}/{number}")
    wanted = list(kinds) if chain >= len(kinds) else []
    wanted += [chance.choice(list(kinds)) for _one in range(chain - len(wanted))]
    chance.shuffle(wanted)
    chosen = sorted(chance.sample(range(len(keys)), wanted.count("stop"))) if keys else []
    return wanted, [keys[position] for position in chosen]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=sorted(LAYOUTS), default="kubeadm")
    parser.add_argument("--lab", choices=("pair", "ha"), default="pair", help="1 server + 1 agent, or 3 + 2")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which kinds, by commas")
    parser.add_argument("--count", type=int, default=6, help="how many interruptions")
    parser.add_argument("--chain", type=int, default=4, help="interruptions in a round")
    parser.add_argument("--minutes", type=float, default=600, help="no round is begun later than that")
    parser.add_argument(
        "--longest",
        type=float,
        help="seconds after which a run from bare machines is interrupted at the latest; 60, with three servers 100",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, help="play this round again, and no other")
    parser.add_argument("--short", action="store_true", help="one round in which each kind occurs, for CI")
    parser.add_argument("--keep", action="store_true", help="leave the machines running")
    parser.add_argument("--name", help="the lab's name")
    parser.add_argument("--vars", type=Path, help="a file of variables, such as where the engine comes from")
    options = parser.parse_args()
    if options.short:
        options.chain, options.count, options.lab, options.kinds = 3, 1, "pair", ",".join(KINDS)
        options.longest = options.longest or 25.0
    options.longest = options.longest or (100.0 if options.lab == "ha" else 60.0)
    kinds = [kind for kind in options.kinds.split(",") if kind]
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}")
    LOGS.mkdir(parents=True, exist_ok=True)
    servers, agents = (3, 2) if options.lab == "ha" else (1, 1)
    ground = Ground(
        options.name or f"faults-{options.lab}", servers, agents, engine=options.engine, folder=LOGS, given=options.vars
    )
    faults = Faults(ground, options)
    rounds = load(RESULT)
    mine = [entry.number for entry in rounds if (entry.seed, entry.lab) == (options.seed, ground.name)]
    number = options.round or max(mine, default=0) + 1
    end, left, good = time.monotonic() + options.minutes * 60, options.count, True
    try:
        while left > 0 and time.monotonic() < end:
            entry = faults.round(number, *faults.plan(number, kinds))
            rounds = [*load(RESULT), entry]
            save(RESULT, rounds)
            # A round that interrupted nothing, or a short one without one of the kinds, shows nothing.
            shown = {one.kind for one in entry.interruptions}
            good = good and entry.good and bool(shown) and (not options.short or shown == set(KINDS))
            left -= max(1, len(entry.interruptions))
            number += 1
            if options.round:
                break
    finally:
        if not options.keep:
            ground.down()
    print(f"\n{table(rounds)}\n\n{RESULT.relative_to(ROOT)} written")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
