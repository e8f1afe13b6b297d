# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Machines to break clusters on: labs made for it, runs of playbooks, and plugs to pull."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import LAYOUTS  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.marker import read_marker  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import Lab, parse_lab  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import (  # noqa: E402
    LabPaths,
    cache_folder,
)

RUN_LIMIT = 420.0
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.*?)\]", re.MULTILINE)
_RECAP = re.compile(r"^(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)\s", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How a run of a playbook ended."""

    rc: int
    seconds: float
    changes: dict[str, int]
    text: str
    note: dict[str, t.Any] = field(default_factory=dict)

    @property
    def last_task(self) -> str:
        found = _TASK.findall(self.text)
        return found[-1] if found else "(before the first task)"


class Run:
    """A playbook at work, in a process group of its own."""

    def __init__(self, argv: t.Sequence[str], log: Path, environment: t.Mapping[str, str]) -> None:
        self._log, self._note = log, Path(environment["KLUBSTER_STOP_NOTE"])
        self._note.unlink(missing_ok=True)
        self._start = time.monotonic()
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended(self, within: float) -> bool:
        """Wait; whether it is over."""
        try:
            self._process.wait(timeout=max(0.0, within))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def task(self) -> str:
        """The task that is being worked on."""
        found = _TASK.findall(self._log.read_text(errors="replace"))
        return found[-1] if found else "(before the first task)"

    def outcome(self) -> Outcome:
        """Wait for the end; a run that never ends is ended, and failed."""
        if not self.ended(RUN_LIMIT - (time.monotonic() - self._start)):
            self.kill()
        text = self._log.read_text(errors="replace")
        note = json.loads(self._note.read_text()) if self._note.exists() else {}
        changes = {match["host"]: int(match["changed"]) for match in _RECAP.finditer(text)}
        return Outcome(self._process.returncode, time.monotonic() - self._start, changes, text, note)


class Ground:
    """A lab with its inventory.

    :param servers: how many; with three the API gets an address that moves.
    :param given: a file of variables, such as where the engine comes from.
    """

    def __init__(
        self, name: str, servers: int, agents: int, *, engine: str, folder: Path, given: Path | None = None
    ) -> None:
        self.name, self.layout, self._given = name, LAYOUTS[engine], given
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.servers = {f"server{number}": f"10.77.0.1{number}" for number in range(1, servers + 1)}
        self.agents = {f"agent{number}": f"10.77.0.2{number}" for number in range(1, agents + 1)}
        self.paths = LabPaths(name, cache_folder())
        self._backend = ContainerBackend(cache_folder())
        self._lab = self._write_inventory()

    @property
    def machines(self) -> dict[str, str]:
        return {**self.servers, **self.agents}

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    @property
    def api(self) -> str:
        """Address at which users would ask."""
        return "10.77.0.10" if len(self.servers) > 1 else next(iter(self.servers.values()))

    def root_of(self, machine: str) -> Path:
        """What a machine has written over the root file system that all share."""
        return self.paths.machines / machine / "upper"

    def begun(self) -> list[str]:
        """Servers that are part of a cluster by their own account."""
        return [name for name in self.servers if self._is_begun(name)]

    def _is_begun(self, server: str) -> bool:
        try:
            marker = read_marker(self.root_of(server) / "var/lib/klubster", self.layout.marker)
        except (OSError, ValueError, KeyError):
            return False
        return marker is not None and marker.complete

    def kubeconfig(self) -> dict[str, t.Any] | None:
        """The administrator's, from a server's disk, once the cluster is begun."""
        for name in self.begun():
            path = self.root_of(name) / self.layout.kubeconfig.lstrip("/")
            if path.exists():
                return t.cast("dict[str, t.Any]", yaml.safe_load(path.read_text()))
        return None

    # --- machines

    def fresh(self) -> None:
        """New machines; of the old ones nothing is kept."""
        self._backend.down(self.name)
        self.settings({})
        self._backend.up(self._lab)

    def up(self) -> None:
        self._backend.up(self._lab)

    def down(self) -> None:
        self._backend.down(self.name)

    def pull_plug(self, machine: str) -> None:
        self._backend.power_off(self.name, [machine])

    def plug_in(self, machine: str) -> None:
        self._backend.power_on(self.name, [machine])

    # --- runs

    def run(self, log: str, *, playbook: str = "site", stop_after: str = "", more: t.Sequence[str] = ()) -> Run:
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "faults" / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "stop_after",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "PYTHONUNBUFFERED": "1",
            "KLUBSTER_STOP_AFTER": stop_after,
            "KLUBSTER_STOP_NOTE": str(self.folder / "note.json"),
        }
        environment.pop("KLUBSTER_LAB_NAME", None)
        program = Path(sys.executable).parent / "ansible-playbook"
        argv = [str(program), "-i", str(self.inventory), str(ROOT / "playbooks" / f"{playbook}.yml"), *more]
        return Run(argv, self.folder / f"{log}.log", environment)

    def settings(self, values: t.Mapping[str, t.Any]) -> None:
        """Variables of this round, over those of the lab."""
        path = self.inventory / "group_vars" / "all" / "50-round.yml"
        path.write_text(yaml.safe_dump(dict(values)) if values else "{}\n", encoding="utf-8")

    def _write_inventory(self) -> Lab:
        # An earlier round may have been one of another engine.
        shutil.rmtree(self.inventory, ignore_errors=True)
        group_vars = self.inventory / "group_vars" / "all"
        group_vars.mkdir(parents=True)
        shutil.copy(ROOT / "inventories/lab/group_vars/all.yml", group_vars / "10-lab.yml")
        own: dict[str, t.Any] = {
            "klubster_name": self.name,
            "klubster_engine": self.layout.name,
            "klubster_api_provider": "keepalived" if len(self.servers) > 1 else "none",
            "klubster_api_address": self.api,
        }
        if self.layout.name == "k3s":
            k3s = ROOT / "inventories/lab_k3s/group_vars"
            shutil.copy(k3s / "all/20-k3s.yml", group_vars / "15-k3s.yml")
            shutil.copy(k3s / "servers.yml", group_vars.parent / "servers.yml")
        (group_vars / "20-faults.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
        if self._given is not None:
            shutil.copy(self._given, group_vars / "30-given.yml")
        groups = {**dict.fromkeys(self.servers, "servers"), **dict.fromkeys(self.agents, "agents")}
        data = {
            "plugin": "kateskit.klubster.lab",
            "name": self.name,
            "segments": {"lan": {"network": "10.77.0.0/24"}},
            "machines": {
                name: {"groups": [groups[name]], "addresses": {"lan": address}}
                for name, address in self.machines.items()
            },
        }
        (self.inventory / "lab.yml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return parse_lab(data)


__all__ = ("LAYOUTS", "ROOT", "Ground", "Outcome", "Run")
