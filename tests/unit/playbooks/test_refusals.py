# SPDX-License-Identifier: Apache-2.0
"""Bad inventories through the real ansible-playbook: refused before any machine was touched."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "plugins" / "module_utils" / "_model"))
from inventories import BAD, Bad, good  # noqa: E402 - needs the path

CHOSEN = (
    "unknown variable",
    "pool inside the pod network",
    "two machines with one address",
    "batch text",
    "no machine at all",
    "taint effect misspelt",
    "peer with its password",
    "password with a blank",
)


class Playbook(t.Protocol):
    def __call__(self, name: str, hosts: t.Any, groups: t.Any, *arguments: str) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def playbook(tmp_path: Path) -> Playbook:
    """Runs a playbook with a static inventory. Machines would be reached by a program that leaves a trace."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {tmp_path}/touched\nexit 255\n", encoding="utf-8")
    ssh.chmod(0o755)

    def run(name: str, hosts: t.Any, groups: t.Any, *arguments: str) -> subprocess.CompletedProcess[str]:
        children = {group: {"hosts": dict.fromkeys(members)} for group, members in groups.items() if group != "all"}
        inventory = tmp_path / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts, "children": children}}), encoding="utf-8")
        environment = {
            **os.environ,
            "ANSIBLE_SSH_EXECUTABLE": str(ssh),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        argv = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            str(inventory),
            f"playbooks/{name}.yml",
            *arguments,
        ]
        return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return run


def _untouched(tmp_path: Path) -> bool:
    return not (tmp_path / "touched").exists() and not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", CHOSEN)
def test_a_bad_inventory_is_refused_before_anything_is_touched(playbook: Playbook, tmp_path: Path, name: str) -> None:
    bad: Bad = BAD[name]
    done = playbook("plan", *bad.inventory())
    assert done.returncode == 2, done.stdout + done.stderr
    assert "nothing was changed" in done.stdout
    for part in (bad.variable, bad.rule, bad.remedy):
        assert part in done.stdout, done.stdout
    assert "changed=0" in done.stdout
    assert _untouched(tmp_path)


def test_an_unknown_extra_variable_is_refused(playbook: Playbook, tmp_path: Path) -> None:
    done = playbook("plan", *good(), "-e", "klubster_bach=3")
    assert done.returncode == 2
    assert "klubster_bach = '3': There is no such variable. Did you mean 'klubster_batch'?" in done.stdout
    assert _untouched(tmp_path)


def test_site_refuses_with_the_same_words(playbook: Playbook, tmp_path: Path) -> None:
    bad = BAD["pools share a name"]
    done = playbook("site", *bad.inventory())
    assert done.returncode == 2
    assert bad.rule in done.stdout
    assert _untouched(tmp_path)


def test_a_value_that_needs_what_is_not_there(playbook: Playbook, tmp_path: Path) -> None:
    hosts, groups = good()
    hosts["node2"]["klubster_address"] = "{{ lan_address }}"
    done = playbook("plan", hosts, groups)
    assert done.returncode == 2
    assert "klubster_address of node2" in done.stdout
    assert "It cannot be computed" in done.stdout
    assert _untouched(tmp_path)


def test_a_good_inventory_goes_on_to_the_machines(playbook: Playbook, tmp_path: Path) -> None:
    """Proves that the trace would be seen: here the machines are reached for."""
    done = playbook("plan", *good())
    assert done.returncode != 0
    assert "Read and validate the cluster" in done.stdout
    assert "nothing was changed" not in done.stdout
    assert (tmp_path / "touched").exists()


def test_the_plan_is_shown_and_what_cannot_be_is_refused(playbook: Playbook, tmp_path: Path) -> None:
    """Two names for this very machine: looked at for real, and told apart from two machines."""
    hosts, groups = good()
    for name in ("node1", "node2"):
        hosts[name] |= {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
        }
    done = playbook("plan", hosts, groups | {"agents": ["node2"]})
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cluster        home: 1 server(s), 1 agent(s)" in done.stdout
    assert "would be" in done.stdout
    assert "hostname of node2" in done.stdout
    assert "klubster_address of node1 = '192.168.1.11': The machine has no such address" in done.stdout
    assert "manifest.json is missing" in done.stdout
    assert "changed=0" in done.stdout
    assert _untouched(tmp_path)
