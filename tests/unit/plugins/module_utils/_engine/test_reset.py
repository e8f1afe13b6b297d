# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import reset as resetting
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.reset import (
    Reset,
    ResetError,
    empty,
    mounts_below,
    remove_cgroups,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node import managed_files
from ansible_collections.kateskit.klubster.plugins.module_utils._node.kernel import Kernel
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record


def quiet(argv: t.Sequence[str], **options: t.Any) -> Result:
    return Result(1, "", "")


def test_mounts_innermost_first_and_never_the_folder_itself(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    lines = [
        "/dev/a /var/lib/kubelet ext4",
        "tmpfs /var/lib/kubelet/pods/x/a\\040b tmpfs",
        "tmpfs /var/lib/kubelet/pods tmpfs",
    ]
    table.write_text("".join(f"{line} rw 0 0\n" for line in [*lines, "tmpfs /var/lib/kubelet2/x tmpfs"]))
    assert mounts_below(["/var/lib/kubelet"], table) == ["/var/lib/kubelet/pods/x/a b", "/var/lib/kubelet/pods"]


def test_empty_keeps_the_folder_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("x")
    folder = tmp_path / "data"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "outside")
    assert empty(folder)
    assert folder.is_dir()
    assert not empty(folder)
    assert (tmp_path / "outside/file").exists()
    (tmp_path / "alias").symlink_to(tmp_path / "outside")
    assert not empty(tmp_path / "alias")


def test_only_containers_of_kubelet_end(tmp_path: Path) -> None:
    """Real processes, found through a table of processes of their own."""
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    name = tmp_path / "containerd-shim-runc-v2"
    name.symlink_to(sys.executable)
    shims = {
        space: subprocess.Popen([name, "-c", script, "-namespace", space], stdout=subprocess.PIPE, text=True)
        for space in ("k8s.io", "moby")
    }
    children = {space: int((shim.stdout or sys.stdin).readline()) for space, shim in shims.items()}
    proc = tmp_path / "proc"
    proc.mkdir()
    for pid in [*(shim.pid for shim in shims.values()), *children.values()]:
        (proc / str(pid)).symlink_to(f"/proc/{pid}")
    try:
        assert resetting.end_containers(proc) == 2
        assert shims["k8s.io"].wait(5) == -signal.SIGKILL
        assert shims["moby"].poll() is None
        os.kill(children["moby"], 0)
    finally:
        for pid in (children["moby"], shims["moby"].pid):
            os.kill(pid, signal.SIGKILL)
        for shim in shims.values():
            shim.communicate()


def test_cgroups_of_pods_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "memory/kubepods/besteffort/pod1").mkdir(parents=True)
    (tmp_path / "memory/system.slice").mkdir()
    remove_cgroups(tmp_path)
    assert [path.name for path in (tmp_path / "memory").iterdir()] == ["system.slice"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reset:
    """A machine with one file, one data folder and one setting of ours."""
    monkeypatch.setattr(resetting, "end_containers", lambda: 0)
    monkeypatch.setattr(resetting, "mounts_below", lambda _: [])
    monkeypatch.setattr(resetting, "remove_cgroups", lambda _: None)
    monkeypatch.setattr(resetting, "_OUR_FOLDERS", ())
    monkeypatch.setattr(resetting, "_CONFLIST", tmp_path / "none")
    monkeypatch.setattr(resetting.firewall, "removals", lambda _: [])
    monkeypatch.setattr(resetting.firewall, "surplus_tables", lambda *_: [])
    setting = tmp_path / "proc/sys/net/ipv4/ip_forward"
    setting.parent.mkdir(parents=True)
    setting.write_text("1\n")
    record = Record.load(tmp_path / "state")
    record.note_data([str(tmp_path / "data"), str(tmp_path / "kept")])
    record.sysctls = {"net.ipv4.ip_forward": "0", "net.gone": "1"}
    file = WantedFile(str(tmp_path / "etc/deep/file"), "ours", uid=os.geteuid(), gid=os.getegid())
    managed_files.apply([file], managed_files.plan([file], "set", record), "set", record)
    (tmp_path / "data/x").mkdir(parents=True)
    layout = KUBEADM.__class__(**{**vars(KUBEADM), "signs": (str(tmp_path / "kubelet.conf"),)})
    return Reset(layout, "home", quiet, directory=tmp_path / "state", kernel=Kernel(tmp_path))


def test_everything_goes_and_again_is_nothing(machine: Reset, tmp_path: Path) -> None:
    assert machine.plan() != []
    machine.refuse_strangers()
    machine.perform()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["proc"]
    assert (tmp_path / "proc/sys/net/ipv4/ip_forward").read_text() == "0"
    again = Reset(machine.layout, "home", quiet, directory=tmp_path / "state", kernel=machine.kernel)
    again.perform()
    assert again.done == []
    assert again.plan() == []


def test_planning_changes_nothing(machine: Reset, tmp_path: Path) -> None:
    machine.plan()
    assert (tmp_path / "data/x").exists()
    assert (tmp_path / "etc/deep/file").exists()


def test_a_reset_that_is_cut_short_is_finished_by_the_next(machine: Reset, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reset, "_folders", lambda *_: (dummy for dummy in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            machine.perform()
    assert (tmp_path / "state/installed.json").exists()
    machine.perform()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["proc"]


def test_machines_of_others_are_refused(machine: Reset, tmp_path: Path) -> None:
    (tmp_path / "kubelet.conf").write_text("")
    with pytest.raises(ResetError, match="did not make"):
        machine.refuse_strangers()
    marker = {"cluster": "other", "action": "join", "complete": True}
    (tmp_path / "state/kubeadm.json").write_text(json.dumps(marker))
    with pytest.raises(ResetError, match="belongs to the cluster 'other', not to 'home'"):
        machine.refuse_strangers()
