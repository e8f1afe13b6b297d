# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.filter.router_reach import FilterModule

router_reach = FilterModule().filters()["router_reach"]
API = {"host": "router2", "port": 443, "key": "s3cret-k3y", "timeout": 300}


def reach(connection: str, network_os: str = "vyos.vyos.vyos", way: str = "network_cli", **api: t.Any) -> list[str]:
    said = {"router_connection": way, "connection": connection, "network_os": network_os}
    return t.cast("list[str]", router_reach(said, {**API, **api}))


@pytest.mark.parametrize("connection", ["ansible.netcommon.network_cli", "network_cli", ""])
def test_network_cli_is_what_vyos_is_typed_into_by(connection: str) -> None:
    assert reach(connection, key="") == []
    assert reach(connection, "", key="") == []


def test_another_connection_is_refused_with_both_ways_out() -> None:
    found = reach("ssh")[0]
    assert found.startswith("ansible_connection = 'ssh': VyOS is typed into over network_cli.")
    assert "Set ansible_connection: ansible.netcommon.network_cli;" in found
    assert found.endswith("router_connection: http_api.")
    assert [one.split(":")[0] for one in reach("local", "ios")] == [
        "ansible_connection = 'local'",
        "ansible_network_os = 'ios'",
    ]


def test_the_api_needs_no_connection_and_a_key() -> None:
    assert reach("ssh", "", way="http_api") == []
    found = reach("ssh", "", way="http_api", key="", port=0)
    assert [one.split(" = ")[0] for one in found] == ["router_api_port", "router_api_key"]
    assert "s3cret" not in str(reach("ssh", way="http_api", key_file="/nowhere"))


def test_numbers_and_switches_may_be_texts_as_on_a_command_line(tmp_path: Path) -> None:
    assert reach("ssh", "", way="http_api", port="8443", timeout="60", validate_certs="true") == []
    found = reach("ssh", "", way="http_api", port="https", timeout="0", validate_certs="false", ca_file=str(tmp_path))
    assert [one.split(":")[0] for one in found] == [
        "router_api_port = 'https'",
        "router_api_timeout = 0",
        f"router_api_ca_file = {str(tmp_path)!r}",
    ]
    assert "No certificate is looked at with validate_certs off." in found[2]


@pytest.mark.parametrize(
    ("timeout", "sessions", "minutes", "needed"),
    [("120", 30, "5", 0), (210, 30, 5, 0), (211, 30, 5, 6), (300, "30", 5, 7), (120, 30, 0, 4), (5, 600, 10, 12)],
)
def test_an_answer_has_to_come_before_the_router_goes_back(
    timeout: t.Any, sessions: t.Any, minutes: t.Any, needed: int
) -> None:
    said = {"router_connection": "http_api", "timeout": sessions, "confirm_minutes": minutes}
    found = router_reach(said, {**API, "timeout": timeout})
    assert bool(found) == bool(needed)
    if needed:
        assert found[0].startswith(f"router_api_timeout = {timeout}: The router goes back after {minutes} min")
        assert f"{sessions} s for sessions (router_timeout)" in found[0]
        assert f"Set router_confirm_minutes: {needed}, or a smaller router_api_timeout." in found[0]
    assert router_reach({**said, "router_connection": "network_cli"}, {**API, "timeout": timeout}) == []
