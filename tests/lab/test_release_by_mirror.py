# SPDX-License-Identifier: Apache-2.0
"""A cluster as its user has it who takes k3s's release and builds nothing: release and manifests come from mirrors.

The mirror is a web server on this computer. Its release is the stand-in's (docs/testing.md); its archive also has the
images that the manifests of MetalLB and local-path name, as the machines of a lab reach no registry.
Goes by name: `pytest tests/lab/test_release_by_mirror.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import upstream
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import cache_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "standin"), str(ROOT / "tests/unit/plugins/module_utils/_cluster")]
import build as standin  # noqa: E402 - needs the path
from mirror import serving  # noqa: E402 - needs the path

BIN = Path(sys.executable).parent
VERSION = "1.34.2+k3s1"
UPSTREAMS = {
    "metallb-controller": "quay.io/metallb/controller:{version}",
    "metallb-speaker": "quay.io/metallb/speaker:{version}",
}
DEFINITION = {
    "plugin": "kateskit.klubster.lab",
    "name": "k3s-mirror",
    "segments": {"lan": {"network": "10.85.1.0/24"}},
    "machines": {
        "server1": {"groups": ["servers"], "addresses": {"lan": "10.85.1.11"}},
        "agent1": {"groups": ["agents"], "addresses": {"lan": "10.85.1.21"}},
    },
}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[str, list[str]]]:
    """Its URL, and the paths that were asked for."""
    folder = tmp_path_factory.mktemp("mirror")
    bundle = catalogue.default_bundle_dir()
    if not (bundle / "manifest.json").exists():
        pytest.skip(f"no bundle in {bundle}; playbooks/bundle.yml builds it")
    release = folder / "k3s" / f"v{VERSION}"
    release.mkdir(parents=True)
    shutil.copyfile(standin.build(bundle, f"v{VERSION}", standin.cache_folder()) / "k3s", release / "k3s")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standin, "_IMAGES", {**standin._IMAGES, **UPSTREAMS})
        manifest = json.loads((bundle / "manifest.json").read_text())
        standin._images(bundle, release / "k3s-airgap-images-amd64.tar", manifest)
    standin._sums(release)
    for one in (one for one in upstream.ALL if one.bundled):
        place = folder / "raw" / one.repository / f"v{one.version}" / one.path
        place.parent.mkdir(parents=True)
        shutil.copyfile(bundle / "manifests" / one.name, place)
    with serving(folder) as found:
        yield found


class Site(t.NamedTuple):
    inventory: Path
    environment: dict[str, str]

    def run(self, *argv: str | Path) -> str:
        done = subprocess.run(
            [*map(str, argv)], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout

    def playbook(self, name: str, *options: str) -> str:
        return self.run(BIN / "ansible-playbook", "-i", self.inventory, *options, f"playbooks/{name}.yml")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, mirror: tuple[str, list[str]]) -> t.Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    # A cache of its own: what plays the release must never be taken for one. There is no bundle in it.
    cache = folder / "cache" / "klubster"
    cache.mkdir(parents=True)
    for name in ("lab", "lab-bases"):
        if (cache_folder() / name).exists():
            (cache / name).symlink_to(cache_folder() / name)
    shared = folder / "inventory" / "group_vars" / "all"
    shared.mkdir(parents=True)
    (folder / "inventory" / "lab.yml").write_text(yaml.safe_dump(DEFINITION))
    (shared / "10-lab.yml").symlink_to(ROOT / "inventories/lab/group_vars/all.yml")
    given = {
        "klubster_engine": "k3s",
        "klubster_engine_version": VERSION,
        "klubster_engine_mirrors": [f"{mirror[0]}/k3s"],
        "klubster_engine_images": "tar",
        "klubster_layers_mirrors": [f"{mirror[0]}/raw"],
        "klubster_k3s_config": {"kube-proxy-arg": ["conntrack-max-per-core=0", "conntrack-min=0"]},
        "klubster_kube_proxy_config": {},
        "klubster_pools": [{"name": "lan", "addresses": ["10.85.1.200-10.85.1.220"]}],
        "klubster_images": [],
    }
    (shared / "20-given.yml").write_text(yaml.safe_dump(given))
    (shared.parent / "servers.yml").symlink_to(ROOT / "inventories/lab_k3s/group_vars/servers.yml")
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    found = Site(folder / "inventory", environment)
    try:
        found.playbook("lab_up")
        yield found
    finally:
        found.playbook("lab_down")


def test_everything_is_fetched_once_and_runs_with_upstreams_images(
    site: Site, mirror: tuple[str, list[str]], tmp_path: Path
) -> None:
    _url, asked = mirror
    plan = site.playbook("plan")
    assert "layers         metallb 0.15.2, local_path_provisioner 0.0.30" in plan
    assert "bundle  " not in plan
    first = site.playbook("site")
    wanted = {f"/k3s/v{VERSION.replace('+', '%2B')}/{name}" for name in _RELEASE}
    wanted |= {f"/raw/{one.repository}/v{one.version}/{one.path}" for one in upstream.ALL if one.bundled}
    assert set(asked) == wanted
    assert len(asked) == len(wanted), asked
    assert "failed=0" in first

    again = site.playbook("site")
    assert "changed=0" in again
    assert not [line for line in again.splitlines() if "changed=" in line and "changed=0" not in line], again[-2000:]
    assert len(asked) == len(wanted), asked

    query = "get pods -A -o jsonpath={.items[*].spec.containers[*].image}"
    images = site.run(
        BIN / "ansible", "-i", site.inventory, "server1", "-b", "-m", "ansible.builtin.command",
        "-a", f"/usr/local/bin/kubectl {query}",
    )  # fmt: skip
    for image in ("quay.io/metallb/controller:v0.15.2", "quay.io/metallb/speaker:v0.15.2", "rancher/local-path-provi"):
        assert image in images


_RELEASE = ("k3s", "k3s-airgap-images-amd64.tar", "sha256sum-amd64.txt")
