# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.policies import refusing, settings_of

MODEL = dump(
    parse(
        {
            "prefix_lists": {
                "services": [
                    {"seq": 10, "prefix": "203.0.113.128/25", "ge": 32, "le": 32, "action": "deny"},
                    {"seq": 20, "prefix": "203.0.113.0/24", "ge": 32},
                ],
                "whole": [{"prefix": "203.0.113.0/24"}],
                "upto": [{"prefix": "203.0.113.0/24", "le": 28}],
                "six": [{"prefix": "2001:db8::/32", "ge": 128, "le": 128}],
            },
            "route_maps": {
                "plain": [{"match": {"prefix_list": "whole"}, "action": "deny"}, {"seq": 20}],
                "only": [{"match": {"prefix_list": "whole"}}],
                "tagged": [{"match": {"tag": 5}, "action": "deny"}],
                "empty": [{"action": "deny"}],
            },
            "bgp": {
                "asn": 65010,
                "router_id": "10.0.0.1",
                "peer_groups": {
                    "nodes": {"remote_as": 65001, "ipv4": {"prefix_list_in": "services", "maximum_prefix": 9}},
                    "wide": {"remote_as": 65002, "ipv4": {}},
                },
                "neighbors": {
                    "10.0.0.2": {"peer_group": "nodes", "ipv4": {"prefix_list_out": "whole"}},
                    "10.0.0.3": {"remote_as": 65003, "ipv4": {}},
                },
                "listen": {
                    "10.0.0.0/24": {"peer_group": "wide"},
                    "10.0.0.0/28": {"peer_group": "nodes"},
                },
            },
        }
    )[0]
)


@pytest.mark.parametrize(
    ("address", "remote_as", "name", "listens"),
    [
        ("10.0.0.2", 65001, "10.0.0.2", False),
        ("10.0.0.3", 65003, "10.0.0.3", False),
        ("10.0.0.9", 65001, "nodes", True),
        ("10.0.0.99", 65002, "wide", True),
    ],
)
def test_whose_words_hold(address: str, remote_as: int, name: str, listens: bool) -> None:
    found = settings_of(MODEL, address)
    assert found is not None
    assert (found["remote_as"], found["name"], found["listens"]) == (remote_as, name, listens)


def test_own_words_are_laid_over_those_of_the_group() -> None:
    found = settings_of(MODEL, "10.0.0.2")
    assert found is not None
    assert found["ipv4"] == {"prefix_list_in": "services", "prefix_list_out": "whole", "maximum_prefix": 9}


@pytest.mark.parametrize(("model", "address"), [({}, "10.0.0.2"), (MODEL, "10.0.1.2"), (MODEL, "2001:db8::1")])
def test_who_is_not_known(model: dict[str, t.Any], address: str) -> None:
    assert settings_of(model, address) is None


@pytest.mark.parametrize(
    ("family", "prefix", "refused"),
    [
        ({"prefix_list_in": "services"}, "203.0.113.10/32", ""),
        ({"prefix_list_in": "services"}, "203.0.113.0/24", "prefix list services"),
        ({"prefix_list_in": "services"}, "203.0.113.200/32", "prefix list services"),
        ({"prefix_list_in": "services"}, "203.0.114.10/32", "prefix list services"),
        ({"prefix_list_in": "whole"}, "203.0.113.0/24", ""),
        ({"prefix_list_in": "whole"}, "203.0.113.0/25", "prefix list whole"),
        ({"prefix_list_in": "upto"}, "203.0.113.0/28", ""),
        ({"prefix_list_in": "upto"}, "203.0.113.0/29", "prefix list upto"),
        ({"prefix_list_in": "gone"}, "203.0.113.0/24", ""),
        ({"route_map_in": "plain"}, "203.0.113.0/24", "route map plain"),
        ({"route_map_in": "plain"}, "203.0.113.0/25", ""),
        ({"route_map_in": "only"}, "203.0.113.0/25", "route map only"),
        ({"route_map_in": "empty"}, "203.0.113.0/25", "route map empty"),
        # It looks at more than the prefix: nobody can say.
        ({"route_map_in": "tagged"}, "203.0.113.0/24", ""),
        ({"route_map_in": "gone"}, "203.0.113.0/24", ""),
        ({"prefix_list_out": "whole"}, "203.0.113.0/25", ""),
        ({}, "203.0.113.0/25", ""),
    ],
)
def test_what_a_list_refuses(family: dict[str, t.Any], prefix: str, refused: str) -> None:
    assert refusing(MODEL, {"ipv4": family}, prefix) == refused


def test_each_family_and_each_direction_has_its_own() -> None:
    settings = {"ipv4": {"prefix_list_out": "whole"}, "ipv6": {"prefix_list_in": "six"}}
    assert refusing(MODEL, settings, "203.0.113.0/25", "out") == "prefix list whole"
    assert refusing(MODEL, settings, "2001:db8::1/128") == ""
    assert refusing(MODEL, settings, "2001:db9::1/128") == "prefix list six"
