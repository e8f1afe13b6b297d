# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_commands
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Entry, Record


def paths(root: Path, record: Record) -> list[str]:
    return [file.path for file in k3s_commands.wanted(K3S, record, root)]


def test_k3s_is_called_by_other_names(tmp_path: Path) -> None:
    files = k3s_commands.wanted(K3S, Record.load(tmp_path), tmp_path)
    assert [file.path for file in files] == [f"/usr/local/bin/{name}" for name in ("kubectl", "crictl", "ctr")]
    assert files[0].content == '#!/bin/sh\nexec /usr/local/bin/k3s kubectl "$@"\n'
    assert {file.mode for file in files} == {0o755}


def test_a_command_from_elsewhere_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/kubectl").touch()
    assert paths(tmp_path, Record.load(tmp_path)) == ["/usr/local/bin/crictl", "/usr/local/bin/ctr"]


def test_ours_stays_ours(tmp_path: Path) -> None:
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    (tmp_path / "usr/local/bin/kubectl").touch()
    record = Record.load(tmp_path)
    assert "/usr/local/bin/kubectl" not in paths(tmp_path, record)
    record.entries["/usr/local/bin/kubectl"] = Entry(k3s_commands.SET, "0" * 64)
    assert "/usr/local/bin/kubectl" in paths(tmp_path, record)


@pytest.mark.parametrize("as_link", [False, True])
def test_a_program_that_the_user_has_put_over_ours_is_left_alone(as_link: bool, tmp_path: Path) -> None:
    place, other = tmp_path / "usr/local/bin/kubectl", tmp_path / "opt/kubectl"
    for folder in (place.parent, other.parent):
        folder.mkdir(parents=True)
    other.write_bytes(b"\x7fELF")
    record = Record.load(tmp_path)
    record.entries["/usr/local/bin/kubectl"] = Entry(k3s_commands.SET, "0" * 64)
    record.entries["/usr/local/bin/ctr"] = Entry(k3s_commands.SET, "0" * 64)
    if as_link:
        place.symlink_to(other)
    else:
        place.write_bytes(other.read_bytes())
    assert paths(tmp_path, record) == ["/usr/local/bin/crictl", "/usr/local/bin/ctr"]
    k3s_commands.forget(K3S, record, tmp_path)
    assert list(record.entries) == ["/usr/local/bin/ctr"], "neither compared nor taken away by a reset"
