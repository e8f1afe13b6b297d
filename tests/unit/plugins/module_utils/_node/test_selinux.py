# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._node import selinux


def put(root: Path, enforce: str) -> Path:
    place = root / "sys/fs/selinux"
    place.mkdir(parents=True)
    (place / "enforce").write_text(enforce)
    return root


@pytest.mark.parametrize(("enforce", "mode"), [("1", "enforcing"), ("0", "permissive")])
def test_the_kernel_says_how_it_is(tmp_path: Path, enforce: str, mode: str) -> None:
    assert selinux.mode(tmp_path) == "disabled"
    assert selinux.mode(put(tmp_path, enforce)) == mode


def test_what_was_moved_gets_its_label(tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def run(argv: t.Sequence[str], **dummy: t.Any) -> Result:
        calls.append(list(argv))
        return Result(0, "", "")

    def which(name: str) -> str:
        return f"/usr/sbin/{name}"

    assert not selinux.relabel(["/usr/local/bin/k3s"], run, root=tmp_path, which=which)
    put(tmp_path, "1")
    assert not selinux.relabel([], run, root=tmp_path, which=which)
    assert not selinux.relabel(["/usr/local/bin/k3s"], run, root=tmp_path, which=lambda dummy: None)
    assert calls == []
    assert selinux.relabel(["/usr/local/bin/k3s"], run, root=tmp_path, which=which)
    assert calls == [["restorecon", "/usr/local/bin/k3s"]]


def test_k3s_has_a_policy_of_its_own(tmp_path: Path) -> None:
    assert not selinux.has_k3s_policy(tmp_path)
    policy = tmp_path / "usr/share/selinux/packages/k3s.pp"
    policy.parent.mkdir(parents=True)
    policy.touch()
    assert selinux.has_k3s_policy(tmp_path)
