# SPDX-License-Identifier: Apache-2.0
"""What Calico is told of routers, from a plan; MetalLB without speakers; and how the one follows the other."""

from __future__ import annotations

import base64
import copy
import ipaddress
import json
import sys
import typing as t
from functools import partial
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import calico_bgp, layers, manifests, metallb
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.apply import Applier
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Object, Ref
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import Options, parse_sets
from ansible_collections.kateskit.klubster.plugins.module_utils._router.cluster import router_data
from ansible_collections.kateskit.klubster.plugins.module_utils._status import routing
from calico_schemas import schemas
from fake_cluster import FakeClock, FakeCluster
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "_model"))
from machines import plan

from inventories import CALICO, PEER

FAR = {"name": "far", "addresses": ["203.0.113.0/24"]}
NEAR = {"name": "near", "addresses": ["192.168.1.240-192.168.1.246"]}
SIX = {"name": "six", "addresses": ["2001:db8:5::/120"]}
ROUTER3 = {"name": "router3", "address": "192.168.1.3", "asn": 65001}
ROUTER6 = {"name": "router6", "address": "fd00:1::2", "asn": 65010, "port": 1179}
ZONES = [
    {
        "match_labels": {"zone": "a", "example.org/disk": "ssd"},
        "match_expressions": [
            {"key": "x", "operator": "Exists"},
            {"key": "y", "operator": "DoesNotExist"},
        ],
    },
    {
        "match_expressions": [
            {"key": "z", "operator": "In", "values": ["1", "2"]},
            {"key": "z", "operator": "NotIn", "values": ["3"]},
        ]
    },
]
DUAL = {
    "klubster_pod_network": "10.244.0.0/16,fd00:42::/56",
    "klubster_service_network": "10.96.0.0/16,fd00:43::/112",
}
#: every key that goes with Calico's speaker
FULL: Object = {
    **CALICO,
    **DUAL,
    "klubster_pools": [FAR, NEAR, SIX],
    "klubster_bgp": {
        "asn": 65001,
        "communities": {"customers": "65001:100", "big": "65001:1:2"},
        "peers": [
            PEER | {"hold_time": 9, "ebgp_multihop": True, "graceful_restart": True, "node_selectors": ZONES},
            ROUTER3,
            ROUTER6,
        ],
        "advertisements": [
            {"name": "far", "pools": ["far"], "peers": ["router2"]},
            {"name": "near", "pools": ["near", "six"], "communities": ["customers", "big", "no-export", "65001:7"]},
        ],
    },
    "klubster_bgp_passwords": {"router2": "s3cret-word"},
}
NETWORKS = ["10.244.0.0/16", "fd00:42::/56"]


def _plan(**changes: t.Any) -> Object:
    return plan(**copy.deepcopy({**CALICO, "klubster_pools": [FAR], **changes}))


def specs(planned: Object) -> dict[tuple[str, str], Object]:
    """What of Calico's kinds there is, by kind and name."""
    objects = calico_bgp.definitions(planned["load_balancer"], planned["networks"]["pod"])
    found = {(obj["kind"], obj["metadata"]["name"]): obj["spec"] for obj in objects if "spec" in obj}
    assert len(found) == len([obj for obj in objects if "spec" in obj])
    return found


def test_all_of_an_inventory_is_there() -> None:
    near = ["192.168.1.240/30", "192.168.1.244/31", "192.168.1.246/32"]
    tags = ["65001:100", "65001:1:2", "65535:65281", "65001:7"]
    reject = {"action": "Reject", "matchOperator": "In"}
    assert specs(_plan(**FULL)) == {
        ("BGPConfiguration", "default"): {
            "asNumber": 65001,
            "listenPort": 179,
            "nodeToNodeMeshEnabled": True,
            "serviceLoadBalancerIPs": [{"cidr": net} for net in ("203.0.113.0/24", *near, "2001:db8:5::/120")],
            "prefixAdvertisements": [{"cidr": net, "communities": tags} for net in (*near, "2001:db8:5::/120")],
        },
        ("BGPFilter", "router2"): {
            "importV4": [reject | {"cidr": "0.0.0.0/0"}],
            "exportV4": [reject | {"cidr": "10.244.0.0/16"}],
        },
        ("BGPPeer", "router2"): {
            "peerIP": "192.168.1.2",
            "asNumber": 65010,
            "filters": ["router2"],
            "keepOriginalNextHop": True,
            "nodeSelector": (
                "(example.org/disk == 'ssd' && zone == 'a' && has(x) && !has(y)) || (z in {'1', '2'} && z not in {'3'})"
            ),
            "password": {"secretKeyRef": {"name": "klubster-bgp-peer-router2", "key": "password"}},
        },
        ("BGPFilter", "router3"): {
            "importV4": [reject | {"cidr": "0.0.0.0/0"}],
            # The pool far is told to router2 only.
            "exportV4": [reject | {"cidr": "10.244.0.0/16"}, reject | {"cidr": "203.0.113.0/24"}],
        },
        # Of its own autonomous system: nothing of other nodes goes there anyway.
        ("BGPPeer", "router3"): {"peerIP": "192.168.1.3", "asNumber": 65001, "filters": ["router3"]},
        ("BGPFilter", "router6"): {
            "importV6": [reject | {"cidr": "::/0"}],
            "exportV6": [reject | {"cidr": "fd00:42::/56"}],
        },
        ("BGPPeer", "router6"): {
            "peerIP": "[fd00:1::2]:1179",
            "asNumber": 65010,
            "filters": ["router6"],
            "keepOriginalNextHop": True,
        },
    }


def test_pods_are_told_where_they_are_chosen() -> None:
    bgp = {"asn": 65001, "pods": True, "peers": [PEER]}
    found = specs(_plan(klubster_bgp=bgp))["BGPFilter", "router2"]
    assert found == {"importV4": [{"action": "Reject", "cidr": "0.0.0.0/0", "matchOperator": "In"}]}


def test_nothing_is_ever_accepted() -> None:
    """A rule that accepts would let out all that a node knows: its filters are gone through in turn, and end there."""
    rules = [
        rule
        for (kind, _name), spec in specs(_plan(**FULL)).items()
        if kind == "BGPFilter"
        for key in spec
        for rule in spec[key]
    ]
    assert {rule["action"] for rule in rules} == {"Reject"}


@pytest.mark.parametrize("changes", [{}, FULL, {"klubster_pools": [], "klubster_load_balancer_mode": "l2"}])
def test_calicos_definitions_take_them(changes: Object) -> None:
    known = schemas()
    found = specs(_plan(**changes))
    assert {kind for kind, _name in found} == set(known)
    for (kind, _name), spec in found.items():
        errors = jsonschema.Draft202012Validator(known[kind]).iter_errors(spec)
        assert [error.message for error in errors] == [], spec


def test_agents_may_read_the_passwords_and_no_other_secret() -> None:
    planned = _plan(**FULL)
    objects = calico_bgp.definitions(planned["load_balancer"], NETWORKS)
    role, binding = objects[:2]
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["klubster-bgp-peer-router2"],
            "verbs": ["get", "list", "watch"],
        }
    ]
    assert (binding["kind"], binding["roleRef"]["kind"], binding["roleRef"]["name"]) == (
        "RoleBinding",
        "Role",
        role["metadata"]["name"],
    )
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "calico-node", "namespace": "calico-system"}]
    assert {obj["metadata"]["namespace"] for obj in (role, binding)} == {"calico-system"}
    without = calico_bgp.definitions(_plan()["load_balancer"], NETWORKS)
    assert {obj["kind"] for obj in without} == {"BGPConfiguration", "BGPFilter", "BGPPeer"}


def test_a_password_comes_from_beside_the_plan() -> None:
    planned = _plan(**FULL)
    data = {"name": "load-balancer", "given_secrets": calico_bgp.password_secrets(planned["load_balancer"])}
    (one,) = parse_sets([data], json.dumps({"router2": "s3cret-word"}))
    (secret,) = one.definitions
    assert (secret["type"], secret["metadata"]["namespace"]) == ("Opaque", "calico-system")
    assert base64.b64decode(secret["data"]["password"]) == b"s3cret-word"
    assert "s3cret" not in json.dumps(planned)


# --- selectors

_KEYS = st.sampled_from(["zone", "example.org/disk", "x"])
_VALUES = st.sampled_from(["a", "b-1", "c.d"])
_EXPRESSION = st.builds(
    lambda key, operator, values: {
        "key": key,
        "operator": operator,
        "values": values if operator in ("In", "NotIn") else [],
    },
    _KEYS,
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    st.lists(_VALUES, min_size=1, unique=True),
)
_SELECTOR = st.fixed_dictionaries(
    {"match_labels": st.dictionaries(_KEYS, _VALUES), "match_expressions": st.lists(_EXPRESSION, max_size=3)}
).filter(lambda one: one["match_labels"] or one["match_expressions"])


@settings(deadline=None, max_examples=200)
@given(selectors=st.lists(_SELECTOR, max_size=3), labels=st.dictionaries(_KEYS, _VALUES))
def test_a_selector_means_in_calicos_language_what_it_means_to_kubernetes(
    selectors: list[Object], labels: dict[str, str]
) -> None:
    by_kubernetes = not selectors or any(
        routing._fits({"matchLabels": one["match_labels"], "matchExpressions": one["match_expressions"]}, labels)
        for one in selectors
    )
    assert calico_bgp.fits(calico_bgp.node_selector(selectors), labels) is by_kubernetes


@pytest.mark.parametrize("selector", ["", "all()", "zone contains 'a'"])
def test_a_selector_of_somebody_else_fits(selector: str) -> None:
    assert calico_bgp.fits(selector, {})


# --- the set

CONTROLLER: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "controller", "namespace": "metallb-system"},
    "spec": {
        "template": {
            "spec": {"containers": [{"name": "controller", "image": "upstream/controller", "readinessProbe": {}}]}
        }
    },
}


def _binding(kind: str, role: str, subject: str) -> list[Object]:
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": role}, "rules": []},
        {
            "apiVersion": f"{group}/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": f"{role}-{subject}"},
            "roleRef": {"apiGroup": group, "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": subject, "namespace": "metallb-system"}],
        },
    ]


def _account(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "metallb-system"}}


def _definition(group: str, kind: str, plural: str) -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": {"kind": kind, "plural": plural}},
    }


SPEAKER = copy.deepcopy(CONTROLLER) | {
    "kind": "DaemonSet",
    "metadata": {"name": "speaker", "namespace": "metallb-system"},
}
SPEAKER["spec"]["template"]["spec"]["containers"][0]["name"] = "speaker"
MANIFEST = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "metallb-system"}},
    *(
        _definition("metallb.io", kind, f"{kind.lower()}s")
        for kind in ("IPAddressPool", "BGPPeer", "BGPAdvertisement", "L2Advertisement")
    ),
    _account("controller"),
    _account("speaker"),
    *_binding("ClusterRole", "controller", "controller"),
    *_binding("ClusterRole", "speaker", "speaker"),
    *_binding("Role", "pod-lister", "speaker"),
    _binding("Role", "shared", "speaker")[1],
    *_binding("Role", "shared", "controller"),
    CONTROLLER,
    SPEAKER,
]


class Fetched:
    """A bundle without images: upstream's stay."""

    def of_kind(self, _kind: str) -> t.Sequence[t.Any]:
        return ()

    def image(self, _name: str, /) -> None:
        return None


@pytest.fixture(autouse=True)
def manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "load", lambda _bundle, _name: copy.deepcopy(MANIFEST))


def built(**changes: t.Any) -> Object:
    *_absent, found = layers.load_balancer_sets(Fetched(), _plan(**changes))
    return found


def named(one: Object) -> set[tuple[str, str]]:
    return {(obj["kind"], obj["metadata"]["name"]) for obj in one["definitions"]}


def test_metallb_gives_addresses_and_has_no_speakers() -> None:
    one = built(**FULL)
    found = named(one)
    assert {name for kind, name in found if kind in ("Deployment", "DaemonSet", "ServiceAccount")} == {"controller"}
    assert {name for kind, name in found if kind == "IPAddressPool"} == {"far", "near", "six"}
    assert not any(kind in ("BGPAdvertisement", "L2Advertisement") for kind, _name in found)
    assert {obj["apiVersion"] for obj in one["definitions"] if obj["kind"] == "BGPPeer"} == {calico_bgp.VERSION}
    # What only speakers may do goes; what the controller may do as well stays.
    assert not {("ClusterRole", "speaker"), ("Role", "pod-lister"), ("RoleBinding", "shared-speaker")} & found
    assert {("ClusterRole", "controller"), ("Role", "shared"), ("RoleBinding", "shared-controller")} <= found
    awaited = [entry["name"] for entry in one["wait_for"] if entry["kind"] == "CustomResourceDefinition"]
    assert awaited == [f"{plural}.crd.projectcalico.org" for plural in ("bgpconfigurations", "bgpfilters", "bgppeers")]


def test_pods_of_another_family_are_not_named_to_a_router() -> None:
    one = built(**FULL)
    filters = {obj["metadata"]["name"]: obj["spec"] for obj in one["definitions"] if obj["kind"] == "BGPFilter"}
    assert [rule["cidr"] for rule in filters["router6"]["exportV6"]] == ["fd00:42::/56"]


def test_without_a_router_the_role_says_so() -> None:
    with pytest.raises(DefinitionError, match=r"load_balancer_bgp: Calico announces nothing without a number"):
        metallb.metallb_set(t.cast("t.Any", Fetched()), pools=[], speaker="cni")


NATIVE = {"klubster_metallb_speaker": "native"}
CRDS = [
    _definition(calico_bgp.GROUP, kind, f"{kind.lower()}s") for kind in ("BGPConfiguration", "BGPFilter", "BGPPeer")
]


def cluster_with_calico() -> FakeCluster:
    """As the operator leaves it; MetalLB's webhook answers."""
    cluster = FakeCluster()
    cluster.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "calico-system"}})
    for one in CRDS:
        define(cluster, one)
    return cluster


def define(cluster: FakeCluster, one: Object) -> None:
    cluster.add(one, status={"conditions": [{"type": "Established", "status": "True"}]})


def apply(cluster: FakeCluster, one: Object, *, check: bool = False, clock: FakeClock | None = None) -> t.Any:
    """Without MetalLB's webhook, of which other tests tell."""
    waits = [entry for entry in one["wait_for"] if entry["kind"] == "CustomResourceDefinition"]
    sets = parse_sets([one | {"wait_for": waits, "wait_own": False}], {"router2": "s3cret-word", "router3": "x"})
    return Applier(cluster, sets, Options(check=check, timeout=30), clock or FakeClock()).run()


def kept(cluster: FakeCluster) -> set[tuple[str, str, str]]:
    kinds = ("BGPPeer", "BGPFilter", "BGPConfiguration", "BGPAdvertisement", "DaemonSet", "Secret", "Role")
    return {(ref.kind.group, ref.kind.kind, ref.name) for ref in cluster.objects if ref.kind.kind in kinds}


def test_a_router_that_left_takes_all_of_it_along() -> None:
    cluster = cluster_with_calico()
    password = {"klubster_bgp_passwords": {"router2": "s3cret-word"}}
    apply(cluster, built(klubster_bgp={"asn": 65001, "peers": [PEER, ROUTER3]}, **password))
    assert (calico_bgp.GROUP, "BGPPeer", "router2") in kept(cluster)
    assert ("", "Secret", "klubster-bgp-peer-router2") in kept(cluster)
    apply(cluster, built(klubster_bgp={"asn": 65001, "peers": [ROUTER3]}))
    assert kept(cluster) == {
        (calico_bgp.GROUP, "BGPConfiguration", "default"),
        (calico_bgp.GROUP, "BGPFilter", "router3"),
        (calico_bgp.GROUP, "BGPPeer", "router3"),
        ("rbac.authorization.k8s.io", "Role", "shared"),
        ("", "Secret", "memberlist"),
    }
    assert not apply(cluster, built(klubster_bgp={"asn": 65001, "peers": [ROUTER3]})).changed


def test_the_speaker_changes_hands_both_ways() -> None:
    cluster = cluster_with_calico()
    apply(cluster, built(**NATIVE))
    by_metallb = kept(cluster)
    assert ("metallb.io", "BGPPeer", "router2") in by_metallb
    apply(cluster, built())
    assert ("apps", "DaemonSet", "speaker") not in kept(cluster)
    assert not [entry for entry in kept(cluster) if entry[0] == "metallb.io"]
    apply(cluster, built(**NATIVE))
    assert kept(cluster) == by_metallb


def test_settings_of_somebody_else_are_in_the_way() -> None:
    cluster = cluster_with_calico()
    mine = {"apiVersion": calico_bgp.VERSION, "kind": "BGPConfiguration", "metadata": {"name": "default"}, "spec": {}}
    cluster.add(mine)
    with pytest.raises(Exception, match=r"BGPConfiguration default is there already and was not made by klubster"):
        apply(cluster, built())


def test_a_look_before_the_operator_is_there_says_what_is_lacking() -> None:
    """The first run compares all layers before the pod network is there."""
    report = apply(FakeCluster(), built(), check=True)
    assert "BGPPeer router2" in report.as_sets(parse_sets([built()]))[0]["created"]
    assert not report.settled("load-balancer")


def test_the_operators_definitions_are_waited_for() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    cluster.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "calico-system"}})
    early: list[set[tuple[str, str, str]]] = []
    clock.at(3.2, lambda: early.append(kept(cluster)))
    for number, one in enumerate(CRDS):
        clock.at(2.0 + number, partial(define, cluster, one))
    apply(cluster, built(), clock=clock)
    assert (calico_bgp.GROUP, "BGPPeer", "router2") in kept(cluster)
    assert [group for group, _kind, _name in early[0] if group == calico_bgp.GROUP] == [], "two of three were there"


# --- the router's side


def _lets_in(rules: list[Object], prefix: t.Any) -> bool:
    for rule in rules:
        net = ipaddress.ip_network(rule["prefix"])
        low, high = rule.get("ge", net.prefixlen), rule.get("le", net.prefixlen)
        if prefix.version == net.version and prefix.subnet_of(net) and low <= prefix.prefixlen <= high:
            return bool(rule.get("action", "permit") == "permit")
    return False


@settings(deadline=None, max_examples=60)
@given(first=st.integers(0, 200), size=st.integers(1, 55), inside=st.integers(0, 54), pods=st.booleans())
def test_the_router_lets_in_what_calico_announces_and_nothing_beside(
    first: int, size: int, inside: int, pods: bool
) -> None:
    base = int(ipaddress.ip_address("203.0.113.0")) + first
    text = f"{ipaddress.ip_address(base)}-{ipaddress.ip_address(base + size - 1)}"
    pool = {"name": "far", "addresses": [text]}
    planned = _plan(klubster_pools=[pool], klubster_bgp={"asn": 65001, "pods": pods, "peers": [PEER]})
    rules = router_data(planned, "router2")["prefix_lists"]["klubster-home-in"]
    for one in calico_bgp.blocks(planned["load_balancer"]):
        assert _lets_in(rules, ipaddress.ip_network(one))
    # Of a service whose own nodes answer.
    assert _lets_in(rules, ipaddress.ip_network(base + inside % size))
    block = ipaddress.ip_network("10.244.3.64/26")
    assert _lets_in(rules, block) is _lets_in(rules, ipaddress.ip_network("10.244.3.70/32")) is pods
    for strange in ("203.0.112.7/32", "0.0.0.0/0", "10.244.0.0/16", "10.96.0.0/16", "203.0.112.0/23"):
        assert not _lets_in(rules, ipaddress.ip_network(strange))


def test_a_router_hears_of_each_node_what_all_of_them_know() -> None:
    bgp = {"asn": 65001, "pods": True, "peers": [PEER | {"hold_time": 9}]}
    found = router_data(_plan(klubster_bgp=bgp), "router2")
    group = found["bgp"]["peer_groups"]["klubster-home"]
    assert found["prefix_lists"]["klubster-home-in"] == [
        {"prefix": "10.244.0.0/16", "ge": 26, "le": 32},
        {"prefix": "203.0.113.0/24", "le": 32},
    ]
    assert group["ipv4"]["maximum_prefix"] == sum(2**bits for bits in range(10, 17)) + sum(2**bits for bits in range(9))
    assert found["bgp"]["neighbors"] == {
        f"192.168.1.1{number}": {"peer_group": "klubster-home", "keepalive": 3, "hold_time": 9} for number in (1, 2, 3)
    }


def test_both_sides_say_the_same() -> None:
    planned = _plan(**FULL)
    peer = specs(planned)["BGPPeer", "router2"]
    router = router_data(planned, "router2")["bgp"]
    assert peer["asNumber"] == router["asn"]
    assert (
        specs(planned)["BGPConfiguration", "default"]["asNumber"]
        == (router["peer_groups"]["klubster-home"]["remote_as"])
    )


def test_no_reference_is_claimed_twice() -> None:
    (one,) = parse_sets([built(**FULL)], {"router2": "s3cret-word"})
    assert len({Ref.of(obj) for obj in one.definitions}) == len(one.definitions)
