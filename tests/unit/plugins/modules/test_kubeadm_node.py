# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_verbs
from ansible_collections.kateskit.klubster.plugins.modules import kubeadm_node


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        kubeadm_node.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


GIVEN: dict[str, t.Any] = {
    "cluster": "home",
    "version": "1.34.2",
    "node": {"node_name": "agent1", "role": "agent", "address": "192.0.2.21", "labels": {}, "taints": []},
    "api": {"name": "api.home.internal", "port": 6443, "address": "192.0.2.11"},
    "networks": {
        "pod": ["10.244.0.0/16"],
        "service": ["10.96.0.0/16"],
        "dns_domain": "cluster.local",
        "dns_address": "10.96.0.10",
    },
    "images": {"repository": "bundle.test", "etcd": "1", "coredns": "1"},
    "_ansible_check_mode": True,
    "_ansible_diff": True,
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def systemctl(argv: t.Sequence[str], **_: t.Any) -> Result:
        assert argv[:2] == ["systemctl", "show"], "check mode only looks"
        return Result(0, "Id=kubelet.service\nActiveState=inactive\nUnitFileState=\n", "")

    make = kubeadm_verbs.machine_of

    def elsewhere(params: t.Mapping[str, t.Any]) -> kubeadm_verbs.Kubeadm:
        made = make(params, systemctl, tmp_path / "state")
        made.root = tmp_path
        return made

    monkeypatch.setattr(kubeadm_verbs, "machine_of", elsewhere)


def test_a_bare_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, GIVEN)
    assert result["changed"]
    assert result["node"]["phase"] == "none"
    assert result["machine"]["node_name"] == "agent1"
    assert len(result["kube_proxy_wanted"]) == 16
    assert any("kubelet.service" in part.get("after_header", "") for part in result["diff"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "changed"),
    [("begun", True), ("joined", True), ("invited", False), ("labelled", True)],
)
def test_check_mode_says_what_would_be_done(state: str, changed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {**GIVEN, "state": state, "invitation": {}})
    assert result["changed"] is changed
    assert "invitation" not in {key for key in result if key != "invocation"}


def test_an_option_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    networks = {key: value for key, value in GIVEN["networks"].items() if key != "dns_domain"}
    assert "dns_domain" in run(capsys, {**GIVEN, "networks": networks})["msg"]
