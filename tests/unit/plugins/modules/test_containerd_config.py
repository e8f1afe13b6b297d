# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.modules import containerd_config


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        containerd_config.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_check_mode_shows_the_files_and_the_restart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(containerd_config, "run", systemctl)
    arguments = {"sandbox_image": "bundle.test/pause:1", "cgroup_driver": "cgroupfs", "lower_oom_score": False}
    result = run(capsys, {**arguments, "_ansible_check_mode": True, "_ansible_diff": True})
    assert result["changed"]
    assert result["service"] == "start"
    config = next(part for part in result["diff"] if part.get("after_header") == "/etc/containerd/config.toml")
    assert 'sandbox = "bundle.test/pause:1"' in config["after"]
    assert "SystemdCgroup = false" in config["after"]
    assert "restrict_oom_score_adj = true" in config["after"]
    assert not Path("/etc/containerd/config.toml").exists()


def systemctl(argv: t.Sequence[str], **_: t.Any) -> Result:
    assert argv[:2] == ["systemctl", "show"]
    return Result(0, "Id=containerd.service\nActiveState=inactive\nUnitFileState=\n", "")
