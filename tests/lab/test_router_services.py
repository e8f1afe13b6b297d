# SPDX-License-Identifier: Apache-2.0
"""NAT, firewall, DNS, DHCP and VRRP of the role router, on two machines: ``box`` is the router, ``away`` is outside.

Programs come from Debian, by apt on the host: the machines have no way out. Their files are looked at by the programs
themselves, and what they do is seen from the other machine.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import packages
import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result, run
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder

ROOT = Path(__file__).resolve().parents[2]
NAME = "services"
PACKAGES = ("frr", "frr-pythontools", "dnsmasq-base", "keepalived", "nftables")
BOX, AWAY, SHARED = "10.87.0.11", "10.87.0.12", "10.87.0.20"
DEFINITION: dict[str, t.Any] = {
    "name": NAME,
    "segments": {"one": {"network": "10.87.0.0/24"}},
    "machines": {
        "box": {"groups": ["routers"], "addresses": {"one": BOX}},
        "away": {"groups": ["routers"], "addresses": {"one": AWAY}},
    },
}
MODEL: dict[str, t.Any] = {
    "forwarding": True,
    "static_routes": {},
    "nat": {
        "destination": [
            {
                "destination": BOX,
                "protocol": "tcp",
                "destination_port": 8080,
                "translation": BOX,
                "translation_port": 9090,
            }
        ]
    },
    "firewall": {
        "established": "accept",
        "related": "accept",
        "ipv4": {
            "in": {
                "rules": [
                    {"action": "accept", "protocol": "tcp", "destination_port": [22, 53, 9090]},
                    {"action": "accept", "protocol": "udp", "destination_port": [53, 67]},
                    {"action": "accept", "protocol": "icmp"},
                    {"action": "accept", "protocol": "vrrp"},
                ]
            },
            "out": {"default": "accept"},
        },
        "ipv6": {"six": [{"action": "accept", "protocol": "ipv6-icmp"}]},
        "zones": {
            "lan": {"interfaces": ["eth0"], "sources": {"box": {"ipv4": "out", "ipv6": "six"}}},
            "box": {"local": True, "sources": {"lan": {"ipv4": "in", "ipv6": "six"}}},
        },
    },
    "dns": {
        "listen": [BOX],
        "allow_from": ["10.87.0.0/24"],
        "zones": {"lab.test": {"records": {"www": ["203.0.113.9"]}}},
    },
    "dhcp": {"lan": {"subnet": "10.87.0.0/24", "ranges": [{"start": "10.87.0.100", "stop": "10.87.0.110"}]}},
    "vrrp": {"shared": {"interface": "eth0", "id": 7, "addresses": [f"{SHARED}/24"], "priority": 150}},
}
PLAYBOOK = """\
- hosts: box
  gather_facts: false
  roles: [kateskit.klubster.router]
  tasks:
    - kateskit.klubster.router_services: {state: gathered}
      register: found
    - ansible.builtin.copy:
        content: "{{ {'looked': __router_looked, 'found': found} | to_json }}"
        dest: "{{ result }}"
        mode: "0600"
      delegate_to: localhost
"""
#: asks a server for an address of a name; prints it, or nothing
ASK = """\
import socket, struct, sys
name, server = sys.argv[1:]
question = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
asked = struct.pack(">6H", 7, 256, 1, 0, 0, 0) + question + bytes([0, 0, 1, 0, 1])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    line.settimeout(3)
    line.sendto(asked, (server, 53))
    said = line.recv(4096)
print(socket.inet_ntoa(said[-4:]) if said[7] else "")
"""


@dataclass
class Lab:
    """Both machines, and what box shall be."""

    folder: Path
    ssh_config: Path
    model: dict[str, t.Any]

    def ssh(self, machine: str, command: str, *, check: bool = True) -> Result:
        return run(["ssh", "-F", str(self.ssh_config), machine, command], check=check, timeout=60)

    def converge(self, *flags: str, **more: t.Any) -> tuple[int, str, dict[str, t.Any]]:
        inventory = {
            "all": {
                "vars": {"ansible_ssh_common_args": f"-F {self.ssh_config}", "ansible_user": "root"},
                "hosts": {"box": {"ansible_python_interpreter": "/usr/bin/python3", "router_model": self.model}},
            }
        }
        result = self.folder / "result.json"
        result.unlink(missing_ok=True)
        (self.folder / "hosts.json").write_text(json.dumps(inventory))
        (self.folder / "play.yml").write_text(PLAYBOOK)
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.folder / "hosts.json")]
        argv += ["-e", json.dumps({**more, "result": str(result)}), str(self.folder / "play.yml"), *flags]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
        found = json.loads(result.read_text()) if result.exists() else {}
        return done.returncode, done.stdout + done.stderr, found

    def ask(self, name: str) -> str:
        command = f"python3 - {name} {BOX} <<'END'\n{ASK}END"
        return self.ssh("away", command, check=False).stdout.strip()

    def starts(self) -> str:
        """When the programs were started."""
        return self.ssh("box", "ps -o lstart=,pid=,args= -C dnsmasq,keepalived | sort").stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    cache = tmp_path_factory.mktemp("cache")
    base = BaseRoot(cache_folder() / "lab", run)
    backend = ContainerBackend(cache, base=base)
    try:
        backend.up(parse_lab(DEFINITION))
        made = Lab(tmp_path_factory.mktemp("ansible"), LabPaths(NAME, cache).ssh_config, copy.deepcopy(MODEL))
        packages.install(made.ssh_config, ["box"], packages.fetch(base.path, PACKAGES))
        yield made
    finally:
        backend.down(NAME)
    assert backend.leftovers(NAME) == []


def test_check_mode_changes_nothing(lab: Lab) -> None:
    rc, said, dummy = lab.converge("--check", "--diff")
    assert rc == 0, said
    assert '"203.0.113.9"' in said
    assert "klubster" not in lab.ssh("box", "nft list tables").stdout
    assert lab.starts() == ""


def test_everything_is_made_and_kept(lab: Lab) -> None:
    rc, said, found = lab.converge()
    assert rc == 0, said
    assert found["looked"]["changed"]
    assert found["looked"]["pending"]
    timer = lab.ssh("box", "systemctl is-active klubster-router-undo.timer", check=False)
    assert timer.stdout.strip() != "active"
    tables = lab.ssh("box", "nft list tables").stdout
    assert all(name in tables for name in ("ip klubster_nat", "inet klubster_firewall", "inet klubster_dns"))
    units = [f"klubster-router-{part}.service" for part in ("rules", "dns", "dhcp", "vrrp")]
    assert lab.ssh("box", f"systemctl is-enabled {' '.join(units)}").stdout.split() == ["enabled"] * 4


def test_again_nothing_changes_and_no_program_is_restarted(lab: Lab) -> None:
    before = lab.starts()
    assert before
    rc, said, found = lab.converge()
    assert rc == 0, said
    assert (found["looked"]["changed"], found["found"]["strange"]) == (False, [])
    assert lab.starts() == before


def test_others_see_what_it_does(lab: Lab) -> None:
    assert lab.ask("www.lab.test") == "203.0.113.9"
    page = "mkdir -p /srv/page; cd /srv/page; echo here > index.html"
    server = "systemd-run --unit=page --working-directory=/srv/page"
    lab.ssh("box", f"{page}; {server} python3 -m http.server 9090; {server}-2 python3 -m http.server 9191", check=False)
    time.sleep(2)
    fetch = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://{}\", timeout=5).read().decode())'"
    assert lab.ssh("away", fetch.format(f"{BOX}:8080")).stdout.strip() == "here"
    assert lab.ssh("away", fetch.format(f"{BOX}:9191"), check=False).rc != 0
    deadline = time.monotonic() + 20
    while SHARED not in lab.ssh("box", "ip -brief address").stdout and time.monotonic() < deadline:
        time.sleep(0.5)
    assert SHARED in lab.ssh("box", "ip -brief address").stdout


def test_one_part_changes_alone(lab: Lab) -> None:
    lab.model["dns"]["zones"]["lab.test"]["records"]["mail"] = ["203.0.113.10"]
    before = lab.starts().splitlines()
    rc, said, found = lab.converge()
    assert rc == 0, said
    assert found["looked"]["restarted"] == ["dns"]
    assert lab.ask("mail.lab.test") == "203.0.113.10"
    assert len([line for line in lab.starts().splitlines() if line in before]) == len(before) - 1


def test_rules_that_were_flushed_come_back(lab: Lab) -> None:
    lab.ssh("box", "nft delete table ip klubster_nat; nft add table inet theirs")
    rc, said, found = lab.converge()
    assert rc == 0, said
    assert found["looked"]["changed"]
    tables = lab.ssh("box", "nft list tables").stdout
    assert "ip klubster_nat" in tables
    assert "inet theirs" in tables


def test_rules_that_lock_us_out_go_again(lab: Lab) -> None:
    good = copy.deepcopy(lab.model)
    lab.model["firewall"]["ipv4"]["in"]["rules"] = [{"action": "accept", "protocol": "icmp"}]
    rc, dummy, dummy = lab.converge(router_confirm=20)
    lab.model = good
    assert rc != 0
    time.sleep(25)
    rc, said, found = lab.converge()
    assert rc == 0, said
    assert found["looked"]["changed"] is False


def test_a_program_that_does_not_stay_takes_everything_back(lab: Lab) -> None:
    good = copy.deepcopy(lab.model)
    folder = "/run/systemd/system/klubster-router-dns.service.d"
    broken = f"printf '[Service]\\nExecStartPre=/bin/false\\n' > {folder}/broken.conf"
    lab.ssh("box", f"mkdir -p {folder}; {broken}; systemctl daemon-reload")
    lab.model["dns"]["zones"]["lab.test"]["records"]["new"] = ["203.0.113.11"]
    rc, said, dummy = lab.converge()
    lab.model = good
    assert rc != 0
    assert "klubster-router-dns.service does not run" in said
    lab.ssh("box", "rm -r /run/systemd/system/klubster-router-dns.service.d; systemctl daemon-reload")
    rc, said, dummy = lab.converge()
    assert rc == 0, said
    assert lab.ask("www.lab.test") == "203.0.113.9"


def test_parts_that_are_empty_go(lab: Lab) -> None:
    lab.model.update(nat={}, firewall={}, dhcp={}, vrrp={})
    rc, said, dummy = lab.converge()
    assert rc == 0, said
    assert [line for line in lab.ssh("box", "nft list tables").stdout.splitlines() if "klubster" in line] == [
        "table inet klubster_dns"
    ]
    assert "keepalived" not in lab.starts()
    assert lab.ask("www.lab.test") == "203.0.113.9"


def test_a_part_that_left_the_model_leaves_nothing(lab: Lab) -> None:
    lab.model = {"forwarding": True}
    rc, said, dummy = lab.converge()
    assert rc == 0, said
    assert "klubster" not in lab.ssh("box", "nft list tables").stdout
    assert lab.starts() == ""
    left = "ls -d /etc/klubster/router /etc/systemd/system/klubster-router-* /etc/systemd/system/*/klubster-router-*"
    assert lab.ssh("box", left, check=False).stdout == ""
    rc, said, found = lab.converge()
    assert (rc, found["looked"]["changed"]) == (0, False), said


def test_it_is_all_there_after_a_restart_of_the_systems_own_rules(lab: Lab) -> None:
    lab.model = copy.deepcopy(MODEL)
    assert lab.converge()[0] == 0
    lab.ssh("box", "systemctl restart nftables")
    rc, said, found = lab.converge()
    assert rc == 0, said
    assert found["looked"]["changed"] is False
