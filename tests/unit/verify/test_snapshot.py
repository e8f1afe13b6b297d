# SPDX-License-Identifier: Apache-2.0
"""The comparison by which reset and idempotence are judged must itself be able to see a difference."""

from __future__ import annotations

import importlib.util
import typing as t
from pathlib import Path

import pytest

_FILE = Path(__file__).resolve().parents[2] / "verify" / "snapshot.py"
_SPEC = importlib.util.spec_from_file_location("klubster_snapshot", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
snapshot: t.Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(snapshot)

EMPTY: dict[str, t.Any] = {
    "processes": [{"pid": 1, "started": 5, "age": 900.0, "line": "/lib/systemd/systemd"}],
    "mounts": ["/ overlay"],
    "interfaces": ["host0 mtu=1500 master=- 192.0.2.11/24"],
    "routes": ["192.0.2.0/24 dev host0"],
    "rules": [],
    "files": {"/etc/hosts": "-rw-r--r-- 0:0 sha256=1"},
    "sysctls": {"net.ipv4.ip_forward": "1"},
    "cgroups": [],
    "swaps": [],
    "units": ["ssh.service"],
    "failed": [],
}

DIFFERENCES: list[tuple[str, t.Any, str]] = [
    ("mounts", ["/ overlay", "/var/lib/kubelet/pods/x tmpfs"], "mounts: appeared: /var/lib/kubelet/pods/x tmpfs"),
    ("mounts", [], "mounts: gone: / overlay"),
    ("interfaces", [*EMPTY["interfaces"], "cni0 mtu=1450 master=- "], "interfaces: appeared: cni0 mtu=1450 master=- "),
    ("routes", [*EMPTY["routes"], "10.244.1.0/24 via flannel.1"], "routes: appeared: 10.244.1.0/24 via flannel.1"),
    ("rules", ["iptables-save nat chain KUBE-SERVICES -"], "rules: appeared: iptables-save nat chain KUBE-SERVICES -"),
    ("cgroups", ["/sys/fs/cgroup/memory/kubepods"], "cgroups: appeared: /sys/fs/cgroup/memory/kubepods"),
    ("units", ["kubelet.service", "ssh.service"], "units: appeared: kubelet.service"),
    ("failed", ["kubelet.service"], "failed: appeared: kubelet.service"),
    ("swaps", ["/swapfile"], "swaps: appeared: /swapfile"),
    (
        "files",
        {"/etc/hosts": "-rw-r--r-- 0:0 sha256=2"},
        "files: /etc/hosts: -rw-r--r-- 0:0 sha256=1 -> -rw-r--r-- 0:0 sha256=2",
    ),
    ("files", {}, "files: /etc/hosts: -rw-r--r-- 0:0 sha256=1 -> absent"),
    ("sysctls", {"net.ipv4.ip_forward": "0"}, "sysctls: net.ipv4.ip_forward: 1 -> 0"),
    ("processes", [], "processes: gone: /lib/systemd/systemd"),
    (
        "processes",
        [*EMPTY["processes"], {"pid": 9, "started": 8, "age": 60.0, "line": "kubelet"}],
        "processes: appeared: kubelet",
    ),
]


def test_equal_looks_have_no_difference() -> None:
    assert snapshot.changes(EMPTY, EMPTY) == []


@pytest.mark.parametrize("part, value, line", DIFFERENCES, ids=[entry[2][:40] for entry in DIFFERENCES])
def test_each_difference_is_named(part: str, value: t.Any, line: str) -> None:
    assert snapshot.changes(EMPTY, {**EMPTY, part: value}) == [line]


def test_a_restart_is_seen_by_pid_and_by_start() -> None:
    old = {"pid": 7, "started": 100, "age": 60.0, "line": "kubelet"}
    young = {**old, "pid": 8, "age": 2.0}
    assert snapshot.restarted([old], [old]) == []
    assert snapshot.restarted([old], [{**old, "started": 200}]) == ["kubelet"]
    assert snapshot.restarted([old], []) == ["kubelet"]
    assert snapshot.restarted([young], []) == []


def test_iptables_rules_without_counters() -> None:
    text = "*nat\n:PREROUTING ACCEPT [5:300]\n:KUBE-X - [0:0]\n-A PREROUTING -j KUBE-X\nCOMMIT\n"
    assert snapshot.rules_of_iptables(text) == ["nat chain KUBE-X -", "nat -A PREROUTING -j KUBE-X"]
    assert snapshot.rules_of_iptables("*filter\n:INPUT ACCEPT [1:2]\nCOMMIT\n") == []


def test_nft_rules_without_counters() -> None:
    text = (
        "table ip nat {\n\tchain KUBE {\n\t\tcounter packets 5 bytes 300 jump X\n\t}\n"
        "\tchain POST {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n\t}\n}\n"
    )
    assert snapshot.rules_of_nft(text) == ["ip nat KUBE counter jump X"]


def test_files_see_content_mode_and_kind(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x", encoding="utf-8")
    before = snapshot.files(str(tmp_path), ())
    assert list(before) == [str(tmp_path / "kept")]
    (tmp_path / "kept").chmod(0o600)
    (tmp_path / "link").symlink_to("kept")
    after = snapshot.files(str(tmp_path), ())
    assert after[str(tmp_path / "kept")] != before[str(tmp_path / "kept")]
    assert after[str(tmp_path / "link")].endswith("-> kept")


def test_this_machine_can_be_looked_at() -> None:
    assert any(entry["line"] for entry in snapshot.processes())
    assert any(line.startswith("/ ") for line in snapshot.mounts())
