# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._node import keepalived

SERVERS = ("192.0.2.11", "192.0.2.12", "192.0.2.13")


def moving(number: int, **changes: str | int | tuple[str, ...]) -> keepalived.Moving:
    values = {"address": "192.0.2.10", "port": 6443, "own": SERVERS[number], "servers": SERVERS, "vrrp_id": 77}
    return keepalived.Moving(**{**values, "interface": "eth0", **changes})  # type: ignore[arg-type]


def priority(number: int) -> int:
    found = re.search(r"priority (\d+)", keepalived.config(moving(number)))
    assert found
    return int(found.group(1))


def weights(number: int = 0) -> tuple[int, ...]:
    return tuple(int(found) for found in re.findall(r"weight -(\d+)", keepalived.config(moving(number))))


def test_an_earlier_server_is_preferred_and_one_without_api_or_etcd_comes_after_all_others() -> None:
    api, etcd = weights()
    assert priority(0) > priority(1) > priority(2)
    for lowered in (priority(0) - api, priority(0) - etcd):
        assert priority(2) > lowered
    # Where no server has etcd, one without API still comes after those that have it.
    assert priority(2) - etcd > priority(0) - etcd - api > 0


def test_servers_speak_to_each_other_only() -> None:
    text = keepalived.config(moving(1))
    assert "unicast_src_ip 192.0.2.12" in text
    peers = text.split("unicast_peer {")[1].split("}")[0].split()
    assert peers == ["192.0.2.11", "192.0.2.13"]
    assert "192.0.2.10/32" in text


def test_one_server_has_nobody_to_speak_to() -> None:
    assert "unicast" not in keepalived.config(moving(0, servers=SERVERS[:1]))


def test_the_other_address_family() -> None:
    assert "2001:db8::10/128" in keepalived.config(moving(0, address="2001:db8::10"))


def test_files_and_service() -> None:
    files = keepalived.files(moving(0))
    assert {Path(file.path).name: file.mode for file in files} == {
        "keepalived.conf": 0o644,
        "api-answers": 0o755,
        "api-is-ready": 0o755,
        "etcd-answers": 0o755,
        keepalived.UNIT: 0o644,
    }
    # keepalived refuses to run a program that others may write.
    assert not any(file.mode & (stat.S_IWGRP | stat.S_IWOTH) for file in files)
    assert set(keepalived.service(files).reads) == {keepalived.PROGRAM, *(file.path for file in files)}


@pytest.mark.parametrize(("address", "interface"), [("192.0.2.11", "eth1"), ("192.0.2.99", "")])
def test_the_interface(address: str, interface: str) -> None:
    listing = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]},
        {"ifname": "eth0"},
        {"ifname": "eth1", "addr_info": [{"local": "192.0.2.11"}]},
    ]
    assert keepalived.interface_of(address, listing) == interface
