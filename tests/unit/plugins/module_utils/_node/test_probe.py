# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import gzip
import json
import os
import socket
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result, run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._node import probe as probing
from ansible_collections.kateskit.klubster.plugins.module_utils._node.probe import Peer, Request, System, probe

V1_CONTROLLERS = ["cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"]
IP_ADDRESS = json.dumps(
    [
        {"ifname": "lo", "flags": ["LOOPBACK", "UP"], "address": "00:00:00:00:00:00", "addr_info": []},
        {
            "ifname": "eth0",
            "flags": ["BROADCAST", "UP"],
            "address": "52:54:00:12:34:56",
            "addr_info": [
                {"family": "inet", "local": "192.168.1.11", "prefixlen": 24, "scope": "global"},
                {"family": "inet6", "local": "fe80::5054:ff:fe12:3456", "prefixlen": 64, "scope": "link"},
            ],
        },
    ]
)


def machine(root: Path, files: dict[str, str]) -> System:
    """A machine made of files; a name that ends with a slash is a folder."""
    for name, text in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return System(_programs, root)


def _programs(argv: t.Sequence[str], **_options: t.Any) -> Result:
    if argv[:3] == ["ip", "-json", "address"]:
        return Result(0, IP_ADDRESS, "")
    if argv[:2] == ["ip", "-json"]:
        return Result(0, '[{"dst": "default", "dev": "eth0"}]' if "-4" in argv else "", "")
    if argv[0].endswith("kubelet"):
        return Result(0, "Kubernetes v1.34.2\n", "")
    if argv[0].endswith("containerd"):
        return Result(0, "containerd github.com/containerd/containerd/v2 v2.1.5 abc\n", "")
    raise CommandFailed(argv, 127, "", "no such program")


def test_this_very_machine_is_read_in_a_moment() -> None:
    begin = time.monotonic()
    found = probe(Request(paths=("/", "/no/such/folder"), ports=(1,)), System(run))
    assert time.monotonic() - begin < 5
    assert json.loads(json.dumps(found)) == found
    assert found["hostname"] == socket.gethostname()
    assert [entry["at"] for entry in found["file_systems"]] == ["/", "/"]
    assert found["memory_mib"] > 0


def test_a_machine_made_of_files(tmp_path: Path) -> None:
    system = machine(
        tmp_path,
        {
            "etc/hostname": "node1\n",
            "etc/machine-id": "0123\n",
            "etc/os-release": 'PRETTY_NAME="Debian 12"\nID=debian\nVERSION_ID="12"\n',
            "proc/meminfo": "MemTotal:        2048000 kB\nMemFree: 1 kB\n",
            "run/systemd/system/": "",
            "sys/class/dmi/id/product_uuid": "ABCD\n",
            "proc/swaps": "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n",
            "proc/1/status": "CapBnd:\t000001ffffffffff\n",
        },
    )
    found = probe(Request(), system)
    assert found["hostname"] == "node1"
    assert found["machine_id"] == "0123"
    assert found["product_uuid"] == "abcd"
    assert found["distribution"] == {"id": "debian", "like": "", "version": "12", "name": "Debian 12"}
    assert found["memory_mib"] == 2000
    assert found["systemd"]
    assert found["swap"] == ["/dev/sda2"]
    assert found["may_lower_oom_score"]
    assert found["default_route"] == "eth0"
    assert found["interfaces"] == [
        {"name": "eth0", "mac": "52:54:00:12:34:56", "virtual": True, "addresses": ["192.168.1.11/24"]}
    ]


def test_a_container_has_no_product_uuid_of_its_own(tmp_path: Path) -> None:
    system = machine(
        tmp_path,
        {"run/systemd/container": "systemd-nspawn", "sys/class/dmi/id/product_uuid": "ABCD", "etc/hostname": "x"},
    )
    found = probe(Request(), system)
    assert (found["container"], found["product_uuid"]) == ("systemd-nspawn", "")


def test_without_the_capability_the_oom_score_cannot_be_lowered(tmp_path: Path) -> None:
    assert not probing.may_lower_oom_score(machine(tmp_path, {"proc/1/status": "CapBnd:\t000001fffeffffff\n"}))


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"sys/fs/cgroup/memory.max": "max\n"}, 2000),
        ({"sys/fs/cgroup/memory.max": f"{512 << 20}\n"}, 512),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 2000),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{1024 << 20}\n"}, 1024),
    ],
)
def test_memory_is_what_the_machine_may_use(tmp_path: Path, files: dict[str, str], wanted: int) -> None:
    assert probing.memory_mib(machine(tmp_path, {"proc/meminfo": "MemTotal: 2048000 kB\n", **files})) == wanted


def _v1(disabled: str = "") -> dict[str, str]:
    rows = "".join(f"{name} 1 1 {0 if name == disabled else 1}\n" for name in V1_CONTROLLERS)
    folders = {f"sys/fs/cgroup/{name}/cgroup.procs": "" for name in V1_CONTROLLERS if name != disabled}
    return {"proc/cgroups": f"#subsys_name hierarchy num_cgroups enabled\n{rows}", **folders}


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (
            {"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n"},
            {"version": 2, "controllers": ["cpu", "cpuset", "io", "memory", "pids"]},
        ),
        ({"sys/fs/cgroup/cgroup.controllers": "cpu pids\n"}, {"version": 2, "controllers": ["cpu", "pids"]}),
        (_v1(), {"version": 1, "controllers": V1_CONTROLLERS}),
        (_v1("memory"), {"version": 1, "controllers": [name for name in V1_CONTROLLERS if name != "memory"]}),
    ],
    ids=["v2", "v2 without memory", "v1", "v1 without memory"],
)
def test_control_groups(tmp_path: Path, files: dict[str, str], wanted: dict[str, t.Any]) -> None:
    assert probing.cgroup(machine(tmp_path, files)) == wanted


def test_kernel_features_by_whatever_shows_them(tmp_path: Path) -> None:
    system = machine(
        tmp_path,
        {
            "proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
            "sys/module/overlay/": "",
            "lib/modules/6.1.0-18-amd64/modules.builtin": "kernel/net/bridge/bridge.ko\n",
            "lib/modules/6.1.0-18-amd64/modules.dep": "kernel/net/vxlan.ko.xz: kernel/udp_tunnel.ko.xz\n",
            "boot/config-6.1.0-18-amd64": "# head\nCONFIG_VETH=y\nCONFIG_NF_TABLES=m\n",
        },
    )
    found = probing.kernel(system)
    assert found["release"] == "6.1.0-18-amd64"
    features = found["features"]
    assert features["overlay"] == "works"
    assert features["bridge"] == "loadable"
    assert features["vxlan"] == "loadable"
    assert features["veth"] == "works"
    assert features["nf_tables"] == "missing"
    assert features["xt_comment"] == "missing"


def test_only_what_is_needed_is_looked_for_and_the_rest_when_that_is_missing(tmp_path: Path) -> None:
    files = {
        "proc/sys/kernel/osrelease": "6.1\n",
        "sys/module/overlay/": "",
        "lib/modules/6.1/modules.dep": "kernel/net/ipip.ko:\nkernel/net/overlay.ko:\n",
    }
    system = machine(tmp_path, files)
    assert probing.kernel(system, ["overlay", "ipip"])["features"] == {"overlay": "works", "ipip": "loadable"}
    found = probing.kernel(system, ["overlay", "wireguard"])["features"]
    assert set(found) == set(probing.FEATURES)
    assert (found["wireguard"], found["ipip"]) == ("missing", "loadable")


def test_files_of_modules_are_not_read_for_what_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_modules", lambda *_: pytest.fail("they cost time in every run"))
    system = machine(tmp_path, {"proc/sys/kernel/osrelease": "6.1\n", "sys/module/overlay/": ""})
    assert probing.kernel(system, ["overlay"])["features"] == {"overlay": "works"}


def test_a_kernel_without_modules_tells_by_its_configuration(tmp_path: Path) -> None:
    system = machine(tmp_path, {"proc/sys/kernel/osrelease": "6.18\n"})
    assert set(probing.kernel(system)["features"].values()) == {"unknown"}
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(b"#\nCONFIG_VXLAN=y\nCONFIG_VETH=n\n"))
    features = probing.kernel(system)["features"]
    assert (features["vxlan"], features["veth"]) == ("works", "missing")


def test_who_listens_on_a_port(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: {0:08X}:{1:04X} 00000000:0000 {2} 00000000:00000000 00:00000000 00000000     0        0 {3} 1\n"
    system = machine(
        tmp_path,
        {
            "proc/net/tcp": head + row.format(0, 10250, "0A", 111) + row.format(0, 22, "0A", 222),
            "proc/net/tcp6": head + row.format(0, 6443, "0A", 333) + row.format(0, 2379, "01", 444),
            "proc/17/comm": "nginx\n",
            "proc/17/fd/": "",
            "proc/self/": "",
        },
    )
    (tmp_path / "proc/17/fd/5").symlink_to("socket:[111]")
    assert probing.ports((10250, 6443, 2379), system) == [
        {"port": 6443, "program": ""},
        {"port": 10250, "program": "nginx"},
    ]
    assert probing.ports((80,), system) == []


def test_remains_of_others(tmp_path: Path) -> None:
    assert probing.foreign(machine(tmp_path, {"etc/rancher/k3s/config.yaml": "", "var/snap/microk8s/": ""})) == [
        "k3s",
        "microk8s",
    ]


def test_a_folder_that_we_made_before_the_program_came_is_nobodys_remains(tmp_path: Path) -> None:
    pod = "var/lib/rancher/k3s/agent/pod-manifests/kube-vip.yaml"
    ours = {"files": {f"/{pod}": {"sha256": "0"}}, "directories": ["/var/lib/rancher", "/var/lib/rancher/k3s"]}
    files = {pod: "", "var/lib/klubster/installed.json": json.dumps(ours)}
    assert probing.foreign(machine(tmp_path / "cut", files)) == []
    # Then somebody installs k3s by hand.
    assert probing.foreign(machine(tmp_path / "by-hand", {**files, "usr/local/bin/k3s": ""})) == ["k3s"]
    other = {**files, "var/lib/klubster/installed.json": json.dumps({**ours, "directories": []})}
    assert probing.foreign(machine(tmp_path / "before-us", other)) == ["k3s"]


def test_a_bare_machine_has_nothing_installed(tmp_path: Path) -> None:
    assert probing.installed(machine(tmp_path, {"etc/kubernetes/manifests/": ""}), versions=True) == {
        "record": False,
        "files": {},
        "kubeadm": [],
        "api": "",
        "role": "",
        "version": "",
        "markers": {},
        "versions": {},
    }


def test_a_server_of_ours(tmp_path: Path) -> None:
    record = {
        "files": {
            "/usr/local/bin/kubelet": {"sha256": "aa", "block": None},
            "/etc/hosts": {"sha256": "bb", "block": "klubster"},
        }
    }
    system = machine(
        tmp_path,
        {
            "var/lib/klubster/installed.json": json.dumps(record),
            "etc/kubernetes/admin.conf": "clusters:\n- cluster:\n    server: https://api.home.internal:6443\n",
            "etc/kubernetes/kubelet.conf": "    server: https://192.168.1.11:6443\n",
            "etc/kubernetes/manifests/kube-apiserver.yaml": "    image: bundle.test/kube-apiserver:v1.34.1\n",
            "usr/local/bin/kubelet": "",
            "usr/local/bin/containerd": "",
        },
    )
    found = probing.installed(system, versions=True)
    assert found["record"]
    assert found["files"] == {"/usr/local/bin/kubelet": "aa"}
    assert found["kubeadm"] == ["/etc/kubernetes/kubelet.conf", "/etc/kubernetes/manifests"]
    assert (found["api"], found["role"]) == ("api.home.internal:6443", "server")
    assert found["version"] == "1.34.1"
    assert found["versions"] == {"kubelet": "1.34.2", "containerd": "2.1.5"}


def test_an_agent_of_another_cluster(tmp_path: Path) -> None:
    system = machine(tmp_path, {"etc/kubernetes/kubelet.conf": "    server: https://10.0.0.9:6443\n"})
    found = probing.installed(system)
    assert (found["record"], found["api"], found["role"]) == (False, "10.0.0.9:6443", "agent")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": {"a": 1}}'])
def test_a_damaged_record_does_not_stop_the_probe(tmp_path: Path, text: str) -> None:
    found = probing.installed(machine(tmp_path, {"var/lib/klubster/installed.json": text}))
    assert (found["record"], found["files"]) == (True, {})


def test_a_raspberry_pi(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "boot/firmware/cmdline.txt": "root=/dev/sda rw\n",
    }
    assert probing.raspberry_pi(machine(tmp_path, files)) == {
        "model": "Raspberry Pi 4 Model B Rev 1.4",
        "command_line": "/boot/firmware/cmdline.txt",
    }


def test_firewalls_and_security(tmp_path: Path) -> None:
    files = {"etc/ufw/ufw.conf": "# x\nENABLED=yes\n", "sys/fs/selinux/enforce": "1"}
    assert probing.security(machine(tmp_path, files)) == {
        "selinux": "enforcing",
        "k3s_policy": False,
        "apparmor": False,
        "firewall": "ufw",
    }


def test_an_address_is_local_or_not() -> None:
    assert probing.is_local("127.0.0.1")
    assert not probing.is_local("203.0.113.77")
    assert not probing.is_local("no address")


def test_a_file_system_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    found = probing.file_system("/var/lib/etcd", System(run, tmp_path))
    assert found["at"] == "/var"
    assert found["device"] == os.stat(tmp_path).st_dev  # noqa: PTH116 - the same call on the other side
    assert found["free_mib"] > 0


def test_peers_that_answer_refuse_or_keep_silent() -> None:
    with socket.socket() as answering, socket.socket() as silent, socket.socket() as refusing:
        for listener in (answering, silent):
            listener.bind(("127.0.0.1", 0))
        answering.listen()
        # A full queue of connections drops all others without a word, as a firewall does.
        silent.listen(0)
        callers = [socket.socket() for _number in range(3)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(silent.getsockname())
        refusing.bind(("127.0.0.1", 0))
        ports = [listener.getsockname()[1] for listener in (answering, refusing, silent)]
        peers = (Peer("here", "127.0.0.1", tuple(ports)), Peer("nowhere", "255.255.255.255", (6443,)))
        begin = time.monotonic()
        found = probe(Request(peers=peers, peer_timeout=0.4), System(run))["silent_peers"]
        assert 0.3 < time.monotonic() - begin < 10
        for caller in callers:
            caller.close()
    assert [(entry["name"], entry["port"]) for entry in found] == [("here", ports[2]), ("nowhere", 6443)]
    assert found[0]["reason"] == "no answer in 0.4 s"
    assert "Permission denied" in found[1]["reason"] or "unreachable" in found[1]["reason"]
