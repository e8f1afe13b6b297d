# SPDX-License-Identifier: Apache-2.0
"""A cluster under k3s comes up with every secret that a user can give it, talking as much as Ansible can; none is said.
Then one is planted in each place, and has to be found.

Goes by name, with the stand-in's release in the cache (docs/testing.md): `pytest tests/lab/test_k3s_secrets.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
DEFINITION = {
    "plugin": "kateskit.klubster.lab",
    "name": "k3s-secrets",
    "segments": {"lan": {"network": "10.85.0.0/24"}},
    "machines": {
        "server1": {"groups": ["servers"], "addresses": {"lan": "10.85.0.11"}},
        "agent1": {"groups": ["agents"], "addresses": {"lan": "10.85.0.21"}},
    },
}
AGENT_TOKEN = "agents-come-in-by-this-word-alone"
GIVEN: dict[str, t.Any] = {
    "klubster_pools": [{"name": "lan", "addresses": ["10.85.0.200-10.85.0.220"]}],
    "klubster_token": "servers-come-in-by-this-word-alone",
    "klubster_agent_token": AGENT_TOKEN,
    "klubster_secrets_encryption": True,
    "klubster_k3s_registries": {
        "mirrors": {"docker.io": {"endpoint": ["https://registry.example.org"]}},
        "configs": {"registry.example.org": {"auth": {"username": "reader", "password": "readers-pass-word"}}},
    },
    "klubster_proxy": {"https": "http://out:ward-bound-pass@proxy.example.org:3128", "images_only": True},
    "klubster_images": [],
}


@dataclass(frozen=True)
class Cluster:
    """The inventory, what the run printed, and with what programs were started."""

    inventory: Path
    said: Path
    watched: Path


def run(*argv: str | Path, **more: t.Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, argv)), cwd=ROOT, env=ENVIRONMENT, text=True, capture_output=True, check=False, **more
    )


def playbook(inventory: Path, name: str, *options: str) -> list[str | Path]:
    return [BIN / "ansible-playbook", "-i", inventory, *options, f"playbooks/{name}.yml"]


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("secrets")
    inventory = folder / "inventory"
    (inventory / "group_vars" / "all").mkdir(parents=True)
    (inventory / "lab.yml").write_text(yaml.safe_dump(DEFINITION))
    shared = inventory / "group_vars" / "all"
    (shared / "10-lab.yml").symlink_to(ROOT / "inventories/lab/group_vars/all.yml")
    (shared / "20-k3s.yml").write_text((ROOT / "inventories/lab_k3s/group_vars/all/20-k3s.yml").read_text())
    given = shared / "30-given.yml"
    given.touch(mode=0o600)
    given.write_text(yaml.safe_dump({**GIVEN, "klubster_api_provider": "none", "klubster_api_address": "10.85.0.11"}))
    (inventory / "group_vars" / "servers.yml").symlink_to(ROOT / "inventories/lab_k3s/group_vars/servers.yml")
    up = run(*playbook(inventory, "lab_up"))
    assert up.returncode == 0, up.stdout[-3000:] + up.stderr[-3000:]
    try:
        watched, said = folder / "watched.txt", folder / "said.log"
        watch = [sys.executable, ROOT / "tests/verify/exec_watch.py", watched, "--"]
        done = run(*watch, *playbook(inventory, "site", "-vvv", "--diff"))
        said.write_text(done.stdout)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        yield Cluster(inventory, said, watched)
    finally:
        run(*playbook(inventory, "lab_down"))


def search(cluster: Cluster, said: Path, watched: Path) -> subprocess.CompletedProcess[str]:
    options = [f"--inventory={cluster.inventory}", f"--said={said}", f"--watched={watched}", "--secrets"]
    return run(BIN / "pytest", "-q", "--tb=short", "tests/verify/test_secrets_said.py", *options)


def on_agent(cluster: Cluster, command: str) -> None:
    done = run(BIN / "ansible", "-i", cluster.inventory, "agent1", "-b", "-m", "ansible.builtin.raw", "-a", command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_secret_of_k3s_is_said(living: Cluster) -> None:
    done = search(living, living.said, living.watched)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "4 passed" in done.stdout


def test_a_secret_that_is_planted_is_found_wherever_it_is(living: Cluster, tmp_path: Path) -> None:
    said, watched = tmp_path / "said.log", tmp_path / "watched.txt"
    said.write_text(f"{living.said.read_text()}\n+token: {AGENT_TOKEN}\n")
    watched.write_text(f"{living.watched.read_text()}argv k3s agent --token {AGENT_TOKEN}\n")
    on_agent(living, f"umask 022; echo {AGENT_TOKEN} > /srv/planted")
    try:
        done = search(living, said, watched)
    finally:
        on_agent(living, "rm /srv/planted")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    for name in ("started_with_a_secret", "for_root_only", "secret_was_said"):
        assert any(name in line for line in failed), done.stdout[-5000:]
    assert len(failed) == 3
    assert "/srv/planted" in done.stdout
    assert "agent-token" in done.stdout
