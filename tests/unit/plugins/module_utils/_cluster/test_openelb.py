# SPDX-License-Identifier: Apache-2.0
"""OpenELB's set: its custom resources held against its own schemas, and what is made of its manifest."""

from __future__ import annotations

import base64
import hashlib
import sys
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import layers, manifests, openelb
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.apply import Applier
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Kind, Object
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.openelb_objects import custom_resources
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import Options, parse_sets
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.upstream import FetchedManifests
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse
from fake_cluster import FakeClock, FakeCluster
from openelb_schemas import SPECS, manifest

sys.path.insert(0, str(Path(__file__).parents[1] / "_model"))
from inventories import MACHINES, OPENELB, OPENELB_BGP, good

#: every key that OpenELB has
FULL: dict[str, t.Any] = {
    **OPENELB_BGP,
    "klubster_pools": [
        {"name": "far", "addresses": ["203.0.113.0/24"], "announce": "bgp"},
        {
            "name": "near",
            "addresses": ["192.168.1.240/29"],
            "announce": "l2",
            "interfaces": ["eth0"],
            "auto_assign": False,
        },
        {
            "name": "shop",
            "addresses": ["203.0.114.1-203.0.114.9"],
            "namespaces": ["web"],
            "namespace_selectors": [{"match_labels": {"team": "shop"}}],
            "priority": 5,
        },
        {"name": "rest", "addresses": ["203.0.115.0/28"], "namespaces": ["web"]},
    ],
    "klubster_bgp": {
        "asn": 65001,
        "peers": [
            {
                "name": "router2",
                "address": "192.168.1.2",
                "asn": 65010,
                "port": 1179,
                "hold_time": 9,
                "keepalive": 3,
                "connect_time": 5,
                "ebgp_multihop": True,
                "node_selectors": [
                    {
                        "match_labels": {"rack": "a"},
                        "match_expressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}],
                    }
                ],
            },
            {"name": "router3", "address": "192.168.1.3", "asn": 65010},
        ],
    },
}


def plan(**changes: t.Any) -> dict[str, t.Any]:
    hosts, groups = good()
    for name in MACHINES:
        hosts[name] |= changes
    found: dict[str, t.Any] = parse(hosts, groups, bundle_dir="/b").spec.as_dict()
    return found


def rendered(**changes: t.Any) -> dict[tuple[str, str], Object]:
    objects = custom_resources(plan(**changes)["load_balancer"])
    found = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
    assert len(found) == len(objects), "two objects have one name"
    return found


def complaints(obj: Object) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(SPECS[obj["kind"]]).iter_errors(obj["spec"])]


def test_all_of_an_inventory_is_there() -> None:
    afi_safis = [
        {
            "config": {"family": {"afi": "AFI_IP", "safi": "SAFI_UNICAST"}, "enabled": True},
            "addPaths": {"config": {"sendMax": 3}},
        }
    ]
    found = rendered(**FULL)
    assert {obj["apiVersion"] for obj in found.values()} == {"network.kubesphere.io/v1alpha2"}
    assert {key: obj["spec"] for key, obj in found.items()} == {
        ("Eip", "far"): {"address": "203.0.113.0/24", "protocol": "bgp"},
        ("Eip", "near"): {"address": "192.168.1.240/29", "protocol": "layer2", "interface": "eth0"},
        ("Eip", "shop"): {
            "address": "203.0.114.1-203.0.114.9",
            "protocol": "bgp",
            "namespaces": ["web"],
            "namespaceSelector": {"team": "shop"},
            "priority": 5,
        },
        # Without a number it comes last; left out, it would be first.
        ("Eip", "rest"): {
            "address": "203.0.115.0/28",
            "protocol": "bgp",
            "namespaces": ["web"],
            "priority": 2147483647,
        },
        ("BgpConf", "default"): {"as": 65001, "listenPort": 179},
        ("BgpPeer", "router2"): {
            "conf": {"neighborAddress": "192.168.1.2", "peerAs": 65010},
            "transport": {"remotePort": 1179},
            "afiSafis": afi_safis,
            "ebgpMultihop": {"enabled": True, "multihopTtl": 255},
            "timers": {"config": {"holdTime": "9", "keepaliveInterval": "3", "connectRetry": "5"}},
            "nodeSelector": {
                "matchLabels": {"rack": "a"},
                "matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}],
            },
        },
        ("BgpPeer", "router3"): {
            "conf": {"neighborAddress": "192.168.1.3", "peerAs": 65010},
            "transport": {"remotePort": 179},
            "afiSafis": afi_safis,
        },
    }


def test_one_pool_is_given_out_unasked() -> None:
    found = {
        name: obj["metadata"].get("annotations") for (kind, name), obj in rendered(**FULL).items() if kind == "Eip"
    }
    default = {"eip.openelb.kubesphere.io/is-default-eip": "true"}
    assert found == {"far": default, "near": None, "shop": None, "rest": None}


def test_objects_fit_the_schemas() -> None:
    for obj in rendered(**FULL).values():
        assert complaints(obj) == []


@pytest.mark.parametrize(
    ("kind", "key", "value", "said"),
    [
        ("Eip", "protocol", "l2", "is not one of"),
        ("Eip", "addresses", ["203.0.113.0/24"], "Additional properties"),
        ("BgpConf", "as", 4200000000, "greater than the maximum"),
        ("BgpPeer", "conf", {"peerAsn": 1}, "Additional properties"),
        ("BgpPeer", "timers", {"config": {"holdTime": 9}}, "is not of type 'string'"),
    ],
)
def test_the_schemas_see_what_is_wrong(kind: str, key: str, value: t.Any, said: str) -> None:
    (obj, *_others) = [one for one in rendered(**FULL).values() if one["kind"] == kind]
    obj["spec"][key] = value
    assert any(said in text for text in complaints(obj))


def test_without_peers_nothing_is_said_of_bgp() -> None:
    assert {kind for kind, _name in rendered(**OPENELB)} == {"Eip"}


@pytest.mark.parametrize(
    ("network", "port"),
    [({}, 179), ({"klubster_cni": "kube_router", "klubster_cni_backend": "ipip"}, 17900)],
    ids=["free", "taken by the pod network"],
)
def test_speakers_listen_where_the_pod_network_does_not(network: dict[str, str], port: int) -> None:
    assert rendered(**OPENELB_BGP, **network)["BgpConf", "default"]["spec"]["listenPort"] == port


# --- the manifest


@pytest.fixture
def source(tmp_path: Path) -> dict[str, t.Any]:
    """Of the plan, with a manifest by the shape of the release's."""
    path = tmp_path / "openelb.yaml"
    path.write_text(yaml.safe_dump_all(manifest()))
    return {**plan(**OPENELB)["load_balancer"]["openelb"], "manifest": str(path)}


def built(source: dict[str, t.Any], **changes: t.Any) -> Object:
    balancer = plan(**(changes or OPENELB))["load_balancer"]
    return openelb.openelb_set(source, pools=balancer["pools"], mode=balancer["mode"], bgp=balancer["bgp"])


def objects(found: Object, kind: str) -> list[Object]:
    return [obj for obj in found["definitions"] if obj["kind"] == kind]


ONE_RANGE = "A pool of OpenELB (Eip) is one network or range. Make a pool of each."
ONE_INTERFACE = (
    "OpenELB answers for a pool on one interface, by the same name on all machines."
    " Name it, such as interfaces: [eth0]."
)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("addresses", ["203.0.113.0/28", "203.0.114.0/28"], ONE_RANGE),
        ("interfaces", ["eth0", "eth1"], ONE_INTERFACE),
        ("interfaces", [], ONE_INTERFACE),
    ],
)
def test_a_pool_that_nobody_looked_at_is_refused_as_the_model_does(
    source: dict[str, t.Any], key: str, value: list[str], said: str
) -> None:
    first = {"name": "first", "addresses": ["192.168.1.240/29"], "interfaces": ["eth0"]}
    with pytest.raises(InvalidInput) as caught:
        openelb.openelb_set(source, pools=[first, {**first, "name": "second", key: value}])
    assert f"1 problem in the input; nothing was changed.\n  - pools[1].{key} = {value!r}: {said}" in str(caught.value)


def test_speakers_do_what_the_pools_need_and_gobgp_listens_to_its_own_machine(source: dict[str, t.Any]) -> None:
    by_l2 = ["--enable-keepalived-vip=false", "--api-hosts=127.0.0.1:50051", "--enable-layer2=true"]
    for changes, arguments in ((OPENELB, by_l2), (OPENELB_BGP, [*by_l2[:2], "--enable-layer2=false"])):
        (speaker,) = objects(built(source, **changes), "DaemonSet")
        assert manifests.container(speaker, "openelb-speaker")["args"] == arguments


def test_the_secret_that_everybody_knows_is_made_anew(source: dict[str, t.Any]) -> None:
    found = built(source)
    assert objects(found, "Secret") == []
    wanted = {"name": "memberlist", "namespace": "openelb-system", "key": "key", "length": 24}
    assert found["generated_secrets"] == [wanted]
    cluster = FakeCluster()
    Applier(cluster, parse_sets([found]), Options(wait=False), FakeClock()).run()
    (secret,) = [obj for ref, obj in cluster.objects.items() if ref.name == "memberlist"]
    # memberlist takes 16, 24 or 32 bytes.
    assert len(base64.b64decode(secret["data"]["key"])) == 32


def test_pools_wait_for_the_webhook_to_answer(source: dict[str, t.Any]) -> None:
    (one,) = parse_sets([built(source)])
    assert [str(entry) for entry in one.wait_for] == [
        "ValidatingWebhookConfiguration openelb-admission",
        "every EndpointSlice with kubernetes.io/service-name=openelb-controller",
    ]


def test_its_pods_may_share_the_network_of_their_nodes(source: dict[str, t.Any]) -> None:
    (namespace,) = objects(built(source), "Namespace")
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "privileged"}


def test_a_job_that_differs_is_another_job(source: dict[str, t.Any]) -> None:
    """The API refuses to change one."""
    before = [obj["metadata"]["name"] for obj in objects(built(source), "Job")]
    assert before == [obj["metadata"]["name"] for obj in objects(built(source), "Job")]
    documents = manifest()
    for obj in documents:
        if obj["metadata"]["name"] == "openelb-admission-patch":
            obj["spec"]["template"]["spec"]["containers"][0]["image"] = "example.org/patch:v2"
    Path(source["manifest"]).write_text(yaml.safe_dump_all(documents))
    after = [obj["metadata"]["name"] for obj in objects(built(source), "Job")]
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_a_second_run_changes_nothing(source: dict[str, t.Any]) -> None:
    cluster = FakeCluster()

    def run() -> list[str]:
        sets = parse_sets([built(source, **FULL)])
        report = Applier(cluster, sets, Options(wait=False), FakeClock()).run()
        return [f"{change.action} {change.ref}" for change in report.changes]

    assert "created Eip far" in run()
    assert run() == []


def _without(name: str) -> list[Object]:
    return [obj for obj in manifest() if obj["metadata"]["name"] != name]


TEST_UNUSABLE: list[tuple[str, list[Object], str]] = [
    ("before 0.6", _without("openelb-speaker"), r"has no DaemonSet openelb-speaker"),
    ("without a kind", _without("eips.network.kubesphere.io"), r"does not define the kind Eip of network\.kubesphere"),
    (
        "with a pool",
        [*manifest(), {"kind": "Eip", "apiVersion": "a/v1", "metadata": {"name": "x"}}],
        r"It holds Eip x;",
    ),
    ("with a nameless object", [*manifest(), {"apiVersion": "v1", "kind": "Secret"}], r"metadata\.name = None"),
]


@pytest.mark.parametrize(
    ("documents", "said"), [row[1:] for row in TEST_UNUSABLE], ids=[row[0] for row in TEST_UNUSABLE]
)
def test_a_manifest_of_something_else_is_refused(source: dict[str, t.Any], documents: list[Object], said: str) -> None:
    Path(source["manifest"]).write_text(yaml.safe_dump_all(documents))
    with pytest.raises(DefinitionError, match=said):
        built(source)
    (problem,) = openelb.problems(source)
    assert (problem.variable, problem.value) == ("klubster_openelb_manifest", source["manifest"])
    assert "0.6 or later" in problem.remedy


def test_a_manifest_that_is_not_there_or_another_is_refused(source: dict[str, t.Any]) -> None:
    assert openelb.problems(source) == []
    sha256 = hashlib.sha256(Path(source["manifest"]).read_bytes()).hexdigest()
    assert openelb.problems({**source, "manifest_sha256": sha256}) == []
    for changes, said in (
        ({"manifest_sha256": "0" * 64}, "not the one that is wanted"),
        ({"manifest": "/nowhere/openelb.yaml"}, "no such file"),
        ({"manifest": "https://example.org/openelb.yaml", "manifest_sha256": "0" * 64}, "was not fetched"),
    ):
        (problem,) = openelb.problems({**source, **changes})
        assert said in problem.rule


# --- beside the other providers


@pytest.mark.parametrize(
    ("provider", "states"),
    [
        ("openelb", [("load-balancer", "absent"), ("load-balancer-openelb", None)]),
        ("servicelb", [("load-balancer", "absent"), ("load-balancer-openelb", "absent")]),
        ("none", [("load-balancer", "absent"), ("load-balancer-openelb", "absent")]),
    ],
)
def test_the_others_leave(source: dict[str, t.Any], provider: str, states: list[tuple[str, str | None]]) -> None:
    data = plan(**OPENELB)
    data["load_balancer"] |= {"provider": provider, "openelb": source}
    found = layers.load_balancer_sets(FetchedManifests(Path("/nowhere")), data)
    assert [(one["name"], one.get("state")) for one in found] == states


def test_in_a_living_cluster_metallb_leaves_first(source: dict[str, t.Any]) -> None:
    cluster = FakeCluster()
    pool = Kind("metallb.io/v1beta1", "IPAddressPool")
    old = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "metallb-system"}},
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "ipaddresspools.metallb.io"},
            "spec": {"group": "metallb.io", "names": {"kind": "IPAddressPool"}},
        },
        {
            "apiVersion": pool.api_version,
            "kind": pool.kind,
            "metadata": {"name": "home", "namespace": "metallb-system"},
            "spec": {"addresses": ["192.168.1.240-192.168.1.247"]},
        },
    ]

    def run(data: list[Object], *, check: bool = False) -> list[str]:
        report = Applier(cluster, parse_sets(data), Options(wait=False, check=check), FakeClock()).run()
        return [f"{change.action} {change.ref}" for change in report.changes]

    run([{"name": "load-balancer", "definitions": old}])
    data = plan(**OPENELB)
    data["load_balancer"]["openelb"] |= {"manifest": source["manifest"]}
    wanted = layers.load_balancer_sets(FetchedManifests(Path("/nowhere")), data)
    predicted = run(wanted, check=True)
    changes = run(wanted)
    assert changes == predicted
    gone = [change for change in changes if change.startswith("removed ")]
    assert changes[: len(gone)] == gone
    assert gone[0] == "removed IPAddressPool metallb-system/home"
    assert "created Eip home" in changes
    assert run(wanted) == []
