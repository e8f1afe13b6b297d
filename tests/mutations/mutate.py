# SPDX-License-Identifier: Apache-2.0
"""Proves that the verification can fail: breaks a living cluster in many ways and demands red, then undoes it.

Usage: mutate.py [--inventory inventories/lab] [NAME...]. Begins and ends with the whole verification, which must be
green. Each mutation names the tests that must see it; at least one of them has to fail, and after the undoing the same
tests have to pass. Writes build/mutations.json and prints a table; the exit status is 0 only when all were seen.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
import typing as t
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "verify"))

import snapshot  # noqa: E402
from cluster import Cluster, Inventory, ansible, ansible_environment, enter_network, on_machine, until  # noqa: E402

RESULT = ROOT / "build" / "mutations.json"
VERIFY = ROOT / "tests" / "verify"


class Ground:
    """The cluster to be broken."""

    def __init__(self, source: str) -> None:
        self.inventory = Inventory(source)
        enter_network(Path(self.inventory.vars("lab_controller")["lab_network_namespace"]))
        self.cluster = Cluster(Path(str(self.inventory.get("klubster_kubeconfig"))))
        self.server = self.inventory.hosts("servers")[0]
        self.agent = self.inventory.hosts("agents")[-1]

    def on(self, host: str, command: str) -> str:
        return on_machine(self.inventory, host, command)

    def play(self, *argv: str) -> str:
        done = ansible(self.inventory.source, "ansible-playbook", *argv)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def site(self, *argv: str) -> str:
        return self.play(str(ROOT / "playbooks" / "site.yml"), *argv)

    def kubectl(self, line: str) -> str:
        """On the server, with the administrator's rights: a hand that the collection knows nothing of."""
        return self.on(self.server, f"KUBECONFIG=/etc/kubernetes/admin.conf kubectl {line}")

    def look(self) -> dict[str, t.Any]:
        """The agent as snapshot.py sees it."""
        playbook = ROOT / "molecule" / "look" / "look.yml"
        with tempfile.TemporaryDirectory() as folder:
            self.play(str(playbook), "--limit", self.agent, "-e", f"look_folder={folder}", "-e", "look_name=x")
            return t.cast("dict[str, t.Any]", json.loads((Path(folder) / f"{self.agent}.json").read_text("utf-8")))

    def settled(self) -> None:
        """All nodes ready, all replicas there, and no pod on its way."""

        def good() -> bool:
            nodes = self.cluster.core.list_node().items
            sets = self.cluster.apps.list_daemon_set_for_all_namespaces().items
            deployments = self.cluster.apps.list_deployment_for_all_namespaces().items
            pods = self.cluster.core.list_pod_for_all_namespaces().items
            return (
                len(nodes) == len(self.inventory.machines)
                and all(any(c.type == "Ready" and c.status == "True" for c in node.status.conditions) for node in nodes)
                and all(entry.status.number_ready == entry.status.desired_number_scheduled for entry in sets)
                and all((entry.status.ready_replicas or 0) == entry.spec.replicas for entry in deployments)
                and all(
                    any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ()) for pod in pods
                )
                and not any(pod.metadata.deletion_timestamp for pod in pods)
            )

        until(good, "the cluster settled", 180, interval=0.5)


@dataclass(frozen=True)
class Verdict:
    """What the tests said: names of those that failed, and what the first one complained of."""

    failed: tuple[str, ...]
    passed: int
    complaint: str = ""


@dataclass(frozen=True)
class Mutation:
    """One way to break the cluster.

    :param seen_by: tests (files or file::test) that are run; one of them at least must fail.
    :param verify: other than pytest: returns what it complains of, nothing when it sees nothing.
    """

    name: str
    shows: str
    breaks: t.Callable[[Ground], t.Any]
    undoes: t.Callable[[Ground], t.Any]
    seen_by: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    verify: t.Callable[[Ground], list[str]] | None = None
    extra: dict[str, t.Any] = field(default_factory=dict)


def run_tests(ground: Ground, tests: t.Sequence[str], options: t.Sequence[str] = ()) -> Verdict:
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        argv = [sys.executable, "-m", "pytest", "-q", f"--inventory={ground.inventory.source}"]
        argv += [f"--junitxml={report.name}", *options, *(str(VERIFY / test) for test in tests)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, env=ansible_environment())
        try:
            # Written by the pytest that was just run.
            cases = list(ET.parse(report.name).getroot().iter("testcase"))  # noqa: S314
        except ET.ParseError:
            raise SystemExit(f"pytest did not run:\n{done.stdout}{done.stderr}") from None
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    complaint = ""
    for case in bad:
        told = case.find("failure")
        told = case.find("error") if told is None else told
        assert told is not None
        complaint = complaint or " ".join(str(told.get("message", "")).split())[:160]
    return Verdict(tuple(str(case.get("name")) for case in bad), len(cases) - len(bad), complaint)


def changed_tasks(output: str) -> list[str]:
    task, found = "", []
    for line in output.splitlines():
        if line.startswith("TASK ["):
            task = line[6:].partition("]")[0]
        elif line.startswith("changed:"):
            found.append(f"{task} {line}")
    return found


def look_before(ground: Ground, line: str) -> None:
    _KEPT["look"] = ground.look()
    ground.on(ground.agent, line)


def seen_in_changes(ground: Ground) -> list[str]:
    now = ground.look()
    return [
        line
        for line in snapshot.changes(_KEPT["look"], now)
        if line.startswith(("files: /etc", "interfaces", "rules", "mounts"))
    ]


def seen_as_restarted(ground: Ground) -> list[str]:
    return snapshot.restarted(_KEPT["look"]["processes"], ground.look()["processes"])


def scale(ground: Ground, namespace: str, name: str, replicas: int) -> None:
    ground.cluster.apps.patch_namespaced_deployment_scale(name, namespace, {"spec": {"replicas": replicas}})


def place_of(ground: Ground, part: str) -> tuple[str, str]:
    """Namespace and name of the deployment whose name holds a word."""
    return next(
        (entry.metadata.namespace, entry.metadata.name)
        for entry in ground.cluster.apps.list_deployment_for_all_namespaces().items
        if part in entry.metadata.name
    )


def delete_daemon_set(ground: Ground, part: str) -> None:
    for entry in ground.cluster.apps.list_daemon_set_for_all_namespaces().items:
        if part in entry.metadata.name:
            ground.cluster.apps.delete_namespaced_daemon_set(entry.metadata.name, entry.metadata.namespace)


def add_pool(ground: Ground) -> None:
    body = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "left-behind"},
        "spec": {"addresses": ["10.77.0.240-10.77.0.241"]},
    }
    ground.cluster.custom.create_namespaced_custom_object(
        "metallb.io", "v1beta1", "metallb-system", "ipaddresspools", body
    )


def delete_pool(ground: Ground) -> None:
    ground.cluster.custom.delete_namespaced_custom_object(
        "metallb.io", "v1beta1", "metallb-system", "ipaddresspools", "left-behind"
    )


def patch_dns_selector(ground: Ground, app: str) -> None:
    ground.cluster.core.patch_namespaced_service("kube-dns", "kube-system", {"spec": {"selector": {"k8s-app": app}}})


def default_class(ground: Ground, value: str) -> None:
    line = f"annotate --overwrite storageclass --all storageclass.kubernetes.io/is-default-class={value}"
    ground.kubectl(line)


def restart_kube_proxy(ground: Ground) -> None:
    ground.on(ground.agent, "pkill -CONT -x kube-proxy; pkill -KILL -x kube-proxy")
    until(lambda: "KUBE-SVC" in ground.on(ground.agent, "iptables-save -t nat"), "kube-proxy's rules", 60)


def unequal_config(ground: Ground) -> list[str]:
    return changed_tasks(ground.site())


def come_back(ground: Ground) -> None:
    """kubelet registers its node anew, and the node gets another pod network.

    Flannel writes its notes on a node only when it starts, and pods keep the addresses they were born with.
    """
    mine = f"--field-selector spec.nodeName={ground.agent}"
    ground.on(ground.agent, "systemctl restart kubelet")
    until(lambda: ground.agent in ground.kubectl("get nodes -o name"), "the node is back", 60)
    ground.kubectl(f"-n kube-flannel delete pod {mine}")
    noted = f"get node {ground.agent} -o jsonpath={{.metadata.annotations}}"
    until(lambda: "backend-data" in ground.kubectl(noted), "Flannel's notes on the node", 60)
    ground.kubectl(f"delete pod -A {mine}")


def nothing(_ground: Ground) -> None:
    """There is nothing to undo."""


_KEPT: dict[str, t.Any] = {}
FLANNEL_PORT = "-p udp --dport 8472 -j DROP"
CLIENT_BLOCK = "-s 10.77.0.100 -p tcp -j DROP"

MUTATIONS = (
    Mutation(
        "speaker-deleted",
        "nobody announces the address",
        lambda ground: delete_daemon_set(ground, "speaker"),
        lambda ground: ground.site("--tags", "load_balancer"),
        ("test_load_balancer.py",),
    ),
    Mutation(
        "controller-off",
        "nobody gives out addresses",
        lambda ground: scale(ground, *place_of(ground, "controller"), 0),
        lambda ground: scale(ground, *place_of(ground, "controller"), 1),
        ("test_load_balancer.py",),
    ),
    Mutation(
        "overlay-blocked",
        "Flannel's packets do not reach one agent",
        lambda ground: ground.on(ground.agent, f"iptables -I INPUT {FLANNEL_PORT}"),
        lambda ground: ground.on(ground.agent, f"iptables -D INPUT {FLANNEL_PORT}"),
        ("test_network.py",),
    ),
    Mutation(
        "dns-off",
        "CoreDNS is scaled to nothing",
        lambda ground: scale(ground, *place_of(ground, "coredns"), 0),
        lambda ground: scale(ground, *place_of(ground, "coredns"), 2),
        ("test_network.py", "test_nodes.py"),
    ),
    Mutation(
        "dns-selector",
        "the DNS service selects no pod",
        lambda ground: patch_dns_selector(ground, "nobody"),
        lambda ground: patch_dns_selector(ground, "kube-dns"),
        ("test_network.py",),
    ),
    Mutation(
        "proxy-rules-flushed",
        "one agent lost the rules for services, and kube-proxy hangs there",
        lambda ground: ground.on(ground.agent, "pkill -STOP -x kube-proxy; iptables -t nat -F KUBE-SERVICES"),
        restart_kube_proxy,
        ("test_network.py",),
    ),
    Mutation(
        "kubelet-stopped",
        "one agent starts no pods any more",
        lambda ground: ground.on(ground.agent, "systemctl stop kubelet"),
        lambda ground: ground.on(ground.agent, "systemctl start kubelet"),
        ("test_network.py::test_every_pod_reaches_every_pod",),
    ),
    Mutation(
        "provisioner-off",
        "nobody makes volumes",
        lambda ground: scale(ground, *place_of(ground, "local-path"), 0),
        lambda ground: scale(ground, *place_of(ground, "local-path"), 1),
        ("test_storage.py",),
    ),
    Mutation(
        "no-default-class",
        "a claim without a class gets none",
        lambda ground: default_class(ground, "false"),
        lambda ground: default_class(ground, "true"),
        ("test_storage.py",),
    ),
    Mutation(
        "volumes-in-memory",
        "the folder of the volumes is in memory",
        lambda ground: [
            ground.on(name, "mkdir -p /var/lib/klubster/local-path && mount -t tmpfs none /var/lib/klubster/local-path")
            for name in ground.inventory.hosts("agents")
        ],
        lambda ground: [
            ground.on(name, "umount /var/lib/klubster/local-path") for name in ground.inventory.hosts("agents")
        ],
        ("test_storage.py",),
    ),
    Mutation(
        "pool-left-in-place",
        "a pool that is not in the inventory",
        add_pool,
        delete_pool,
        ("test_load_balancer.py::test_the_pools_are_those_of_the_inventory",),
    ),
    Mutation(
        "outside-shut-out",
        "the page answers nodes only",
        lambda ground: [
            ground.on(machine.name, f"iptables -t raw -I PREROUTING {CLIENT_BLOCK}")
            for machine in ground.inventory.machines
        ],
        lambda ground: [
            ground.on(machine.name, f"iptables -t raw -D PREROUTING {CLIENT_BLOCK}")
            for machine in ground.inventory.machines
        ],
        ("test_load_balancer.py",),
    ),
    Mutation(
        "key-readable",
        "a kubeconfig with the cluster's keys is open to all users",
        lambda ground: ground.on(ground.server, "chmod 0644 /etc/kubernetes/admin.conf"),
        lambda ground: ground.on(ground.server, "chmod 0600 /etc/kubernetes/admin.conf"),
        ("test_nodes.py::test_secrets_on_the_machines_are_for_root_only",),
    ),
    Mutation(
        "unit-failed",
        "a unit of a machine has failed",
        lambda ground: ground.on(ground.agent, "systemd-run --unit=mutation false; true"),
        lambda ground: ground.on(ground.agent, "systemctl reset-failed mutation"),
        ("test_nodes.py::test_no_unit_of_a_machine_has_failed",),
    ),
    Mutation(
        "left-over-file",
        "reset leaves a file",
        lambda ground: look_before(ground, "touch /etc/left-over"),
        lambda ground: ground.on(ground.agent, "rm /etc/left-over"),
        verify=seen_in_changes,
    ),
    Mutation(
        "left-over-interface-and-rule",
        "reset leaves a bridge and a rule of the firewall",
        lambda ground: look_before(ground, "ip link add leftover type bridge; iptables -A INPUT -s 192.0.2.1 -j DROP"),
        lambda ground: ground.on(ground.agent, "ip link del leftover; iptables -D INPUT -s 192.0.2.1 -j DROP"),
        verify=seen_in_changes,
    ),
    Mutation(
        "service-restarted",
        "a second run restarts containerd",
        lambda ground: look_before(ground, "systemctl restart containerd"),
        nothing,
        verify=seen_as_restarted,
    ),
    Mutation(
        "config-touched",
        "kubelet's configuration is not what the inventory says, and site.yml puts it right",
        lambda ground: ground.on(
            ground.agent, "sed -i s/cluster.local/elsewhere.local/ /etc/klubster/kubelet.conf.d/*.conf"
        ),
        nothing,
        verify=unequal_config,
    ),
    Mutation(
        "node-deleted",
        "one machine of the inventory is no node",
        lambda ground: ground.cluster.core.delete_node(ground.agent),
        come_back,
        ("test_nodes.py", "test_network.py::test_the_cni_backend_is_the_inventorys"),
    ),
)


def apply(ground: Ground, mutation: Mutation) -> dict[str, t.Any]:
    start = time.monotonic()
    mutation.breaks(ground)
    try:
        if mutation.verify:
            complaints = mutation.verify(ground)
            verdict = Verdict(tuple(complaints), 0, complaints[0] if complaints else "")
        else:
            verdict = run_tests(ground, mutation.seen_by, mutation.options)
    finally:
        mutation.undoes(ground)
    ground.settled()
    if mutation.verify is unequal_config:
        left = tuple(unequal_config(ground))
        after = Verdict(left, 0, left[0] if left else "")
    else:
        after = run_tests(ground, mutation.seen_by, mutation.options) if mutation.seen_by else Verdict((), 0)
    return {
        "name": mutation.name,
        "shows": mutation.shows,
        "seen": bool(verdict.failed),
        "by": list(verdict.failed),
        "complaint": verdict.complaint,
        "green_again": not after.failed,
        "after": list(after.failed),
        "seconds": round(time.monotonic() - start, 1),
    }


def main() -> int:
    names = [mutation.name for mutation in MUTATIONS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", default=str(ROOT / "inventories" / "lab"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(names))
    if unknown:
        parser.error(f"no such mutation: {shlex.join(unknown)}; there are {', '.join(names)}")
    ground = Ground(chosen.inventory)
    before = run_tests(ground, ["."])
    if before.failed:
        raise SystemExit(f"The cluster is not well before anything was broken: {before.failed}: {before.complaint}")
    print(f"whole cluster: {before.passed} tests passed", flush=True)
    results = []
    for mutation in MUTATIONS:
        if chosen.names and mutation.name not in chosen.names:
            continue
        result = apply(ground, mutation)
        results.append(result)
        verdict = "seen" if result["seen"] else "NOT SEEN"
        again = "" if result["green_again"] else f"; NOT GREEN AGAIN: {result['after']}"
        told = f"{len(result['by'])}: {result['by'][0][:60]}" if result["by"] else ""
        print(f"{mutation.name:<30}{verdict:<10}{result['seconds']:>7.1f} s  {told}{again}", flush=True)
    end = run_tests(ground, ["."])
    good = [result for result in results if result["seen"] and result["green_again"]]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(
        json.dumps({"mutations": results, "green_at_end": not end.failed}, indent=1) + "\n", encoding="utf-8"
    )
    print(f"\n{len(good)} passed, {len(results) - len(good)} failed; whole cluster at the end: "
          f"{end.passed} tests passed, {len(end.failed)} failed {list(end.failed)} {end.complaint}")  # fmt: skip
    return int(len(good) != len(results) or bool(end.failed))


if __name__ == "__main__":
    sys.exit(main())
