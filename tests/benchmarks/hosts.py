# SPDX-License-Identifier: Apache-2.0
"""How much of the controller's processor one more machine costs in a run that has nothing to do.

Usage: hosts.py [--few 5] [--many 50]; prints JSON. Starts the machines (containers, without a cluster), lets site.yml
look at all of them as a run without work does (plan, preflight, machine, engine), and counts the processor time of
ansible-playbook with everything that it starts, kept SSH connections included, but not that of the machines.
"""

from __future__ import annotations

import argparse
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
# What a machine with nothing to do says of itself; without a cluster it cannot.
NOTHING_LACKING = {
    "lacking": [],
    "node": {"phase": "complete", "api_ready": True, "ca_hash": "sha256:0", "kube_proxy": "same"},
    "kube_proxy_wanted": "same",
}


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
        with log.open("wb") as stream:
            done = subprocess.run(
                ["sh", "-c", f'echo $$ > {procs} && exec "$@"', "sh", *argv],
                cwd=ROOT,
                env={
                    **os.environ,
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


def measure(count: int, runs: int) -> dict[str, float]:
    folder, data = inventory(count)
    lab = parse_lab(data)
    backend = ContainerBackend(cache_folder(), ready_timeout=300)
    account = Account()
    variables = json.dumps({"engine_node": NOTHING_LACKING})
    playbook = [str(BIN / "ansible-playbook"), "-i", str(folder), str(ROOT / "playbooks/site.yml")]
    look = ("--check", "--tags", "preflight,machine,engine", "-e", variables)
    try:
        backend.up(lab)
        # The first run also makes the connections, as every first run of a day does.
        found = [account.run([*playbook, *look], FOLDER / f"run-{count}-{number}.log") for number in range(runs + 1)]
    finally:
        backend.down(NAME)
        account.close()
    later = sorted(found[1:])[len(found[1:]) // 2]
    return {"cpu_first": found[0][0], "wall_first": found[0][1], "cpu": later[0], "wall": later[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=5)
    parser.add_argument("--many", type=int, default=50)
    parser.add_argument("--runs", type=int, default=1, help="how often a run with connections made is measured")
    chosen = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = {count: measure(count, chosen.runs) for count in (chosen.few, chosen.many)}
    more = chosen.many - chosen.few
    result = {
        "machines": found,
        "cpu_per_host": (found[chosen.many]["cpu"] - found[chosen.few]["cpu"]) / more,
        "cpu_per_host_first": (found[chosen.many]["cpu_first"] - found[chosen.few]["cpu_first"]) / more,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
