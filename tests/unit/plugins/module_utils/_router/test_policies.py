# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.policies import (
    Carried,
    Refusal,
    refusing,
    settings_of,
)

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
    assert refusing(MODEL, {"ipv4": family}, prefix) == (Refusal(refused) if refused else None)


def test_each_family_and_each_direction_has_its_own() -> None:
    settings = {"ipv4": {"prefix_list_out": "whole"}, "ipv6": {"prefix_list_in": "six"}}
    assert refusing(MODEL, settings, "203.0.113.0/25", "out") == Refusal("prefix list whole")
    assert refusing(MODEL, settings, "2001:db8::1/128") is None
    assert refusing(MODEL, settings, "2001:db9::1/128") == Refusal("prefix list six")


FILTERS = {
    "prefix_lists": {"whole": [{"prefix": "203.0.113.0/24"}]},
    "community_lists": {
        "ours": [{"pattern": "65010:100"}],
        "others": [{"action": "deny", "pattern": "65010:1.*"}, {"pattern": ".*"}],
    },
    "large_community_lists": {"large": [{"pattern": "65010:1:2"}]},
    "as_path_lists": {"cluster": [{"pattern": "^65001$"}], "far": [{"pattern": "_65020_"}]},
}
KNOWN = Carried(as_path="65001", communities="65010:100 65010:200", large_communities="65010:1:2")
BARE = Carried(as_path="", communities="", large_communities="")


def mapped(*rules: dict[str, t.Any], carried: Carried = KNOWN, prefix: str = "203.0.113.0/24") -> Refusal | None:
    model = dump(parse({**FILTERS, "route_maps": {"mark": list(rules)}})[0])
    return refusing(model, {"ipv4": {"route_map_in": "mark"}}, prefix, carried=carried)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"community_list": "ours"}, True),
        ({"community_list": "others"}, False),
        ({"large_community_list": "large"}, True),
        ({"as_path_list": "cluster"}, True),
        ({"as_path_list": "far"}, False),
        ({"as_path_list": "cluster", "community_list": "ours", "prefix_list": "whole"}, True),
    ],
)
def test_lists_that_look_at_more_than_prefixes(match: dict[str, t.Any], fits: bool) -> None:
    assert (mapped({"match": match}) is None) == fits
    denied = mapped({"match": match, "action": "deny"}, {"seq": 20})
    assert (denied is not None) == fits


def test_a_list_that_refuses_is_named() -> None:
    deny: dict[str, t.Any] = {"action": "deny"}
    assert mapped({**deny, "match": {"community_list": "ours"}}) == Refusal("route map mark", "community list ours")
    far = {"match": {"as_path_list": "far"}}
    assert mapped(far) == Refusal("route map mark", "AS path list far")
    large = {"match": {"large_community_list": "large"}}
    found = mapped(far, large, carried=BARE)
    assert found == Refusal("route map mark", "AS path list far and large community list large")
    assert found is not None
    assert found.by == ", by its AS path list far and large community list large"
    # Another prefix would not be let pass with that community either.
    both = {"match": {"prefix_list": "whole", "community_list": "others"}}
    assert mapped(both, prefix="203.0.113.0/25") == Refusal("route map mark")
    assert mapped({**deny, "match": {"prefix_list": "whole"}}) == Refusal("route map mark")


@pytest.mark.parametrize("key", ["as_path", "communities", "large_communities"])
def test_of_what_is_not_known_nothing_is_said(key: str) -> None:
    match = {"as_path": {"as_path_list": "far"}, "communities": {"community_list": "others"}}.get(
        key, {"large_community_list": "large"}
    )
    assert mapped({"match": match}, carried=replace(BARE, **{key: None})) is None
    # A rule that a prefix does not fit is passed over, whatever else it looks at.
    rule = {"match": {**match, "prefix_list": "whole"}}
    assert mapped(rule, carried=replace(BARE, **{key: None}), prefix="203.0.113.0/25") == Refusal("route map mark")


def test_expressions_that_nobody_checked_end_no_look() -> None:
    model = {
        "route_maps": {"mark": [{"seq": 10, "match": {"as_path_list": "odd"}}]},
        "as_path_lists": {"odd": [{"seq": 10, "pattern": "(("}]},
    }
    assert refusing(model, {"ipv4": {"route_map_in": "mark"}}, "203.0.113.0/24", carried=KNOWN) is None


def test_exactly_these_communities_are_not_judged() -> None:
    assert mapped({"match": {"community_list": "ours", "community_exact": True}}) is None
