# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""Causes by the tables of both sides. JSON as FRR 8.4 prints it; one thing is broken in each test."""

from __future__ import annotations

import json
import typing as t

import pytest
import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Problem, Report
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import report_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.routing import speakers_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.table import session_state_of
from router_snapshots import NODES, POOL, SERVICE, World, session

BAD_AS = {"lastErrorCodeSubcode": "0202", "lastNotificationReason": "OPEN Message Error/Bad Peer AS"}
SENT, RECEIVED = {"lastResetDueTo": "BGP Notification send"}, {"lastResetDueTo": "BGP Notification received"}
TOO_MANY = {"lastErrorCodeSubcode": "0601", "lastNotificationReason": "Cease/Maximum Number of Prefixes Reached"}
CHANGED = {"lastErrorCodeSubcode": "0606", "lastNotificationReason": "Cease/Other Configuration Change"}


@pytest.fixture
def world() -> World:
    return World()


def only(report: Report) -> Problem:
    assert len(report["problems"]) == 1, [problem["cause"] for problem in report["problems"]]
    return report["problems"][0]


def test_all_is_well(world: World) -> None:
    report = world.report()
    assert (report["problems"], report["healthy"]) == ([], True)
    routing = report["routing"]
    assert [
        (one["name"], one["asn"], one["state"], f"{one['up']}/{one['sessions']}") for one in routing["routers"]
    ] == [
        ("router1", 0, "ready", "0/0"),
        ("router2a", 65010, "ready", "4/4"),
        ("router2b", 65010, "ready", "4/4"),
        ("router3", 65020, "ready", "3/3"),
        ("router4", 65030, "ready", "1/1"),
        ("dns", 0, "ready", "0/0"),
    ]
    # Each once, though both sides have a row.
    assert [(one["router"], one["peer"]) for one in routing["sessions"]] == [
        *[("router2a", name) for name in sorted(NODES)],
        ("router2a", "router3"),
        *[("router2b", name) for name in sorted(NODES)],
        ("router2b", "router3"),
        ("router3", "router4"),
    ]
    assert {one["network"]: sorted(one["machines"]) for one in routing["networks"]} == {
        "10.77.0.0/24": sorted([*NODES, "router1", "router2a", "router2b"]),
        "192.0.2.0/24": ["router3", "router4"],
        "192.168.178.0/24": ["router4"],
        "198.51.100.0/24": ["dns", "router2a", "router2b", "router3"],
    }
    (web,) = routing["announced"]
    assert (web["address"], web["service"], web["unknown_to"]) == (SERVICE, "shop/web", [])
    assert [(way["router"], way["prefix"], way["width"], way["next_hops"]) for way in web["ways"]] == [
        ("router2a", f"{SERVICE}/32", 2, ["agent1", "agent2"]),
        ("router2b", f"{SERVICE}/32", 2, ["agent1", "agent2"]),
        ("router3", POOL, 2, ["router2a", "router2b"]),
        ("router4", POOL, 1, ["router3"]),
    ]


def test_without_routers_there_is_nothing_of_them() -> None:
    assert snapshots.report()["routing"] == {"networks": [], "routers": [], "sessions": [], "announced": []}


def test_a_router_with_a_wrong_number_for_another(world: World) -> None:
    world["router2a"].model["bgp"]["neighbors"]["198.51.100.1"]["remote_as"] = 65099
    world["router2a"].summary["198.51.100.1"]["remoteAs"] = 65099
    world["router2a"].down("198.51.100.1", "Idle", **BAD_AS, **SENT)
    world["router3"].down("198.51.100.2", "Active", **BAD_AS, **RECEIVED)
    problem = only(world.report())
    assert problem["severity"] == "error"
    assert problem["cause"] == "router2a takes router3 for AS 65099, but it is AS 65020"
    assert problem["subject"] == "session router2a to router3"
    assert "router2a says Idle" in problem["detail"]
    assert "OPEN Message Error/Bad Peer AS" in problem["detail"]
    assert problem["remedy"].startswith("Correct the number of router3 in router_model of router2a")


def test_the_other_side_of_a_session_has_the_wrong_number(world: World) -> None:
    """Found from a row of the router that is read first, which is right itself."""
    world["router3"].model["bgp"]["peer_groups"]["uplinks"]["remote_as"] = 65098
    for uplink, address in (("router2a", "198.51.100.2"), ("router2b", "198.51.100.3")):
        world[uplink].down("198.51.100.1", **BAD_AS, **RECEIVED)
        world["router3"].down(address, **BAD_AS, **SENT)
    causes = [problem["cause"] for problem in world.report()["problems"]]
    assert causes == [f"router3 takes {uplink} for AS 65098, but it is AS 65010" for uplink in ("router2a", "router2b")]


def test_a_router_with_a_wrong_number_for_the_cluster_names_each_node(world: World) -> None:
    world["router2a"].model["bgp"]["peer_groups"]["nodes"]["remote_as"] = 65099
    for address in NODES.values():
        world["router2a"].down(address, **BAD_AS, **SENT)
    problem = only(world.report())
    assert problem["cause"] == "router2a takes the cluster's nodes for AS 65099, but they are AS 65001"
    assert problem["subject"] == ", ".join(f"session router2a to {name}" for name in sorted(NODES))
    assert "klubster_bgp" in problem["remedy"]


def test_a_wrong_number_where_nodes_come_by_a_network(world: World) -> None:
    """Such a neighbour leaves no row; the cluster's own objects tell that it should be there."""
    world["router2b"].model["bgp"]["peer_groups"]["nodes"]["remote_as"] = 65099
    for address in NODES.values():
        world["router2b"].gone(address)
    report = world.report()
    assert only(report)["cause"] == "router2b takes the cluster's nodes for AS 65099, but they are AS 65001"
    assert session(report, "router2b", "agent2")["address"] == NODES["agent2"]


def test_of_an_unknown_neighbour_the_notification_is_believed(world: World) -> None:
    world["router4"].model["bgp"]["neighbors"]["192.0.2.9"] = {"remote_as": 65077, "description": "isp", "ipv4": {}}
    world["router4"].summary["192.0.2.9"] = {**world["router4"].summary["192.0.2.1"], "desc": "isp", "remoteAs": 65077}
    world["router4"].down("192.0.2.9", **BAD_AS, **RECEIVED)
    problem = only(world.report())
    assert problem["cause"] == "The number of an AS is wrong between router4 and isp"
    assert "AS 65077" in problem["remedy"]


def test_different_passwords(world: World) -> None:
    """FRR tells of the last reset only, which was the change itself; the kernel counts what it drops."""
    world["router2a"].unsigned["wrong"] = 12
    for address in NODES.values():
        world["router2a"].down(address, "Active", **CHANGED, **SENT)
    problem = only(world.report())
    assert problem["cause"] == "router2a and the cluster's nodes have different passwords, as it seems"
    assert "dropped 12 segments with a wrong signature, of any neighbour; router2a says Active" in problem["detail"]
    assert problem["remedy"] == (
        "Give both the same password: router_passwords of router2a and klubster_bgp_passwords."
    )
    assert problem["subject"].count("session router2a to ") == 3


def test_different_passwords_where_nodes_come_by_a_network(world: World) -> None:
    world["router2b"].unsigned["wrong"] = 5
    for address in NODES.values():
        world["router2b"].gone(address)
    assert only(world.report())["cause"] == "router2b and the cluster's nodes have different passwords, as it seems"


def test_what_comes_without_a_signature_tells_of_no_password(world: World) -> None:
    """So does a machine that answers and has nobody who listens."""
    world["router2a"].unsigned["missing"] = 12
    world["router2a"].down(NODES["agent1"], "Active")
    assert only(world.report())["cause"] == "The session between router2a and agent1 does not come up"


def test_a_password_on_one_side_only(world: World) -> None:
    world["router2a"].with_password = []
    for address in NODES.values():
        world["router2a"].down(address, "Connect")
    cause = only(world.report())["cause"]
    assert cause == "The cluster's nodes have a password for router2a, and it has none"


def test_a_password_between_routers(world: World) -> None:
    world["router3"].with_password = ["uplinks"]
    world["router2a"].with_password = ["nodes", "198.51.100.1"]
    world["router3"].unsigned["wrong"] = 3
    world["router2a"].down("198.51.100.1", "Connect")
    world["router3"].down("198.51.100.2", "Active")
    world["router2b"].down("198.51.100.1", "Connect")
    world["router3"].down("198.51.100.3", "Active")
    assert [problem["cause"] for problem in world.report()["problems"]] == [
        "router3 and router2a have different passwords, as it seems",
        "router3 has a password for router2b, and it has none",
    ]


def test_old_dropped_segments_do_not_hide_another_cause(world: World) -> None:
    world["router2a"].unsigned["wrong"] = 12
    world["router2a"].down(NODES["agent1"], "Active", lastResetDueTo="BGP Notification send", **BAD_AS)
    world["router2a"].unreached = [NODES["agent1"]]
    assert only(world.report())["cause"] == "router2a does not reach agent1"


def test_a_refused_prefix(world: World) -> None:
    world["router2a"].model["prefix_lists"]["services"] = [{"prefix": "198.18.0.0/24", "ge": 32, "le": 32}]
    world["router2a"].routes = {}
    problem = only(world.report())
    assert problem["severity"] == "error"
    assert problem["cause"] == "The prefix list services of router2a refuses addresses that the cluster announces"
    assert problem["subject"] == "session router2a to agent1, session router2a to agent2"
    assert problem["detail"] == f"{SERVICE}/32 (shop/web)"
    assert world.report()["routing"]["announced"][0]["unknown_to"] == ["router2a"]


def marked(world: World, name: str, **rule: t.Any) -> None:
    model = world[name].model
    model["route_maps"] = {"mark": [{**rule, "action": "deny"}, {"seq": 20}]}
    model["community_lists"] = {"inner": [{"pattern": "65001:7"}]}
    model["as_path_lists"] = {"cluster": [{"pattern": "^65001$"}], "through": [{"pattern": "_65010_"}]}


def test_a_community_that_a_router_refuses(world: World) -> None:
    marked(world, "router2b", match={"community_list": "inner"})
    world["router2b"].model["bgp"]["peer_groups"]["nodes"]["ipv4"] = {"route_map_in": "mark"}
    assert world.report()["problems"] == []
    (announced,) = world.snapshot["advertisements"] or []
    announced["spec"]["communities"] = ["65001:9", "65001:7"]
    problem = only(world.report())
    assert problem["cause"] == (
        "The route map mark of router2b refuses addresses that the cluster announces, by its community list inner"
    )
    assert problem["remedy"].startswith("Let them pass in route map mark in router_model of router2b")
    # A name, and a community that FRR prints as a word: nobody here knows what the router sees.
    for text in ("inner", "65535:65281"):
        announced["spec"]["communities"] = ["65001:7", text]
        assert world.report()["problems"] == []
    announced["spec"]["communities"] = ["65001:7"]
    world.snapshot["advertisements"] = [announced, {**announced, "spec": {**announced["spec"], "communities": []}}]
    assert world.report()["problems"] == [], "it may come with or without"


def test_a_path_that_a_router_refuses(world: World) -> None:
    marked(world, "router2b", match={"as_path_list": "cluster"})
    world["router2b"].model["bgp"]["peer_groups"]["nodes"]["ipv4"] = {"route_map_in": "mark"}
    assert only(world.report())["cause"] == (
        "The route map mark of router2b refuses addresses that the cluster announces, by its AS path list cluster"
    )


@pytest.mark.parametrize(("sent", "named"), [({}, True), ({"route_map_out": "any"}, False)])
def test_a_path_that_the_next_router_refuses(world: World, sent: dict[str, t.Any], named: bool) -> None:
    marked(world, "router4", match={"as_path_list": "through"})
    world["router4"].model["bgp"]["neighbors"]["192.0.2.1"]["ipv4"]["route_map_in"] = "mark"
    world["router4"].routes = {}
    world["router3"].model["bgp"]["neighbors"]["192.0.2.2"]["ipv4"].update(sent)
    world["router3"].model["route_maps"] = {"any": [{}]}
    causes = [problem["cause"] for problem in world.report()["problems"]]
    head = "The route map mark of router4 refuses the way to addresses of the cluster"
    assert causes == [f"{head}, by its AS path list through, and it knows no other"] * named


def test_a_route_map_refuses_it_as_well(world: World) -> None:
    model = world["router2b"].model
    model["route_maps"] = {"mark": [{"action": "deny", "match": {"prefix_list": "services"}}, {"seq": 20}]}
    model["bgp"]["peer_groups"]["nodes"]["ipv4"] = {"route_map_in": "mark"}
    assert only(world.report())["cause"].startswith("The route map mark of router2b refuses")


def test_where_nobody_says_who_announces_every_session_is_named(world: World) -> None:
    world["router2a"].model["prefix_lists"]["services"] = [{"prefix": "198.18.0.0/24"}]
    world.snapshot["announcements"] = []
    assert only(world.report())["subject"].count("session router2a to ") == 3


def test_what_is_not_announced_to_a_router_is_not_missed_there(world: World) -> None:
    world["router2a"].model["prefix_lists"]["services"] = [{"prefix": "198.18.0.0/24"}]
    for entry in world.snapshot["announcements"] or []:
        entry["status"]["peers"] = ["router2b"]
    assert world.report()["problems"] == []


def test_a_router_that_refuses_the_only_way_is_a_warning(world: World) -> None:
    world["router3"].model["prefix_lists"]["pool"] = [{"prefix": "198.18.0.0/24"}]
    world["router3"].routes = {}
    world["router4"].routes = {}
    report = world.report()
    problem = only(report)
    assert (problem["severity"], report["healthy"]) == ("warning", True)
    assert problem["cause"].startswith("The prefix list pool of router3 refuses the way to addresses of the cluster")
    assert problem["detail"] == f"{POOL} from router2a; {POOL} from router2b"
    assert report["routing"]["announced"][0]["unknown_to"] == ["router3", "router4"]


def test_more_prefixes_than_a_router_takes(world: World) -> None:
    world["router2a"].model["bgp"]["peer_groups"]["nodes"]["ipv4"]["maximum_prefix"] = 1
    for name in ("agent1", "agent2"):
        world["router2a"].down(NODES[name], "Idle (PfxCt)", **TOO_MANY, **SENT)
    problem = only(world.report())
    assert problem["cause"] == "router2a takes fewer prefixes than the cluster's nodes announce"
    assert problem["detail"].startswith("more than maximum_prefix 1;")
    assert problem["subject"] == "session router2a to agent1, session router2a to agent2"
    assert "clear bgp" in problem["remedy"]


def test_the_side_that_was_told_of_too_many_names_the_other(world: World) -> None:
    world["router2a"].down("198.51.100.1", "Active", **TOO_MANY, **RECEIVED)
    world["router3"].down("198.51.100.2", "Idle (PfxCt)", **TOO_MANY, **SENT)
    assert only(world.report())["cause"] == "router3 takes fewer prefixes than router2a announces"


def test_a_session_that_is_switched_off_is_a_warning(world: World) -> None:
    world["router3"].model["bgp"]["neighbors"]["192.0.2.2"]["shutdown"] = True
    world["router3"].down("192.0.2.2", "Idle (Admin)")
    world["router4"].down("192.0.2.1", "Active", lastErrorCodeSubcode="0602", **RECEIVED)
    problem = only(world.report())
    assert problem["severity"] == "warning"
    assert problem["cause"] == "The session between router3 and router4 is switched off on router3"


def test_a_neighbour_that_does_not_know_us(world: World) -> None:
    del world["router3"].model["bgp"]["neighbors"]["192.0.2.2"]
    world["router3"].gone("192.0.2.2")
    world["router4"].down("192.0.2.1", "Active", lastResetDueTo="Waiting for peer OPEN")
    assert only(world.report())["cause"] == "router3 does not know router4 as a neighbour"


def test_a_cluster_that_does_not_know_the_router(world: World) -> None:
    world.snapshot["bgp_peers"] = [one for one in world.snapshot["bgp_peers"] if one["metadata"]["name"] != "router2a"]
    for address in NODES.values():
        world["router2a"].down(address, "Active")
    problem = only(world.report())
    assert problem["cause"] == "The cluster's nodes do not know router2a as a neighbour"
    assert "klubster_bgp.peers" in problem["remedy"]


def test_what_several_nodes_have_is_told_once(world: World) -> None:
    world["router2a"].unreached = [NODES["agent1"], NODES["agent2"]]
    for name in ("agent1", "agent2"):
        world["router2a"].down(NODES[name], "Active")
    world["router2b"].unreached = [NODES["agent1"]]
    world["router2b"].down(NODES["agent1"], "Active")
    problems = world.report()["problems"]
    assert [problem["cause"] for problem in problems] == [
        "router2a does not reach the cluster's nodes",
        "router2b does not reach agent1",
    ]
    assert [problem["remedy"].partition(",")[0] for problem in problems] == ["Are they on", "Is it on"]


def test_a_router_without_bgp(world: World) -> None:
    world["router4"].model, world["router4"].summary, world["router4"].neighbors = {}, {}, {}
    world["router3"].down("192.0.2.2", "Active")
    assert only(world.report())["cause"] == "router4 does not speak BGP"


def test_there_is_no_way_to_a_neighbour(world: World) -> None:
    world["router4"].down("192.0.2.1", "Active", lastResetDueTo="Waiting for NHT")
    world["router3"].down("192.0.2.2", "Active", lastErrorCodeSubcode="0400", **SENT)
    assert only(world.report())["cause"] == "router4 does not reach router3"


def test_nothing_answers_on_the_port(world: World) -> None:
    world["router4"].down("192.0.2.1", "Connect")
    world["router4"].unanswered = ["192.0.2.1"]
    world["router3"].down("192.0.2.2", "Active")
    assert only(world.report())["cause"] == "router3 does not answer router4 on port 179"


def test_without_any_sign_the_states_are_told(world: World) -> None:
    world["router3"].down("192.0.2.2", "OpenSent")
    world["router4"].down("192.0.2.1", "Active", **CHANGED, **SENT)
    problem = only(world.report())
    assert problem["cause"] == "The session between router3 and router4 does not come up"
    assert "router3 says OpenSent" in problem["detail"]
    assert "router4 says Active, last reset: its configuration changed" in problem["detail"]


def test_an_unreachable_router_is_one_finding_and_not_the_end(world: World) -> None:
    world["router3"].why = "Failed to connect to the host via ssh: connect to host 198.51.100.1: timed out"
    for uplink in ("router2a", "router2b"):
        world[uplink].down("198.51.100.1", lastErrorCodeSubcode="0400", **SENT)
    world["router4"].down("192.0.2.1", lastErrorCodeSubcode="0400", **SENT)
    world["router4"].routes = {}
    report = world.report()
    problems = report["problems"]
    assert problems[0]["cause"] == "The router router3 does not answer"
    assert problems[0]["consequences"] == [
        "2 BGP sessions down: session router2a to router3, session router2b to router3"
    ]
    # Its other address is not in the inventory, so what the house says is told as it is.
    assert [problem["cause"] for problem in problems][1:] == ["192.0.2.1 fell silent"]
    assert report["routing"]["routers"][3]["state"] == "silent"


def test_a_router_whose_variable_is_lacking_was_not_asked(world: World) -> None:
    world["router2a"].why = "a variable of it cannot be computed: 'vault_r2_key' is undefined"
    problem = only(world.report())
    assert (problem["cause"], problem["subject"]) == ("The router router2a was not asked", "router router2a")
    assert "'vault_r2_key' is undefined" in problem["detail"]
    assert problem["remedy"] == "Set the variable in the inventory, or give the vault that has it."


def test_sessions_of_an_unreachable_router_with_nodes_are_not_known(world: World) -> None:
    """Nothing says that they are down."""
    world["router2a"].why = "timed out"
    report = world.report()
    assert session(report, "router2a", "agent1")["state"] == "not known"
    assert session_state_of(session(report, "router2a", "agent1")) == ("not known", "")
    assert only(report)["cause"] == "The router router2a does not answer"
    assert only(report)["consequences"] == []


def test_frr_is_stopped(world: World) -> None:
    world["router4"].frr = "stopped"
    world["router3"].down("192.0.2.2", lastErrorCodeSubcode="0400", **SENT)
    problem = only(world.report())
    assert problem["cause"] == "FRR does not run on the router router4"
    assert problem["consequences"] == ["1 BGP session down: session router3 to router4"]


def test_what_a_dead_node_ends_is_its_consequence(world: World) -> None:
    lost = snapshots.snapshot("agent_not_ready")
    for obj in lost["nodes"]:
        snapshots.put(world.snapshot, obj)
    world["router2a"].down(NODES["agent2"], lastErrorCodeSubcode="0400", **SENT)
    world["router2b"].gone(NODES["agent2"])
    report = world.report()
    assert [problem["cause"] for problem in report["problems"]] == [
        "The machine agent2 is off, or its kubelet does not reach the API"
    ]
    assert report["problems"][0]["consequences"][-1] == ("2 BGP sessions down: router2a to agent2, router2b to agent2")


def test_routers_are_told_of_while_the_api_is_silent(world: World) -> None:
    world["router2a"].down(NODES["agent1"], lastErrorCodeSubcode="0400", **SENT)
    world["router2a"].unreached = [NODES["agent1"]]
    report = world.silent()
    assert [problem["cause"] for problem in report["problems"]] == [
        "The first server is off or too busy, or a firewall drops what is sent to it",
        "router2a does not reach agent1",
    ]
    assert len(report["routing"]["sessions"]) == 9


def test_a_router_of_a_kind_that_is_not_looked_at(world: World) -> None:
    looks = world.looks()
    looks[4] = {"name": "router4", "kind": "vyos", "addresses": ["192.0.2.2"], "why": "", "look": {}}
    report = report_of(world.snapshot, snapshots.expected(pools=["public"]), looks)
    assert (report["problems"], report["routing"]["routers"][4]["state"]) == ([], "unseen")
    assert session(report, "router3", "router4")["up"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda _found: None, ""),
        (lambda found: found.update(announcements=[]), ""),
        (lambda found: found["services"].remove(snapshots.find(found, "Service", "service-names")), "is not there"),
    ],
)
def test_names(world: World, change: t.Callable[[t.Any], None], why: str) -> None:
    service = json.loads(json.dumps(snapshots.find(world.snapshot, "Service", "web")))
    service["metadata"] |= {"name": "service-names", "namespace": "klubster-names"}
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.53"}]}}
    world.snapshot["services"].append(service)
    ready = json.loads(json.dumps(world.snapshot["endpoint_slices"][0]))
    ready["metadata"] |= {"name": "names-1", "namespace": "klubster-names"}
    ready["metadata"]["labels"]["kubernetes.io/service-name"] = "service-names"
    world.snapshot["endpoint_slices"].append(ready)
    change(world.snapshot)
    report = world.report(zone="apps.example.org", aliases=["www"])
    names = report["names"]
    assert names is not None
    assert (names["zone"], names["aliases"], names["ready"]) == ("apps.example.org", ["www"], not why)
    assert why in names["why"]
    causes = [problem["cause"] for problem in report["problems"]]
    assert causes == ["Nobody tells the networks around the cluster the names in apps.example.org"] * bool(why)


# --- Calico speaks


@pytest.fixture
def by_calico(world: World) -> World:
    """The same sessions and addresses, of Calico instead of MetalLB."""
    given = world.snapshot
    given["advertisements"] = given["announcements"] = given["bgp_peers"] = []
    password = {"secretKeyRef": {"name": "klubster-bgp-peer", "key": "password"}}
    given["calico_bgp"] = [
        {
            "kind": "BGPConfiguration",
            "metadata": {"name": "default"},
            "spec": {"asNumber": 65001, "serviceLoadBalancerIPs": [{"cidr": "198.51.100.0/28"}, {"cidr": POOL}]},
        },
        *(
            {
                "kind": "BGPPeer",
                "metadata": {"name": name},
                "spec": {"peerIP": address, "asNumber": 65010, "password": password},
            }
            for name, address in (("router2a", "10.77.0.2:179"), ("router2b", "10.77.0.3"))
        ),
    ]
    for name in ("router2a", "router2b"):
        world[name].model["prefix_lists"]["services"] = [{"prefix": POOL, "le": 32}]
    return world


def test_the_cluster_is_well_when_calico_speaks(by_calico: World) -> None:
    report = by_calico.report()
    assert (report["healthy"], report["problems"]) == (True, [])
    assert [one["address"] for one in report["routing"]["announced"]] == [SERVICE]
    nodes = [one for one in report["routing"]["sessions"] if one["peer_kind"] == "node"]
    assert {(one["peer_asn"], one["up"]) for one in nodes} == {(65001, True)}
    assert len(nodes) == 6


def test_a_router_that_refuses_what_calico_announces_whole(by_calico: World) -> None:
    by_calico["router2a"].model["prefix_lists"]["services"] = [{"prefix": POOL, "ge": 32, "le": 32}]
    problem = only(by_calico.report())
    assert problem["cause"] == "The prefix list services of router2a refuses addresses that the cluster announces"
    assert problem["detail"] == f"{POOL} (shop/web)"


def test_calicos_number_is_compared_with_the_routers(by_calico: World) -> None:
    by_calico.snapshot["calico_bgp"][0]["spec"]["asNumber"] = 65002
    for address in NODES.values():
        by_calico["router2a"].down(address, "Active", lastErrorCodeSubcode="0202", **SENT)
    assert only(by_calico.report())["cause"] == "router2a takes the cluster's nodes for AS 65001, but they are AS 65002"


def test_nodes_that_calico_does_not_let_speak_are_not_missed(by_calico: World) -> None:
    for obj in by_calico.snapshot["calico_bgp"][1:]:
        obj["spec"]["nodeSelector"] = "kubernetes.io/hostname in {'agent1', 'agent2'}"
    found = {one.name: one.nodes for one in speakers_of(by_calico.snapshot)}
    assert found == {"router2a": ("agent1", "agent2"), "router2b": ("agent1", "agent2")}
    by_calico.snapshot["calico_bgp"][1]["spec"] |= {"peerIP": "[fd00::2]:1179", "node": "server1", "nodeSelector": ""}
    by_calico.snapshot["calico_bgp"].append(
        {"kind": "BGPPeer", "metadata": {"name": "x"}, "spec": {"peerSelector": "a"}}
    )
    named = [one for one in speakers_of(by_calico.snapshot) if one.name != "router2b"]
    assert [(one.address, one.nodes) for one in named] == [("fd00::2", ("server1",))]


@pytest.mark.parametrize("text", ["203.0.113.77/24", "203.0.113.0-203.0.113.255"])
def test_a_network_of_calico_in_strange_words_does_not_end_the_look(by_calico: World, text: str) -> None:
    """Nobody checks what is written into Calico's own definitions."""
    by_calico.snapshot["calico_bgp"][0]["spec"]["serviceLoadBalancerIPs"] = [{"cidr": text}]
    whole = "/" in text
    assert [pool["announced"] for pool in by_calico.report()["pools"]] == [whole]


def test_a_pool_that_calico_does_not_announce_is_told(by_calico: World) -> None:
    by_calico.snapshot["calico_bgp"][0]["spec"]["serviceLoadBalancerIPs"] = [{"cidr": "198.51.100.0/28"}]
    assert [pool["announced"] for pool in by_calico.report()["pools"]] == [False]
