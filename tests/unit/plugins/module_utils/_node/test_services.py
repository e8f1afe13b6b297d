# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._node import services
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record
from ansible_collections.kateskit.klubster.plugins.module_utils._node.services import Service, ServiceFailed


class Systemd:
    """systemctl and journalctl for one unit."""

    def __init__(
        self, active: str = "inactive", enabled: str = "disabled", reload: str = "no", fails: bool = False
    ) -> None:
        self.active, self.enabled, self.reload, self.fails = active, enabled, reload, fails
        self.did: list[str] = []

    def __call__(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "journalctl":
            return Result(0, "line\nno space left on device\n", "")
        if argv[1] == "show":
            text = f"Id=x\nLoadState=loaded\nActiveState={self.active}\n"
            return Result(0, f"{text}UnitFileState={self.enabled}\nNeedDaemonReload={self.reload}\n", "")
        self.did.append(argv[1])
        if argv[1] in {"start", "restart"}:
            if self.fails:
                raise CommandFailed(argv, 1, "", "failed")
            self.active = "active"
        if argv[1] == "enable":
            self.enabled = "enabled"
        return Result(0, "", "")


def settle(tmp_path: Path, systemd: Systemd, *, start: bool = True) -> list[str]:
    systemd.did.clear()
    record = Record.load(tmp_path / "state")
    service = Service("x.service", reads=(str(tmp_path / "config"), str(tmp_path / "conf.d")), start=start)
    steps = services.plan([service], record, systemd)
    services.apply(steps, record, systemd, lambda text: "The disk is full." if "no space" in text else "")
    return systemd.did


def test_starts_once_and_restarts_only_for_a_change(tmp_path: Path) -> None:
    systemd = Systemd()
    config, folder = tmp_path / "config", tmp_path / "conf.d"
    config.write_text("one")
    folder.mkdir()
    assert settle(tmp_path, systemd) == ["daemon-reload", "enable", "reset-failed", "start"]
    assert settle(tmp_path, systemd) == []
    config.write_text("two")
    assert settle(tmp_path, systemd) == ["reset-failed", "restart"]
    (folder / "more").write_text("x")
    assert settle(tmp_path, systemd) == ["reset-failed", "restart"]
    assert settle(tmp_path, systemd) == []
    systemd.active, systemd.reload = "failed", "yes"
    assert settle(tmp_path, systemd) == ["daemon-reload", "reset-failed", "start"]


def test_a_change_before_a_run_was_cut_short_is_seen_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("one")
    systemd = Systemd()
    settle(tmp_path, systemd)
    (tmp_path / "config").write_text("two")
    record = Record.load(tmp_path / "state")
    services.plan([Service("x.service", reads=(str(tmp_path / "config"), str(tmp_path / "conf.d")))], record, systemd)
    # Cut short here; the next run finds the file as it shall be.
    assert settle(tmp_path, systemd) == ["reset-failed", "restart"]


def test_what_shall_not_start_yet_is_only_enabled(tmp_path: Path) -> None:
    assert settle(tmp_path, Systemd(), start=False) == ["daemon-reload", "enable"]


def test_a_failed_start_names_the_cause_first_and_is_tried_again(tmp_path: Path) -> None:
    systemd = Systemd(fails=True)
    with pytest.raises(ServiceFailed, match=r"^The disk is full\.\nThe journal of x\.service ends:"):
        settle(tmp_path, systemd)
    systemd.fails = False
    assert "start" in settle(tmp_path, systemd)


def test_a_journal_is_without_what_systemd_says_of_pods() -> None:
    """Seen on a machine: twelve such lines at the end, and nothing of why k3s did not start."""
    said = (
        "level=fatal msg=bad\n"
        "k3s.service: Found left-over process 3072 (containerd-shim) in control group while starting unit. Ignoring.\n"
        "This usually indicates unclean termination of a previous run, or service implementation deficiencies.\n"
        "Starting k3s.service - k3s server...\n"
    )
    kept = services.journal("k3s.service", lambda *_args, **_more: Result(0, said, ""))
    assert kept == "level=fatal msg=bad\nStarting k3s.service - k3s server...\n"
