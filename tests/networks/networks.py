# SPDX-License-Identifier: Apache-2.0
"""The three networks as their routers and the client in the house see them."""

from __future__ import annotations

import json
import subprocess
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from cluster import Cluster, Inventory
from kubernetes import client
from plugs import plug

NAMESPACE = "klubster-networks"
NAME = "www.apps.example.org"
POOL = "203.0.113.0/24"

# Runs on the client: one connection after the other, each asked once, and a line for each.
_READER = """\
import http.client, socket, sys, time
name, seconds = sys.argv[1], float(sys.argv[2])
end = time.time() + seconds
while time.time() < end:
    began = time.time()
    try:
        connection = http.client.HTTPConnection(name, 80, timeout=0.5)
        connection.request("GET", "/hostname")
        said = connection.getresponse().read().decode()
        connection.close()
    except OSError as exc:
        said = ""
    print(f"{began:.3f} {time.time():.3f} {said or '-'}", flush=True)
    time.sleep(0.05)
"""


@dataclass
class Record:
    """Figures by their names."""

    path: Path
    figures: dict[str, t.Any] = field(default_factory=dict)

    def note(self, name: str, value: t.Any) -> None:
        self.figures[name] = value

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def ssh(inventory: Inventory, machine: str, *argv: str, timeout: float = 60) -> str:
    config = Path(inventory.vars("lab_controller")["lab_state_dir"]) / "ssh" / "config"
    done = subprocess.run(
        ["ssh", "-F", str(config), machine, *argv], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"on {machine}: {' '.join(argv)[:200]}\n{done.stdout}{done.stderr}"
    return done.stdout


def cut_power(inventory: Inventory, machine: str) -> None:
    """A machine falls silent; without its cables first, its kernel would still say goodbye on its connections."""
    for number in range(len(inventory.vars(machine)["lab_addresses"])):
        # This process is in the lab's network, where the other ends of the cables are.
        subprocess.run(["ip", "link", "set", f"{machine}.{number}", "down"], check=True, capture_output=True)
    plug(inventory, "off", machine)


def vtysh(inventory: Inventory, router: str, command: str) -> t.Any:
    return json.loads(ssh(inventory, router, f"vtysh -c '{command} json'"))


def sessions(inventory: Inventory, router: str) -> dict[str, str]:
    """Neighbour → state of its session, as FRR itself says."""
    said = vtysh(inventory, router, "show bgp summary")
    peers = said.get("ipv4Unicast", {}).get("peers", {})
    return {address: str(peer["state"]) for address, peer in peers.items()}


def not_up(inventory: Inventory, router: str, expected: t.Sequence[str]) -> list[str]:
    """Those of the neighbours with whom there is no session."""
    found = sessions(inventory, router)
    return [address for address in expected if found.get(address) != "Established"]


def runs_frr(inventory: Inventory, router: str) -> t.Any:
    """True, or what was said instead."""
    try:
        return ssh(inventory, router, "systemctl is-active frr") == "active\n"
    except AssertionError as exc:
        return str(exc)[-200:]


def ages(inventory: Inventory, router: str) -> dict[str, int]:
    """Neighbour → when its session began, in seconds since 1970."""
    said = vtysh(inventory, router, "show bgp neighbors")
    return {address: int(peer.get("bgpTimerUpEstablishedEpoch", 0)) for address, peer in said.items()}


def routes(inventory: Inventory, router: str) -> dict[str, list[str]]:
    """Prefix learnt by BGP → next hops that the router's kernel uses for it."""
    said = vtysh(inventory, router, "show ip route bgp")
    found = {}
    for prefix, entries in said.items():
        hops = [hop for entry in entries if entry.get("selected") for hop in entry.get("nexthops", [])]
        found[prefix] = sorted(str(hop["ip"]) for hop in hops if hop.get("fib") and "ip" in hop)
    return found


def page(inventory: Inventory, name: str = NAME) -> str:
    """What the client in the house reads at this name."""
    read = f"u.urlopen('http://{name}/hostname', timeout=5).read().decode()"
    return ssh(inventory, "client", f'python3 -c "import urllib.request as u; print({read})"').strip()


@dataclass(frozen=True)
class Answers:
    """What the client was told while something happened."""

    #: beginning, end, text; without an answer the text is empty
    rows: tuple[tuple[float, float, str], ...]

    @property
    def failed(self) -> int:
        return sum(1 for _begin, _end, said in self.rows if not said)

    @property
    def gap(self) -> float:
        """Longest time from one answer to the next, in seconds."""
        good = [end for _begin, end, said in self.rows if said]
        assert good, "the client was never answered"
        return round(max((later - earlier for earlier, later in zip(good, good[1:])), default=0.0), 2)


class Reader:
    """A client in the house that reads the page for as long as it is told; each time it asks for the address."""

    def __init__(self, inventory: Inventory, seconds: float, name: str = NAME) -> None:
        config = Path(inventory.vars("lab_controller")["lab_state_dir"]) / "ssh" / "config"
        argv = ["ssh", "-F", str(config), "client", "python3", "-", name, str(seconds)]
        self._seconds = seconds
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdin is not None
        self._process.stdin.write(_READER)
        self._process.stdin.close()
        # The first answers come before anything happens.
        assert self._process.stdout is not None
        self._first = self._process.stdout.readline()

    def answers(self) -> Answers:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            text = self._first + output.read()
        assert self._process.wait(30) == 0, text[-2000:]
        rows = []
        for line in text.splitlines():
            begin, end, answer = line.split(maxsplit=2)
            rows.append((float(begin), float(end), "" if answer == "-" else answer))
        return Answers(tuple(rows))


def wait(until: t.Callable[[], t.Any], what: str, seconds: float) -> float:
    """Ask until it is so; returns how long it took."""
    began = time.monotonic()
    last: t.Any = None
    while time.monotonic() - began < seconds:
        last = until()
        if last is True:
            return round(time.monotonic() - began, 2)
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s; last seen: {last}")


def deploy(cluster: Cluster, image: str) -> None:
    """The page, unless another test made it: a pod on each node that may have one, behind a service with an address."""
    if any(one.metadata.name == "page" for one in cluster.core.list_namespaced_service(NAMESPACE).items):
        return
    labels = {"app": "page"}
    container = client.V1Container(
        name="page",
        image=image,
        image_pull_policy="Never",
        args=["netexec", "--http-port=8080"],
        readiness_probe=client.V1Probe(http_get=client.V1HTTPGetAction(path="/hostname", port=8080), period_seconds=1),
    )
    # A pod of a node that is dead goes soon, so that what is measured is the network.
    soon = [
        client.V1Toleration(
            key=f"node.kubernetes.io/{key}", operator="Exists", effect="NoExecute", toleration_seconds=2
        )
        for key in ("not-ready", "unreachable")
    ]
    pod = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels),
        spec=client.V1PodSpec(
            containers=[container],
            tolerations=soon,
            automount_service_account_token=False,
            termination_grace_period_seconds=1,
            topology_spread_constraints=[
                client.V1TopologySpreadConstraint(
                    max_skew=1,
                    topology_key="kubernetes.io/hostname",
                    when_unsatisfiable="ScheduleAnyway",
                    label_selector=client.V1LabelSelector(match_labels=labels),
                )
            ],
        ),
    )
    cluster.apps.create_namespaced_deployment(
        NAMESPACE,
        client.V1Deployment(
            metadata=client.V1ObjectMeta(name="page"),
            spec=client.V1DeploymentSpec(
                replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=pod
            ),
        ),
    )
    cluster.core.create_namespaced_service(NAMESPACE, service())
    cluster.wait(
        cluster.apps.list_namespaced_deployment,
        NAMESPACE,
        lambda found: (found.status.ready_replicas or 0) == 2,
        "two pods of the page",
        90,
    )


def service() -> client.V1Service:
    """Traffic goes to nodes with a pod, and stays there: what a node's death costs is the routers' matter."""
    return client.V1Service(
        metadata=client.V1ObjectMeta(name="page"),
        spec=client.V1ServiceSpec(
            type="LoadBalancer",
            external_traffic_policy="Local",
            selector={"app": "page"},
            ports=[client.V1ServicePort(port=80, target_port=8080)],
        ),
    )
