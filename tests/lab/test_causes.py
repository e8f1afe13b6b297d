# SPDX-License-Identifier: Apache-2.0
"""A join or a start by kubeadm that fails on real machines: the first line that the play prints is the cause.

One server makes a cluster; then one thing at a time is put wrong for the agent, which must be told by name. What
preflight would refuse is also put wrong after it (--skip-tags preflight): a machine can go wrong in between. The last
fault is one that a cluster does not outlive. All of it takes minutes: `--all-causes` asks for what is not in every run.
"""

from __future__ import annotations

import json
import subprocess
import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_bundle_dir
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.certificates import public_key_hash
from causes import FULL, THIEF, WALL, Fault, Lab, as_parameters, made, names

LAB = Lab("causes", ("inventories/lab",))
KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
LAYERS = ("--tags", "preflight,machine,engine")


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
    with LAB.running():
        LAB.succeeds("site", "--limit", "server1,lab_controller", *LAYERS)
        ca = (LAB.machines / "server1/upper/etc/kubernetes/pki/ca.crt").read_text(encoding="ascii")
        yield Cluster(public_key_hash(ca), LAB.on("server1", "kubeadm token create 2>/dev/null").splitlines()[-1])


#: every Python program of the machine lives a minute ahead; containers cannot have a clock of their own
AHEAD = "/usr/lib/python3/dist-packages/ahead.pth"
NODE = (
    'printf \'{"apiVersion":"v1","kind":"Node","metadata":{"name":"agent1"}}\' | ' + KUBECTL + " create -f - && "
    + KUBECTL + " patch node agent1 --subresource=status --type=merge -p "
    '\'{"status":{"addresses":[{"type":"InternalIP","address":"10.77.0.98"}],'
    '"conditions":[{"type":"Ready","status":"True","reason":"Test","message":"test"}]}}\''
)  # fmt: skip

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


@pytest.mark.parametrize("fault", as_parameters(FAULTS))
def test_the_first_line_is_the_cause(cluster: Cluster, fault: Fault) -> None:
    more = ["-e", "engine_timeout=20", "--limit", "server1,agent1,lab_controller", *LAYERS]
    wrong = dict(fault.invitation)
    if wrong.get("token") == "SECRET":
        wrong["token"] = cluster.token.partition(".")[0] + ".0123456789abcdef"
    if wrong:
        more += ["-e", cluster.invitation(**wrong)]
    if fault.after_preflight:
        more += ["--skip-tags", "preflight"]
    with made(LAB, fault):
        done = LAB.playbook("site", *more)
    names(done, fault.cause)


@pytest.mark.more
def test_what_was_put_right_again_joins(cluster: Cluster) -> None:
    LAB.succeeds("site", "--limit", "server1,agent1,lab_controller", *LAYERS)
    assert "agent1" in LAB.on("server1", f"{KUBECTL} get nodes -o name")


def test_etcd_without_quorum_is_named(cluster: Cluster) -> None:
    pki = LAB.machines / "server1/upper/etc/kubernetes/pki/etcd"
    # A second member that was never started: one of two is no majority.
    argv = [
        *("nsenter", f"--net=/run/netns/klab-{LAB.name}", str(default_bundle_dir() / "bin/etcdctl")),
        *("--endpoints", "https://10.77.0.11:2379", "--cacert", str(pki / "ca.crt"), "--cert", str(pki / "server.crt")),
        *("--key", str(pki / "server.key"), "member", "add", "ghost", "--peer-urls", "https://10.77.0.99:2380"),
    ]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    more = ("-e", "engine_timeout=20", "--limit", "server1,lab_controller", "--tags", "machine,engine")
    names(LAB.playbook("site", *more), "etcd has no quorum")
