# SPDX-License-Identifier: Apache-2.0
"""The inventories that ship are good ones, and those of the environments differ in data alone."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import Parsed, parse

INVENTORIES = Path(__file__).resolve().parents[3] / "inventories"
ENVIRONMENTS = ("dev", "integration", "staging", "production")


@functools.cache
def read(name: str) -> Parsed:
    program = Path(sys.executable).parent / "ansible-inventory"
    argv = [str(program), "-i", f"inventories/{name}", "--list"]
    shown = subprocess.run(argv, cwd=INVENTORIES.parent, capture_output=True, text=True, check=True).stdout
    data = json.loads(shown)
    groups = {group: entry.get("hosts", []) for group, entry in data.items() if group != "_meta"}
    return parse(data["_meta"]["hostvars"], groups)


@pytest.mark.parametrize("name", ["home", *ENVIRONMENTS])
def test_an_inventory_that_ships_is_good(name: str) -> None:
    parsed = read(name)
    assert parsed.spec.name == name
    assert parsed.warnings == ()
    assert parsed.spec.load_balancer.pools


@pytest.mark.parametrize("name", ["home", *ENVIRONMENTS, "lab"])
def test_plan_takes_it_and_goes_to_its_machines(name: str, tmp_path: Path) -> None:
    """Nobody has these machines; that they are asked for at all is what comes after a plan."""
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nexit 255\n", encoding="utf-8")
    ssh.chmod(0o755)
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", f"inventories/{name}", "playbooks/plan.yml"]
    environment = {
        **os.environ,
        "ANSIBLE_SSH_EXECUTABLE": str(ssh),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
        "ANSIBLE_SSH_RETRIES": "0",
    }
    done = subprocess.run(
        argv, cwd=INVENTORIES.parent, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    plan, dummy, machines = done.stdout.partition("Look at the machine]")
    assert "failed=1" not in done.stdout, done.stdout
    assert "UNREACHABLE" in machines, done.stdout + done.stderr
    assert "problem" not in plan


def test_environments_share_one_file_of_defaults() -> None:
    for name in ENVIRONMENTS:
        shared = INVENTORIES / name / "group_vars" / "all" / "shared.yml"
        assert shared.resolve() == INVENTORIES / "shared" / "all.yml"
        assert sorted(path.name for path in (INVENTORIES / name).rglob("*.yml")) == [
            "cluster.yml",
            "hosts.yml",
            "shared.yml",
        ]


def test_environments_differ_in_data_alone() -> None:
    specs = [read(name).spec for name in ENVIRONMENTS]
    assert len({(spec.engine.version, spec.networks, spec.cni, spec.storage) for spec in specs}) == 1
    assert len({machine.address for spec in specs for machine in spec.machines}) == sum(
        len(spec.machines) for spec in specs
    )


def test_home_can_be_copied_as_it_is() -> None:
    assert not any(path.is_symlink() for path in (INVENTORIES / "home").rglob("*"))
