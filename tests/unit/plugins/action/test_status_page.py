# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.kateskit.klubster.plugins.action.status_page import ActionModule
from ansible_collections.kateskit.klubster.plugins.module_utils._status.collect import Unanswered
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import expectation, report_of_silence

REPORT = report_of_silence(Unanswered("refused", "refused"), expectation({"name": "home"}), "2026-11-21T08:00:00Z")


def act(args: dict[str, t.Any], *, check: bool = False, diff: bool = False) -> dict[str, t.Any]:
    task = SimpleNamespace(args=args, check_mode=check, diff=diff, async_val=0, action="status_page", _uuid="")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), has_pipelining=True, force_persistence=False)
    action = ActionModule(
        task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
    )
    return t.cast(dict[str, t.Any], action.run(task_vars={}))


def test_check_then_real_twice(tmp_path: Path) -> None:
    path = tmp_path / "home.html"
    args = {"report": REPORT, "path": str(path)}
    assert act(args, check=True)["changed"] is True
    assert not path.exists()
    first = act(args, diff=True)
    assert (first["changed"], first["path"]) == (True, str(path))
    assert first["diff"]["before"] == {}
    assert first["diff"]["after"] == {"verdict": "Cluster home is not well", "seen": "2026-11-21T08:00:00Z"}
    assert act(args, check=True)["changed"] is False
    again = act(args)
    assert (again["changed"], "diff" in again) == (False, False)


def test_without_a_path_the_page_goes_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = act({"report": REPORT})
    assert result["path"] == str(tmp_path / "klubster" / "status" / "home.html")
    assert Path(result["path"]).is_file()


def test_a_path_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = act({"report": REPORT, "path": str(tmp_path / "file" / "home.html")})
    assert result["failed"] is True
    assert result["msg"].startswith(f"The page {tmp_path}/file/home.html cannot be written: ")
