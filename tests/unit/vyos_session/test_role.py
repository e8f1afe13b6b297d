# SPDX-License-Identifier: Apache-2.0
"""The role itself, by ansible-playbook and network_cli, against a router that plays VyOS on this machine."""

from __future__ import annotations

import copy
import re
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from router import USER, Device
from router_models import Data
from runs import play
from server import PASSWORD, Serving

SECRET = "h1dden-from-all"
NEIGHBOR = {"remote_as": 65001, "ipv4": {"prefix_list_in": "services"}}
MODEL: Data = {
    "prefix_lists": {"services": [{"prefix": "203.0.113.0/24", "ge": 32, "le": 32}]},
    "bgp": {
        "asn": 65010,
        "router_id": "10.255.0.2",
        "neighbors": {"10.10.0.11": NEIGHBOR, "10.10.0.12": {**NEIGHBOR, "description": "a long one, " + "x" * 60}},
    },
    "nat": {"source": [{"interface": "eth1", "source": "10.10.0.0/24", "translation": "masquerade"}]},
}


@dataclass
class Lab:
    """A router, and runs on it."""

    device: Device
    port: int
    folder: Path
    model: Data = field(default_factory=lambda: copy.deepcopy(MODEL))

    def converge(self, *flags: str, **more: t.Any) -> tuple[int, str, dict[str, t.Any]]:
        """Run the role: its exit status, what it said (never a password), and its results."""
        host = {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": USER,
            "ansible_password": PASSWORD,
            "ansible_connection": "ansible.netcommon.network_cli",
            "ansible_network_os": "vyos.vyos.vyos",
            "router_kind": "vyos",
            "router_model": self.model,
            "router_passwords": {"10.10.0.11": SECRET},
            "router_timeout": 1,
        }
        self.device.typed.clear()
        return play(self.folder, host, SECRET, *flags, **more)


@pytest.fixture
def lab(tmp_path: Path) -> t.Iterator[Lab]:
    device = Device("1.5")
    serving = Serving(device)
    try:
        yield Lab(device, serving.port, tmp_path)
    finally:
        serving.close()


def edits(lab: Lab) -> list[str]:
    return [line for line in lab.device.typed if re.match(r"set (?!terminal)|delete |commit|confirm|save", line)]


def test_check_mode_types_nothing(lab: Lab) -> None:
    before = lab.device.running
    rc, said, found = lab.converge("--check", "--diff")
    assert rc == 0, said
    assert found["router"]["changed"]
    assert "+set protocols bgp neighbor 10.10.0.11 password ********" in said
    assert (lab.device.running, edits(lab)) == (before, [])


def test_a_change_is_committed_confirmed_over_a_new_connection_and_saved_once(lab: Lab) -> None:
    rc, said, found = lab.converge("-vvv", "--diff")
    assert rc == 0, said
    assert found["router"]["changed"]
    assert ("protocols", "bgp", "neighbor", "10.10.0.11", "password", SECRET) in lab.device.running
    assert lab.device.saved == lab.device.running
    assert (lab.device.deadline, lab.device.reboots) == (None, 0)
    assert edits(lab)[-3:] == ["commit-confirm 5", "confirm", "save"]
    after = lab.device.typed[lab.device.typed.index("commit-confirm 5") : lab.device.typed.index("confirm")]
    assert "set terminal length 0" in after, "it hung up between"

    rc, said, found = lab.converge(gathered=True)
    assert rc == 0, said
    assert found["router"]["changed"] is False
    assert edits(lab) == []
    assert (found["found"]["with_password"], found["found"]["strange"]) == (["10.10.0.11"], [])
    assert found["found"]["gathered"]["nat"]["source"][0]["translation"] == "masquerade"


def test_what_somebody_added_to_our_parts_goes_and_the_rest_stays(lab: Lab) -> None:
    lab.device.load(
        "set protocols bgp neighbor 10.10.0.99 remote-as 65099\nset protocols ospf area 0 network 10.0.0.0/8"
    )
    rc, said, dummy = lab.converge()
    assert rc == 0, said
    assert edits(lab)[0] == "delete protocols bgp neighbor 10.10.0.99"
    assert ("protocols", "ospf", "area", "0", "network", "10.0.0.0/8") in lab.device.running


def test_a_change_without_its_session_is_taken_back(lab: Lab) -> None:
    before = lab.device.running
    lab.device.down = {"10.10.0.77"}
    lab.model["bgp"]["neighbors"]["10.10.0.77"] = {"remote_as": 65077, "ipv4": {}}
    rc, said, dummy = lab.converge(router_sessions="all")
    assert rc != 0
    assert "After 1 s there is no session with 10.10.0.77." in said
    assert "The configuration is as it was before." in said
    assert (lab.device.running, lab.device.deadline) == (before, None)
    del lab.model["bgp"]["neighbors"]["10.10.0.77"]


def test_a_change_that_locks_us_out_is_undone_by_the_router(lab: Lab) -> None:
    before = lab.device.running

    def locks(path: t.Any) -> bool:
        lab.device.unreachable = True
        return False

    lab.device.ignores = locks
    lab.model["bgp"]["router_id"] = "10.255.0.9"
    rc, said, dummy = lab.converge()
    lab.device.ignores, lab.device.unreachable = (lambda _: False), False
    assert rc != 0
    assert lab.device.running != before, said
    lab.device.after(300)
    assert (lab.device.running, lab.device.reboots) == (before, 1)


def test_what_the_commit_refuses_changes_nothing(lab: Lab) -> None:
    lab.device.load("set interfaces ethernet eth7 address 10.10.0.50/24")
    before = lab.device.running
    lab.model["bgp"]["neighbors"]["10.10.0.50"] = NEIGHBOR
    rc, said, dummy = lab.converge()
    assert rc != 0
    assert "Can not configure local address as neighbor" in said
    assert (lab.device.running, lab.device.deadline) == (before, None)
