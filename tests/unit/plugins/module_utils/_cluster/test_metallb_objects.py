# SPDX-License-Identifier: Apache-2.0
"""MetalLB's custom resources from a plan, held against its own schemas."""

from __future__ import annotations

import base64
import copy
import json
import re
import sys
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import apply as applying
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.masking import shown
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.metallb_objects import (
    custom_resources,
    password_secrets,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Object
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import Options, parse_sets
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse
from fake_cluster import FakeClock, FakeCluster
from hypothesis import given, settings
from hypothesis import strategies as st
from metallb_schemas import SPECS, Schema

sys.path.insert(0, str(Path(__file__).parents[1] / "_model"))
from inventories import FRR, MACHINES, REMOVED, good

NODE3 = [{"match_labels": {"kubernetes.io/hostname": "node3"}}]
ZONES = [
    {"match_expressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}, {"key": "x", "operator": "Exists"}]}
]

#: every key that the inventory has
FULL: dict[str, t.Any] = {
    **FRR,
    "klubster_pools": [
        {
            "name": "far",
            "addresses": ["203.0.113.0/24", "2001:db8:5::/64"],
            "announce": "bgp",
            "avoid_buggy_ips": True,
            "priority": 5,
            "namespaces": ["web"],
            "namespace_selectors": [{"match_labels": {"team": "shop"}}],
            "service_selectors": ZONES,
        },
        {"name": "near", "addresses": ["192.168.1.240/29"], "auto_assign": False, "announce": "both"},
        {"name": "cable", "addresses": ["192.168.1.232/29"], "interfaces": ["eth1"]},
    ],
    "klubster_l2_advertisements": [
        {"name": "rack", "pools": ["near"], "interfaces": ["eth0"], "node_selectors": NODE3}
    ],
    "klubster_bgp": {
        "asn": 65001,
        "communities": {"customers": "65001:100", "big": "65001:1:2"},
        "bfd_profiles": [
            {"name": "fast", "receive": 300, "transmit": 250, "multiplier": 3, "minimum_ttl": 250, "passive": True},
            {"name": "loud", "echo": True, "echo_interval": 100},
        ],
        "peers": [
            {
                "name": "router2",
                "address": "192.168.1.2",
                "asn": 65010,
                "port": 1179,
                "hold_time": 90,
                "keepalive": 30,
                "connect_time": 5,
                "ebgp_multihop": True,
                "bfd_profile": "fast",
                "graceful_restart": True,
                "dual_stack": True,
                "node_selectors": ZONES,
            },
            {
                "name": "router3",
                "address": "192.168.1.3",
                "dynamic_asn": "external",
                "source_address": "192.168.1.13",
                "node_selectors": NODE3,
            },
        ],
        "advertisements": [
            {
                "name": "wide",
                "pools": ["far"],
                "peers": ["router2"],
                "aggregation_length": 28,
                "aggregation_length_v6": 96,
                "local_preference": 200,
                "communities": ["customers", "no-export", "65001:7"],
                "node_selectors": NODE3,
            }
        ],
    },
    "klubster_bgp_passwords": {"router2": "s3cret-word"},
}


def balancer(**changes: t.Any) -> dict[str, t.Any]:
    hosts, groups = good()
    for name in MACHINES:
        hosts[name] |= copy.deepcopy(changes)
        for key in [key for key, value in changes.items() if value is REMOVED]:
            del hosts[name][key]
    found: dict[str, t.Any] = parse(hosts, groups, bundle_dir="/b").spec.as_dict()["load_balancer"]
    return found


def rendered(**changes: t.Any) -> dict[tuple[str, str], Object]:
    objects = custom_resources(balancer(**changes))
    found = {(obj["kind"], obj["metadata"]["name"]): obj["spec"] for obj in objects}
    assert len(found) == len(objects), "two objects have one name"
    return found


def complaints(obj: Object, schemas: dict[tuple[str, str], Schema]) -> list[str]:
    schema = schemas[obj["apiVersion"], obj["kind"]]
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(obj["spec"])]


def test_all_of_an_inventory_is_there() -> None:
    assert rendered(**FULL) == {
        ("IPAddressPool", "far"): {
            "addresses": ["203.0.113.0/24", "2001:db8:5::/64"],
            "autoAssign": True,
            "avoidBuggyIPs": True,
            "serviceAllocation": {
                "priority": 5,
                "namespaces": ["web"],
                "namespaceSelectors": [{"matchLabels": {"team": "shop"}}],
                "serviceSelectors": [
                    {
                        "matchExpressions": [
                            {"key": "zone", "operator": "In", "values": ["a", "b"]},
                            {"key": "x", "operator": "Exists"},
                        ]
                    }
                ],
            },
        },
        ("IPAddressPool", "near"): {"addresses": ["192.168.1.240/29"], "autoAssign": False, "avoidBuggyIPs": False},
        ("IPAddressPool", "cable"): {"addresses": ["192.168.1.232/29"], "autoAssign": True, "avoidBuggyIPs": False},
        ("L2Advertisement", "rack"): {
            "ipAddressPools": ["near"],
            "interfaces": ["eth0"],
            "nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "node3"}}],
        },
        ("L2Advertisement", "cable"): {"ipAddressPools": ["cable"], "interfaces": ["eth1"]},
        ("BFDProfile", "fast"): {
            "receiveInterval": 300,
            "transmitInterval": 250,
            "detectMultiplier": 3,
            "minimumTtl": 250,
            "passiveMode": True,
        },
        ("BFDProfile", "loud"): {"echoMode": True, "echoInterval": 100},
        ("BGPPeer", "router2"): {
            "myASN": 65001,
            "peerASN": 65010,
            "peerAddress": "192.168.1.2",
            "peerPort": 1179,
            "holdTime": "1m30s",
            "keepaliveTime": "30s",
            "connectTime": "5s",
            "ebgpMultiHop": True,
            "bfdProfile": "fast",
            "dualStackAddressFamily": True,
            "enableGracefulRestart": True,
            "nodeSelectors": [
                {
                    "matchExpressions": [
                        {"key": "zone", "operator": "In", "values": ["a", "b"]},
                        {"key": "x", "operator": "Exists"},
                    ]
                }
            ],
            "passwordSecret": {"name": "bgp-peer-router2", "namespace": "metallb-system"},
        },
        ("BGPPeer", "router3"): {
            "myASN": 65001,
            "dynamicASN": "external",
            "peerAddress": "192.168.1.3",
            "peerPort": 179,
            "sourceAddress": "192.168.1.13",
            "nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "node3"}}],
        },
        ("Community", "klubster"): {
            "communities": [
                {"name": "big", "value": "large:65001:1:2"},
                {"name": "customers", "value": "65001:100"},
            ]
        },
        ("BGPAdvertisement", "wide"): {
            "ipAddressPools": ["far"],
            "peers": ["router2"],
            "aggregationLength": 28,
            "aggregationLengthV6": 96,
            "localPref": 200,
            "communities": ["customers", "65535:65281", "65001:7"],
            "nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "node3"}}],
        },
        ("BGPAdvertisement", "near"): {"ipAddressPools": ["near"]},
    }


def test_an_advertisement_of_all_names_them() -> None:
    """To MetalLB an empty list would mean pools of the other way, too."""
    bgp = FULL["klubster_bgp"] | {"advertisements": [{"name": "all"}]}
    found = rendered(
        **{
            **FULL,
            "klubster_bgp": bgp,
            "klubster_l2_advertisements": [{"name": "rack"}],
            "klubster_pools": [*FULL["klubster_pools"][:2]],
        }
    )
    assert found["BGPAdvertisement", "all"] == {"ipAddressPools": ["far", "near"]}
    assert found["L2Advertisement", "rack"] == {"ipAddressPools": ["near"]}


def test_an_advertisement_of_nothing_is_none() -> None:
    found = rendered(
        klubster_bgp={
            "asn": 65001,
            "peers": [{"name": "r", "address": "192.168.1.2", "asn": 65010}],
            "advertisements": [{"name": "all"}],
        }
    )
    assert [key for key in found if key[0] == "BGPAdvertisement"] == []
    assert ("BGPPeer", "r") in found


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (9, "9s"), (60, "1m0s"), (90, "1m30s"), (3600, "1h0m0s"), (65535, "18h12m15s")]
)
def test_times_are_written_as_go_writes_them(seconds: int, text: str) -> None:
    peer = {"name": "r", "address": "192.168.1.2", "asn": 65010, "hold_time": seconds}
    assert rendered(klubster_bgp={"asn": 65001, "peers": [peer]})["BGPPeer", "r"]["holdTime"] == text


def test_objects_fit_the_schemas_that_were_written_down() -> None:
    for obj in custom_resources(balancer(**FULL)):
        assert complaints(obj, SPECS) == []


@pytest.mark.parametrize(
    ("kind", "key", "value", "said"),
    [
        ("BGPPeer", "peerPort", 17900, "greater than the maximum"),
        ("BGPPeer", "dynamicASN", "both", "is not one of"),
        ("BGPPeer", "password", "abc", "Additional properties"),
        ("IPAddressPool", "addresses", "203.0.113.0/24", "is not of type 'array'"),
        ("BFDProfile", "detectMultiplier", 1, "less than the minimum"),
        ("BGPAdvertisement", "aggregationLength", "28", "is not of type 'integer'"),
    ],
)
def test_the_schemas_see_what_is_wrong(kind: str, key: str, value: t.Any, said: str) -> None:
    obj = next(one for one in custom_resources(balancer(**FULL)) if one["kind"] == kind)
    obj["spec"][key] = value
    assert any(said in text for text in complaints(obj, SPECS))


@pytest.fixture(scope="module")
def definitions() -> dict[tuple[str, str], Schema]:
    """Schemas of the bundle's own manifest, without room for what they do not name."""
    path = catalogue.default_bundle_dir() / "manifests" / "metallb-native.yaml"
    if not path.exists():
        pytest.skip(f"no bundle in {path.parents[1]}; the schemas that were written down are tested above")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = {}
    for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader=loader):
        if document and document["kind"] == "CustomResourceDefinition":
            spec = document["spec"]
            for version in spec["versions"]:
                schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = _closed(schema)
    return found


def _closed(schema: t.Any) -> t.Any:
    if isinstance(schema, list):
        return [_closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key not in ("format", "description")}
    return {**closed, "additionalProperties": False} if "properties" in closed else closed


def test_objects_fit_the_schemas_of_the_bundle(definitions: dict[tuple[str, str], Schema]) -> None:
    for obj in custom_resources(balancer(**FULL)):
        assert complaints(obj, definitions) == [], obj


def test_what_was_written_down_is_what_the_bundle_says(definitions: dict[tuple[str, str], Schema]) -> None:
    for key, schema in SPECS.items():
        real = definitions[key]
        assert sorted(real.get("required", [])) == sorted(schema["required"]), key
        for name, field in schema["properties"].items():
            for fact in ("type", "enum", "minimum", "maximum"):
                assert real["properties"][name].get(fact) == field.get(fact), (key, name, fact)


# --- passwords


def test_a_password_comes_from_beside_the_plan() -> None:
    data = {"name": "load-balancer", "given_secrets": password_secrets(balancer(**FULL))}
    (one,) = parse_sets([data], json.dumps({"router2": "s3cret-word"}))
    (secret,) = one.definitions
    assert (secret["kind"], secret["type"]) == ("Secret", "kubernetes.io/basic-auth")
    assert secret["metadata"]["name"] == "bgp-peer-router2"
    assert base64.b64decode(secret["data"]["password"]) == b"s3cret-word"
    assert "s3cret" not in json.dumps(data)


def test_a_password_that_is_not_given_is_told() -> None:
    data = {"name": "load-balancer", "given_secrets": password_secrets(balancer(**FULL))}
    with pytest.raises(DefinitionError, match=r"Secret bgp-peer-router2: secret_values has no 'router2'"):
        parse_sets([data])


@pytest.mark.parametrize("given", ["s3cret", '["s3cret"]', ["s3cret"]])
def test_secrets_that_cannot_be_read_are_not_shown(given: t.Any) -> None:
    with pytest.raises(DefinitionError, match=re.escape("secret_values = (masked)")) as caught:
        parse_sets([], given)
    assert "s3cret" not in str(caught.value)


def test_a_changed_password_is_seen_and_not_shown() -> None:
    cluster = FakeCluster()
    cluster.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "metallb-system"}})
    data = {"name": "load-balancer", "given_secrets": password_secrets(balancer(**FULL))}

    def run(word: str) -> t.Any:
        sets = parse_sets([data], {"router2": word})
        return applying.Applier(cluster, sets, Options(), FakeClock()).run()

    assert run("s3cret-word").changed
    assert not run("s3cret-word").changed
    report = run("other-word")
    assert [(change.action, str(change.ref)) for change in report.changes] == [
        ("updated", "Secret metallb-system/bgp-peer-router2")
    ]
    text = json.dumps(report.as_diff())
    for word in ("s3cret-word", "other-word"):
        assert word not in text
        assert base64.b64encode(word.encode()).decode() not in text
    assert shown(report.changes[0].after, "after")["data"] == {"password": "(masked) after"}


# --- nonsense


def _paths(value: t.Any, path: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _paths(entry, (*path, key))


_GIVEN = {key: value for key, value in FULL.items() if value is not REMOVED and key not in FRR}
_NONSENSE = [None, "", "x", "a b", -1, 0, 3.5, True, [], {}, [None], {"x": None}, ["x", "x"], "fd00::1", 2**40, "\x00"]


@settings(deadline=None, max_examples=150)
@given(path=st.sampled_from([path for path in _paths(_GIVEN) if path]), value=st.sampled_from(_NONSENSE))
def test_nonsense_anywhere_is_refused_or_taken_and_never_breaks(path: tuple[t.Any, ...], value: t.Any) -> None:
    given_now = copy.deepcopy(_GIVEN)
    place: t.Any = given_now
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        objects = custom_resources(balancer(**FRR, **given_now))
    except InvalidInput as exc:
        assert "object object" not in str(exc)
        assert "s3cret-word" not in str(exc)
        return
    for obj in objects:
        assert complaints(obj, SPECS) == []
