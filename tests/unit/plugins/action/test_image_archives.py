# SPDX-License-Identifier: Apache-2.0
"""What the controller's part of four modules makes of archives of images of the user's own."""

from __future__ import annotations

import hashlib
import sys
import typing as t
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible_collections.kateskit.klubster.plugins.action import (
    container_images,
    k3s_node_info,
    kubeadm_node_info,
    verified_install,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.image_archives import entries
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import contents
from ansible_collections.kateskit.klubster.plugins.plugin_utils._release import archive_places

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_bundle"))
from own_archives import NAME, oci
from small_bundle import make

Arguments = dict[str, t.Any]


@pytest.fixture
def own(tmp_path: Path) -> list[Arguments]:
    return entries([str(oci(tmp_path / "shop.tar"))], tmp_path / "cache.json")


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make(tmp_path / "bundle")


class Node:
    """A machine that lacks whatever it is asked for, and keeps what it is sent."""

    def __init__(self, plugin: t.Any, arguments: Arguments, *, check: bool = False) -> None:
        self.asked: list[Arguments] = []
        self.sent: dict[str, str] = {}
        connection = MagicMock()
        connection.put_file = lambda path, place: self.sent.__setitem__(place, path)
        connection._shell.join_path = lambda *parts: "/".join(parts)
        task = MagicMock(async_val=0, check_mode=check, args=arguments)
        action = plugin.ActionModule(task, connection, MagicMock(), MagicMock(), MagicMock(), MagicMock())
        action._execute_module = self._answer
        action._get_remote_user = lambda: "root"
        self.result: Arguments = action.run(task_vars={})

    def _answer(self, module_args: Arguments, **_: t.Any) -> Arguments:
        self.asked.append(dict(module_args))
        listed = [*(module_args.get("files") or ()), *(module_args.get("images") or ())]
        sources = [entry["source"] for entry in listed if isinstance(entry, dict)]
        return {"changed": bool(sources), "sources": sources, "missing": sources, "staging": "/staging"}


def test_they_go_into_containerd_beside_the_bundles(bundle: Path, own: list[Arguments]) -> None:
    node = Node(container_images, {"bundle_dir": str(bundle), "names": ["agnhost"], "image_archives": own})
    assert [set(step) & {"image_archives", "names", "bundle_dir"} for step in node.asked] == [set(), set()]
    assert node.asked[0]["images"][1] == {
        "source": "archives/shop.tar",
        "holds": own[0]["images"],
        "sha256": own[0]["sha256"],
        "size": own[0]["size"],
    }
    assert node.sent == {
        "/staging/images__agnhost.tar": str(bundle / "images/agnhost.tar"),
        "/staging/archives__shop.tar": own[0]["path"],
    }


def test_in_check_mode_nothing_is_sent(bundle: Path, own: list[Arguments]) -> None:
    node = Node(container_images, {"bundle_dir": str(bundle), "names": [], "image_archives": own}, check=True)
    assert (len(node.asked), node.sent) == (1, {})


def test_they_go_to_k3ss_folder_without_a_bundle(tmp_path: Path, own: list[Arguments]) -> None:
    files = archive_places(contents("", own, bundle=False), [], own)
    nowhere = str(tmp_path / "nowhere")
    arguments = {"set": "images", "bundle_dir": nowhere, "files": files, "image_archives": own}
    node = Node(verified_install, arguments)
    assert node.asked[0]["files"] == [{**files[0], "sha256": own[0]["sha256"], "size": own[0]["size"]}]
    assert node.sent == {"/staging/archives__shop.tar": own[0]["path"]}


def test_the_last_one_that_leaves_the_list_is_taken_away(tmp_path: Path) -> None:
    """The module removes what left the set, so it has to be asked, though there is nothing to bring."""
    arguments = {"set": "images", "bundle_dir": str(tmp_path / "nowhere"), "files": [], "image_archives": []}
    node = Node(verified_install, arguments)
    assert [step["files"] for step in node.asked] == [[]]


def test_the_looks_know_them(bundle: Path, own: list[Arguments]) -> None:
    kubeadm = Node(
        kubeadm_node_info, {"bundle_dir": str(bundle), "image_names": ["pause"], "image_archives": own}
    ).asked[0]
    assert [entry["source"] for entry in kubeadm["archives"]] == ["images/pause.tar", "archives/shop.tar"]
    assert list(kubeadm["archives"][1]["holds"]) == [NAME]
    places = archive_places(contents(str(bundle), own), ["agnhost"], own)
    k3s = Node(k3s_node_info, {"bundle_dir": str(bundle), "archives": places, "image_archives": own}).asked[0]
    sums = {entry["source"]: entry["sha256"] for entry in k3s["archives"]}
    assert sums["archives/shop.tar"] == own[0]["sha256"]
    assert sums["images/agnhost.tar"] == hashlib.sha256(b"content of images/agnhost.tar").hexdigest()
    assert "image_archives" not in {*kubeadm, *k3s}


@pytest.mark.parametrize("plugin", [container_images, kubeadm_node_info])
def test_one_that_cannot_be_used_stops_before_the_machine_is_asked(plugin: t.Any, bundle: Path) -> None:
    bad = entries(["/nowhere/gone.tar"], bundle / "cache.json")
    node = Node(plugin, {"bundle_dir": str(bundle), "image_archives": bad})
    assert "klubster_image_archives: /nowhere/gone.tar: There is no such file" in node.result["msg"]
    assert node.asked == []
