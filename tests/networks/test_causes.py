# SPDX-License-Identifier: Apache-2.0
"""One thing is broken on one router; status.yml has to name it with router and peer, and nothing after it was mended.

pytest tests/networks -k causes, on a lab of inventories/lab_bgp.
"""

from __future__ import annotations

import copy
import json
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

import networks
import pytest
from cluster import Cluster, Inventory, ansible
from page import address_of_page
from plugs import plug

UPLINK = "router2a"
INTERNET = "198.51.100.1"
#: router4, as router3 sees it
HOUSE = "192.0.2.2"
#: seconds; MetalLB waits longer before each try
PATIENCE = 240
#: a secret of this test alone
OTHER_PASSWORD = "an0ther-than-theirs"
_PROBLEM = re.compile(r"^\s+\d+\. (?:Warning: )?(.*)\.$")
_SEEN = re.compile(r"^\s+seen:\s+(.*)$")


@dataclass(frozen=True)
class Status:
    """What status.yml said."""

    rc: int
    text: str
    #: cause → what it was seen on, and what was seen
    problems: dict[str, str]


def status(inventory: Inventory, folder: Path) -> Status:
    given = folder / "status.json"
    # A line for each cause.
    given.write_text(json.dumps({"status_width": 2000, "status_page": str(folder / "page.html")}))
    done = ansible(inventory.source, "ansible-playbook", "playbooks/status.yml", "-e", f"@{given}")
    found: dict[str, str] = {}
    cause = ""
    for line in done.stdout.splitlines():
        problem, seen = _PROBLEM.match(line), _SEEN.match(line)
        if problem:
            cause = problem.group(1)
        elif seen and cause:
            found[cause], cause = seen.group(1), ""
    return Status(done.returncode, done.stdout + done.stderr, found)


class Breaker:
    """Tells routers something else than the inventory does, and mends those that it told."""

    def __init__(self, inventory: Inventory, folder: Path) -> None:
        self._inventory, self._folder = inventory, folder
        self._told: list[str] = []

    def vars(self, router: str, name: str) -> t.Any:
        """What the inventory says, to be changed."""
        return copy.deepcopy(self._inventory.vars(router)[name])

    def tell(self, router: str, **changed: t.Any) -> None:
        self._told.append(router)
        self._run(router, **changed)

    def mend(self) -> None:
        for router in dict.fromkeys(self._told):
            self._run(router)
            # FRR keeps a session down after too many prefixes, and MetalLB waits long after some failures.
            networks.ssh(self._inventory, router, "vtysh -c 'clear bgp *'")

    def _run(self, router: str, **changed: t.Any) -> None:
        given = self._folder / "router.json"
        # The role would take back a change that costs a session.
        given.write_text(json.dumps({"router_sessions": "none", **changed}))
        given.chmod(0o600)
        argv = ("playbooks/routers.yml", "--limit", router, "-e", f"@{given}")
        done = ansible(self._inventory.source, "ansible-playbook", *argv)
        assert done.returncode == 0, done.stdout[-4000:]


@pytest.fixture(scope="module")
def nodes(inventory: Inventory) -> dict[str, str]:
    return {machine.node_name: machine.address for machine in inventory.machines}


@pytest.fixture(scope="module")
def page(cluster: Cluster, inventory: Inventory, namespace: str) -> str:
    """A service that both agents announce."""
    version = str(inventory.get("klubster_engine_version", "1.34.2")).partition("+")[0]
    networks.deploy(cluster, f"bundle.klubster.internal/agnhost:v{version}")
    return address_of_page(cluster, namespace)


@pytest.fixture
def breaker(inventory: Inventory, nodes: dict[str, str], page: str, tmp_path: Path) -> t.Iterator[Breaker]:
    """All is well before, and is made so afterwards; then status has nothing to say of any router."""
    _settle(inventory, nodes, page)
    found = Breaker(inventory, tmp_path)
    yield found
    found.mend()
    _settle(inventory, nodes, page)
    after = status(inventory, tmp_path)
    assert not of_routers(after), after.text[-6000:]
    assert " is well" in after.text, after.text[-6000:]


def of_routers(found: Status) -> list[str]:
    return [cause for cause, seen in found.problems.items() if "router" in cause + seen]


def _settle(inventory: Inventory, nodes: dict[str, str], page: str) -> None:
    for router in ("router2a", "router2b"):
        networks.wait(
            lambda router=router: networks.not_up(inventory, router, [*nodes.values(), INTERNET]) or True,  # type: ignore[misc]
            f"all sessions of {router}",
            PATIENCE,
        )
        networks.wait(
            lambda router=router: len(networks.routes(inventory, router).get(f"{page}/32", [])) == 2 or "routes",  # type: ignore[misc]
            f"{router} knows the page by two nodes",
            PATIENCE,
        )
    networks.wait(lambda: networks.POOL in networks.routes(inventory, "router4") or "no pool", "the pool", PATIENCE)


def named(inventory: Inventory, folder: Path, cause: str, *subjects: str) -> Status:
    """Ask until the cause is named, with each of its sessions, and no other cause with one of those."""
    last: list[Status] = []

    def asked() -> t.Any:
        last[:] = [status(inventory, folder)]
        seen = last[0].problems.get(cause, "")
        return True if all(subject in seen for subject in subjects) and seen else sorted(last[0].problems)

    networks.wait(asked, cause, PATIENCE)
    others = {other: seen for other, seen in last[0].problems.items() if other != cause}
    assert not [seen for seen in others.values() if any(subject in seen for subject in subjects)], others
    return last[0]


def _of_nodes(names: t.Iterable[str]) -> list[str]:
    return [f"session {UPLINK} to {name}" for name in sorted(names)]


def test_a_status_of_all_that_is_well_names_everything(
    inventory: Inventory, nodes: dict[str, str], page: str, tmp_path: Path
) -> None:
    _settle(inventory, nodes, page)
    found = status(inventory, tmp_path)
    assert found.rc == 0, found.text[-6000:]
    assert not of_routers(found), found.problems
    rows = [line.split() for line in found.text.splitlines()]
    for uplink in ("router2a", "router2b"):
        for name, address in nodes.items():
            assert any(row[:4] == [uplink, name, "up", address] for row in rows), found.text[-6000:]
        assert any(row[2:5] == [uplink, f"{page}/32", "2"] for row in rows), found.text[-6000:]
    assert any(row[:3] == ["router3", "router4", "up"] for row in rows)
    assert any(row[2:5] == ["router3", networks.POOL, "2"] for row in rows)
    assert any(row[:2] == ["apps.example.org", "ready"] for row in rows)
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Networks, routers and sessions" in written
    assert written.count('class="session bad"') == 1, "only the key of the picture shows one"


def test_a_wrong_number_between_routers(inventory: Inventory, breaker: Breaker, tmp_path: Path) -> None:
    changed = breaker.vars(UPLINK, "uplink_neighbors")
    changed[INTERNET]["remote_as"] = 65099
    breaker.tell(UPLINK, uplink_neighbors=changed)
    subject = f"session {UPLINK} to router3"
    found = named(inventory, tmp_path, f"{UPLINK} takes router3 for AS 65099, but it is AS 65020", subject)
    assert found.rc != 0


def test_a_wrong_number_for_the_cluster(
    inventory: Inventory, breaker: Breaker, nodes: dict[str, str], tmp_path: Path
) -> None:
    changed = breaker.vars(UPLINK, "uplink_group")
    changed["nodes"]["remote_as"] = 65099
    breaker.tell(UPLINK, uplink_group=changed)
    cause = f"{UPLINK} takes the cluster's nodes for AS 65099, but they are AS 65001"
    named(inventory, tmp_path, cause, *_of_nodes(nodes))


def test_a_wrong_password(inventory: Inventory, breaker: Breaker, nodes: dict[str, str], tmp_path: Path) -> None:
    breaker.tell(UPLINK, router_passwords={"nodes": OTHER_PASSWORD})
    cause = f"{UPLINK} and the cluster's nodes have different passwords, as it seems"
    found = named(inventory, tmp_path, cause, *_of_nodes(nodes))
    assert OTHER_PASSWORD not in found.text
    assert OTHER_PASSWORD not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_password_on_one_side(inventory: Inventory, breaker: Breaker, nodes: dict[str, str], tmp_path: Path) -> None:
    breaker.tell(UPLINK, router_passwords={})
    cause = f"The cluster's nodes have a password for {UPLINK}, and it has none"
    named(inventory, tmp_path, cause, *_of_nodes(nodes))


def test_a_refused_prefix(inventory: Inventory, breaker: Breaker, page: str, tmp_path: Path) -> None:
    changed = breaker.vars(UPLINK, "uplink_model")
    changed["prefix_lists"]["services"] = [{"prefix": "198.18.0.0/24", "ge": 32, "le": 32}]
    breaker.tell(UPLINK, uplink_model=changed)
    cause = f"The prefix list services of {UPLINK} refuses addresses that the cluster announces"
    found = named(inventory, tmp_path, cause, *_of_nodes(["agent1", "agent2"]))
    assert f"{page}/32" in found.problems[cause]


def test_a_refused_prefix_further_out(inventory: Inventory, breaker: Breaker, tmp_path: Path) -> None:
    changed = breaker.vars("router3", "router_model")
    changed["prefix_lists"]["pool"] = [{"prefix": "198.18.0.0/24"}]
    breaker.tell("router3", router_model=changed)
    cause = "The prefix list pool of router3 refuses the way to addresses of the cluster, and it knows no other"
    named(inventory, tmp_path, cause, "session router2a to router3", "session router2b to router3")


def test_more_prefixes_than_are_taken(inventory: Inventory, breaker: Breaker, tmp_path: Path) -> None:
    """Both agents announce the page, and one of them at least the names."""
    changed = breaker.vars(UPLINK, "uplink_group")
    changed["nodes"]["ipv4"]["maximum_prefix"] = 1
    breaker.tell(UPLINK, uplink_group=changed)
    cause = f"{UPLINK} takes fewer prefixes than the cluster's nodes announce"
    found = named(inventory, tmp_path, cause, f"session {UPLINK} to agent")
    assert "more than maximum_prefix 1" in found.problems[cause]


def test_a_router_without_power_is_a_finding_and_not_the_end(
    inventory: Inventory, breaker: Breaker, tmp_path: Path
) -> None:
    networks.cut_power(inventory, "router4")
    try:
        # Its neighbour finds out when the hold time is over.
        networks.wait(
            lambda: networks.not_up(inventory, "router3", [HOUSE]) == [HOUSE] or "still up",
            "router3 misses router4",
            PATIENCE,
        )
        found = named(inventory, tmp_path, "The router router4 does not answer", "router4")
        assert "LAYERS" in found.text, "the cluster is told of all the same"
        assert "session router3 to router4" in found.text
    finally:
        plug(inventory, "on", "router4")
    networks.wait(lambda: networks.runs_frr(inventory, "router4"), "router4 is up", 90)
