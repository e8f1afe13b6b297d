# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._node.kernel import Kernel
from ansible_collections.kateskit.klubster.plugins.modules import machine_settings


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        machine_settings.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_check_mode_says_what_is_missing_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "proc/sys/net/ipv4/ip_forward"
    path.parent.mkdir(parents=True)
    path.write_text("0\n")
    monkeypatch.setattr(machine_settings, "Kernel", lambda: Kernel(tmp_path))
    arguments = {
        "kernel_modules": ["overlay"],
        "sysctls": {"net.ipv4.ip_forward": 1},
        "packages": ["no-package-of-this-name"],
        "_ansible_check_mode": True,
        "_ansible_diff": True,
    }
    result = run(capsys, arguments)
    assert result["changed"]
    assert result["missing_packages"] == ["no-package-of-this-name"]
    assert {"sysctl net.ipv4.ip_forward": "1", "kernel_modules": ["overlay"]} in [
        part["after"] for part in result["diff"]
    ]
    assert path.read_text() == "0\n"
