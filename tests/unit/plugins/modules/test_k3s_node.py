# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_commands, k3s_look, k3s_verbs
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Entry, Record
from ansible_collections.kateskit.klubster.plugins.modules import k3s_node

sys.path.insert(0, str(Path(__file__).parent))
from engine_machines import K3S as GIVEN
from engine_machines import only_looked_at, put_in_place, result_of


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_in_place(monkeypatch, k3s_verbs, tmp_path, only_looked_at)


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    return result_of(k3s_node, capsys, arguments)


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
        *(f"/usr/local/bin/{name}" for name in ("kubectl", "crictl", "ctr")),
    }
    assert "hunter2hunter2" not in str(result["diff"])
    assert "hunter3hunter3" not in str(result["diff"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "changed"),
    [
        ("begun", True),
        ("joined", True),
        ("departed", True),
        ("arrived", True),
        ("invited", False),
        ("labelled", True),
        ("registered", True),
    ],
)
def test_check_mode_says_what_would_be_done(state: str, changed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {**GIVEN, "state": state, "invitation": {}})
    assert result["changed"] is changed


def test_an_option_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "address" in run(capsys, {**GIVEN, "api": {"name": "api.home.internal", "port": 6443}})["msg"]


def test_what_the_user_has_put_over_our_commands_is_noted(tmp_path: Path) -> None:
    """Else a reset would take it away."""
    record = Record.load(tmp_path / "state")
    for name in K3S.commands:
        place = tmp_path / "usr/local/bin" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"\x7fELF")
        record.entries[f"/usr/local/bin/{name}"] = Entry(k3s_commands.SET, "0" * 64)
    record.save()
    given = {**GIVEN, "programs": [], "archives": []}
    machine = k3s_verbs.machine_of(given)
    assert k3s_look.compare(machine, given).parts["programs"] == "live"
    k3s_commands.forget(K3S, record, tmp_path)
    record.save()
    assert k3s_look.compare(machine, given).parts["programs"] == "none"
