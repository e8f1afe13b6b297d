# SPDX-License-Identifier: Apache-2.0
"""A client in a house reads a page of the cluster by its name, three networks away; then things break.

pytest tests/networks, on a lab of inventories/lab_bgp. What was measured goes to build/reports/bgp.json.
"""

from __future__ import annotations

import os
import time
import typing as t

import networks
import pytest
from cluster import Cluster, Inventory, ansible
from networks import NAMESPACE, POOL, Reader, Record
from page import address_of_page
from plugs import plug

UPLINKS = ("router2a", "router2b")
#: a node that load balancers leave out (kubernetes.io, well-known labels)
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
#: seconds; what the routers are told in inventories/lab_bgp
HOLD_TIME = 9


@pytest.fixture(scope="module")
def page(cluster: Cluster, inventory: Inventory, namespace: str) -> str:
    """The page's address, once the client reads it by its name."""
    version = str(inventory.get("klubster_engine_version", "1.34.2")).partition("+")[0]
    networks.deploy(cluster, f"bundle.klubster.internal/agnhost:v{version}")
    address = address_of_page(cluster, namespace)

    networks.wait(lambda: _reads(inventory), "the client in the house reads the page", 60)
    return address


@pytest.fixture(scope="module")
def nodes(inventory: Inventory) -> list[str]:
    return sorted(machine.address for machine in inventory.machines)


def settled(inventory: Inventory, nodes: list[str]) -> None:
    """All sessions are up: what one test broke is whole again before the next."""
    for uplink in UPLINKS:
        networks.wait(
            lambda uplink=uplink: networks.not_up(inventory, uplink, [*nodes, "198.51.100.1"]) or True,  # type: ignore[misc]
            f"all sessions of {uplink}",
            90,
        )


def test_every_session_is_up(inventory: Inventory, page: str, nodes: list[str]) -> None:
    settled(inventory, nodes)
    assert networks.sessions(inventory, "router3") == {
        "198.51.100.2": "Established",
        "198.51.100.3": "Established",
        "192.0.2.2": "Established",
    }
    assert networks.sessions(inventory, "router4") == {"192.0.2.1": "Established"}


def test_the_client_reads_the_page_by_its_names(inventory: Inventory, page: str) -> None:
    for name in (networks.NAME, f"page.{NAMESPACE}.apps.example.org"):
        assert networks.page(inventory, name).startswith("page-")
    said = networks.ssh(inventory, "client", f"getent hosts {networks.NAME}")
    assert said.split()[0] == page


def test_single_addresses_stay_in_the_clusters_network(
    inventory: Inventory, page: str, nodes: list[str], cluster: Cluster
) -> None:
    """The uplinks know each service with its nodes; the internet and the house know one network."""
    pods = cluster.core.list_namespaced_pod(NAMESPACE, label_selector="app=page").items
    places = {cluster.core.read_node(pod.spec.node_name).status.addresses[0].address for pod in pods}
    for uplink in UPLINKS:
        found = networks.routes(inventory, uplink)
        assert found[f"{page}/32"] == sorted(places), found
    beyond = networks.routes(inventory, "router3")
    assert sorted(beyond) == [POOL]
    assert beyond[POOL] == ["198.51.100.2", "198.51.100.3"]
    assert sorted(networks.routes(inventory, "router4")) == ["198.51.100.0/24", POOL]


def test_the_house_is_not_reached_from_outside(inventory: Inventory, page: str) -> None:
    """Its network is announced to nobody, and its box answers for it."""
    assert "192.168.178.0/24" not in networks.routes(inventory, "router3")
    said = networks.ssh(inventory, "router3", "ip route get 192.168.178.100 || true")
    assert "192.0.2.2" not in said


def test_the_house_gives_addresses_and_names(inventory: Inventory, page: str) -> None:
    """A further machine of the house, with its address by DHCP and its DNS server from there."""
    networks.ssh(
        inventory,
        "client",
        "ip link add link eth0 name guest type macvlan mode bridge;"
        " mkdir -p /run/systemd/network;"
        " printf '[Match]\\nName=guest\\n[Network]\\nDHCP=ipv4\\n[DHCPv4]\\nUseRoutes=no\\n'"
        " > /run/systemd/network/10-guest.network;"
        " systemctl restart systemd-networkd",
    )
    try:

        def leased() -> t.Any:
            said = networks.ssh(inventory, "client", "cat /run/systemd/netif/leases/* 2>/dev/null || true")
            return True if "ADDRESS=192.168.178.1" in said and "DNS=192.168.178.1" in said else said

        networks.wait(leased, "a lease", 30)
    finally:
        networks.ssh(
            inventory, "client", "ip link del guest; rm -f /run/systemd/network/10-guest.network; networkctl reload"
        )


def test_what_goes_is_withdrawn(inventory: Inventory, cluster: Cluster, page: str) -> None:
    """With its last service the network goes from the internet; it comes back with the first."""
    cluster.core.delete_namespaced_service("page", NAMESPACE)
    cluster.core.delete_namespaced_service("service-names", "klubster-names")
    try:
        networks.wait(lambda: networks.routes(inventory, "router3") == {} or "routes", "nothing is announced", 30)
        assert all(networks.routes(inventory, uplink).keys() <= {"192.0.2.0/24", "0.0.0.0/0"} for uplink in UPLINKS)
    finally:
        cluster.core.create_namespaced_service(NAMESPACE, networks.service())
        # What of the cluster's own was lost, site.yml brings back.
        done = ansible(inventory.source, "ansible-playbook", "playbooks/site.yml", "--tags", "names")
    assert done.returncode == 0, done.stdout[-4000:]
    networks.wait(lambda: POOL in networks.routes(inventory, "router3") or "no pool", "the pool is announced", 30)
    networks.wait(lambda: _reads(inventory), "the client reads the page again", 60)


def _reads(inventory: Inventory) -> t.Any:
    try:
        return networks.page(inventory).startswith("page-")
    except AssertionError as exc:
        return str(exc)[-300:]


def test_a_session_that_is_cut_comes_back_and_nobody_waits(
    inventory: Inventory, page: str, nodes: list[str], record: Record
) -> None:
    settled(inventory, nodes)
    reader = Reader(inventory, 15)
    networks.ssh(inventory, "router2a", f"vtysh -c 'clear bgp {nodes[-1]}'")
    seen = reader.answers()
    settled(inventory, nodes)
    record.note("session cut: longest gap in s", seen.gap)
    record.note("session cut: failed requests", seen.failed)
    assert seen.gap <= 2


def test_a_speaker_that_is_taken_out_goes_without_a_word_lost(
    inventory: Inventory, cluster: Cluster, page: str, nodes: list[str], record: Record
) -> None:
    """As before work on a machine: its speaker withdraws what it announced, and its sessions go on."""
    settled(inventory, nodes)
    victim = cluster.core.read_namespaced_pod(networks.page(inventory), NAMESPACE).spec.node_name
    address = cluster.core.read_node(victim).status.addresses[0].address

    def hops(uplink: str) -> list[str]:
        return networks.routes(inventory, uplink).get(f"{page}/32", [])

    networks.wait(lambda: address in hops("router2a") or hops("router2a"), "the node announces the page", 60)
    reader = Reader(inventory, 12, page)
    try:
        cluster.core.patch_node(victim, {"metadata": {"labels": {EXCLUDED: ""}}})
        took = networks.wait(
            lambda: not any(address in hops(uplink) for uplink in UPLINKS) or "still there", "it is withdrawn", 10
        )
        seen = reader.answers()
        assert [networks.not_up(inventory, uplink, nodes) for uplink in UPLINKS] == [[], []]
    finally:
        cluster.core.patch_node(victim, {"metadata": {"labels": {EXCLUDED: None}}})
    record.note("speaker taken out: withdrawn after s", took)
    record.note("speaker taken out: longest gap in s", seen.gap)
    record.note("speaker taken out: failed requests", seen.failed)
    assert (seen.failed, seen.gap <= 2) == (0, True)
    networks.wait(lambda: address in hops("router2a") or hops("router2a"), "the node announces the page again", 30)


def test_an_uplink_dies_and_the_client_is_served_by_the_other(
    inventory: Inventory, page: str, nodes: list[str], record: Record
) -> None:
    """BFD tells the internet, VRRP the nodes' way back."""
    settled(inventory, nodes)
    reader = Reader(inventory, 40)
    networks.cut_power(inventory, "router2a")
    seen = reader.answers()
    plug(inventory, "on", "router2a")
    record.note("uplink killed: longest gap in s", seen.gap)
    record.note("uplink killed: failed requests", seen.failed)
    assert seen.gap <= 5, "VRRP waits three seconds, BFD one and a half"
    networks.wait(lambda: networks.runs_frr(inventory, "router2a"), "router2a is up", 60)
    settled(inventory, nodes)


def test_a_node_dies_and_its_traffic_goes_to_another(
    inventory: Inventory, cluster: Cluster, page: str, nodes: list[str], record: Record
) -> None:
    """Native MetalLB has no BFD: the hold time has to pass. By the address: a name may be asked of a dead pod."""
    settled(inventory, nodes)
    # The routers choose by addresses, so all that this client asks goes to one node.
    victim = cluster.core.read_namespaced_pod(networks.page(inventory), NAMESPACE).spec.node_name
    reader, by_name = Reader(inventory, HOLD_TIME + 30, page), Reader(inventory, HOLD_TIME + 30)
    time.sleep(1)
    networks.cut_power(inventory, victim)
    seen, seen_by_name = reader.answers(), by_name.answers()
    plug(inventory, "on", victim)
    record.note("node killed, without BFD: longest gap in s", seen.gap)
    record.note("node killed, without BFD: failed requests", seen.failed)
    record.note("node killed, by name: longest gap in s", seen_by_name.gap)
    record.note("hold time in s", HOLD_TIME)
    assert seen.gap <= HOLD_TIME + 1
    settled(inventory, nodes)


def test_a_rerun_resets_no_session(inventory: Inventory, page: str, nodes: list[str]) -> None:
    settled(inventory, nodes)
    was = {uplink: networks.ages(inventory, uplink) for uplink in UPLINKS}
    done = ansible(inventory.source, "ansible-playbook", "playbooks/routers.yml")
    assert done.returncode == 0, done.stdout[-4000:]
    recap = done.stdout.partition("PLAY RECAP")[2]
    assert recap.count("changed=0") == len(inventory.hosts("routers")), done.stdout[-4000:]
    now = {uplink: networks.ages(inventory, uplink) for uplink in UPLINKS}
    # FRR reckons from how long a session is up, in whole seconds.
    assert all(abs(now[uplink][peer] - began) <= 2 for uplink in UPLINKS for peer, began in was[uplink].items())


def test_no_output_holds_the_password(inventory: Inventory) -> None:
    done = ansible(inventory.source, "ansible-playbook", "playbooks/routers.yml", "-vvv", "--diff", "--check")
    state = inventory.vars("lab_controller")["lab_state_dir"]
    with open(os.path.join(state, "bgp-password"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        password = file.read().split()[0]
    assert len(password) == 20
    assert password not in done.stdout + done.stderr
