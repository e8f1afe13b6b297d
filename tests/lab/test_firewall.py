# SPDX-License-Identifier: Apache-2.0
"""Clusters made behind firewalls that drop everything but SSH: made, run again, used, and taken back.

Goes by name: each kind makes a whole cluster of one server and one agent. A third machine plays the stranger.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import cache_folder
from ansible_collections.kateskit.klubster.plugins.module_utils._node.nftables_rules import ACCEPT_LINE
from causes import unchanged
from small_lab import AGENT, CLIENT, KUBECTL, LAB, PAGE, PODS, SERVER, SmallLab

#: what a careful administrator has; the place of our line is marked
RULESET = """\
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    iif "lo" accept
    ct state established,related accept
    tcp dport 22 accept
    LINE
  }
  chain forward { type filter hook forward priority filter; policy drop; LINE; }
}
"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


@dataclass
class Walled(SmallLab):
    """A lab whose machines have a firewall each."""

    server: str = ""
    agent: str = ""
    before: dict[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, str]:
        return {"server1": self.server, "agent1": self.agent}

    def rules(self, machine: str) -> str:
        """Everything that the machine's kernel and its firewall's files say, without counters and handles."""
        files = "find /etc/ufw /etc/firewalld /etc/nftables.conf -type f 2>/dev/null -exec sha256sum {} + | sort -k2"
        text = self.on(machine, f"nft list ruleset; {files}")
        return re.sub(r"counter packets \d+ bytes \d+", "counter", text)

    def put_up(self, machine: str) -> None:
        kind = self.kinds[machine]
        if kind == "nftables":
            text = RULESET.replace("LINE", ACCEPT_LINE)
            self.on(machine, f"cat > /etc/nftables.conf <<'END'\n{text}END\nsystemctl enable --now nftables")
            return
        debs = packages(kind, self.folder.parent)
        unpack = "mkdir -p /root/debs && tar -C /root/debs -xf -"
        run(["sh", "-c", f"tar -C {debs} -cf - . | ssh -F {self.ssh_config} {machine} '{unpack}'"], timeout=60)
        self.on(machine, "dpkg -i /root/debs/*.deb")
        if kind == "ufw":
            self.on(machine, "ufw allow 22/tcp && ufw --force enable")


def packages(kind: str, folder: Path) -> Path:
    """A firewall's packages and what they need besides the machines' own, as the host's apt knows them."""
    base = BaseRoot(cache_folder() / "lab", run).path
    debs = folder / f"debs-{kind}"
    (debs / "partial").mkdir(parents=True, exist_ok=True)
    places = {"Dir::State::status": base / "var/lib/dpkg/status", "Dir::Cache::archives": debs}
    options = [part for key, value in places.items() for part in ("-o", f"{key}={value}")]
    try:
        run(["apt-get", *options, "--no-install-recommends", "-y", "--download-only", "install", kind], timeout=180)
    except CommandFailed as exc:
        pytest.skip(f"{kind} cannot be fetched here: {exc}")
    return debs


@pytest.fixture(scope="module", params=[("nftables", "nftables"), ("ufw", "firewalld")], ids="-and-".join)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Walled]:
    walled = Walled(tmp_path_factory.mktemp("walled") / "inventory", "firewall", *request.param)
    walled.define(klubster_api_sources=f"[{LAB}]")
    walled.playbook("lab_up")
    try:
        for machine in walled.kinds:
            walled.put_up(machine)
            walled.before[machine] = walled.rules(machine)
        assert walled.reaches("client", SERVER, 22), "the stranger must reach what is open, or its silence says nothing"
        walled.playbook("site")
        yield walled
    finally:
        walled.playbook("lab_down")


def test_run_again_nothing_changes(lab: Walled) -> None:
    said = lab.playbook("site")
    assert unchanged(said), said[-3000:]


def test_pods_of_both_nodes_reach_each_other(lab: Walled) -> None:
    lab.on("server1", f"cat <<'END' | {KUBECTL} apply -f -\n{PODS}{SERVICE}END")
    lab.on("server1", f"{KUBECTL} rollout status daemonset/web --timeout=90s")
    listed = lab.on("server1", f"{KUBECTL} get pods -l app=web -o jsonpath='{{.items[*].status.podIP}}'").split()
    pods = lab.on("server1", f"{KUBECTL} get pods -l app=web -o name").split()
    assert len(listed) == len(pods) == 2
    for pod in pods:
        for address in listed:
            lab.on("server1", f"{KUBECTL} exec {pod} -- /agnhost connect {address}:8080 --timeout=5s")


def test_a_published_service_answers_a_stranger(lab: Walled) -> None:
    fetch = f'print(u.urlopen("http://{PAGE}/hostname", timeout=5).read().decode())'
    # The address is announced when MetalLB has seen the service.
    lab.on("server1", f"{KUBECTL} wait service/web --for=jsonpath='{{.status.loadBalancer.ingress}}' --timeout=60s")
    assert lab.on("client", f"python3 -c 'import urllib.request as u; {fetch}'").startswith("web-")


def test_machines_reach_only_what_they_need(lab: Walled) -> None:
    assert lab.reaches("agent1", SERVER, 6443)
    assert lab.reaches("agent1", SERVER, 10250)
    assert lab.reaches("server1", AGENT, 10250)
    assert not lab.reaches("agent1", SERVER, 2379)


@pytest.mark.parametrize("port", [2379, 2380, 6443, 7946, 10250])
def test_a_stranger_reaches_nothing_of_the_cluster(lab: Walled, port: int) -> None:
    assert not lab.reaches("client", SERVER, port)
    assert not lab.reaches("client", AGENT, port)


def test_whom_the_user_names_reaches_the_api_and_nothing_else(lab: Walled) -> None:
    also = f'{{"klubster_api_sources": ["{LAB}", "{CLIENT}"]}}'
    lab.playbook("site", "--tags", "machine", "-e", also)
    assert lab.reaches("client", SERVER, 6443)
    assert not lab.reaches("client", SERVER, 10250)
    lab.playbook("site", "--tags", "machine")
    assert not lab.reaches("client", SERVER, 6443)


def test_rules_of_the_system_can_be_read_anew(lab: Walled) -> None:
    """Reloads of the user's own firewall, and what comes with a boot."""
    reload = {"nftables": "systemctl reload nftables", "ufw": "ufw reload", "firewalld": "firewall-cmd --reload"}
    for machine, kind in lab.kinds.items():
        lab.on(machine, reload[kind])
        lab.on(machine, f"systemctl restart {kind}")
    assert lab.reaches("agent1", SERVER, 6443)
    assert lab.reaches("server1", AGENT, 10250)
    assert not lab.reaches("client", SERVER, 10250)


def test_reset_leaves_the_firewall_as_it_was(lab: Walled) -> None:
    lab.playbook("reset", "-e", "klubster_reset=lab")
    for machine, before in lab.before.items():
        assert lab.rules(machine) == before
