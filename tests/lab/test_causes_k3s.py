# SPDX-License-Identifier: Apache-2.0
"""A join or a start by k3s that fails on real machines: the first line that the play prints is the cause.

As test_causes.py, for an agent and for a second server. Where the stand-in plays k3s, it logs k3s's own words.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from causes import FULL, SMALL, THIEF, WALL, Fault, Lab, as_parameters, have_k3s, inventory, made, names

NAME, NETWORK = "causes-k3s", "10.77.0"
DATA = "/var/lib/rancher/k3s"
LAYERS = ("--tags", "preflight,machine,engine")
CERTIFICATES = "--cacert={0}/server-ca.crt --cert={0}/client.crt --key={0}/client.key".format(f"{DATA}/server/tls/etcd")
ETCDCTL = f"{DATA}/data/current/bin/etcdctl --endpoints=https://127.0.0.1:2379 {CERTIFICATES}"
#: lives two hours ago: containers cannot have a clock of their own
BEHIND = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    int rc = (int)syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME) now->tv_sec -= 7200;
    return rc;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""
LIBRARY, DEFAULTS = "/usr/local/lib/behind.so", "/etc/default/k3s-agent"
OWN = "/etc/rancher/k3s/config.yaml.d/90-mine.yaml"
WRONG = "0123456789abcdef0123456789abcdef"


def drop(source: str, port: int) -> str:
    return f"{WALL} nft add rule inet wall in ip saddr {source} tcp dport {port} drop"


AGENT: dict[str, Fault] = {
    "token with another secret": Fault(
        "The token of the join is wrong", invitation={"agent_token": "SECRET"}, always=True
    ),
    "CA hash of another cluster": Fault("The CA hash of the token does not fit", invitation={"agent_token": "HASH"}),
    "clock behind": Fault(
        "The machines' clocks differ", make="BEHIND", mend=f"rm {DEFAULTS}", after_preflight=True
    ),
    "port closed": Fault(
        "A machine does not answer: a firewall drops the packets", "server1", drop(f"{NETWORK}.21", 6443),
        "nft delete table inet wall", after_preflight=True,
    ),
    "disk full when programs are put in place": Fault(
        "The file system of /usr/local/bin has 0 MB free",
        make="systemctl stop k3s-agent; rm -f /usr/local/bin/k3s; " + FULL.format("/usr/local/bin"),
        mend="umount -l /usr/local/bin", after_preflight=True,
    ),
    "disk full when k3s starts": Fault(
        "The disk is full.", make=FULL.format(f"{DATA}/data"), mend=f"umount -l {DATA}/data", after_preflight=True
    ),
    "port taken": Fault(
        "A port of the cluster is taken", make=THIEF, mend="systemctl stop thief", after_preflight=True
    ),
    "cgroup of memory missing": Fault(
        "The kernel has no memory controller for cgroups", make="umount -l /sys/fs/cgroup/memory",
        mend="mount -t cgroup -o memory memory /sys/fs/cgroup/memory", after_preflight=True,
    ),
}  # fmt: skip

SERVER: dict[str, Fault] = {
    "token with another secret": Fault(
        "The token of the join is wrong", joins="server2", invitation={"server_token": "SECRET"}
    ),
    "CA hash of another cluster": Fault(
        "The CA hash of the token does not fit", joins="server2", invitation={"server_token": "HASH"}
    ),
    "setting that must be the same": Fault(
        "A setting that must be the same on all servers differs from that of the running ones: flannel-backend.",
        "server2", f"mkdir -p $(dirname {OWN}) && echo 'flannel-backend: host-gw' > {OWN}", f"rm {OWN}",
        joins="server2", after_preflight=True,
    ),
    "port of etcd closed": Fault(
        "A machine does not answer: a firewall drops the packets", "server1", drop(f"{NETWORK}.12", 2379),
        "nft delete table inet wall", joins="server2", after_preflight=True,
    ),
    "learner of a machine that is gone": Fault(
        "Another server is joining etcd just now", "server1",
        f"{ETCDCTL} member add ghost --learner --peer-urls=https://{NETWORK}.99:2380",
        f"{ETCDCTL} member remove $({ETCDCTL} member list | grep {NETWORK}.99 | cut -d, -f1)",
        joins="server2", after_preflight=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Cluster:
    """The living server, and what an invitation to it holds.

    :param second: an inventory that makes server2 a server too.
    """

    lab: Lab
    second: str
    tokens: t.Mapping[str, str]

    def invitation(self, wrong: t.Mapping[str, str]) -> str:
        given: dict[str, str] = {"url": f"https://{NETWORK}.11:6443", **self.tokens}
        for name, how in wrong.items():
            found = re.fullmatch(r"K10([0-9a-f]{64})::(\w+):(.+)", given[name])
            assert found, f"the server's {name} is no token"
            ca_hash, user, secret = found.groups()
            given[name] = f"K10{'0' * 64 if how == 'HASH' else ca_hash}::{user}:{WRONG if how == 'SECRET' else secret}"
        return json.dumps({"__engine_invitation": {"invitation": given}})

    def site(self, joins: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        more = (self.second,) if joins == "server2" else ()
        limit = ("--limit", f"server1,{joins},lab_controller")
        return self.lab.playbook("site", "-e", "engine_timeout=40", *limit, *LAYERS, *arguments, more=more)

    def take_back(self, machine: str) -> None:
        self.lab.succeeds("remove_node", "-e", f"klubster_remove=lab-k3s/{machine}", more=(self.second,))

    def kubectl(self, arguments: str) -> str:
        return self.lab.on("server1", f"kubectl {arguments}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Cluster]:
    have_k3s()
    folder = tmp_path_factory.mktemp("inventory")
    (folder / "second.ini").write_text("[servers]\nserver2\n", encoding="utf-8")
    roles = {"server1": "servers", "server2": "", "agent1": "agents"}
    lab = Lab(NAME, (inventory("lab_k3s", folder / "lab", roles, **SMALL),))
    with lab.running():
        lab.succeeds("site", "--limit", "server1,lab_controller", *LAYERS)
        read = {"agent_token": "agent-token", "server_token": "token"}
        tokens = {name: lab.on("server1", f"cat {DATA}/server/{file}") for name, file in read.items()}
        yield Cluster(lab, str(folder / "second.ini"), tokens)


def behind(folder: Path) -> str:
    """A shell line that lets k3s live two hours ago."""
    (folder / "behind.c").write_text(BEHIND, encoding="ascii")
    argv = ["cc", "-shared", "-fPIC", "-s", "-o", str(folder / "behind.so"), str(folder / "behind.c")]
    subprocess.run(argv, check=True, capture_output=True)
    text = base64.b64encode((folder / "behind.so").read_bytes()).decode()
    return f"echo {text} | base64 -d > {LIBRARY} && echo LD_PRELOAD={LIBRARY} > {DEFAULTS}"


def provoke(cluster: Cluster, fault: Fault) -> None:
    more: list[str] = []
    if fault.invitation:
        more += ["-e", cluster.invitation(fault.invitation)]
    if fault.after_preflight:
        more += ["--skip-tags", "preflight"]
    with made(cluster.lab, fault):
        done = cluster.site(fault.joins, *more)
    try:
        names(done, fault.cause)
    finally:
        if fault.joins == "server2":
            # Its k3s goes on trying, and would be a member of etcd by the next fault.
            cluster.take_back("server2")


@pytest.mark.parametrize("fault", as_parameters(AGENT))
def test_the_first_line_is_why_an_agent_does_not_join(cluster: Cluster, fault: Fault, tmp_path: Path) -> None:
    line = behind(tmp_path) if fault.make == "BEHIND" else fault.make
    provoke(cluster, Fault(**{**vars(fault), "make": line}))


@pytest.mark.parametrize("fault", as_parameters(SERVER))
def test_the_first_line_is_why_a_server_does_not_join(cluster: Cluster, fault: Fault) -> None:
    provoke(cluster, fault)


@pytest.mark.more
def test_what_was_put_right_again_joins(cluster: Cluster) -> None:
    done = cluster.site("agent1")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "node/agent1" in cluster.kubectl("get nodes -o name").split()


@pytest.mark.more
def test_a_name_that_another_machine_had_is_named(cluster: Cluster) -> None:
    """A machine that was taken back, of which the cluster still knows the password."""
    cluster.lab.succeeds("reset", "-e", "klubster_reset=lab-k3s", "--limit", "agent1,lab_controller")
    names(cluster.site("agent1"), "The node's name is taken")


@pytest.mark.more
def test_etcd_without_quorum_is_named(cluster: Cluster) -> None:
    # A second member that was never started: one of two is no majority.
    cluster.lab.on("server1", f"{ETCDCTL} member add ghost --peer-urls=https://{NETWORK}.99:2380")
    cluster.lab.on("server1", "systemctl restart --no-block k3s")
    names(cluster.site("server1", "--skip-tags", "preflight"), "etcd has no quorum")
