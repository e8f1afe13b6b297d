# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._node import record
from ansible_collections.kateskit.klubster.plugins.modules import managed_files


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        managed_files.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record in a folder of the test's own."""
    folder = tmp_path / "state"
    monkeypatch.setattr(record, "STATE_DIRECTORY", folder)


def test_four_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    arguments = {"set": "example", "files": [{"path": str(path), "content": "one\n", "mode": "0600"}]}
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        result = run(capsys, {**arguments, "_ansible_check_mode": check, "_ansible_diff": True})
        assert result["changed"] is changed
        assert result["paths"] == ([str(path)] if changed else [])
        assert path.exists() is not (check and changed)
    assert run(capsys, {"set": "example", "files": []})["changed"]
    assert not path.exists()


def test_a_refusal_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {"set": "example", "files": [{"path": "here", "content": ""}]})
    assert result["failed"]
    assert "files[0].path = 'here'" in result["msg"]
