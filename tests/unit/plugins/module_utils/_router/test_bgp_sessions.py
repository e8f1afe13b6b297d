# SPDX-License-Identifier: Apache-2.0
"""JSON as FRR 8.4.4 prints it, shortened to what is read and a little beside it."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._router import bgp_sessions
from ansible_collections.kateskit.klubster.plugins.module_utils._router.bgp_sessions import Exchanged, Route, Session

SUMMARY: dict[str, t.Any] = {
    "ipv4Unicast": {
        "routerId": "10.86.0.11",
        "as": 65010,
        "peers": {
            "10.86.0.12": {
                "hostname": "away",
                "remoteAs": 65001,
                "localAs": 65010,
                "peerUptime": "00:04:12",
                "peerUptimeMsec": 252000,
                "pfxRcd": 2,
                "pfxSnt": 1,
                "state": "Established",
                "peerState": "OK",
                "connectionsEstablished": 3,
                "connectionsDropped": 2,
                "desc": "the other side",
                "idType": "ipv4",
            }
        },
        "failedPeers": 0,
        "totalPeers": 1,
        "dynamicPeers": 0,
    }
}
NEIGHBORS: dict[str, t.Any] = {
    "10.86.0.12": {
        "remoteAs": 65001,
        "localAs": 65010,
        "nbrDesc": "the other side",
        "peerGroup": "nodes",
        "bgpState": "Established",
        "bgpTimerHoldTimeMsecs": 180000,
        "connectionsDropped": 2,
        "lastErrorCodeSubcode": "0606",
        "lastNotificationReason": "Cease/Other Configuration Change",
        "lastResetDueTo": "BGP Notification send",
        "peerBfdInfo": {"type": "single hop", "detectMultiplier": 3, "status": "Up"},
    }
}
BFD = [{"multihop": False, "peer": "10.86.0.12", "status": "down", "receive-interval": 400}]
TABLE: dict[str, t.Any] = {
    "vrfId": 0,
    "routes": {
        "203.0.113.11/32": [{"valid": True, "bestpath": True, "nexthops": [{"ip": "10.86.0.12", "used": True}]}],
        "203.0.113.10/32": [
            {"valid": True, "multipath": True, "nexthops": [{"ip": "10.86.0.140", "used": True}]},
            {"valid": True, "bestpath": True, "multipath": True, "nexthops": [{"ip": "10.86.0.12", "used": True}]},
            {"valid": True, "nexthops": [{"ip": "10.86.0.99"}]},
        ],
        "203.0.113.12/32": [{"valid": True, "bestpath": True, "suppressed": True, "nexthops": [{"ip": "10.86.0.12"}]}],
    },
}


def one(row: dict[str, t.Any], detail: dict[str, t.Any]) -> Session:
    summary, neighbors = copy.deepcopy(SUMMARY), copy.deepcopy(NEIGHBORS)
    summary["ipv4Unicast"]["peers"]["10.86.0.12"].update(row)
    neighbors["10.86.0.12"].update(detail)
    (found,) = bgp_sessions.sessions(summary, neighbors)
    return found


def test_a_session_that_is_up() -> None:
    assert bgp_sessions.sessions(SUMMARY, NEIGHBORS) == (
        Session(
            neighbor="10.86.0.12",
            remote_as=65001,
            local_as=65010,
            state="Established",
            established=True,
            dynamic=False,
            peer_group="nodes",
            description="the other side",
            uptime=252,
            dropped=2,
            hold_time=180,
            bfd="up",
            # What ended the last one is no matter now.
            reason="",
            ipv4=Exchanged(2, 1, False),
        ),
    )


def test_bfds_own_word_counts() -> None:
    assert bgp_sessions.sessions(SUMMARY, NEIGHBORS, BFD)[0].bfd == "down"


@pytest.mark.parametrize(
    ("row", "detail", "reason"),
    [
        ({"state": "Idle (Admin)"}, {}, "shut down by its configuration"),
        ({"state": "Idle (PfxCt)"}, {}, "more prefixes than maximum_prefix allows"),
        (
            {"state": "Active"},
            {"lastErrorCodeSubcode": "0202", "lastNotificationReason": "OPEN Message Error/Bad Peer AS"},
            "the neighbour's AS is not the one that is configured (OPEN Message Error/Bad Peer AS)",
        ),
        ({"state": "Active"}, {"lastErrorCodeSubcode": "0203", "lastNotificationReason": ""},
         "the neighbour's router id is refused (BGP Notification send)"),
        ({"state": "Active"}, {"lastErrorCodeSubcode": "9999"}, "Cease/Other Configuration Change"),
        (
            {"state": "Connect"},
            {"lastErrorCodeSubcode": None, "lastNotificationReason": None, "lastResetDueTo": "Waiting for peer OPEN"},
            "Waiting for peer OPEN",
        ),
    ],
)  # fmt: skip
def test_why_one_is_down(row: dict[str, t.Any], detail: dict[str, t.Any], reason: str) -> None:
    found = one(row, {"bgpState": row["state"].split()[0], **detail})
    assert (found.established, found.uptime, found.reason) == (False, 0, reason)


@pytest.mark.parametrize(
    ("state", "code", "due_to", "expected"),
    [
        ("Active", "0202", "BGP Notification send", ("0202", "us")),
        ("Active", "060a", "BGP Notification received", ("060A", "neighbor")),
        ("Active", None, "Waiting for peer OPEN", ("", "")),
        # The neighbour came again and went: it is still our limit.
        ("Idle (PfxCt)", "0605", "BGP Notification received", ("0601", "us")),
        ("Established", "0202", "BGP Notification send", ("", "")),
    ],
)
def test_who_ended_it_and_by_what(state: str, code: str | None, due_to: str, expected: tuple[str, str]) -> None:
    detail = {"bgpState": state.partition(" ")[0], "lastErrorCodeSubcode": code, "lastResetDueTo": due_to}
    found = one({"state": state}, detail)
    assert (found.code, found.notified_by) == expected


def test_a_missing_policy_is_seen() -> None:
    assert one({"peerState": "Policy"}, {}).ipv4 == Exchanged(2, 1, True)


def test_a_neighbour_has_each_of_its_families() -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["ipv6Unicast"] = copy.deepcopy(summary["ipv4Unicast"])
    summary["ipv6Unicast"]["peers"]["10.86.0.12"]["pfxRcd"] = 7
    (found,) = bgp_sessions.sessions(summary, NEIGHBORS)
    assert (found.ipv4, found.ipv6) == (Exchanged(2, 1, False), Exchanged(7, 1, False))


@pytest.mark.parametrize("summary", [{}, {"ipv4Unicast": {}}])
def test_without_bgp_there_is_nothing(summary: dict[str, t.Any]) -> None:
    assert bgp_sessions.sessions(summary, {}) == ()
    assert bgp_sessions.routes({"warning": "Default BGP instance not found"}) == ()


def test_who_is_not_in_the_table_is_not_there() -> None:
    found = bgp_sessions.sessions(SUMMARY, NEIGHBORS)
    assert bgp_sessions.not_established(found, ["10.86.0.12", "10.86.0.13"]) == ["10.86.0.13"]
    down = (one({"state": "Active"}, {"bgpState": "Active"}),)
    assert bgp_sessions.not_established(down, ["10.86.0.12"]) == ["10.86.0.12"]


def test_width_counts_the_paths_that_carry() -> None:
    assert bgp_sessions.routes(TABLE) == (
        Route("203.0.113.10/32", 3, 2, ("10.86.0.12", "10.86.0.140"), False),
        Route("203.0.113.11/32", 1, 1, ("10.86.0.12",), False),
        Route("203.0.113.12/32", 1, 1, ("10.86.0.12",), True),
    )
    assert bgp_sessions.as_data(bgp_sessions.routes(TABLE))[0]["width"] == 2
