# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_verbs
from ansible_collections.kateskit.klubster.plugins.modules import k3s_node_info

GIVEN: dict[str, t.Any] = {
    "cluster": "home",
    "node": {"node_name": "agent1", "role": "agent", "address": "192.0.2.21", "labels": {}, "taints": []},
    "api": {"name": "api.home.internal", "port": 6443, "address": "192.0.2.11", "url": "https://192.0.2.11:6443"},
    "files": {"/etc/rancher/k3s/config.yaml": "node-name: agent1\n"},
    "registries": {"configs": {"registry.example.org": {"auth": {"username": "u", "password": "hunter2hunter2"}}}},
    "environment": {"further": {"K3S_X": "hunter3hunter3"}},
    "_ansible_check_mode": True,
    "_ansible_diff": True,
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def systemctl(argv: t.Sequence[str], **_: t.Any) -> Result:
        assert argv[:2] == ["systemctl", "show"], "check mode only looks"
        return Result(0, "Id=k3s-agent.service\nActiveState=inactive\nUnitFileState=\n", "")

    make = k3s_verbs.machine_of

    def elsewhere(params: t.Mapping[str, t.Any]) -> k3s_verbs.K3s:
        made = make(params, systemctl, tmp_path / "state")
        made.root = tmp_path
        return made

    monkeypatch.setattr(k3s_verbs, "machine_of", elsewhere)


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        k3s_node_info.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_a_bare_machine_lacks_its_program_its_configuration_and_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    program = {"source": "k3s", "path": "/nowhere/k3s", "sha256": "0" * 64, "size": 1}
    found = run(capsys, {**GIVEN, "programs": [program], "nodes": [GIVEN["node"]]})
    assert found["lacking"] == ["programs", "config", "node"]
    assert (found["changed"], found["kubeconfig_sha256"]) == (False, "")


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
