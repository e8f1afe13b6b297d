# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_verbs
from ansible_collections.kateskit.klubster.plugins.modules import k3s_node

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
        k3s_node.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_a_bare_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, GIVEN)
    assert result["changed"]
    assert result["node"]["phase"] == "none"
    paths = {part.get("after_header") for part in result["diff"]}
    assert paths == {
        "/etc/rancher/k3s/config.yaml",
        "/etc/rancher/k3s/registries.yaml",
        "/etc/systemd/system/k3s-agent.service",
        "/etc/systemd/system/k3s-agent.service.env",
    }
    assert "hunter2hunter2" not in str(result["diff"])
    assert "hunter3hunter3" not in str(result["diff"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "changed"),
    [("begun", True), ("joined", True), ("invited", False), ("labelled", True), ("registered", True)],
)
def test_check_mode_says_what_would_be_done(state: str, changed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {**GIVEN, "state": state, "invitation": {}})
    assert result["changed"] is changed


def test_an_option_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "address" in run(capsys, {**GIVEN, "api": {"name": "api.home.internal", "port": 6443}})["msg"]
