# SPDX-License-Identifier: Apache-2.0
"""Images of the user's own on nodes that reach no registry, by k3s (the stand-in) and by kubeadm: a server, an agent.

The image is one of the bundle's, under other names. By name: `pytest tests/lab/test_image_archives.py --all-causes`.
"""

from __future__ import annotations

import io
import json
import tarfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from causes import SMALL, Lab, have_k3s, inventory, unchanged

pytestmark = pytest.mark.more
MACHINES = {"server1": "servers", "agent1": "agents"}
SOURCES = {"k3s": "lab_k3s", "kubeadm": "lab_ha"}
KUBECTL = {"k3s": "kubectl", "kubeadm": "kubectl --kubeconfig /etc/kubernetes/admin.conf"}
OWN = "/var/lib/rancher/k3s/agent/images"
WEB = "registry.example.org/shop/web"


def renamed(source: Path, target: Path, name: str) -> str:
    """An OCI archive with its one image under another name; returns the image's digest."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            stream = old.extractfile(member)
            content = stream.read() if stream else b""
            if member.name == "index.json":
                index = json.loads(content)
                (entry,) = index["manifests"]
                entry["annotations"] = {"io.containerd.image.name": name}
                content = json.dumps(index).encode()
                member.size = len(content)
            # It names the image as Docker does.
            if member.name != "manifest.json":
                new.addfile(member, io.BytesIO(content))
    return str(entry["digest"])


@dataclass(frozen=True)
class Shop:
    """A lab, and the archives of its inventory."""

    lab: Lab
    engine: str
    folder: Path
    digest: str

    def give(self, *names: str) -> None:
        own = {"klubster_image_archives": [str(self.folder / name) for name in names]}
        (Path(self.lab.inventories[0]) / "group_vars/all/95-archives.yml").write_text(json.dumps(own), encoding="utf-8")

    def site(self) -> str:
        done = self.lab.playbook("site")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def runs(self, name: str, machine: str, image: str) -> None:
        """A pod of an image that may not be pulled."""
        node = json.dumps({"spec": {"nodeName": machine, "tolerations": [{"operator": "Exists"}]}})
        run = f"{KUBECTL[self.engine]} run {name} --image={image} --image-pull-policy=Never --overrides='{node}'"
        self.lab.on("server1", f"{run} -- pause")
        self.lab.on("server1", f"{KUBECTL[self.engine]} wait --for=condition=Ready pod/{name} --timeout=50s")


@pytest.fixture(scope="module", params=SOURCES)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Shop]:
    engine: str = request.param
    if engine == "k3s":
        have_k3s()
    bundle = Manifest.load(catalogue.default_bundle_dir())
    folder = tmp_path_factory.mktemp("archives")
    agnhost = bundle.image("agnhost").path
    digest = renamed(agnhost, folder / "web.tar", f"{WEB}:v1")
    renamed(agnhost, folder / "pinned.tar", f"{WEB}@{digest}")
    renamed(agnhost, folder / "other.tar", f"{WEB}:v2")
    own = {
        **SMALL,
        "klubster_load_balancer": "none",
        "klubster_pools": [],
        "klubster_storage": {"local_path": {"enabled": False}},
    }
    source = inventory(SOURCES[engine], tmp_path_factory.mktemp("inventory") / "lab", MACHINES, **own)
    made = Shop(Lab(f"archives-{engine}", (source,)), engine, folder, digest)
    made.give("web.tar", "pinned.tar")
    with made.lab.running():
        made.site()
        yield made


def test_pods_run_by_tag_and_by_digest_on_every_node(shop: Shop) -> None:
    for machine in MACHINES:
        shop.runs(f"tag-{machine}", machine, f"{WEB}:v1")
        shop.runs(f"digest-{machine}", machine, f"{WEB}:v1@{shop.digest}")


def test_another_run_changes_nothing(shop: Shop) -> None:
    assert unchanged(shop.site())


def test_one_more_comes_to_a_living_cluster(shop: Shop) -> None:
    shop.give("web.tar", "pinned.tar", "other.tar")
    shop.site()
    shop.runs("more", "agent1", f"{WEB}:v2")
    assert unchanged(shop.site())


def test_what_left_the_list_leaves_the_machines(shop: Shop) -> None:
    shop.give("web.tar")
    shop.site()
    if shop.engine == "k3s":
        files = shop.lab.on("agent1", f"ls {OWN}").split()
        assert [name.rpartition("-")[2] for name in files if name.startswith("klubster-own-")] == ["web.tar"]
    # Pods that run of them go on.
    phases = shop.lab.on("server1", f"{KUBECTL[shop.engine]} get pods --no-headers").splitlines()
    assert len(phases) == 5
    assert all(" Running " in line for line in phases), phases


def test_a_missing_archive_is_refused_before_anything(shop: Shop) -> None:
    shop.give("web.tar", "nowhere.tar")
    done = shop.lab.playbook("site")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "klubster_image_archives[1]" in said
    assert "There is no such file on the controller." in said
    assert unchanged(done.stdout)
