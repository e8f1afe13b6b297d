# SPDX-License-Identifier: Apache-2.0
"""The filters' edge: Ansible's values in, plain sets out, our errors as a filter's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.filter import flannel_set, layer_sets, local_path_set, metallb_set

FILTERS = {
    name: function
    for module in (flannel_set, layer_sets, local_path_set, metallb_set)
    for name, function in module.FilterModule().filters().items()
}


BUNDLED = {"source": "bundle", "directory": "", "mirrors": []}


def test_each_file_has_the_filter_of_its_name() -> None:
    assert set(FILTERS) == {"flannel_set", "layer_sets", "local_path_set", "metallb_set"}


@pytest.mark.parametrize("folder", ["", None])
def test_no_folder_is_told(folder: str | None) -> None:
    with pytest.raises(AnsibleFilterError, match="No folder of a source bundle was given"):
        FILTERS["local_path_set"](folder, path="/data")
    with pytest.raises(AnsibleFilterError, match="No folder of a source bundle was given"):
        FILTERS["layer_sets"]({"engine": {"bundle_dir": folder, "needs_bundle": True}, "layers": BUNDLED})


def test_no_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match=r"manifest\.json is missing"):
        FILTERS["metallb_set"](str(tmp_path), pools=[])


def test_a_bundle_without_a_manifest_is_told(tmp_path: Path) -> None:
    empty = {"schema": 1, "key": "k", "arch": "amd64", "go": "go1", "components": {}, "files": []}
    (tmp_path / "manifest.json").write_text(json.dumps(empty))
    with pytest.raises(AnsibleFilterError, match=r"The bundle has 0 manifests named kube-flannel\.yml"):
        FILTERS["flannel_set"](str(tmp_path), networks=["10.244.0.0/16"])
