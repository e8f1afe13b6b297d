# SPDX-License-Identifier: Apache-2.0
"""What the container backend refuses and asks for; that its machines run is shown in tests/lab."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._lab import container
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.cgroups import ControlGroups


def test_only_root_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(KlubsterError, match="only root can start"):
        container.check_host()


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name, **_where: None if "nspawn" in name else name)
    with pytest.raises(KlubsterError, match=r"This host lacks systemd-nspawn\. Let the role lab install"):
        container.check_host()


def test_a_host_without_memory_control_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name, **_where: name)
    with pytest.raises(KlubsterError, match="no control group for memory"):
        container.check_host(ControlGroups(tmp_path))
