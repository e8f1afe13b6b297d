# SPDX-License-Identifier: Apache-2.0
"""A join or a start that fails on real machines: the first line that the play prints is the cause.

One server makes a cluster; then one thing at a time is put wrong for the agent, which must be told by name. What
preflight would refuse is also put wrong after it (--skip-tags preflight): a machine can go wrong in between. The last
fault is one that a cluster does not outlive. All of it takes minutes: `--all-causes` asks for what is not in every run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_bundle_dir
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.certificates import public_key_hash

ROOT = Path(__file__).resolve().parents[2]
NAME = "causes"
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "KLUBSTER_LAB_NAME": NAME, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
MACHINES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "klubster/labs" / NAME / "machines"
_SAID = re.compile(r"^\[ERROR\]: Task failed: (?:Module failed: |Action failed: )?(?P<first>.*)$", re.MULTILINE)


def playbook(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [str(BIN / "ansible-playbook"), "-i", "inventories/lab", f"playbooks/{name}.yml", *arguments]
    return subprocess.run(argv, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=400, check=False)


def on(machine: str, command: str) -> str:
    """Run a shell line on a machine; returns what it printed."""
    argv = [str(BIN / "ansible"), "-i", "inventories/lab", machine, "-m", "ansible.builtin.shell", "-a", command]
    done = subprocess.run(argv, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.partition(">>")[2].strip()


@dataclass
class Cluster:
    """The living server, and what an invitation to it holds."""

    ca_hash: str
    token: str

    def invitation(self, **wrong: str) -> str:
        right = {"endpoint": "api.lab.internal:6443", "token": self.token, "ca_hash": self.ca_hash}
        return json.dumps({"__engine_invitation": {"invitation": {**right, "certificate_key": "", **wrong}}})


@pytest.fixture(scope="module")
def cluster() -> t.Iterator[Cluster]:
    done = playbook("lab_up")
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        done = playbook("site", "--limit", "server1,lab_controller", "--tags", "preflight,machine,engine")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        ca = (MACHINES / "server1/upper/etc/kubernetes/pki/ca.crt").read_text(encoding="ascii")
        yield Cluster(public_key_hash(ca), on("server1", "kubeadm token create 2>/dev/null").splitlines()[-1])
    finally:
        done = playbook("lab_down")
        assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Fault:
    """What is put wrong and where, and how the first line begins.

    :param invitation: what of the invitation is wrong.
    :param after_preflight: whether it happens when preflight has passed.
    :param always: whether it is provoked in every run of the tests.
    """

    cause: str
    machine: str = "agent1"
    make: str = "true"
    mend: str = "true"
    invitation: dict[str, str] = field(default_factory=dict)
    after_preflight: bool = False
    always: bool = False


WALL = "nft add table inet wall; nft 'add chain inet wall in { type filter hook input priority 0; }';"
THIEF = (
    "systemd-run --quiet --unit=thief python3 -m http.server 10250;"
    " timeout 10 sh -c 'until ss -Hltn sport = :10250 | grep -q .; do sleep 0.1; done'"
)
#: every Python program of the machine lives a minute ahead; containers cannot have a clock of their own
AHEAD = "/usr/lib/python3/dist-packages/ahead.pth"
NODE = (
    'printf \'{"apiVersion":"v1","kind":"Node","metadata":{"name":"agent1"}}\' | ' + KUBECTL + " create -f - && "
    + KUBECTL + " patch node agent1 --subresource=status --type=merge -p "
    '\'{"status":{"addresses":[{"type":"InternalIP","address":"10.77.0.98"}],'
    '"conditions":[{"type":"Ready","status":"True","reason":"Test","message":"test"}]}}\''
)  # fmt: skip
FULL = "mkdir -p {0} && mount -t tmpfs -o size=4k full {0} && head -c 4096 /dev/zero > {0}/full"

FAULTS: dict[str, Fault] = {
    "token that does not exist": Fault(
        "The token of the join is wrong", invitation={"token": "abcdef.0123456789abcdef"}, always=True
    ),
    "token with another secret": Fault("The token of the join is wrong", invitation={"token": "SECRET"}),
    "CA hash of another cluster": Fault(
        "The CA hash of the token does not fit", invitation={"ca_hash": "sha256:" + "0" * 64}
    ),
    "name of a living node": Fault(
        "The node's name agent1 is taken", "server1", NODE, f"{KUBECTL} delete node agent1"
    ),
    "clock a minute ahead, seen by preflight": Fault(
        "clock of agent1 = '+", make=f"echo 'import time; time.time = lambda true=time.time: true() + 60' > {AHEAD}",
        mend=f"rm {AHEAD}",
    ),
    "port closed, seen by preflight": Fault(
        "network of agent1 = 'server1", "server1", f"{WALL} nft add rule inet wall in tcp dport 6443 drop",
        "nft delete table inet wall",
    ),
    "port closed after preflight": Fault(
        "A machine does not answer: a firewall drops the packets", "server1",
        f"{WALL} nft add rule inet wall in ip saddr 10.77.0.21 tcp dport 6443 drop",
        "nft delete table inet wall", after_preflight=True,
    ),
    "disk full, seen by preflight": Fault(
        "free disk space of agent1 = '0 MiB'", make=FULL.format("/var/lib/klubster"), mend="umount -l /var/lib/klubster"
    ),
    "disk full when programs are put in place": Fault(
        "The file system of /opt/cni/bin has 0 MB free", make=FULL.format("/opt/cni/bin"),
        mend="umount -l /opt/cni/bin", after_preflight=True, always=True,
    ),
    "disk full when kubelet starts": Fault(
        "The disk is full.", make=FULL.format("/var/lib/kubelet"), mend="umount -l /var/lib/kubelet",
        after_preflight=True,
    ),
    "port taken after preflight": Fault(
        "A port of the cluster is taken", make=THIEF, mend="systemctl stop thief", after_preflight=True
    ),
    "cgroup of memory missing, seen by preflight": Fault(
        "cgroup controllers of agent1 =", make="umount -l /sys/fs/cgroup/memory",
        mend="mount -t cgroup -o memory memory /sys/fs/cgroup/memory",
    ),
    "cgroup of memory missing after preflight": Fault(
        "The kernel has no memory controller for cgroups", make="umount -l /sys/fs/cgroup/memory",
        mend="mount -t cgroup -o memory memory /sys/fs/cgroup/memory", after_preflight=True,
    ),
}  # fmt: skip


def first_line(done: subprocess.CompletedProcess[str]) -> str:
    """What the play says first about the failure, without the head of a list of problems."""
    said = done.stdout + done.stderr
    found = _SAID.search(said)
    assert done.returncode != 0, said
    assert found, said
    if "in the input; nothing was changed." in found["first"]:
        return said[found.end() :].lstrip().splitlines()[0].lstrip("- ")
    return found["first"]


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, id=name, marks=() if fault.always else pytest.mark.more) for name, fault in FAULTS.items()],
)
def test_the_first_line_is_the_cause(cluster: Cluster, fault: Fault) -> None:
    on(fault.machine, fault.make)
    try:
        more = ["-e", "engine_timeout=20", "--limit", "server1,agent1,lab_controller"]
        more += ["--tags", "preflight,machine,engine"]
        wrong = dict(fault.invitation)
        if wrong.get("token") == "SECRET":
            wrong["token"] = cluster.token.partition(".")[0] + ".0123456789abcdef"
        if wrong:
            more += ["-e", cluster.invitation(**wrong)]
        if fault.after_preflight:
            more += ["--skip-tags", "preflight"]
        done = playbook("site", *more)
    finally:
        # What a fault made may be gone with it.
        with contextlib.suppress(AssertionError):
            on(fault.machine, fault.mend)
    assert first_line(done).startswith(fault.cause), done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.more
def test_what_was_put_right_again_joins(cluster: Cluster) -> None:
    done = playbook("site", "--limit", "server1,agent1,lab_controller", "--tags", "preflight,machine,engine")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "agent1" in on("server1", f"{KUBECTL} get nodes -o name")


def test_etcd_without_quorum_is_named(cluster: Cluster) -> None:
    pki = MACHINES / "server1/upper/etc/kubernetes/pki/etcd"
    # A second member that was never started: one of two is no majority.
    argv = [
        *("nsenter", f"--net=/run/netns/klab-{NAME}", str(default_bundle_dir() / "bin/etcdctl")),
        *("--endpoints", "https://10.77.0.11:2379", "--cacert", str(pki / "ca.crt"), "--cert", str(pki / "server.crt")),
        *("--key", str(pki / "server.key"), "member", "add", "ghost", "--peer-urls", "https://10.77.0.99:2380"),
    ]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    more = ("-e", "engine_timeout=20", "--limit", "server1,lab_controller", "--tags", "machine,engine")
    done = playbook("site", *more)
    assert first_line(done).startswith("etcd has no quorum"), done.stdout[-3000:] + done.stderr[-3000:]
