# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab

GOOD: dict[str, t.Any] = {
    "plugin": "kateskit.klubster.lab",
    "name": "lab",
    "segments": {"lan": {"network": "10.77.0.0/24"}, "dmz": {"network": "10.78.0.0/24,fd78::/64", "mtu": 1400}},
    "forwarding": [["lan", "dmz"]],
    "machines": {
        "server1": {
            "groups": ["servers"],
            "addresses": {"lan": "10.77.0.11", "dmz": "10.78.0.11,fd78::11"},
            "memory": "2G",
            "cpus": 1.5,
            "disks": [{"name": "data", "size": "10G"}, {"name": "files", "kind": "folder", "path": "/srv/files"}],
            "vars": {"klubster_labels": {"a": "b"}},
        },
        "client": {"addresses": {"lan": "10.77.0.100"}},
    },
}
Change = t.Callable[[dict[str, t.Any]], object]


def put(path: str, value: t.Any) -> Change:
    """A change that sets the entry at a dotted path."""

    def change(data: dict[str, t.Any]) -> None:
        *parents, last = path.split(".")
        for key in parents:
            data = data[key]
        data[last] = value

    return change


BAD: list[tuple[str, Change, str]] = [
    ("unknown key", put("machine", {}), "lab definition = 'machine': there is no such key. Use one of plugin, name, "),
    ("name with capitals", put("name", "Lab"), "name = 'Lab': it must be a DNS label of at most 20 characters."),
    ("name too long", put("name", "a" * 21), "it must be a DNS label of at most 20 characters."),
    ("name with a slash", put("name", "../lab"), "name = '../lab': it must be a DNS label"),
    ("virtual machines", put("backend", "vm"), "backend = 'vm': virtual machines are not built yet. Use container."),
    ("unknown backend", put("backend", "docker"), "backend = 'docker': it must be one of container, memory."),
    (
        "unknown system",
        put("base", "debian-9"),
        "base = 'debian-9': it must be one of debian-12, debian-13. Leave it out",
    ),
    ("no segments", put("segments", {}), "segments = {}: it must be a mapping with at least one entry."),
    ("segment's name too long", put("segments.a-long-segment", {"network": "10.1.0.0/24"}), "at most 12 characters."),
    (
        "segment without network",
        put("segments.lan", {"mtu": 1500}),
        "segments.lan.network = None: it must be a network.",
    ),
    ("network with host bits", put("segments.lan.network", "10.77.0.1/24"), "'10.77.0.1/24': it is no network: "),
    ("network too small", put("segments.lan.network", "10.77.0.0/30"), "it is too small. Give it a prefix of /29"),
    (
        "two networks of one family",
        put("segments.lan.network", "10.77.0.0/24,10.79.0.0/24"),
        "a segment has at most one network of each family.",
    ),
    (
        "overlapping segments",
        put("segments.dmz.network", "10.77.0.128/25"),
        "segments.dmz.network = '10.77.0.128/25': it overlaps 10.77.0.0/24 of segment lan. Choose another.",
    ),
    (
        "gateway elsewhere",
        put("segments.lan.gateway", "10.99.0.1"),
        "segments.lan.gateway = '10.99.0.1': it is not in the",
    ),
    (
        "MTU as text",
        put("segments.lan.mtu", "1500"),
        "segments.lan.mtu = '1500': it must be a number from 1280 to 9000.",
    ),
    ("unknown key of a segment", put("segments.lan.vlan", 5), "segments.lan = 'vlan': there is no such key."),
    ("no machines", put("machines", None), "machines = None: it must be a mapping with at least one entry."),
    (
        "machine's name",
        put("machines.Server_2", {"addresses": {"lan": "10.77.0.12"}}),
        "machines.Server_2 = 'Server_2': it must",
    ),
    (
        "machine without address",
        put("machines.client.addresses", {}),
        "machines.client.addresses = {}: it must be a mapping",
    ),
    (
        "unknown segment",
        put("machines.client.addresses", {"wan": "10.77.0.9"}),
        "there is no such segment. Use one of lan, dmz.",
    ),
    ("no address", put("machines.client.addresses.lan", "10.77.0.300"), "'10.77.0.300': it is no IP address."),
    ("address with prefix", put("machines.client.addresses.lan", "10.77.0.9/24"), "it is no IP address. Write it like"),
    ("address elsewhere", put("machines.client.addresses.lan", "10.78.0.9"), "it is not in the segment's network."),
    (
        "the network's address",
        put("machines.client.addresses.lan", "10.77.0.0"),
        "it names the network 10.77.0.0/24 itself.",
    ),
    (
        "the broadcast address",
        put("machines.client.addresses.lan", "10.77.0.255"),
        "it names the network 10.77.0.0/24 itself.",
    ),
    (
        "two machines with one address",
        put("machines.client.addresses.lan", "10.77.0.11"),
        "machines.client.addresses = '10.77.0.11': it belongs to server1. Give each machine its own.",
    ),
    (
        "two addresses of a family",
        put("machines.client.addresses.lan", "10.77.0.8,10.77.0.9"),
        "one address of each family at most.",
    ),
    (
        "group",
        put("machines.client.groups", ["my-group"]),
        "machines.client.groups = 'my-group': it is no name for a group.",
    ),
    (
        "groups as text",
        put("machines.client.groups", "clients"),
        "machines.client.groups = 'clients': it must be a list.",
    ),
    ("memory without unit", put("machines.client.memory", 2048), "machines.client.memory = 2048: it must be a size."),
    ("too little memory", put("machines.client.memory", "8M"), "no machine starts with less than 64M."),
    ("no processors", put("machines.client.cpus", 0), "machines.client.cpus = 0: it must be a number of processors"),
    ("vars as list", put("machines.client.vars", []), "machines.client.vars = []: it must be a mapping."),
    ("disk without name", put("machines.client.disks", [{"size": "1G"}]), "machines.client.disks[0].name = None"),
    (
        "disk without size",
        put("machines.client.disks", [{"name": "a"}]),
        "machines.client.disks[0].size = None: it must be a size.",
    ),
    (
        "folder with size",
        put("machines.client.disks", [{"name": "a", "kind": "folder", "path": "/a", "size": "1G"}]),
        "a folder has no size of its own.",
    ),
    (
        "folder without path",
        put("machines.client.disks", [{"name": "a", "kind": "folder"}]),
        "it must be an absolute path",
    ),
    (
        "folder among devices",
        put("machines.client.disks", [{"name": "a", "kind": "folder", "path": "/dev/vdb"}]),
        "devices are under /dev, folders are not.",
    ),
    (
        "path with an option",
        put("machines.client.disks", [{"name": "a", "kind": "folder", "path": "/a:/b"}]),
        "machines.client.disks[0].path = '/a:/b': it must be an absolute path of plain characters.",
    ),
    (
        "two disks of one name",
        put("machines.client.disks", [{"name": "a", "size": "1G"}, {"name": "a", "size": "1G"}]),
        "another disk of the machine has that name.",
    ),
    (
        "two disks in one place",
        put("machines.client.disks", [{"name": "a", "size": "1G", "path": "/dev/vdc"}, {"name": "b", "size": "1G"}]),
        "machines.client.disks[1].path = '/dev/vdc': another disk of the machine is there.",
    ),
    ("forwarding as text", put("forwarding", ["lan"]), "each entry must be a list of two segments."),
    ("forwarding to itself", put("forwarding", [["lan", "lan"]]), "each entry must be a list of two segments."),
    ("forwarding nowhere", put("forwarding", [["lan", "wan"]]), "there is no segment wan. Name segments of this lab."),
]


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_definitions_are_refused(change: Change, message: str) -> None:
    data = copy.deepcopy(GOOD)
    change(data)
    with pytest.raises(InvalidInput) as refused:
        parse_lab(data)
    assert message in str(refused.value)


def test_no_mapping_is_refused() -> None:
    with pytest.raises(InvalidInput, match="lab definition = 'x': it must be a mapping"):
        parse_lab("x")


def test_all_problems_are_told_at_once() -> None:
    data = copy.deepcopy(GOOD)
    for change in (put("name", "Lab"), put("machines.client.memory", 1), put("forwarding", [["lan", "wan"]])):
        change(data)
    with pytest.raises(InvalidInput) as refused:
        parse_lab(data)
    assert len(refused.value.problems) == 3


def test_a_good_definition_is_read() -> None:
    lab = parse_lab(GOOD)
    server = lab.machines["server1"]
    assert lab.name == "lab"
    assert str(server.address) == "10.77.0.11"
    assert [str(one) for one in server.addresses["dmz"]] == ["10.78.0.11", "fd78::11"]
    assert (server.memory, server.cpus) == (2 << 30, 1.5)
    assert [(disk.kind, disk.path, disk.size) for disk in server.disks] == [
        ("block", "/dev/vdb", 10 << 30),
        ("folder", "/srv/files", 0),
    ]
    assert lab.forwards("dmz", "lan")
    assert not lab.forwards("lan", "lan")


def test_a_given_name_wins() -> None:
    assert parse_lab(GOOD, name="other").name == "other"


def test_the_lab_leaves_the_gateway_to_a_machine() -> None:
    data = copy.deepcopy(GOOD)
    data["machines"]["router"] = {"addresses": {"lan": "10.77.0.1"}}
    lab = parse_lab(data)
    assert lab.lab_addresses(lab.segments["lan"]) == ["10.77.0.254/24"]
    assert parse_lab(GOOD).lab_addresses(parse_lab(GOOD).segments["dmz"]) == ["10.78.0.1/24", "fd78::1/64"]


DIGESTS: list[tuple[str, Change, bool, bool]] = [
    ("memory", put("machines.server1.memory", "4G"), False, False),
    ("groups", put("machines.server1.groups", []), False, False),
    ("vars", put("machines.server1.vars", {}), False, False),
    ("address", put("machines.server1.addresses.lan", "10.77.0.12"), True, False),
    ("disks", put("machines.server1.disks", []), True, False),
    ("another machine", put("machines.other", {"addresses": {"lan": "10.77.0.13"}}), False, False),
    ("forwarding", put("forwarding", []), False, True),
    ("mtu", put("segments.lan.mtu", 1300), True, True),
]


@pytest.mark.parametrize(
    ("change", "machine", "network"), [row[1:] for row in DIGESTS], ids=[row[0] for row in DIGESTS]
)
def test_digests_change_with_what_needs_a_new_start(change: Change, machine: bool, network: bool) -> None:
    data = copy.deepcopy(GOOD)
    change(data)
    before, after = parse_lab(GOOD), parse_lab(data)
    assert (before.machine_digest("server1") != after.machine_digest("server1")) is machine
    assert (before.network_digest() != after.network_digest()) is network
