# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_config as config
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import nodes, units
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm_config import Invitation
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM, images_for
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import NodeSettings, taints_of
from settings import agent, cluster, server

TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
INVITATION = Invitation("api.home.internal:6443", "abcdef.0123456789abcdef", "sha256:00", "ff")


def read(documents: list[dict[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    """As kubeadm reads them: YAML documents by kind."""
    return {document["kind"]: document for document in yaml.safe_load_all(config.text(documents))}


def test_init_asks_for_no_registry_and_no_address_of_one_server() -> None:
    found = read(config.init(cluster(), server()))
    assert list(found) == [
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    ]
    init, whole = found["InitConfiguration"], found["ClusterConfiguration"]
    assert init["nodeRegistration"]["imagePullPolicy"] == "Never"
    assert init["nodeRegistration"]["criSocket"] == "unix:///run/containerd/containerd.sock"
    assert init["bootstrapTokens"] == [{"ttl": "15m0s"}]
    assert init["localAPIEndpoint"] == {"advertiseAddress": "192.0.2.11", "bindPort": 6443}
    assert whole["controlPlaneEndpoint"] == "api.home.internal:6443"
    assert whole["apiServer"]["certSANs"] == ["api.home.internal", "192.0.2.11"]
    assert whole["imageRepository"] == "bundle.test"
    assert (whole["etcd"]["local"]["imageTag"], whole["dns"]["imageTag"]) == ("3.6.5-0", "v1.12.1")
    assert whole["networking"]["podSubnet"] == "10.244.0.0/16"


def test_kube_proxy_is_left_out_where_another_does_its_work() -> None:
    with_it, without = cluster(), cluster(has_kube_proxy=False)
    assert "skipPhases" not in config.init(with_it, server())[0]
    assert "skipPhases" not in config.upgrade(with_it)[0]["apply"]
    documents = config.init(without, server())
    assert documents[0]["skipPhases"] == ["addon/kube-proxy"]
    assert "KubeProxyConfiguration" not in [document["kind"] for document in documents]
    assert config.upgrade(without)[0]["apply"]["skipPhases"] == ["addon/kube-proxy"]


def test_two_address_families_are_joined() -> None:
    found = read(config.init(cluster(pod_networks=("10.244.0.0/16", "fd00:1::/56")), server()))
    assert found["ClusterConfiguration"]["networking"]["podSubnet"] == "10.244.0.0/16,fd00:1::/56"
    assert found["KubeProxyConfiguration"]["clusterCIDR"] == "10.244.0.0/16,fd00:1::/56"


def test_the_users_entries_win() -> None:
    given = cluster(
        kubelet_config={"cgroupDriver": "cgroupfs", "maxPods": 50},
        kube_proxy_config={"conntrack": {"maxPerCore": 0}, "mode": "nftables"},
    )
    assert config.kubelet(given)["cgroupDriver"] == "cgroupfs"
    assert config.kubelet(given)["maxPods"] == 50
    assert config.kubelet(given)["failSwapOn"] is False
    assert config.kube_proxy(given)["mode"] == "nftables"
    assert config.kubelet(cluster())["cgroupDriver"] == "systemd"


@pytest.mark.parametrize(
    ("node", "single", "expected"),
    [
        (server(), False, [TAINT]),
        (server(), True, []),
        (agent(), False, []),
        (server(taints=("a=b:NoExecute",)), False, [TAINT, {"key": "a", "value": "b", "effect": "NoExecute"}]),
        (agent(taints=("a:NoSchedule",)), False, [{"key": "a", "effect": "NoSchedule"}]),
    ],
)
def test_taints(node: NodeSettings, single: bool, expected: list[dict[str, str]]) -> None:
    given = cluster(open_servers=single)
    assert taints_of(node, open_servers=given.open_servers) == expected
    document = config.join(given, node, INVITATION)[0]
    # An empty list, not nothing: kubeadm taints a server otherwise.
    assert document["nodeRegistration"]["taints"] == expected


def test_kubelet_gives_itself_only_labels_that_it_may() -> None:
    labels = {"zone": "attic", "node-role.kubernetes.io/storage": "", "x.k8s.io/a": "b", "example.org/c": "d"}
    arguments = config.init(cluster(), server(labels=labels))[0]["nodeRegistration"]["kubeletExtraArgs"]
    assert arguments == [
        {"name": "node-ip", "value": "192.0.2.11"},
        {"name": "node-labels", "value": "example.org/c=d,zone=attic"},
    ]


def test_join() -> None:
    found = read(config.join(cluster(), agent(), INVITATION))["JoinConfiguration"]
    assert found["discovery"]["bootstrapToken"]["caCertHashes"] == ["sha256:00"]
    assert "controlPlane" not in found
    assert "unsafeSkipCAVerification" not in str(found)
    found = read(config.join(cluster(), server(address="192.0.2.12"), INVITATION))["JoinConfiguration"]
    assert found["controlPlane"]["certificateKey"] == "ff"
    assert found["controlPlane"]["localAPIEndpoint"]["advertiseAddress"] == "192.0.2.12"


OWNED = '{"labels": ["zone"], "taints": ["a:NoSchedule"]}'
A, B = {"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "NoSchedule"}


def test_a_node_that_is_right_needs_no_patch() -> None:
    wanted = agent(labels={"zone": "attic"}, taints=("a:NoSchedule",))
    patch = nodes.patch_for({}, wanted, [A])
    assert patch["metadata"]["labels"] == {"zone": "attic"}
    assert patch["spec"] == {"taints": [A]}
    node = {"metadata": patch["metadata"], "spec": {"taints": [B, A]}}
    assert nodes.patch_for(node, wanted, [A]) == {}
    assert nodes.patch_for({"metadata": {"labels": {"theirs": "1"}}}, agent(), []) == {}


def test_what_left_the_inventory_goes_and_what_others_gave_stays() -> None:
    metadata = {"labels": {"zone": "attic", "theirs": "1"}, "annotations": {"klubster.kateskit.dev/owned": OWNED}}
    patch = nodes.patch_for({"metadata": metadata, "spec": {"taints": [A, B]}}, agent(), [])
    assert patch["metadata"]["labels"] == {"zone": None}
    assert patch["spec"] == {"taints": [B]}


def test_the_taint_of_a_server_goes_when_it_becomes_a_single_node() -> None:
    patch = nodes.patch_for({"spec": {"taints": [TAINT, B]}}, server(), [])
    assert patch["spec"] == {"taints": [B]}


def test_a_taint_with_another_value_is_replaced() -> None:
    patch = nodes.patch_for({"spec": {"taints": [{**A, "value": "old"}]}}, agent(), [{**A, "value": "new"}])
    assert patch["spec"] == {"taints": [{**A, "value": "new"}]}


def test_digest_does_not_depend_on_order() -> None:
    assert nodes.digest({"a": 1, "b": 2}) == nodes.digest({"b": 2, "a": 1}) != nodes.digest({"a": 1, "b": 3})


def test_units() -> None:
    containerd = units.containerd_unit(KUBEADM, lower_oom_score=True)
    for line in ("Type=notify", "Delegate=yes", "KillMode=process", "OOMScoreAdjust=-999"):
        assert f"\n{line}\n" in containerd
    assert "OOMScoreAdjust" not in units.containerd_unit(KUBEADM, lower_oom_score=False)
    drop_in = units.kubelet_drop_in(KUBEADM)
    assert "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env" in drop_in
    assert f"--config-dir={units.KUBELET_OVERRIDES}" in drop_in
    files = units.kubelet_files(KUBEADM, cluster(kubelet_config={"maxPods": 9}))
    assert yaml.safe_load(files[-1].content)["maxPods"] == 9
    service = units.kubelet_service(KUBEADM, files, joined=False)
    assert not service.start
    assert set(service.reads) == {"/usr/local/bin/kubelet", *(file.path for file in files)}


def test_images() -> None:
    assert images_for(KUBEADM, "agent", ["flannel", "pause"]) == ["pause", "kube-proxy", "coredns", "flannel"]
    assert "etcd" in images_for(KUBEADM, "server")
