# SPDX-License-Identifier: Apache-2.0
"""Real machines that cannot become a cluster, one mistake at a time: refused by name, with nothing changed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "plugins" / "module_utils" / "_bundle"))
from small_bundle import flip_a_bit, make  # noqa: E402 - needs the path

ENVIRONMENT = {**os.environ, "KLUBSTER_LAB_NAME": "preflight", "ANSIBLE_NOCOLOR": "1"}
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@dataclass(frozen=True)
class Mistake:
    """What is done to a machine and undone again, and the words in which it is refused."""

    machine: str
    make: str
    mend: str
    words: tuple[str, ...]
    problems: int = 1


THIEF = (
    "systemd-run --quiet --unit=thief python3 -m http.server 10250;"
    " timeout 10 sh -c 'until ss -Hltn sport = :10250 | grep -q .; do sleep 0.1; done'"
)
DROP = "nft add table inet wall; nft 'add chain inet wall in { type filter hook input priority 0; }';"
MISTAKES: dict[str, Mistake] = {
    "full disk": Mistake(
        "agent1",
        "mkdir -p /var/lib/klubster && mount -t tmpfs -o size=1m full /var/lib/klubster",
        "umount /var/lib/klubster && rmdir /var/lib/klubster",
        ("free disk space of agent1 = '1 MiB'", "/var/lib/klubster", "needs 700 MiB free", "Free space on it"),
    ),
    "read-only file system": Mistake(
        "agent1",
        "mkdir -p /opt/cni/bin && mount -t tmpfs -o ro,size=999m fixed /opt/cni/bin",
        "umount /opt/cni/bin && rmdir -p --ignore-fail-on-non-empty /opt/cni/bin",
        ("file system of agent1", "mounted read-only", "Mount it read-write"),
    ),
    "port of another program": Mistake(
        "agent2",
        THIEF,
        "systemctl stop thief",
        ("TCP port of agent2 = 10250", "python3 listens there", "Stop that program"),
    ),
    "two machines with one name": Mistake(
        "agent2",
        "hostname server1",
        "hostname agent2",
        ("hostname of agent2 = 'server1'", "server1 has the same", "hostnamectl"),
    ),
    "cloned machine": Mistake(
        "agent2",
        "cp /etc/machine-id /root/own-id; umask 022; printf '%s\\n' {machine_id} > /etc/machine-id",
        "cat /root/own-id > /etc/machine-id; rm /root/own-id",
        ("machine-id of agent2", "server1 has the same", "/etc/machine-id and reboot"),
    ),
    "no memory controller": Mistake(
        "agent2",
        "umount -l /sys/fs/cgroup/memory",
        "mount -t cgroup -o memory memory /sys/fs/cgroup/memory",
        ("cgroup controllers of agent2", "The controllers memory are needed (cgroup v1)", "cgroup_enable=memory"),
    ),
    "firewall between machines": Mistake(
        "agent1",
        f"{DROP} nft add rule inet wall in tcp dport 10250 drop",
        "nft delete table inet wall",
        (
            "network of server1 = 'agent1 (10.77.0.21)'",
            "TCP port 10250: no answer in 5 s",
            "network of agent2",
            "firewalls",
        ),
        problems=2,
    ),
    "remains of k3s": Mistake(
        "agent1",
        "touch /usr/local/bin/k3s",
        "rm /usr/local/bin/k3s",
        ("machine state of agent1 = 'k3s'", "its own uninstaller"),
    ),
    "remains of a cluster": Mistake(
        "server1",
        "mkdir -p /etc/kubernetes/manifests && touch /etc/kubernetes/manifests/etcd.yaml",
        "rm -r /etc/kubernetes",
        ("machine state of server1 = '/etc/kubernetes/manifests'", "not ours", "kubeadm reset"),
    ),
    "node of another cluster": Mistake(
        "agent1",
        "mkdir -p /etc/kubernetes && echo '    server: https://api.other.internal:6443' > /etc/kubernetes/kubelet.conf",
        "rm -r /etc/kubernetes",
        ("machine state of agent1 = 'api.other.internal:6443'", "not to the one at api.lab.internal:6443"),
    ),
}


def playbook(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "inventories/lab",
        f"playbooks/{name}.yml",
        *arguments,
    ]
    return subprocess.run(argv, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


def on_machine(machine: str, command: str) -> str:
    """What the command printed."""
    argv = [
        str(Path(sys.executable).parent / "ansible"),
        "-i",
        "inventories/lab",
        machine,
        "-m",
        "ansible.builtin.shell",
        "-a",
        command,
    ]
    done = subprocess.run(argv, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.partition(">>")[2].strip()


@pytest.fixture(scope="module")
def machines() -> t.Iterator[None]:
    done = playbook("lab_up")
    assert done.returncode == 0, done.stdout + done.stderr
    yield
    done = playbook("lab_down")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make(tmp_path / "bundle", ARCH)


def refused(done: subprocess.CompletedProcess[str], words: t.Sequence[str], problems: int) -> None:
    """What happened is a refusal in these words and in no others, and no machine was changed."""
    assert done.returncode == 2, done.stdout + done.stderr
    head = "1 problem" if problems == 1 else f"{problems} problems"
    assert f"{head} in the input; nothing was changed." in done.stdout, done.stdout
    for word in words:
        assert word in done.stdout, done.stdout
    assert "changed=0" in done.stdout
    assert not any(f"changed={count}" in done.stdout for count in range(1, 10))


def test_good_machines_pass(machines: None, bundle: Path) -> None:
    done = playbook("preflight", "-e", f"klubster_bundle_dir={bundle}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_refused_by_name(machines: None, bundle: Path, mistake: Mistake) -> None:
    on_machine(mistake.machine, mistake.make.replace("{machine_id}", on_machine("server1", "cat /etc/machine-id")))
    try:
        done = playbook("preflight", "-e", f"klubster_bundle_dir={bundle}")
    finally:
        on_machine(mistake.machine, mistake.mend)
    refused(done, mistake.words, mistake.problems)


def test_a_flipped_bit_is_refused(machines: None, bundle: Path) -> None:
    assert playbook("preflight", "-e", f"klubster_bundle_dir={bundle}").returncode == 0
    flip_a_bit(bundle / "bin" / "kubelet")
    done = playbook("preflight", "-e", f"klubster_bundle_dir={bundle}")
    refused(done, (f"klubster_bundle_dir = '{bundle}/bin/kubelet'", "sha256", "Build it anew"), 1)


def test_a_bundle_for_other_machines_is_refused(machines: None, bundle: Path) -> None:
    path = bundle / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8")) | {"arch": "riscv64"}
    path.write_text(json.dumps(data), encoding="utf-8")
    done = playbook("preflight", "-e", f"klubster_bundle_dir={bundle}")
    refused(done, ("architecture of server1", "are for riscv64", f"Build a bundle for {ARCH}"), 3)


def test_no_bundle_is_refused(machines: None, tmp_path: Path) -> None:
    done = playbook("preflight", "-e", f"klubster_bundle_dir={tmp_path}/none")
    refused(done, ("manifest.json is missing", "playbooks/bundle.yml"), 1)


def test_the_plan_is_a_table_and_changes_nothing(machines: None, bundle: Path) -> None:
    done = playbook("plan", "-e", f"klubster_bundle_dir={bundle}")
    assert done.returncode == 0, done.stdout
    assert "cluster        lab: 1 server(s), 2 agent(s)" in done.stdout
    for word in ("server1", "agent1", "agent2", "bare", "7 of 7 programs installed, joined"):
        assert word in done.stdout
    assert "changed=0" in done.stdout
