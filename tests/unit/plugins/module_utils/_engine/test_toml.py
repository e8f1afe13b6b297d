# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
import typing as t

import pytest
import tomllib
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import containerd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.toml import TomlError, dumps
from hypothesis import example, given
from hypothesis import strategies as st

SCALARS = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), st.text(max_size=12))
DATA = st.recursive(
    st.dictionaries(st.text(max_size=8), st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=4),
    lambda inner: st.dictionaries(st.text(max_size=8), st.one_of(SCALARS, inner), max_size=4),
    max_leaves=12,
)


@given(DATA)
@example({"0\n": False})
def test_what_is_written_is_read_back(data: dict[str, t.Any]) -> None:
    assert tomllib.loads(dumps(data)) == data


def test_a_value_without_a_form_is_named() -> None:
    with pytest.raises(TomlError, match=re.escape("a.b = None: TOML has no NoneType here")):
        dumps({"a": {"b": None}})


def test_containerd_gets_what_kubelet_needs() -> None:
    settings = {"plugins": {"io.containerd.cri.v1.images": {"registry": {"config_path": "/etc/x"}}}}
    data = containerd.config(
        sandbox_image="bundle.test/pause:1", systemd_cgroup=False, lower_oom_score=False, settings=settings
    )
    read = tomllib.loads(containerd.render(data))
    assert read["version"] == 3
    runtime = read["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False}
    images = read["plugins"]["io.containerd.cri.v1.images"]
    assert images["pinned_images"] == {"sandbox": "bundle.test/pause:1"}
    assert images["registry"] == {"config_path": "/etc/x"}


def test_laying_over_replaces_lists_and_keeps_both_inputs() -> None:
    under, over = {"a": {"b": [1, 2], "c": 1}}, {"a": {"b": [3]}, "d": 1}
    assert containerd.merged(under, over) == {"a": {"b": [3], "c": 1}, "d": 1}
    assert (under, over) == ({"a": {"b": [1, 2], "c": 1}}, {"a": {"b": [3]}, "d": 1})
