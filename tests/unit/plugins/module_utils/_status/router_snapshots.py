# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""Routers around the healthy cluster, as their FRR (8.4) says it: three networks, two uplinks, the internet, a house.

Every table is made of JSON in the shape that FRR prints, and read by what reads it on a router.
"""

from __future__ import annotations

import copy
import typing as t
from dataclasses import dataclass, field

import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._router import bgp_sessions
from ansible_collections.kateskit.klubster.plugins.module_utils._router.look import Look, as_data
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse
from ansible_collections.kateskit.klubster.plugins.module_utils._status.collect import Unanswered
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import (
    Report,
    RouterLook,
    Session,
    Snapshot,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import report_of, report_of_silence

NODES = {"server1": "10.77.0.11", "agent1": "10.77.0.12", "agent2": "10.77.0.13"}
SERVICE = "203.0.113.10"
POOL = "203.0.113.0/24"
_NOTHING = [{"prefix": "0.0.0.0/0", "le": 32, "action": "deny"}]
UPLINK: dict[str, t.Any] = {
    "prefix_lists": {
        "services": [{"prefix": POOL, "ge": 32, "le": 32}],
        "pool": [{"prefix": POOL}],
        "internet": [{"prefix": "0.0.0.0/0"}, {"prefix": "192.0.2.0/24"}],
        "nothing": _NOTHING,
    },
    "bgp": {
        "asn": 65010,
        "peer_groups": {
            "nodes": {
                "remote_as": 65001,
                "ipv4": {"prefix_list_in": "services", "prefix_list_out": "nothing", "maximum_prefix": 100},
            }
        },
        "neighbors": {
            **{address: {"peer_group": "nodes"} for address in NODES.values()},
            "198.51.100.1": {
                "remote_as": 65020,
                "description": "internet",
                "ipv4": {"prefix_list_in": "internet", "prefix_list_out": "pool"},
            },
        },
        "ipv4": {"aggregates": {POOL: {"summary_only": True}}},
    },
}
LISTENING = copy.deepcopy(UPLINK)
for _address in NODES.values():
    del LISTENING["bgp"]["neighbors"][_address]
LISTENING["bgp"]["listen"] = {"10.77.0.0/24": {"peer_group": "nodes"}}
INTERNET: dict[str, t.Any] = {
    "prefix_lists": {
        "pool": [{"prefix": POOL}],
        "nothing": _NOTHING,
        "world": [{"prefix": POOL}, {"prefix": "198.51.100.0/24"}],
    },
    "bgp": {
        "asn": 65020,
        "peer_groups": {"uplinks": {"remote_as": 65010, "ipv4": {"prefix_list_in": "pool"}}},
        "neighbors": {
            "198.51.100.2": {"peer_group": "uplinks"},
            "198.51.100.3": {"peer_group": "uplinks"},
            "192.0.2.2": {"remote_as": 65030, "ipv4": {"prefix_list_in": "nothing", "prefix_list_out": "world"}},
        },
    },
}
HOUSE: dict[str, t.Any] = {
    "prefix_lists": {"nothing": _NOTHING},
    "bgp": {
        "asn": 65030,
        "neighbors": {"192.0.2.1": {"remote_as": 65020, "ipv4": {"prefix_list_out": "nothing"}}},
    },
}
ROWS = {
    "router2a": {**dict.fromkeys(NODES.values(), 65001), "198.51.100.1": 65020},
    "router2b": {**dict.fromkeys(NODES.values(), 65001), "198.51.100.1": 65020},
    "router3": {"198.51.100.2": 65010, "198.51.100.3": 65010, "192.0.2.2": 65030},
    "router4": {"192.0.2.1": 65020},
}
INSIDE = {f"{SERVICE}/32": [NODES["agent1"], NODES["agent2"]], POOL: ["0.0.0.0"]}  # noqa: S104 - FRR says so of what is its own
ROUTES: dict[str, dict[str, list[str]]] = {
    "router2a": INSIDE,
    "router2b": INSIDE,
    "router3": {POOL: ["198.51.100.2", "198.51.100.3"]},
    "router4": {POOL: ["192.0.2.1"]},
}
PATHS = {"router2a": "65001", "router2b": "65001", "router3": "65010", "router4": "65020 65010"}
ADDRESSES = {
    "router1": ["10.77.0.1/24"],
    "router2a": ["10.77.0.2/24", "10.77.0.4/24", "198.51.100.2/24"],
    "router2b": ["10.77.0.3/24", "198.51.100.3/24"],
    "router3": ["198.51.100.1/24", "192.0.2.1/24"],
    "router4": ["192.0.2.2/24", "192.168.178.1/24"],
    "dns": ["198.51.100.53/24"],
}


@dataclass
class Seen:
    """A router before it is looked at; tests change what FRR and the kernel say."""

    name: str
    model: dict[str, t.Any] = field(default_factory=dict)
    with_password: list[str] = field(default_factory=list)
    summary: dict[str, t.Any] = field(default_factory=dict)
    neighbors: dict[str, t.Any] = field(default_factory=dict)
    routes: dict[str, list[str]] = field(default_factory=dict)
    unsigned: dict[str, int] = field(default_factory=lambda: {"missing": 0, "unexpected": 0, "wrong": 0})
    unanswered: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    frr: str = "runs"
    #: why nobody could look
    why: str = ""

    def down(self, address: str, state: str = "Active", **detail: t.Any) -> None:
        """A neighbour without a session, and what FRR says of it."""
        self.summary[address] |= {"state": state, "pfxRcd": 0, "pfxSnt": 0}
        self.summary[address].pop("peerUptimeMsec")
        self.neighbors[address] = {"bgpState": state.split(maxsplit=1)[0], **detail}

    def gone(self, address: str) -> None:
        """A neighbour that came by a network and went."""
        del self.summary[address], self.neighbors[address]

    def look(self) -> RouterLook:
        if self.why:
            inventory = [ADDRESSES[self.name][0].partition("/")[0]]
            return RouterLook(name=self.name, kind="frr", addresses=inventory, why=self.why, look={})
        sessions = bgp_sessions.sessions({"ipv4Unicast": {"peers": self.summary}}, self.neighbors)
        table = {
            prefix: [
                {
                    "bestpath": not n,
                    "multipath": True,
                    "path": PATHS[self.name],
                    "suppressed": prefix.endswith("/32"),
                    "nexthops": [{"ip": hop}],
                }
                for n, hop in enumerate(hops)
            ]
            for prefix, hops in self.routes.items()
        }
        model = dump(parse(self.model)[0])
        down = [one.neighbor for one in sessions if not one.established]
        found = Look(
            frr=self.frr,
            addresses=tuple(ADDRESSES[self.name]),
            router=model,
            with_password=tuple(self.with_password),
            strange=(),
            sessions=sessions if self.frr == "runs" else (),
            routes=bgp_sessions.routes({"routes": table}) if self.frr == "runs" else (),
            unsigned=self.unsigned,
            unanswered=tuple(self.unanswered),
            reached=tuple(address for address in down if address not in self.unreached),
        )
        return RouterLook(name=self.name, kind="frr", addresses=[], why="", look=as_data(found))


class World:
    """The cluster and its routers, all well."""

    def __init__(self) -> None:
        models = {"router2a": UPLINK, "router2b": LISTENING, "router3": INTERNET, "router4": HOUSE}
        self.routers = {name: Seen(name, copy.deepcopy(models.get(name, {}))) for name in ADDRESSES}
        for name, numbers in ROWS.items():
            one = self.routers[name]
            one.routes = copy.deepcopy(ROUTES[name])
            own = one.model["bgp"]["asn"]
            one.model["bgp"]["router_id"] = ADDRESSES[name][0].partition("/")[0]
            for address, number in numbers.items():
                one.summary[address] = {
                    "remoteAs": number,
                    "localAs": own,
                    "state": "Established",
                    "peerState": "OK",
                    "peerUptimeMsec": 252000,
                    "pfxRcd": 1,
                    "pfxSnt": 1,
                    "desc": "",
                }
                one.neighbors[address] = {"bgpState": "Established", "remoteAs": number, "localAs": own}
        for name in ("router2a", "router2b"):
            self.routers[name].with_password = ["nodes"]
        self.snapshot = announcing(snapshots.snapshot())

    def __getitem__(self, name: str) -> Seen:
        return self.routers[name]

    def looks(self) -> list[RouterLook]:
        return [one.look() for one in self.routers.values()]

    def report(self, **expected: t.Any) -> Report:
        return report_of(self.snapshot, snapshots.expected(**{"pools": ["public"], **expected}), self.looks())

    def silent(self) -> Report:
        """The API does not answer; the routers do."""
        silence = Unanswered("timeout", "there is no answer within 10 s")
        return report_of_silence(silence, snapshots.expected(), "2026-11-21T08:00:00Z", self.looks())


def announcing(found: Snapshot) -> Snapshot:
    """The healthy cluster with its pool and its service by BGP."""
    found["pools"] = [
        {"kind": "IPAddressPool", "metadata": {"name": "public"}, "spec": {"addresses": [POOL]}},
    ]
    found["advertisements"] = [
        {"kind": "BGPAdvertisement", "metadata": {"name": "public"}, "spec": {"ipAddressPools": ["public"]}}
    ]
    found["bgp_peers"] = [
        {
            "kind": "BGPPeer",
            "metadata": {"name": name},
            "spec": {
                "myASN": 65001,
                "peerASN": 65010,
                "peerAddress": ADDRESSES[name][0].partition("/")[0],
                "passwordSecret": {"name": "bgp-password", "namespace": "metallb-system"},
            },
        }
        for name in ("router2a", "router2b")
    ]
    web = snapshots.find(found, "Service", "web")
    web["metadata"].setdefault("annotations", {})["metallb.io/ip-allocated-from-pool"] = "public"
    web["status"] = {"loadBalancer": {"ingress": [{"ip": SERVICE}]}}
    found["announcements"] = [
        {
            "kind": "ServiceBGPStatus",
            "metadata": {"name": f"bgp-{node}"},
            "status": {
                "node": node,
                "serviceName": "web",
                "serviceNamespace": web["metadata"]["namespace"],
                "peers": ["router2a", "router2b"],
            },
        }
        for node in ("agent1", "agent2")
    ]
    return found


def session(report: Report, router: str, peer: str) -> Session:
    return next(one for one in report["routing"]["sessions"] if (one["router"], one["peer"]) == (router, peer))
