# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.filter.k3s_archives import k3s_archives
from ansible_collections.kateskit.klubster.plugins.filter.k3s_downloads import k3s_downloads
from ansible_collections.kateskit.klubster.plugins.filter.k3s_fetched import k3s_fetched
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM, images_for
from ansible_collections.kateskit.klubster.plugins.plugin_utils._layer_requests import layers_of

ROLES = Path(__file__).resolve().parents[4] / "roles"
#: only the controller reads them
CONTROLLER = {"bundle_dir", "release_dir", "architecture", "image_names", "image_archives"}
OWN = {
    "name": "shop.tar",
    "path": "/srv/shop.tar",
    "sha256": "cd" * 32,
    "size": 7,
    "images": {"shop.test/web:1": "sha256:0"},
    "rule": "",
    "remedy": "",
}
#: they hold secrets, so the action of node_probe sends them apart
SECRETS = {"registries", "environment"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    files = [{"path": path, "kind": "binary", "component": "x"} for path in KUBEADM.programs]
    files.append({"path": "cni/bridge", "kind": "cni", "component": "x"})
    for name in {*images_for(KUBEADM, "server", ["agnhost"]), "pause"}:
        reference = f"bundle.test/{name}:1"
        files.append({"path": f"images/{name}.tar", "kind": "image", "component": "x", "reference": reference})
    for entry in files:
        entry |= {"sha256": "ab" * 32, "size": 1}  # type: ignore[dict-item]
    data = {"schema": 1, "key": "k", "arch": "amd64", "go": "go1", "components": {}, "files": files}
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    return tmp_path


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "k3s").write_text("x")
    (folder / "sha256sum-amd64.txt").write_text(f"{hashlib.sha256(b'x').hexdigest()}  k3s\n")
    return folder


def plan(engine: str, bundle: Path, release: Path | str = "", **changes: t.Any) -> dict[str, t.Any]:
    machines = [
        {"name": "s1", "node_name": "s1", "role": "server", "address": "192.0.2.11"},
        {"name": "a1", "node_name": "a1", "role": "agent", "address": "192.0.2.21"},
    ]
    return {
        "name": "home",
        "machines": machines,
        "hosts": [{"address": "192.0.2.11", "names": ["s1"]}],
        "api": {"provider": "none", "address": "192.0.2.10", "port": 6443, "vrrp_id": 7},
        "networks": {},
        "cni": {"node": {"kept": {"provider": "flannel"}, "service_proxy": False, "plugins": True}},
        "images": ["agnhost"],
        "open_servers": False,
        "files": {"s1": {K3S.config: "a: 1\n"}},
        "ca_hash": "",
        "engine": {
            "name": engine,
            "version": "1.34.2+k3s1" if engine == "k3s" else "1.34.2",
            "source": "airgap",
            "bundle_dir": str(bundle),
            "release_dir": str(release),
            "release_images": "none",
            "download": "controller",
            "profile": "none",
            "datastore": "etcd",
            "kubelet_config": {},
            "kube_proxy_config": {},
            "lower_oom_score": True,
        },
    } | changes


def options_of(engine: str) -> set[str]:
    """What the role engine gives the module of its own look."""
    tasks = yaml.safe_load((ROLES / "engine/tasks" / engine / "look.yml").read_text())
    task = next(task for task in tasks if task.get("register") == "engine_node")
    given = set(task[f"kateskit.klubster.{engine}_node_info"])
    main = yaml.safe_load((ROLES / "engine/tasks/main.yml").read_text())
    return given | set(main[0]["module_defaults"][f"group/kateskit.klubster.{engine}"])


@pytest.mark.parametrize("engine", ["kubeadm", "k3s"])
def test_the_look_of_all_layers_gives_what_the_engines_own_look_gives(engine: str, bundle: Path, release: Path) -> None:
    found = layers_of(plan(engine, bundle, release), "s1", {"packages": []})
    assert found["machine"] == {"packages": [], "hosts": [{"address": "192.0.2.11", "names": ["s1"]}]}
    # The controller fills these in for the engine's own look too.
    filled = {"images"} if engine == "kubeadm" else SECRETS
    given = set(found[engine]) - {"archives"} | (SECRETS if engine == "k3s" else set())
    assert given - (filled - SECRETS) == options_of(engine) - CONTROLLER - {"archives"}


def test_programs_and_images_come_with_their_sums(bundle: Path) -> None:
    found = layers_of(plan("kubeadm", bundle), "a1", {})["kubeadm"]
    assert {entry["sha256"] for entry in found["programs"] + found["archives"]} == {"ab" * 32}
    assert {"source": "cni/bridge", "path": "/opt/cni/bin/bridge", "sha256": "ab" * 32, "size": 1} in found["programs"]
    assert found["cni"]["kept"] == {"provider": "flannel"}
    names = [entry["source"] for entry in found["archives"]]
    assert "images/agnhost.tar" in names
    assert "images/etcd.tar" not in names, "an agent has no etcd"


def test_plugins_that_the_provider_brings_are_not_written_in_turns(bundle: Path) -> None:
    calico = {"node": {"kept": {"provider": "calico"}, "service_proxy": False, "plugins": False}}
    found = layers_of(plan("kubeadm", bundle, cni=calico), "a1", {})["kubeadm"]
    assert "cni/bridge" not in [entry["source"] for entry in found["programs"]]


def test_k3s_comes_for_each_architecture_that_the_release_has(bundle: Path, release: Path) -> None:
    found = layers_of(plan("k3s", bundle, release), "s1", {})["k3s"]
    assert [entry["path"] for entry in found["programs"].pop("amd64")] == [K3S.program]
    assert found["programs"] == {}
    assert [entry["path"] for entry in found["archives"]] == [f"{K3S.images}/klubster-agnhost.tar"]


@pytest.mark.parametrize("images", [["agnhost"], []])
def test_archives_of_the_users_go_where_k3s_imports_them(bundle: Path, release: Path, images: list[str]) -> None:
    """Its place has the sum in it: k3s takes no notice of another file of the same name and size."""
    given = plan("k3s", bundle if images else bundle / "nowhere", release, archives=[OWN], images=images)
    first = layers_of(given, "s1", {})["k3s"]["archives"][0]
    assert first == {
        "source": "archives/shop.tar",
        "path": f"{K3S.images}/klubster-own-{'cd' * 6}-shop.tar",
        "mode": "0644",
        "sha256": "cd" * 32,
        "size": 7,
    }
    bundle_dir = given["engine"]["bundle_dir"]
    places = k3s_archives(images, bundle_dir, [OWN])
    assert [entry["path"] for entry in places] == [
        entry["path"] for entry in layers_of(given, "s1", {})["k3s"]["archives"]
    ]


def test_archives_of_the_users_go_to_every_machine_of_kubeadm(bundle: Path) -> None:
    given = plan("kubeadm", bundle, archives=[OWN])
    for name in ("s1", "a1"):
        assert layers_of(given, name, {})["kubeadm"]["archives"][-1] == {
            "source": "archives/shop.tar",
            "holds": {"shop.test/web:1": "sha256:0"},
            "sha256": "cd" * 32,
            "size": 7,
        }


@pytest.mark.parametrize("engine", ["kubeadm", "k3s"])
def test_an_archive_that_cannot_be_used_leaves_the_machine_unseen(engine: str, bundle: Path, release: Path) -> None:
    bad = {**OWN, "sha256": "", "rule": "There is no such file.", "remedy": "Make it."}
    found = layers_of(plan(engine, bundle, release, archives=[bad]), "s1", {})[engine]
    assert found == {"unseen": "klubster_image_archives: /srv/shop.tar: There is no such file. Make it."}


def test_a_release_of_which_something_has_to_be_fetched_is_none(bundle: Path, release: Path) -> None:
    given = plan("k3s", bundle, release)
    given["engine"] |= {"source": "release", "release_images": "tar.zst"}
    assert layers_of(given, "s1", {})["k3s"]["programs"] == {}
    (release / "k3s-airgap-images-amd64.tar.zst").write_text("x")
    assert list(layers_of(given, "s1", {})["k3s"]["programs"]) == ["amd64"]


def test_machines_that_fetch_for_themselves_are_asked_for_what_the_role_fetches(bundle: Path, release: Path) -> None:
    given = plan("k3s", bundle, release)
    given["engine"] |= {"source": "release", "release_images": "tar.zst", "download": "nodes"}
    folder = yaml.safe_load((ROLES / "engine/vars/main.yml").read_text())["__engine_fetched_dir"]
    folder = folder.replace("{{ engine_version }}", given["engine"]["version"])
    found = layers_of(given, "s1", {})["k3s"]["programs"]
    assert sorted(found) == ["amd64", "arm64", "armhf"]
    for arch, files in found.items():
        assert files == k3s_fetched(k3s_downloads(given["engine"]["version"], arch, (), "tar.zst"), folder)
    assert not (release / "k3s-airgap-images-amd64.tar.zst").exists(), "the controller needs no release"


@pytest.mark.parametrize("provider", ["keepalived", "kube_vip"])
def test_the_look_gives_what_the_role_gives_for_the_apis_address(provider: str, bundle: Path) -> None:
    task = yaml.safe_load((ROLES / "api_address/tasks" / f"{provider}.yml").read_text())[0]
    api = {"provider": provider, "address": "192.0.2.10", "port": 6443, "vrrp_id": 7, "image": "kube-vip:v1"}
    found = layers_of(plan("kubeadm", bundle, api=api), "s1", {})[provider]
    assert set(found) == set(task[f"kateskit.klubster.{provider}_config"])


def test_what_cannot_be_looked_at_says_so(tmp_path: Path, bundle: Path) -> None:
    found = layers_of(plan("kubeadm", tmp_path / "nowhere"), "s1", {})["kubeadm"]
    assert "No bundle in" in found["unseen"]
    assert "unseen" in layers_of(plan("other", bundle), "s1", {})["other"]


def test_the_address_of_the_api_is_looked_at_on_servers_only(bundle: Path) -> None:
    api = {"provider": "keepalived", "address": "192.0.2.10", "port": 6443, "vrrp_id": 7}
    given = plan("kubeadm", bundle, api=api)
    assert layers_of(given, "s1", {})["keepalived"] == {
        "address": "192.0.2.10",
        "port": 6443,
        "vrrp_id": 7,
        "own": "192.0.2.11",
        "servers": ["192.0.2.11"],
    }
    assert "keepalived" not in layers_of(given, "a1", {})
    given["api"] |= {"provider": "kube_vip", "image": "kube-vip:v1"}
    assert layers_of(given, "s1", {})["kube_vip"] == {
        "address": "192.0.2.10",
        "port": 6443,
        "own": "192.0.2.11",
        "image": "kube-vip:v1",
    }
    assert "kube_vip" not in layers_of(given, "a1", {})
    given["api"]["provider"] = "none"
    assert layers_of(given, "s1", {})["none"] == {}, "it tells what another provider has left"
    assert "none" not in layers_of(given, "a1", {})
    given["api"]["provider"] = "another"
    assert "unseen" in layers_of(given, "s1", {})["another"]
