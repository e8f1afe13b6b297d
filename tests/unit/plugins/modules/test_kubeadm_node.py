# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_verbs
from ansible_collections.kateskit.klubster.plugins.modules import kubeadm_node

sys.path.insert(0, str(Path(__file__).parent))
from engine_machines import CHECKED, KUBEADM, only_looked_at, put_in_place, result_of

GIVEN: dict[str, t.Any] = {**KUBEADM, **CHECKED}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_in_place(monkeypatch, kubeadm_verbs, tmp_path, only_looked_at)


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    return result_of(kubeadm_node, capsys, arguments)


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
