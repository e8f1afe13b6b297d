# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.network import (
    cable,
    cable_commands,
    hardware_address,
    rule_commands,
    segment_commands,
)

LAB = parse_lab(
    {
        "name": "net",
        "segments": {
            "lan": {"network": "10.77.0.0/24,fd77::/64"},
            "dmz": {"network": "10.78.0.0/24", "gateway": "10.78.0.9", "mtu": 1400},
            "far": {"network": "10.79.0.0/24"},
        },
        "forwarding": [["lan", "dmz"]],
        "machines": {
            "one": {"addresses": {"lan": "10.77.0.11,fd77::11", "dmz": "10.78.0.11"}},
            "router": {"addresses": {"dmz": "10.78.0.9"}},
        },
    }
)


def test_segments() -> None:
    lines = segment_commands(LAB)
    assert "link add br-lan type bridge" in lines
    assert "addr add 10.77.0.1/24 dev br-lan" in lines
    assert "addr add fd77::1/64 dev br-lan nodad" in lines
    assert "link set br-dmz mtu 1400" in lines
    assert "addr add 10.78.0.254/24 dev br-dmz" in lines, "a machine has the gateway's address"


def test_rules_keep_apart_what_is_not_joined() -> None:
    four = {line.partition("iif ")[2] for line in rule_commands(LAB, 4)}
    assert four == {
        "br-lan to 10.79.0.0/24 prohibit",
        "br-dmz to 10.79.0.0/24 prohibit",
        "br-far to 10.77.0.0/24 prohibit",
        "br-far to 10.78.0.0/24 prohibit",
    }
    assert [line.partition("iif ")[2] for line in rule_commands(LAB, 6)] == ["br-far to fd77::/64 prohibit"]


def test_cables() -> None:
    inside, outside = cable_commands(LAB, LAB.machines["one"])
    assert outside == ["link set one.0 master br-lan up", "link set one.1 master br-dmz up"]
    assert "addr add 10.77.0.11/24 dev eth0" in inside
    assert "addr add fd77::11/64 dev eth0 nodad" in inside
    assert [line for line in inside if line.startswith("route")] == [
        "route add default via 10.77.0.1 dev eth0",
        "route add default via fd77::1 dev eth0",
    ], "one way out per family, through the first segment"
    added = [line for line in inside if line.startswith("link add")]
    assert added[1].startswith("link add eth1 mtu 1400 address 02:")
    assert added[1].endswith("type veth peer name one.1 mtu 1400 netns klab-net")


def test_the_gateway_has_no_route_to_itself() -> None:
    inside, _outside = cable_commands(LAB, LAB.machines["router"])
    assert not [line for line in inside if line.startswith("route")]


def test_names_of_cables_fit_and_differ() -> None:
    names = {cable(name, 0) for name in ("short", "a-very-long-name-of-a-machine", "a-very-long-name-of-another")}
    assert len(names) == 3
    assert all(len(name) <= 15 for name in names)


def test_hardware_addresses_stay_and_differ() -> None:
    assert hardware_address("lab", "one", 0) == hardware_address("lab", "one", 0)
    assert len({hardware_address(lab, name, at) for lab in "ab" for name in ("x", "y") for at in (0, 1)}) == 8
    assert int(hardware_address("lab", "one", 0)[:2], 16) & 3 == 2, "given locally, to one card"
