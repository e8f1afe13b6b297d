# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_verbs
from ansible_collections.kateskit.klubster.plugins.modules import k3s_node_info

sys.path.insert(0, str(Path(__file__).parent))
from engine_machines import K3S as GIVEN
from engine_machines import only_looked_at, put_in_place, result_of


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_in_place(monkeypatch, k3s_verbs, tmp_path, only_looked_at)


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    return result_of(k3s_node_info, capsys, arguments)


def test_a_bare_machine_lacks_its_program_its_configuration_and_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    program = {"source": "k3s", "path": "/nowhere/k3s", "sha256": "0" * 64, "size": 1}
    found = run(capsys, {**GIVEN, "programs": [program], "nodes": [GIVEN["node"]]})
    assert found["lacking"] == ["programs", "config", "node"]
    assert (found["changed"], found["kubeconfig_sha256"]) == (False, "")
