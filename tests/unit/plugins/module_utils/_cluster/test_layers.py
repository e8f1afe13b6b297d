# SPDX-License-Identifier: Apache-2.0
"""The sets of the layers, from manifests in the shape of upstream's."""

from __future__ import annotations

import inspect
import ipaddress
import json
import shutil
import subprocess
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import (
    flannel,
    layers,
    local_path,
    manifests,
    metallb,
    service_names,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Object
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import parse_sets

ROOT = Path(__file__).resolve().parents[5]


@dataclass(frozen=True)
class File:
    name: str
    path: Path


@dataclass(frozen=True)
class Image:
    reference: str


@dataclass(frozen=True)
class FakeBundle:
    files: tuple[File, ...]

    def of_kind(self, kind: str) -> tuple[File, ...]:
        return self.files if kind == "manifest" else ()

    def image(self, name: str) -> Image:
        return Image(f"bundle.test/{name}:v1")


def workload(kind: str, name: str, namespace: str, spec: Object) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


def config_map(name: str, namespace: str, data: Object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


FLANNEL = [
    config_map("kube-flannel-cfg", "kube-flannel", {"cni-conf.json": "{}", "net-conf.json": "{}"}),
    workload(
        "DaemonSet",
        "kube-flannel-ds",
        "kube-flannel",
        {
            "initContainers": [{"name": "install-cni", "image": "upstream/flannel"}],
            "containers": [
                {"name": "kube-flannel", "image": "upstream/flannel", "args": ["--ip-masq"], "env": [{"name": "A"}]}
            ],
            "volumes": [
                {"name": "run", "hostPath": {"path": "/run/flannel"}},
                {"name": "cni-plugin", "hostPath": {"path": "/opt/cni/bin"}},
                {"name": "cni", "hostPath": {"path": "/etc/cni/net.d"}},
                {"name": "flannel-cfg", "configMap": {"name": "kube-flannel-cfg"}},
            ],
        },
    ),
]
METALLB = [
    workload(
        kind,
        name,
        "metallb-system",
        {
            "containers": [
                {
                    "name": name,
                    "image": f"upstream/{name}",
                    "readinessProbe": {"httpGet": {"path": "/metrics"}, "initialDelaySeconds": 10},
                }
            ]
        },
    )
    for kind, name in (("Deployment", "controller"), ("DaemonSet", "speaker"))
]
FRR = [
    METALLB[0],
    workload(
        "DaemonSet",
        "speaker",
        "metallb-system",
        {
            "initContainers": [
                {"name": "cp-frr-files", "image": "quay.io/frrouting/frr:9.1.0"},
                {"name": "cp-reloader", "image": "upstream/speaker"},
            ],
            "containers": [
                {"name": "frr", "image": "quay.io/frrouting/frr:9.1.0"},
                *METALLB[1]["spec"]["template"]["spec"]["containers"],
            ],
        },
    ),
]
LOCAL_PATH = [
    workload(
        "Deployment",
        "local-path-provisioner",
        "local-path-storage",
        {"containers": [{"name": "local-path-provisioner", "image": "upstream/provisioner"}]},
    ),
    {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local-path"}},
    config_map(
        "local-path-config",
        "local-path-storage",
        {
            "config.json": "{}",
            "setup": "mkdir",
            "helperPod.yaml": yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": "helper"},
                    "spec": {"containers": [{"name": "helper", "image": "busybox"}]},
                }
            ),
        },
    ),
]


@pytest.fixture
def bundle(tmp_path: Path) -> FakeBundle:
    files = []
    for name, documents in (
        (flannel.MANIFEST, FLANNEL),
        (metallb.MANIFEST, METALLB),
        (metallb.MANIFEST_FRR, FRR),
        (local_path.MANIFEST, LOCAL_PATH),
    ):
        path = tmp_path / name
        path.write_text(yaml.safe_dump_all(documents))
        files.append(File(f"manifests/{name}", path))
    return FakeBundle(tuple(files))


def images_of(objects: t.Iterable[Object]) -> set[str]:
    """Every image that a pod of these objects would run."""
    found: set[str] = set()
    for obj in objects:
        spec = ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}
        for entry in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
            found.add(str(entry.get("image")))
    return found


def by_kind(entry: Object) -> dict[str, Object]:
    return {obj["kind"]: obj for obj in entry["definitions"]}


def test_every_image_comes_from_the_bundle(bundle: FakeBundle) -> None:
    sets = [
        flannel.flannel_set(bundle, networks=["10.244.0.0/16"]),
        metallb.metallb_set(bundle, pools=[]),
        local_path.local_path_set(bundle, path="/data"),
    ]
    objects = [obj for entry in sets for obj in entry["definitions"]]
    names = {*flannel.IMAGES, *metallb.IMAGES, *local_path.IMAGES}
    assert images_of(objects) == {f"bundle.test/{name}:v1" for name in names}
    text = json.dumps(objects)
    assert "upstream/" not in text
    assert "busybox" not in text
    assert [one.name for one in parse_sets(sets)] == ["cni", "load-balancer", "storage-local-path"]


TEST_NETWORKS: list[tuple[str, list[str], int | None, Object]] = [
    (
        "vxlan",
        ["10.1.0.0/16"],
        None,
        {"Network": "10.1.0.0/16", "EnableIPv4": True, "EnableIPv6": False, "Backend": {"Type": "vxlan"}},
    ),
    (
        "vxlan",
        ["10.1.0.0/16"],
        1400,
        {"Network": "10.1.0.0/16", "EnableIPv4": True, "EnableIPv6": False, "Backend": {"Type": "vxlan", "MTU": 1450}},
    ),
    (
        "host-gw",
        ["10.1.0.0/16", "fd00::/48"],
        1400,
        {
            "Network": "10.1.0.0/16",
            "IPv6Network": "fd00::/48",
            "EnableIPv4": True,
            "EnableIPv6": True,
            "Backend": {"Type": "host-gw"},
        },
    ),
    (
        "vxlan",
        ["fd00::/48"],
        None,
        {"IPv6Network": "fd00::/48", "EnableIPv4": False, "EnableIPv6": True, "Backend": {"Type": "vxlan"}},
    ),
    (
        "wireguard-native",
        ["10.1.0.0/16"],
        1400,
        {"Network": "10.1.0.0/16", "EnableIPv4": True, "EnableIPv6": False, "Backend": {"Type": "wireguard"}},
    ),
]


@pytest.mark.parametrize(("backend", "networks", "mtu", "expected"), TEST_NETWORKS)
def test_flannel_settings(backend: str, networks: list[str], mtu: int | None, expected: Object) -> None:
    assert flannel.network_settings(backend, networks, mtu) == {"EnableNFTables": False, **expected}


@pytest.mark.parametrize("networks", [[], ["10.1.0.0/16", "10.2.0.0/16"], ["fd00::/48", "fd01::/48"]])
def test_flannel_takes_one_network_per_family(networks: list[str]) -> None:
    with pytest.raises(DefinitionError, match="one network per address family"):
        flannel.network_settings("vxlan", networks, None)


def test_flannel_chooses_the_nodes_own_address(bundle: FakeBundle) -> None:
    daemon_set = by_kind(flannel.flannel_set(bundle, networks=["10.1.0.0/16"]))["DaemonSet"]
    spec = daemon_set["spec"]["template"]["spec"]
    assert "initContainers" not in spec
    flanneld, writer = spec["containers"]
    assert flanneld["args"] == ["--ip-masq", "--iface=$(HOST_IP)"]
    assert flanneld["env"][-1]["valueFrom"]["fieldRef"]["fieldPath"] == "status.hostIP"
    assert writer["image"] == "bundle.test/shell:v1"
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert {mount["name"] for mount in writer["volumeMounts"]} <= volumes
    assert "cni-plugin" not in volumes


def test_flannel_restarts_when_its_settings_change(bundle: FakeBundle) -> None:
    def template(**options: t.Any) -> Object:
        entry = flannel.flannel_set(bundle, networks=["10.1.0.0/16"], **options)
        found: Object = by_kind(entry)["DaemonSet"]["spec"]["template"]["metadata"]["annotations"]
        return found

    assert template() == template()
    assert template() != template(backend="host-gw")
    assert template() != template(mtu=1400)


def test_what_a_living_cluster_cannot_change(bundle: FakeBundle) -> None:
    entry = flannel.flannel_set(bundle, backend="host-gw", networks=["10.1.0.0/16", "fd00::/48"])
    assert entry["fixed"] == {"provider": "flannel", "backend": "host-gw", "networks": "10.1.0.0/16,fd00::/48"}
    assert "reset.yml" in entry["fixed_remedy"]


TEST_SUBNETS: list[tuple[str, dict[str, str], str | None, Object]] = [
    (
        "one family",
        {"FLANNEL_NETWORK": "10.244.0.0/16", "FLANNEL_SUBNET": "10.244.1.1/24", "FLANNEL_MTU": "1450"},
        None,
        {"mtu": 1450, "ranges": [[{"subnet": "10.244.1.0/24"}]], "routes": [{"dst": "10.244.0.0/16"}]},
    ),
    (
        "odd prefix",
        {"FLANNEL_NETWORK": "10.244.0.0/16", "FLANNEL_SUBNET": "10.244.1.129/25", "FLANNEL_MTU": "1500"},
        "1300",
        {"mtu": 1300, "ranges": [[{"subnet": "10.244.1.128/25"}]], "routes": [{"dst": "10.244.0.0/16"}]},
    ),
    (
        "two families",
        {
            "FLANNEL_NETWORK": "10.244.0.0/16",
            "FLANNEL_SUBNET": "10.244.1.1/24",
            "FLANNEL_IPV6_NETWORK": "fd00:10:244::/56",
            "FLANNEL_IPV6_SUBNET": "fd00:10:244:1::1/64",
            "FLANNEL_MTU": "1430",
        },
        None,
        {
            "mtu": 1430,
            "ranges": [[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:1::/64"}]],
            "routes": [{"dst": "10.244.0.0/16"}, {"dst": "fd00:10:244::/56"}],
        },
    ),
]


class Writer:
    """The script as the container runs it, in the shell of this machine, with folders of the test."""

    def __init__(self, bundle: FakeBundle, folder: Path, mtu: str | None = None) -> None:
        self.subnet, self.conflist = folder / "subnet.env", folder / "10-flannel.conflist"
        data = by_kind(flannel.flannel_set(bundle, networks=["10.1.0.0/16"]))["ConfigMap"]["data"]
        script = folder / "cni-config.sh"
        script.write_text(
            data["cni-config.sh"]
            .replace(flannel.SUBNET_FILE, str(self.subnet))
            .replace(flannel.CONFLIST, str(self.conflist))
            .replace("pause=5", "pause=0.1")
        )
        shell = shutil.which("sh")
        assert shell is not None
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [shell, str(script)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/bin:/bin", **({"CNI_MTU": mtu} if mtu else {})},
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_ignored: object) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    def write_subnet(self, values: dict[str, str]) -> None:
        new = self.subnet.with_name(".subnet.env")
        new.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        new.replace(self.subnet)

    def wait_for(self, wanted: t.Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not wanted():
            assert time.monotonic() < deadline, "the script did not do it in time"
            assert self.process.poll() is None, "the script has ended"
            time.sleep(0.02)

    def bridge(self) -> Object:
        found: Object = json.loads(self.conflist.read_text())["plugins"][0]
        return found


@pytest.mark.parametrize(("values", "mtu", "expected"), [c[1:] for c in TEST_SUBNETS], ids=[c[0] for c in TEST_SUBNETS])
def test_the_cni_configuration_follows_the_subnet(
    bundle: FakeBundle, tmp_path: Path, values: dict[str, str], mtu: str | None, expected: Object
) -> None:
    with Writer(bundle, tmp_path, mtu) as writer:
        writer.write_subnet(values)
        writer.wait_for(writer.conflist.exists)
        bridge = writer.bridge()
    assert bridge["mtu"] == expected["mtu"]
    assert bridge["ipam"]["ranges"] == expected["ranges"]
    assert bridge["ipam"]["routes"] == expected["routes"]
    for ranges in bridge["ipam"]["ranges"]:
        # host-local refuses a network with host bits.
        ipaddress.ip_network(ranges[0]["subnet"], strict=True)


def test_the_cni_configuration_is_kept_true(bundle: FakeBundle, tmp_path: Path) -> None:
    values = dict(TEST_SUBNETS[0][1])
    with Writer(bundle, tmp_path) as writer:
        # An unfinished file must not become a configuration.
        writer.write_subnet({"FLANNEL_NETWORK": "10.244.0.0/16"})
        time.sleep(0.5)
        assert not writer.conflist.exists()
        writer.write_subnet(values)
        writer.wait_for(writer.conflist.exists)
        before = writer.conflist.stat()
        time.sleep(0.3)
        assert writer.conflist.stat().st_mtime_ns == before.st_mtime_ns, "it is written only when it differs"
        writer.write_subnet({**values, "FLANNEL_SUBNET": "10.244.9.1/24"})
        writer.wait_for(lambda: "10.244.9.0/24" in writer.conflist.read_text())
        writer.conflist.unlink()
        writer.wait_for(writer.conflist.exists)
        assert list(tmp_path.glob("*.new")) == []


def test_metallb_pools(bundle: FakeBundle) -> None:
    entry = metallb.metallb_set(
        bundle,
        pools=[
            {"name": "a", "addresses": ["10.0.0.0/28"], "interfaces": ["eth1"], "avoid_buggy_ips": True},
            {"name": "b", "addresses": ["10.0.1.1-10.0.1.9"], "auto_assign": False},
        ],
    )
    custom = [obj for obj in entry["definitions"] if obj["apiVersion"] == "metallb.io/v1beta1"]
    assert [(obj["kind"], obj["metadata"]["name"], obj["spec"]) for obj in custom] == [
        ("IPAddressPool", "a", {"addresses": ["10.0.0.0/28"], "autoAssign": True, "avoidBuggyIPs": True}),
        ("IPAddressPool", "b", {"addresses": ["10.0.1.1-10.0.1.9"], "autoAssign": False, "avoidBuggyIPs": False}),
        ("L2Advertisement", "a", {"ipAddressPools": ["a"], "interfaces": ["eth1"]}),
        ("L2Advertisement", "b", {"ipAddressPools": ["b"]}),
    ]
    assert entry["generated_secrets"][0]["name"] == "memberlist"


@pytest.mark.parametrize("default", [True, False])
def test_local_path(bundle: FakeBundle, default: bool) -> None:
    entry = local_path.local_path_set(bundle, path="/data", class_name="disk", default_class=default)
    found = by_kind(entry)
    assert found["StorageClass"]["metadata"] == {
        "name": "disk",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true" if default else "false"},
    }
    config = json.loads(found["ConfigMap"]["data"]["config.json"])
    assert config == {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": ["/data"]}]}
    helper = yaml.safe_load(found["ConfigMap"]["data"]["helperPod.yaml"])
    assert helper["spec"]["containers"][0]["image"] == "bundle.test/shell:v1"
    assert found["ConfigMap"]["data"]["setup"] == "mkdir"


def test_a_bundle_without_the_manifest_is_told() -> None:
    with pytest.raises(DefinitionError, match=r"The bundle has 0 manifests named metallb-native\.yaml"):
        metallb.metallb_set(FakeBundle(()), pools=[])


def test_an_upstream_that_changed_is_told(bundle: FakeBundle, tmp_path: Path) -> None:
    (tmp_path / metallb.MANIFEST).write_text(yaml.safe_dump_all(METALLB[:1]))
    with pytest.raises(DefinitionError, match=r"Upstream's manifest has no DaemonSet speaker"):
        metallb.metallb_set(bundle, pools=[])


PLAN: Object = {
    "engine": {"name": "kubeadm", "profile": "none"},
    "open_servers": False,
    "cni": {"provider": "flannel", "backend": "vxlan", "mtu": None},
    "networks": {"pod": ["10.244.0.0/16"], "dns_domain": "cluster.local"},
    "storage": {"local_path": {"enabled": True, "path": "/data", "class_name": "disk", "default_class": True}},
    "names": {"zone": "apps.test", "address": "", "aliases": {}, "ttl": 30},
    "load_balancer": {
        "provider": "metallb",
        "mode": "l2",
        "pools": [{"name": "a", "addresses": ["10.0.0.0/28"]}],
        "speaker": "native",
        "l2_advertisements": [],
        "bgp": {},
    },
}
#: whoever is not chosen leaves before the other one comes
BALANCERS = ("load-balancer-openelb", "load-balancer")
TEST_TAGS: list[tuple[list[str], list[str], list[str]]] = [
    (["all"], [], ["cni", "storage-local-path", *BALANCERS, "service-names"]),
    ([], [], ["cni", "storage-local-path", *BALANCERS, "service-names"]),
    (["storage"], [], ["storage-local-path"]),
    (["load_balancer", "cni"], [], ["cni", *BALANCERS]),
    (["all"], ["cni", "names"], ["storage-local-path", *BALANCERS]),
    (["machine", "storage"], ["storage"], []),
]


@pytest.mark.parametrize(("run", "skip", "expected"), TEST_TAGS)
def test_the_layers_that_the_tags_name(
    bundle: FakeBundle, run: list[str], skip: list[str], expected: list[str]
) -> None:
    assert [one["name"] for one in layers.layer_sets(bundle, PLAN, run, skip)] == expected


def test_layers_are_what_their_own_builders_say(bundle: FakeBundle) -> None:
    cni, storage, other, load_balancer, names = layers.layer_sets(bundle, PLAN, [], [])
    assert other == {"name": "load-balancer-openelb", "state": "absent"}
    assert cni == flannel.flannel_set(bundle, networks=["10.244.0.0/16"])
    assert storage == local_path.local_path_set(bundle, path="/data", class_name="disk")
    assert load_balancer == metallb.metallb_set(bundle, pools=PLAN["load_balancer"]["pools"])
    assert names == service_names.names_set(bundle, zone="apps.test")


@pytest.mark.parametrize("wanted", [False, True])
def test_servers_announce_where_nobody_else_is_there(bundle: FakeBundle, wanted: bool) -> None:
    (_other, found) = layers.layer_sets(bundle, {**PLAN, "open_servers": wanted}, ["load_balancer"], [])
    speaker = manifests.container(by_kind(found)["DaemonSet"], "speaker")
    assert ("--ignore-exclude-lb" in (speaker.get("args") or [])) is wanted


def test_metallb_is_told_all_that_it_can_be_told(bundle: FakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    options = set(inspect.signature(metallb.metallb_set).parameters) - {"bundle"}
    said: list[set[str]] = []
    monkeypatch.setattr(metallb, "metallb_set", lambda _bundle, **given: said.append(set(given)) or {})
    layers.load_balancer_sets(bundle, PLAN)
    assert said == [options]


def test_layers_that_are_switched_off(bundle: FakeBundle) -> None:
    plan = {
        **PLAN,
        "cni": {"provider": "none"},
        "storage": {"local_path": {"enabled": False}},
        "load_balancer": {"provider": "none", "pools": []},
        "names": {"zone": ""},
    }
    cni, storage, load_balancer, _other, names = layers.layer_sets(bundle, plan, [], [])
    assert (cni["definitions"], cni["fixed"]) == ([], {"provider": "none"})
    assert storage == {"name": "storage-local-path", "state": "absent"}
    assert load_balancer == {"name": "load-balancer", "state": "absent"}
    assert names == {"name": "service-names", "state": "absent"}


def test_a_mode_that_does_not_exist_is_told(bundle: FakeBundle) -> None:
    with pytest.raises(DefinitionError, match=r"load_balancer_mode = 'arp': MetalLB has l2, bgp here\."):
        metallb.metallb_set(bundle, pools=[], mode="arp")
    with pytest.raises(DefinitionError, match=r"load_balancer_speaker = 'bird': MetalLB has native, frr, cni here\."):
        metallb.metallb_set(bundle, pools=[], speaker="bird")


def test_frr_is_the_image_that_was_looked_at(bundle: FakeBundle) -> None:
    found = metallb.metallb_set(bundle, pools=[], speaker="frr")
    images = images_of(found["definitions"])
    assert metallb.FRR_IMAGE in images
    assert "@sha256:" in metallb.FRR_IMAGE
    assert "quay.io/frrouting/frr:9.1.0" not in images


def test_a_manifest_with_another_frr_is_told(bundle: FakeBundle, tmp_path: Path) -> None:
    text = yaml.safe_dump_all(FRR).replace("frr:9.1.0", "frr:10.0.0")
    (tmp_path / metallb.MANIFEST_FRR).write_text(text)
    with pytest.raises(DefinitionError, match=r"does not use quay\.io/frrouting/frr:9\.1\.0"):
        metallb.metallb_set(bundle, pools=[], speaker="frr")


def test_pools_wait_for_the_webhook_to_answer(bundle: FakeBundle) -> None:
    (one,) = parse_sets([metallb.metallb_set(bundle, pools=[])])
    assert [str(entry) for entry in one.wait_for] == [
        "ValidatingWebhookConfiguration metallb-webhook-configuration",
        "every EndpointSlice with kubernetes.io/service-name=metallb-webhook-service",
    ]


@pytest.mark.parametrize(("profile", "state"), [("cis", None), ("none", "absent")])
def test_k3s_has_policies_by_its_profile(bundle: FakeBundle, profile: str, state: str | None) -> None:
    plan = {**PLAN, "engine": {"name": "k3s", "profile": profile}, "cni": {**PLAN["cni"], "layer": "none"}}
    own, policies = layers.layer_sets(bundle, plan, ["cni"], [])
    assert own == flannel.no_cni_set()
    assert (policies["name"], policies.get("state")) == ("cni-policies", state)
