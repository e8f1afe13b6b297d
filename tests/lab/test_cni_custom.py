# SPDX-License-Identifier: Apache-2.0
"""A pod network that the user brings as manifests: made, run again, used, changed, kept, and taken back.

One server and one agent by kubeadm. The manifests are those of Flannel with the bundle's images, as nothing else can be
had in a lab; the collection knows of them only what it knows of any user's file.
Goes by name: `pytest tests/lab/test_cni_custom.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.flannel import flannel_set
from causes import unchanged
from small_lab import BIN, PODS, ROOT, SmallLab

NAME = "cni-custom"
KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"


@pytest.fixture(scope="module")
def bundle() -> Path:
    folder = catalogue.default_bundle_dir()
    if not (folder / "manifest.json").exists():
        pytest.skip(f"no bundle in {folder}; playbooks/bundle.yml builds it")
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    objects = flannel_set(Manifest.load(bundle), networks=["10.244.0.0/16"])["definitions"]
    note = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "note", "namespace": "kube-system"}}
    path = tmp_path_factory.mktemp("manifests") / "network.yml"
    path.write_text(yaml.safe_dump_all([*objects, {**note, "data": {"a": "1"}}]))
    return path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bundle: Path, manifest: Path) -> t.Iterator[SmallLab]:
    small = SmallLab(tmp_path_factory.mktemp("cni-custom") / "inventory", NAME)
    small.define(
        klubster_engine="kubeadm",
        klubster_engine_source="bundle",
        klubster_bundle_dir=str(bundle),
        klubster_kube_proxy_config="{conntrack: {maxPerCore: 0, min: 0}}",
        klubster_k3s_config="{}",
        klubster_images="[agnhost, flannel, shell]",
        klubster_cni="custom",
        klubster_cni_manifests=f"[{manifest}]",
    )
    # What they say there is for k3s.
    (small.folder / "group_vars/servers.yml").unlink()
    small.playbook("lab_up")
    try:
        yield small
    finally:
        small.playbook("lab_down")


def refused(lab: SmallLab, *arguments: str) -> str:
    argv = [str(BIN / "ansible-playbook"), "-i", str(lab.folder), "playbooks/site.yml", *arguments]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode != 0, "it should have been refused"
    # Ansible breaks long lines.
    return " ".join(done.stdout.split())


def test_nodes_are_ready_by_the_users_manifests(lab: SmallLab) -> None:
    lab.playbook("site")
    nodes = lab.on("server1", f"{KUBECTL} get nodes --no-headers").splitlines()
    assert len(nodes) == 2
    assert all(" Ready " in node for node in nodes), nodes
    marks = "app.kubernetes.io/managed-by=klubster,klubster.kateskit.dev/set=cni"
    assert "kube-flannel-ds" in lab.on("server1", f"{KUBECTL} get daemonsets -A -l {marks} --no-headers")


def test_pods_reach_each_other(lab: SmallLab) -> None:
    lab.on("server1", f"{KUBECTL} apply -f - <<'END'\n{PODS}END")
    lab.on("server1", f"{KUBECTL} rollout status daemonset/web --timeout=90s")
    said = json.loads(lab.on("server1", f"{KUBECTL} get pods -l app=web -o json"))["items"]
    addresses = {pod["spec"]["nodeName"]: pod["status"]["podIP"] for pod in said}
    assert set(addresses) == {"server1", "agent1"}
    for machine in addresses:
        for address in addresses.values():
            assert lab.reaches(machine, address, 8080), f"{machine} does not reach {address}"


def test_again_nothing_changes(lab: SmallLab) -> None:
    assert unchanged(lab.playbook("site"))


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (("-e", "klubster_cni=flannel"), "klubster_cni"),
        (("-e", "klubster_cni=none"), "klubster_cni"),
        (("-e", "klubster_cni=kube_router", "-e", "klubster_cni_backend=host-gw"), "klubster_cni"),
        (("-e", "klubster_pod_network=10.200.0.0/16"), "klubster_pod_network"),
    ],
)
def test_another_network_is_refused_before_anything_is_changed(
    lab: SmallLab, arguments: tuple[str, ...], variable: str
) -> None:
    also = () if arguments[1] == "klubster_pod_network=10.200.0.0/16" else ("-e", '{"klubster_cni_manifests": []}')
    said = refused(lab, *arguments, *also)
    assert f"{variable} = " in said, said[-3000:]
    assert "playbooks/reset.yml" in said
    assert unchanged(said)


def test_what_left_the_manifests_leaves_the_cluster(lab: SmallLab, manifest: Path) -> None:
    before = manifest.read_text()
    kept = [obj for obj in yaml.safe_load_all(before) if obj["metadata"]["name"] != "note"]
    manifest.write_text(yaml.safe_dump_all(kept))
    lab.playbook("site")
    assert "NotFound" in lab.on("server1", f"{KUBECTL} -n kube-system get configmap note 2>&1", check=False)
    manifest.write_text(before)
    lab.playbook("site")
    assert "note" in lab.on("server1", f"{KUBECTL} -n kube-system get configmap note --no-headers")


def test_a_manifest_that_is_not_there_is_refused(lab: SmallLab) -> None:
    said = refused(lab, "-e", '{"klubster_cni_manifests": ["/srv/none.yml"]}')
    assert "klubster_cni_manifests[0] = " in said
    assert "/srv/none.yml cannot be read: No such file" in said


def test_reset_leaves_nothing(lab: SmallLab) -> None:
    lab.playbook("reset", "-e", "klubster_reset=lab")
    for machine in ("server1", "agent1"):
        assert not lab.on(
            machine, "ls /etc/cni/net.d /sys/class/net 2>/dev/null | grep -E 'flannel|cni0|conflist'; true"
        )
        assert not lab.on(machine, "iptables-save 2>/dev/null | grep -E 'KUBE|FLANNEL'; true")
