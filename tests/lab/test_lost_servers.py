# SPDX-License-Identifier: Apache-2.0
"""A server loses its power in the middle of its join, when etcd knows it already: as a learner that never started.

The run fails and names it, the others are well, and the way on is the same for every engine: the machine comes back, or
it is gone for good and is taken away without being reached. Asked for by name (--all-causes).
"""

from __future__ import annotations

import json
import subprocess
import typing as t
from dataclasses import dataclass, field

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_bundle_dir
from causes import SMALL, Lab, have_k3s, inventory

pytestmark = pytest.mark.more
LAYERS = ("--tags", "preflight,machine,engine", "-e", "engine_timeout=60")
SERVERS = ("server1", "server2", "server3")


def members_by_k3s(lab: Lab) -> str:
    tls = "/var/lib/rancher/k3s/server/tls/etcd"
    certificates = f"--cacert={tls}/server-ca.crt --cert={tls}/client.crt --key={tls}/client.key"
    program = "/var/lib/rancher/k3s/data/current/bin/etcdctl --endpoints=https://127.0.0.1:2379"
    return lab.on("server1", f"{program} {certificates} member list -w json")


def members_by_kubeadm(lab: Lab) -> str:
    pki = lab.machines / "server1/upper/etc/kubernetes/pki/etcd"
    argv = [
        *("nsenter", f"--net=/run/netns/klab-{lab.name}", str(default_bundle_dir() / "bin/etcdctl")),
        *("--endpoints", "https://10.77.0.11:2379", "--cacert", str(pki / "ca.crt")),
        *("--cert", str(pki / "server.crt"), "--key", str(pki / "server.key"), "member", "list", "-w", "json"),
    ]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout


@dataclass(frozen=True)
class Engine:
    """Where an engine keeps what the tests look at.

    :param source: an inventory of the project.
    :param sign: what is there as soon as etcd knows the machine.
    """

    source: str
    cluster: str
    sign: str
    kubectl: str
    members: t.Callable[[Lab], str]


ENGINES = {
    "k3s": Engine("lab_k3s", "lab-k3s", "/var/lib/rancher/k3s/server/db/etcd/member", "kubectl", members_by_k3s),
    # It writes this when etcd knows the machine, and begins to ask for a vote when etcd has started.
    "kubeadm": Engine(
        "lab_ha",
        "lab-ha",
        "/etc/kubernetes/manifests/etcd.yaml",
        "kubectl --kubeconfig /etc/kubernetes/admin.conf",
        members_by_kubeadm,
    ),
}


@dataclass(frozen=True)
class Cluster:
    """One server that lives, and further ones that come and go."""

    engine: Engine
    lab: Lab
    #: the inventory after server2 was given up
    without: Lab
    notes: list[str] = field(default_factory=list)

    def power(self, state: str, *machines: str, definition: str = "") -> None:
        given = {"definition": definition or f"{self.lab.inventories[0]}/lab.yml", "name": self.lab.name}
        given |= {"state": state} if state == "up" else {"state": state, "machines": list(machines)}
        local = ("-c", "local", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}")
        module = ("-m", "kateskit.klubster.lab", "-a", json.dumps(given))
        done = self.lab.run(200, "ansible", "localhost", *local, *module)
        said = done.stdout + done.stderr
        # A machine has not started as long as its k3s is not ready; whether it ever is, shows the next run.
        assert done.returncode == 0 or (state == "on" and "Not started within" in said), said

    def pull_the_plug_while_joining(self, machine: str) -> None:
        """At the moment at which etcd knows it, with all that it had not written yet."""
        # Its programs end before they could ask for a vote: to power off takes longer than that.
        line = f"until [ -e {self.engine.sign} ]; do sleep 0.02; done; kill -9 -1; systemctl poweroff --force --force"
        self.lab.on(machine, f"systemd-run --quiet --unit=trap sh -c '{line}'")

    def members(self) -> list[dict[str, t.Any]]:
        """Of etcd, as server1 sees them."""
        said = self.engine.members(self.lab)
        return list(json.loads(said)["members"])

    def voters(self) -> list[str]:
        """Names of machines; k3s adds digits to them."""
        names = [entry["name"] for entry in self.members() if not entry.get("isLearner")]
        return sorted(name[:7] for name in names)

    def nodes(self) -> list[str]:
        found = self.lab.on("server1", f"{self.engine.kubectl} get nodes -o name").split()
        return sorted(name.removeprefix("node/") for name in found)

    def note(self, name: str) -> None:
        """Write something that must never be lost."""
        self.lab.on("server1", f"{self.engine.kubectl} create configmap {name}")
        self.notes.append(name)

    def is_well(self) -> None:
        """The API serves, and knows everything that it was told."""
        assert self.lab.on("server1", f"{self.engine.kubectl} get --raw /readyz") == "ok"
        known = self.lab.on("server1", f"{self.engine.kubectl} get configmaps -o name").split()
        assert {f"configmap/{name}" for name in self.notes} <= set(known)


@pytest.fixture(scope="module", params=list(ENGINES))
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Cluster]:
    engine = ENGINES[str(request.param)]
    if request.param == "k3s":
        have_k3s()
    folder = tmp_path_factory.mktemp("inventories")
    every = dict.fromkeys(SERVERS, "servers")
    name = f"lost-{request.param}"
    lab = Lab(name, (inventory(engine.source, folder / "all", every, **SMALL),))
    fewer = {name: role for name, role in every.items() if name != "server2"}
    without = Lab(name, (inventory(engine.source, folder / "without", fewer, **SMALL),))
    with lab.running():
        yield Cluster(engine, lab, without)


def lost(cluster: Cluster) -> subprocess.CompletedProcess[str]:
    """A run in which server2 loses its power while it joins."""
    cluster.pull_the_plug_while_joining("server2")
    done = cluster.lab.playbook("site", *LAYERS)
    assert done.returncode != 0, done.stdout
    return done


def test_the_run_names_it_and_the_others_are_well(cluster: Cluster) -> None:
    done = lost(cluster)
    said = done.stdout + done.stderr
    assert "server2" in said.partition("PLAY RECAP")[2]
    assert "unreachable=1" in next(line for line in said.splitlines() if line.startswith("server2 "))
    assert "UNREACHABLE" in said or "Failed to connect to the host" in said
    learners = [entry for entry in cluster.members() if entry.get("isLearner")]
    assert [entry["peerURLs"] for entry in learners] == [["https://10.77.0.12:2380"]], cluster.members()
    cluster.note("after-the-loss")
    cluster.is_well()


def test_what_is_gone_for_good_is_taken_away_and_the_others_go_on(cluster: Cluster) -> None:
    cluster.power("up", definition=f"{cluster.without.inventories[0]}/lab.yml")
    cluster.lab.succeeds("remove_node", "-e", f"klubster_remove={cluster.engine.cluster}/server2")
    assert all("https://10.77.0.12:2380" not in entry["peerURLs"] for entry in cluster.members())
    done = cluster.without.playbook("site", *LAYERS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "an odd number is better" in done.stdout + done.stderr
    assert cluster.voters() == ["server1", "server3"]
    cluster.is_well()


def test_a_machine_that_comes_back_ends_what_it_began(cluster: Cluster) -> None:
    cluster.power("up")
    lost(cluster)
    cluster.note("after-the-second-loss")
    cluster.is_well()
    cluster.power("on", "server2")
    cluster.lab.succeeds("site", *LAYERS)
    assert cluster.voters() == ["server1", "server2", "server3"]
    assert cluster.nodes() == list(SERVERS)
    cluster.is_well()
    again = cluster.lab.playbook("site", *LAYERS)
    assert "changed=0" in again.stdout
    assert not any(f"changed={count}" in again.stdout for count in range(1, 10)), again.stdout[-2000:]
