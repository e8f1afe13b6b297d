# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_verbs
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Entry, Record, Stamp
from ansible_collections.kateskit.klubster.plugins.modules import k3s_node_info

sys.path.insert(0, str(Path(__file__).parent))
from engine_machines import K3S as GIVEN
from engine_machines import only_looked_at, put_in_place, result_of


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_in_place(monkeypatch, k3s_verbs, tmp_path, only_looked_at)


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    return result_of(k3s_node_info, capsys, arguments)


def test_containers_are_confined_where_selinux_has_the_policy(tmp_path: Path) -> None:
    machine = k3s_verbs.machine_of(GIVEN)

    def paths(files: t.Mapping[str, str]) -> list[str]:
        return [file.path for file in k3s_verbs.wanted_files(machine, {**GIVEN, "files": files})]

    ours = "/etc/rancher/k3s/config.yaml.d/15-klubster-selinux.yaml"
    assert ours not in paths(GIVEN["files"])
    for name, text in (("sys/fs/selinux/enforce", "1"), ("usr/share/selinux/packages/k3s.pp", "")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    assert ours in paths(GIVEN["files"])
    # The user has decided already.
    assert ours not in paths({"/etc/rancher/k3s/config.yaml": "node-name: agent1\nselinux: false\n"})


def test_a_bare_machine_lacks_its_program_its_configuration_and_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    program = {"source": "k3s", "path": "/nowhere/k3s", "sha256": "0" * 64, "size": 1}
    found = run(capsys, {**GIVEN, "programs": [program], "nodes": [GIVEN["node"]]})
    assert found["lacking"] == ["programs", "config", "node"]
    assert (found["changed"], found["kubeconfig_sha256"]) == (False, "")


def test_the_last_archive_that_left_the_list_is_still_to_be_taken_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "klubster-own-012345-shop.tar"
    place.write_text("x")
    record = Record.load(k3s_verbs.machine_of(GIVEN).state_directory)
    record.entries[str(place)] = Entry("images", "0" * 64, stamp=Stamp.of(place))
    record.save()
    assert "images" in run(capsys, {**GIVEN, "archives": []})["lacking"]
    place.unlink()
    record.entries.clear()
    record.save()
    assert "images" not in run(capsys, {**GIVEN, "archives": []})["lacking"]


def test_a_drop_in_of_somebody_else_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(k3s_node_info.AnsibleModule, "warn", lambda _self, text: said.append(text))
    folder = tmp_path / "etc/rancher/k3s/config.yaml.d"
    folder.mkdir(parents=True)
    for name in ("10-klubster-cluster.yaml", "90-mine.yaml", "notes.txt"):
        (folder / name).write_text("{}")
    found = run(capsys, GIVEN)
    assert found["strangers"] == ["/etc/rancher/k3s/config.yaml.d/90-mine.yaml"]
    assert [text.partition(" was not written by")[0] for text in said] == found["strangers"]
