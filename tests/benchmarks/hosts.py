# SPDX-License-Identifier: Apache-2.0
"""How much of the controller's processor one more machine costs in a run that has nothing to do.

Usage: hosts.py [--few 5] [--many 50]; prints JSON. Starts the machines (containers, without a cluster) and settles them
with site.yml's layer machine. Then it runs noop.yml, which is what a run of site.yml with nothing to do does on each
machine: the plan, the one look for all layers, the choice of hosts for plays that then have none. Counted is the
processor time of ansible-playbook with everything that it starts, kept SSH connections included, but not that of the
machines. What a run does for the cluster as a whole is not among it: it is the same for any number of machines.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import cache_folder  # noqa: E402

NAME = "bench-hosts"
FOLDER = ROOT / "build" / "bench-hosts"
#: version 1 of control groups counts in nanoseconds, version 2 in microseconds
GROUPS = (
    (Path("/sys/fs/cgroup/cpuacct"), "cpuacct.usage", 1e9),
    (Path("/sys/fs/cgroup"), "cpu.stat", 1e6),
)


class Account:
    """A control group that adds up the processor time of a command and of all that comes of it."""

    def __init__(self) -> None:
        root, self._file, self._unit = next(row for row in GROUPS if (row[0] / row[1]).exists())
        self._group = root / f"klubster-{NAME}"
        self._group.mkdir(exist_ok=True)

    def seconds(self) -> float:
        text = (self._group / self._file).read_text()
        fields = text.split()
        return float(fields[1] if fields[0] == "usage_usec" else fields[0]) / self._unit

    def run(self, argv: t.Sequence[str], log: Path) -> tuple[float, float]:
        """Processor time and time of a command."""
        before, start = self.seconds(), time.monotonic()
        procs = self._group / "cgroup.procs"
        # The machines are those of this lab, whatever lab the caller is at.
        environment = {name: value for name, value in os.environ.items() if name != "KLUBSTER_LAB_NAME"}
        with log.open("wb") as stream:
            done = subprocess.run(
                ["sh", "-c", f'echo $$ > {procs} && exec "$@"', "sh", *argv],
                cwd=ROOT,
                env={
                    **environment,
                    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
                    "ANSIBLE_NOCOLOR": "1",
                },
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise SystemExit(f"The run failed; see {log}\n{log.read_text(errors='replace')[-3000:]}")
        return self.seconds() - before, time.monotonic() - start

    def close(self) -> None:
        """What is left in it are SSH connections, which end with the lab."""
        self._group.rmdir()


def inventory(count: int) -> tuple[Path, dict[str, t.Any]]:
    """One server, and agents."""
    folder = FOLDER / f"inventory-{count}"
    group_vars = folder / "group_vars" / "all"
    group_vars.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "inventories/lab/group_vars/all.yml", group_vars / "10-lab.yml")
    (group_vars / "20-hosts.yml").write_text(yaml.safe_dump({"klubster_name": NAME}))
    machines = {"server1": {"groups": ["servers"], "addresses": {"lan": "10.77.0.11"}}}
    for number in range(1, count):
        machines[f"agent{number}"] = {"groups": ["agents"], "addresses": {"lan": f"10.77.0.{20 + number}"}}
    data: dict[str, t.Any] = {
        "plugin": "kateskit.klubster.lab",
        "name": NAME,
        "segments": {"lan": {"network": "10.77.0.0/24"}},
        "machines": machines,
    }
    (folder / "lab.yml").write_text(yaml.safe_dump(data, sort_keys=False))
    return folder, data


@contextlib.contextmanager
def room_for_neighbours(count: int) -> t.Iterator[None]:
    """Each machine asks each other one, and containers share the neighbour table of their computer's kernel."""
    limits = [Path(f"/proc/sys/net/ipv4/neigh/default/gc_thresh{number}") for number in (1, 2, 3)]
    before = {limit: limit.read_text() for limit in limits}
    wanted = 2 * count * count
    try:
        # The greatest first: each has to stay below the next.
        for limit in reversed(limits):
            if int(before[limit]) < wanted:
                limit.write_text(str(wanted))
        yield
    finally:
        for limit in limits:
            limit.write_text(before[limit])


def measure(count: int, runs: int) -> dict[str, float]:
    folder, data = inventory(count)
    lab = parse_lab(data)
    backend = ContainerBackend(cache_folder(), ready_timeout=300)
    account = Account()
    playbook = [str(BIN / "ansible-playbook"), "-i", str(folder)]
    settle = (str(ROOT / "playbooks/site.yml"), "--tags", "machine")
    look = (str(ROOT / "tests/benchmarks/noop.yml"),)
    try:
        backend.up(lab)
        account.run([*playbook, *settle], FOLDER / f"settle-{count}.log")
        found = [account.run([*playbook, *look], FOLDER / f"run-{count}-{number}.log") for number in range(runs)]
    finally:
        backend.down(NAME)
        account.close()
    median = sorted(found)[len(found) // 2]
    return {"cpu": median[0], "wall": median[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=5)
    parser.add_argument("--many", type=int, default=50)
    parser.add_argument("--runs", type=int, default=1, help="how often each is measured; medians count")
    chosen = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with room_for_neighbours(chosen.many):
        found = {count: measure(count, chosen.runs) for count in (chosen.few, chosen.many)}
    more = chosen.many - chosen.few
    result = {
        "machines": found,
        "cpu_per_host": (found[chosen.many]["cpu"] - found[chosen.few]["cpu"]) / more,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
