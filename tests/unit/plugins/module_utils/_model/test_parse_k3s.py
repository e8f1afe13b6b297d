# SPDX-License-Identifier: Apache-2.0
"""Inventories for k3s: what is refused, and what the plan holds and does not hold."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_plan
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse
from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import ClusterSpec

sys.path.insert(0, str(Path(__file__).parent))
from inventories import MACHINES, good

Changes = dict[str, t.Any]
SECRETS: Changes = {
    "klubster_token": "hunter2" * 5,
    "klubster_agent_token": "hunter3" * 5,
    "klubster_k3s_datastore": "postgres://k3s:hunter4hunter4@db.example.org:5432/k3s",
    "klubster_k3s_registries": {
        "configs": {"r.example.org": {"auth": {"username": "u", "password": "hunter5hunter5"}}}
    },
    "klubster_k3s_environment": {"K3S_X": "hunter6hunter6"},
}

# what all machines get, what node1 gets (a server), and what the message must hold
REFUSED: dict[str, tuple[Changes, Changes, tuple[str, ...]]] = {
    "version without its build": ({"klubster_engine_version": "1.34.2"}, {}, ("engine_version", "'1.34.2+k3s1'")),
    "version with a dash": ({"klubster_engine_version": "v1.34.2-k3s1"}, {}, ("Write '1.34.2+k3s1'",)),
    "a channel": ({"klubster_engine_version": "stable"}, {}, ("klubster_engine_version", "three numbers")),
    "a version too old": ({"klubster_engine_version": "1.29.3+k3s1"}, {}, ("supported in these versions",)),
    "source of the other engine": ({"klubster_engine_source": "bundle"}, {}, ("k3s does not come from it", "release")),
    "airgap without a folder": (
        {"klubster_engine_source": "airgap"}, {}, ("klubster_airgap_dir", "folder of yours", "Name it"),
    ),
    "a mirror that is no URL": ({"klubster_engine_mirrors": ["ftp://mirror"]}, {}, ("klubster_engine_mirrors[0]",)),
    "a mirror with a placeholder of nowhere": (
        {"klubster_engine_mirrors": ["https://mirror/{version}/{file}"]}, {}, ("placeholder", "{tag}"),
    ),
    "configuration of kube-proxy": (
        {"klubster_kube_proxy_config": {"mode": "nftables"}}, {}, ("klubster_kube_proxy_config", "kube-proxy-arg"),
    ),
    "an unknown key": (
        {}, {"klubster_k3s_config": {"secret-encryption": True}}, ("node1", "secrets-encryption"),
    ),
    "a key of the collection's": ({}, {"klubster_k3s_config": {"cluster-init": True}}, ("cluster-init", "node1")),
    "a key of servers on an agent": (
        {"klubster_k3s_config": {"disable": ["traefik"]}}, {}, ("klubster_k3s_config.disable of node2", "servers only"),
    ),
    "a key of another type": ({}, {"klubster_k3s_config": {"debug": "perhaps"}}, ("k3s_config.debug of node1",)),
    "a token with a blank": ({"klubster_token": "hunter2 hunter2"}, {}, ("klubster_token", "white space")),
    "half a token": ({"klubster_token": "K10abc"}, {}, ("klubster_token", "'::' is missing")),
    "a token that is a number": ({"klubster_token": 12345678}, {}, ("klubster_token", "It is text")),
    "a proxy that is no URL": ({"klubster_proxy": {"http": "proxy:3128"}}, {}, ("klubster_proxy.http",)),
    "a key of a proxy of nowhere": ({"klubster_proxy": {"no_proxy": "x"}}, {}, ("klubster_proxy", "no_proxy")),
    "a datastore of nowhere": (
        {"klubster_k3s_datastore": "oracle://u:hunter2hunter2@db/x"}, {}, ("klubster_k3s_datastore", "PostgreSQL"),
    ),
    "a registry with a path": (
        {"klubster_k3s_registries": {"mirrors": {"r.example.org/x": {}}}}, {}, ("klubster_k3s_registries", "host"),
    ),
    "an environment that the collection gives": (
        {"klubster_k3s_environment": {"K3S_TOKEN": "hunter2hunter2"}}, {}, ("K3S_TOKEN", "another way"),
    ),
    "pools for ServiceLB": (
        {"klubster_load_balancer": "servicelb"}, {}, ("klubster_pools", "knows no pools", "metallb"),
    ),
    "ServiceLB named and switched off": (
        {"klubster_load_balancer": "servicelb", "klubster_pools": []},
        {"klubster_k3s_config": {"disable": ["servicelb"]}},
        ("klubster_k3s_config.disable of node1", "switches off", "Take servicelb out"),
    ),
    "a mirror of manifests that is no URL": (
        {"klubster_layers_mirrors": ["mirror.example.org"]}, {}, ("klubster_layers_mirrors[0]", "https://"),
    ),
    "layers of nowhere": ({"klubster_layers_source": "chart"}, {}, ("klubster_layers_source", "bundle, release")),
    "a profile of nowhere": ({"klubster_profile": "stig"}, {}, ("klubster_profile", "cis")),
}  # fmt: skip


def inventory(everywhere: Changes, server: Changes) -> tuple[t.Any, t.Any]:
    hosts, groups = good()
    for name in MACHINES:
        for variable in ("klubster_kube_proxy_config", "klubster_engine_version", "klubster_engine_source"):
            hosts[name].pop(variable, None)
        hosts[name] |= {"klubster_engine": "k3s"} | everywhere
    hosts["node1"] |= server
    return hosts, groups


def spec(everywhere: Changes | None = None, server: Changes | None = None) -> ClusterSpec:
    return parse(*inventory(everywhere or {}, server or {}), bundle_dir="/srv/bundle").spec


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_refused_before_anything_else_and_no_secret_is_shown(name: str) -> None:
    everywhere, server, parts = REFUSED[name]
    with pytest.raises(InvalidInput) as caught:
        spec(everywhere, server)
    for part in parts:
        assert part in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_plan_holds_no_secret() -> None:
    plan = spec(SECRETS).as_dict()
    assert "hunter" not in json.dumps(plan) + json.dumps(k3s_plan.files(plan))
    assert plan["engine"]["datastore"] == "external"


def test_what_k3s_brings_is_no_layer_of_ours() -> None:
    plan = spec().as_dict()
    assert (plan["engine"]["version"], plan["engine"]["source"]) == ("1.34.2+k3s1", "release")
    assert plan["engine"]["release_dir"].endswith("/k3s/v1.34.2+k3s1")
    assert (plan["cni"]["provider"], plan["cni"]["layer"]) == ("flannel", "none")
    assert "flannel" not in plan["images"]
    assert plan["engine"]["datastore"] == "etcd"


SHARED = "/etc/rancher/k3s/config.yaml.d/10-klubster-cluster.yaml"


@pytest.mark.parametrize(
    ("choice", "written", "left_out"),
    [
        ({}, ['flannel-backend: "vxlan"'], ["disable-network-policy", "disable-kube-proxy"]),
        ({"klubster_cni_backend": "wireguard-native"}, ['flannel-backend: "wireguard-native"'], ["disable-kube-proxy"]),
        (
            {"klubster_cni": "kube_router"},
            ['flannel-backend: "none"', "disable-network-policy: true"],
            ["disable-kube-proxy"],
        ),
        (
            {"klubster_cni": "cilium", "klubster_cni_service_proxy": True},
            ['flannel-backend: "none"', "disable-network-policy: true", "disable-kube-proxy: true"],
            [],
        ),
        ({"klubster_cni": "none"}, ['flannel-backend: "none"'], ["disable-kube-proxy"]),
    ],
)
def test_what_k3s_leaves_out_follows_from_the_network(
    choice: dict[str, t.Any], written: list[str], left_out: list[str]
) -> None:
    files = k3s_plan.files(spec(choice).as_dict())["node1"]
    for line in written:
        assert line in files[SHARED].splitlines()
    assert not [key for key in left_out if key in files[SHARED]]


def test_options_of_a_kube_proxy_that_is_not_there_are_refused() -> None:
    choice = {"klubster_cni": "cilium", "klubster_cni_service_proxy": True}
    with pytest.raises(InvalidInput, match=r"kube-proxy-arg of node1.*no kube-proxy here"):
        spec(choice, {"klubster_k3s_config": {"kube-proxy-arg": ["proxy-mode=ipvs"]}})


def test_every_machine_has_files_and_servers_the_same_shared_ones() -> None:
    files = k3s_plan.files(spec(server={"klubster_k3s_config": {"disable": ["traefik"]}}).as_dict())
    assert sorted(files) == sorted(MACHINES)
    assert "traefik" in files["node1"]["/etc/rancher/k3s/config.yaml"]
    assert "/etc/rancher/k3s/config.yaml.d/10-klubster-cluster.yaml" in files["node1"]
    assert "cluster-init" not in str(files)


def test_one_machine_may_tell_its_kubelet_more() -> None:
    everywhere = {"klubster_kubelet_config": {"maxPods": 90, "evictionHard": {"memory.available": "1Gi"}}}
    server = {"klubster_node_kubelet_config": {"maxPods": 99}}
    files = k3s_plan.files(spec(everywhere, server).as_dict())
    path = next(path for path in files["node1"] if "kubelet.conf.d" in path)
    told = {name: json.loads(files[name][path]) for name in ("node1", "node3")}
    assert (told["node1"]["maxPods"], told["node3"]["maxPods"]) == (99, 90)
    assert told["node1"]["evictionHard"] == {"memory.available": "1Gi"}


def test_servers_that_differ_in_what_must_match_are_refused() -> None:
    hosts, groups = inventory({}, {"klubster_k3s_config": {"egress-selector-mode": "pod"}})
    hosts["node2"]["klubster_k3s_config"] = {"egress-selector-mode": "cluster"}
    groups = {"servers": ["node1", "node2"], "agents": ["node3"]}
    with pytest.raises(InvalidInput, match=r"klubster_k3s_config.egress-selector-mode of node2"):
        parse(hosts, groups)


def test_one_machine_alone_has_sqlite() -> None:
    hosts, _groups = inventory({"klubster_single_node": True}, {})
    alone = parse({"node1": hosts["node1"]}, {"servers": ["node1"]}, bundle_dir="/srv/bundle").spec
    assert alone.engine.datastore == "sqlite"


def test_a_release_needs_no_bundle() -> None:
    plan = spec().as_dict()
    assert plan["engine"]["needs_bundle"] is False
    assert plan["images"] == []
    assert plan["layers"]["source"] == "release"
    assert plan["layers"]["directory"].endswith("/klubster/layers")


def test_images_of_ones_own_and_layers_from_the_bundle_need_it() -> None:
    assert spec({"klubster_images": ["agnhost"]}).as_dict()["images"] == ["agnhost"]
    assert spec({"klubster_images": ["agnhost"]}).needs_bundle
    plan = spec({"klubster_layers_source": "bundle"}).as_dict()
    assert plan["engine"]["needs_bundle"]
    assert "metallb-speaker" in plan["images"]
    assert plan["layers"]["directory"] == ""


def test_a_folder_without_internet_has_its_layers_from_the_bundle_unless_told() -> None:
    airgap = {"klubster_engine_source": "airgap", "klubster_airgap_dir": "/srv/k3s"}
    assert spec(airgap).layers.source == "bundle"
    assert not spec(airgap | {"klubster_layers_source": "release"}).needs_bundle


def test_servicelb_is_left_on_and_is_no_layer() -> None:
    chosen = spec({"klubster_load_balancer": "servicelb", "klubster_pools": []})
    files = str(k3s_plan.files(chosen.as_dict())["node1"])
    assert "servicelb" not in files
    assert "local-storage" in files
    assert "servicelb" in str(k3s_plan.files(spec().as_dict())["node1"])
