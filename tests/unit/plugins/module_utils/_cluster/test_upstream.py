# SPDX-License-Identifier: Apache-2.0
"""Upstream's manifests without a bundle: pinned as the bundle's are, used only when they are what they were."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import (
    layers,
    local_path,
    manifests,
    metallb,
    upstream,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Object
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from test_layers import FRR, LOCAL_PATH, METALLB, FakeBundle, File, images_of

CONTENT = {metallb.MANIFEST: METALLB, metallb.MANIFEST_FRR: FRR, local_path.MANIFEST: LOCAL_PATH}


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> upstream.FetchedManifests:
    """Small manifests of the same shape, with their own sums."""
    ours = []
    for one in upstream.ALL:
        path = tmp_path / one.place
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump_all(CONTENT[one.name]))
        ours.append(replace(one, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    monkeypatch.setattr(upstream, "ALL", tuple(ours))
    return upstream.FetchedManifests(tmp_path)


def sets(bundle: manifests.Bundle) -> list[Object]:
    pools = [{"name": "house", "addresses": ["10.0.0.0/28"]}]
    return [metallb.metallb_set(bundle, pools=pools), local_path.local_path_set(bundle, path="/data")]


def test_versions_are_those_of_the_bundle() -> None:
    content = catalogue.load()
    for one in upstream.ALL:
        component = content.component(one.component)
        assert component.version == one.version
        trees = [(tree.origin, tree.path) for tree in component.trees]
        assert ((one.path, f"manifests/{one.name}") in trees) is one.bundled


def test_places_on_the_official_host_and_on_mirrors() -> None:
    path = "rancher/local-path-provisioner/v0.0.30/deploy/local-path-storage.yaml"
    assert upstream.LOCAL_PATH.urls() == [f"https://raw.githubusercontent.com/{path}"]
    assert upstream.LOCAL_PATH.urls(["http://one/", "http://two/raw"]) == [
        f"http://one/{path}",
        f"http://two/raw/{path}",
    ]
    with pytest.raises(InvalidInput, match=r"klubster_layers_mirrors\[0\]"):
        upstream.LOCAL_PATH.urls(["mirror"])


def test_the_sets_are_those_of_the_bundle_but_for_the_images(fetched: upstream.FetchedManifests) -> None:
    bundle = FakeBundle(tuple(File(one.name, fetched.folder / one.place) for one in upstream.ALL))
    with_bundle, without = sets(bundle), sets(fetched)
    assert images_of(without[0]["definitions"]) == {"upstream/controller", "upstream/speaker"}
    assert "busybox" in json.dumps(without[1])
    assert "Never" not in json.dumps(without)
    assert _without_images(without) == _without_images(with_bundle)


def _without_images(value: t.Any) -> t.Any:
    """Also in the text of the helper's pod, and in what is computed of it."""
    if isinstance(value, dict):
        left = {key: _without_images(entry) for key, entry in value.items()}
        for key in ("image", "imagePullPolicy", "klubster.kateskit.dev/config"):
            left.pop(key, None)
        return left
    if isinstance(value, list):
        return [_without_images(entry) for entry in value]
    if isinstance(value, str) and "containers:" in value:
        return _without_images(yaml.safe_load(value))
    return value


def test_a_file_that_changed_is_not_used(fetched: upstream.FetchedManifests) -> None:
    place = fetched.folder / upstream.METALLB.place
    place.write_text(f"{place.read_text()}# more\n")
    with pytest.raises(DefinitionError, match=r"not the file of metallb 0\.15\.2.*without --tags"):
        metallb.metallb_set(fetched, pools=[])
    local_path.local_path_set(fetched, path="/data")


@dataclass(frozen=True)
class _Case:
    provider: str = "metallb"
    storage: bool = True
    source: str = "release"
    speaker: str = "native"

    @property
    def plan(self) -> dict[str, t.Any]:
        return {
            "layers": {"source": self.source},
            "load_balancer": {
                "provider": self.provider,
                "mode": "l2",
                "pools": [],
                "speaker": self.speaker,
                "l2_advertisements": [],
                "bgp": {},
            },
            "storage": {"local_path": {"enabled": self.storage}},
            "cni": {"provider": "flannel", "layer": "none"},
            "engine": {"name": "k3s", "profile": "none"},
            "names": {"zone": ""},
        }


@pytest.mark.parametrize(
    ("case", "components"),
    [
        (_Case(), ["metallb", "local_path_provisioner"]),
        (_Case(provider="servicelb"), ["local_path_provisioner"]),
        (_Case(storage=False), ["metallb"]),
        (_Case(provider="none", storage=False), []),
        (_Case(source="bundle"), []),
    ],
)
def test_only_what_is_needed_is_fetched(case: _Case, components: list[str]) -> None:
    assert [one.component for one in upstream.needed(case.plan)] == components


@pytest.mark.parametrize(
    ("speaker", "name"), [("native", metallb.MANIFEST), ("frr", metallb.MANIFEST_FRR), ("cni", metallb.MANIFEST)]
)
def test_the_manifest_of_the_speaker_is_fetched(speaker: str, name: str) -> None:
    assert [one.name for one in upstream.needed(_Case(speaker=speaker, storage=False).plan)] == [name]


@pytest.mark.parametrize("provider", ["none", "servicelb"])
def test_without_layers_of_ours_nothing_is_read(tmp_path: Path, provider: str) -> None:
    empty = upstream.FetchedManifests(tmp_path / "nowhere")
    found = layers.layer_sets(empty, _Case(provider=provider, storage=False).plan, (), ())
    assert [(one["name"], one["state"]) for one in found[1:]] == [
        ("cni-policies", "absent"),
        ("storage-local-path", "absent"),
        ("load-balancer", "absent"),
        ("load-balancer-openelb", "absent"),
        ("service-names", "absent"),
    ]
