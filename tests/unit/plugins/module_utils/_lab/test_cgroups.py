# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.cgroups import ControlGroups, end_processes


@pytest.fixture
def version1(tmp_path: Path) -> ControlGroups:
    for name in ("memory", "cpu", "cpuset", "systemd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("1\n")
    (tmp_path / "cpuacct").symlink_to("cpu")
    (tmp_path / "README").write_text("")
    return ControlGroups(tmp_path)


@pytest.fixture
def version2(tmp_path: Path) -> ControlGroups:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory\n")
    for folder in (tmp_path, tmp_path / "klab-lab", tmp_path / "klab-lab" / "one"):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.procs").write_text("")
        (folder / "cgroup.controllers").write_text("cpuset cpu memory\n")
    return ControlGroups(tmp_path)


def test_version_1_has_a_tree_per_hierarchy(version1: ControlGroups, tmp_path: Path) -> None:
    assert not version1.unified
    assert version1.has_memory()
    trees = version1.make("lab", "one")
    assert trees == [tmp_path / name / "klab-lab" / "one" for name in ("cpu", "cpuset", "memory", "systemd")]
    assert all(tree.is_dir() for tree in trees)
    assert version1.machines("lab") == {"one"}


def test_version_1_fills_cpuset(version1: ControlGroups, tmp_path: Path) -> None:
    for folder, text in (
        (tmp_path / "cpuset", "0-1\n"),
        (tmp_path / "cpuset/klab-lab/one", ""),
        (tmp_path / "cpuset/klab-lab", ""),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            (folder / name).write_text(text)
    version1.make("lab", "one")
    assert (tmp_path / "cpuset/klab-lab/one/cpuset.cpus").read_text() == "0-1\n"
    assert (tmp_path / "cpuset/klab-lab/one/cpuset.mems").read_text() == "0-1\n"


def test_version_1_limits(version1: ControlGroups, tmp_path: Path) -> None:
    version1.make("lab", "one")
    memory, cpu = tmp_path / "memory/klab-lab/one/memory.limit_in_bytes", tmp_path / "cpu/klab-lab/one/cpu.cfs_quota_us"
    memory.touch()
    cpu.touch()
    version1.limit("lab", "one", 1 << 30, 1.5)
    assert (memory.read_text(), cpu.read_text()) == ("1073741824", "150000")
    version1.limit("lab", "one", None, None)
    assert (memory.read_text(), cpu.read_text()) == ("-1", "-1")


def test_version_2_limits(version2: ControlGroups, tmp_path: Path) -> None:
    assert version2.unified
    assert version2.has_memory()
    version2.make("lab", "one")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpuset +cpu +memory"
    assert (tmp_path / "klab-lab/cgroup.subtree_control").read_text() == "+cpuset +cpu +memory"
    version2.limit("lab", "one", 1 << 30, 0.5)
    assert (tmp_path / "klab-lab/one/memory.max").read_text() == "1073741824"
    assert (tmp_path / "klab-lab/one/cpu.max").read_text() == "50000 100000"
    version2.limit("lab", "one", None, None)
    assert (tmp_path / "klab-lab/one/memory.max").read_text() == "max"


def test_no_memory_controller_is_seen(tmp_path: Path) -> None:
    assert not ControlGroups(tmp_path).has_memory()
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu pids\n")
    assert not ControlGroups(tmp_path).has_memory()


def test_processes_are_found_below_too(version1: ControlGroups, tmp_path: Path) -> None:
    deep = tmp_path / "memory/klab-lab/one/system.slice"
    deep.mkdir(parents=True)
    (deep / "cgroup.procs").write_text("41\n42\n")
    (deep.parent / "cgroup.procs").write_text("0\n43\n")
    assert version1.processes("lab") == {41, 42, 43}
    assert version1.processes("lab", "two") == set()


def test_trees_are_removed_with_what_is_below(version1: ControlGroups, tmp_path: Path) -> None:
    (tmp_path / "memory/klab-lab/one/kubepods/burstable").mkdir(parents=True)
    version1.remove("lab")
    assert not (tmp_path / "memory/klab-lab").exists()


def test_processes_are_ended_until_none_is_found() -> None:
    with subprocess.Popen(["sleep", "60"]) as one, subprocess.Popen(["sleep", "60"]) as two:
        waves = [{one.pid}, {one.pid}, {two.pid}, {two.pid}, set()]
        begin = time.monotonic()
        assert end_processes(lambda: waves.pop(0)) == 2
        assert time.monotonic() - begin < 5
        assert not Path(f"/proc/{one.pid}").exists()
        assert not Path(f"/proc/{two.pid}").exists()


def test_a_process_that_left_the_group_is_spared() -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        waves: list[set[int]] = [{stranger.pid}, set(), set()]
        end_processes(lambda: waves.pop(0))
        assert stranger.poll() is None
        stranger.send_signal(signal.SIGKILL)
