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
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import reset as resetting
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM, LAYOUTS
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.reset import (
    Reset,
    ResetError,
    empty,
    mounts_below,
    remove_cgroups,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import LEFTOVERS
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
    monkeypatch.setattr(resetting, "LEFTOVERS", ())
    monkeypatch.setattr(resetting, "interfaces_of", lambda *_: [])
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


def test_the_address_that_a_killed_pod_held_goes(
    machine: Reset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = tmp_path / "data/kube-vip.yaml"
    monkeypatch.setattr(kube_vip, "POD", str(pod))
    record = Record.load(tmp_path / "state")
    files = kube_vip.files(kube_vip.Pod("192.0.2.10", 6443, "eth0", "kube-vip:v1"))
    managed_files.apply(files, managed_files.plan(files, "api-address", record), "api-address", record)
    done: list[str] = []

    def remember(argv: t.Sequence[str], **_: t.Any) -> Result:
        done.append(" ".join(argv))
        return Result(0, "", "")

    machine.run = remember
    machine.perform()
    # While the node runs, the pod would take it again.
    assert done.index("ip address delete 192.0.2.10/32 dev eth0") > max(
        number for number, words in enumerate(done) if words.startswith("systemctl disable")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["proc"]


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


def test_interfaces_of_every_provider_go_and_tunnels_of_others_stay(tmp_path: Path) -> None:
    kinds = {"cilium_host": "1", "vxlan.calico": "1", "kube-bridge": "1", "flannel-wg": "65534", "eth0": "1"}
    tunnels = {"tun-1000212": "768", "tun-0a1b2c3d4e5": "768", "tun-1234567": "65534", "tun-home": "768"}
    for name, kind in {**kinds, **tunnels}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(f"{kind}\n")
    for layout in LAYOUTS.values():
        found = resetting.interfaces_of(layout.interfaces, tmp_path)
        assert sorted(found) == sorted({*kinds, "tun-1000212", "tun-0a1b2c3d4e5"} - {"eth0"})


@pytest.mark.parametrize(
    "left",
    [
        "etc/cni/net.d/10-flannel.conflist",
        "etc/cni/net.d/10-calico.conflist",
        "etc/cni/net.d/10-kuberouter.conflist",
        "etc/cni/net.d/05-cilium.conflist",
        "etc/sysctl.d/99-zzz-override_cilium.conf",
        "var/lib/calico/nodename",
        "run/cilium/state/1/ep_config.json",
        "sys/fs/bpf/cilium/devices/eth0",
        "sys/fs/bpf/tc/globals/cilium_ct4_global",
    ],
)
def test_what_a_provider_left_goes_and_what_others_made_stays(left: str, tmp_path: Path) -> None:
    kept = ["etc/cni/net.d/99-mine.conflist", "sys/fs/bpf/tc/globals/mine", "run/other"]
    for name in (left, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert len(resetting.remove_leftovers(LEFTOVERS, tmp_path)) == 1
    assert not (tmp_path / left).exists()
    assert all((tmp_path / name).exists() for name in kept)
    assert resetting.remove_leftovers(LEFTOVERS, tmp_path) == []


def test_what_cilium_mounts_is_unmounted(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text("none /run/cilium/cgroupv2 cgroup2 rw 0 0\nnone /sys/fs/bpf bpf rw 0 0\n")
    for layout in LAYOUTS.values():
        assert resetting.mounts_below(layout.mounts, table) == ["/run/cilium/cgroupv2"]
