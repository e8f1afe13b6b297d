# SPDX-License-Identifier: Apache-2.0
"""What node_probe finds on three good machines, and the plan that they fit."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse
from ansible_collections.kateskit.klubster.plugins.module_utils._node.probe import FEATURES

from inventories import good

DISK = {"/etc": 10, "/var/lib/containerd": 1500, "/var/lib/etcd": 500}


def plan(**changes: t.Any) -> dict[str, t.Any]:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        hosts[name] |= changes
    return parse(hosts, groups, bundle_dir="/srv/bundle").spec.as_dict()


def good_probe(number: int) -> dict[str, t.Any]:
    """A bare machine with cgroup v2."""
    return {
        "clock": {"offset": 0.1 * number, "uncertainty": 0.2},
        "hostname": f"node{number}",
        "machine_id": f"{number:032d}",
        "product_uuid": f"uuid-{number}",
        "container": "",
        "architecture": "amd64",
        "distribution": {"id": "debian", "like": "", "version": "12", "name": "Debian 12"},
        "cpus": 4,
        "memory_mib": 4000,
        "systemd": True,
        "cgroup": {"version": 2, "controllers": ["cpu", "cpuset", "io", "memory", "pids"]},
        "kernel": {"release": "6.1", "features": dict.fromkeys(FEATURES, "loadable")},
        "file_systems": [
            {
                "path": path,
                "at": "/",
                "device": 1,
                "size_mib": 9000,
                "free_mib": 5000,
                "inodes_free": 99999,
                "read_only": False,
            }
            for path in DISK
        ],
        "interfaces": [
            {
                "name": "eth0",
                "mac": f"52:54:00:00:00:0{number}",
                "virtual": False,
                "addresses": [f"192.168.1.1{number}/24"],
            }
        ],
        "default_route": "eth0",
        "address_local": True,
        "ports": [],
        "silent_peers": [],
        "swap": [],
        "security": {"selinux": "disabled", "k3s_policy": False, "apparmor": True, "firewall": "none"},
        "may_lower_oom_score": True,
        "raspberry_pi": {"model": "", "command_line": ""},
        "missing_commands": [],
        "foreign": [],
        "installed": {"record": False, "files": {}, "kubeadm": [], "api": "", "role": "", "versions": {}},
    }


def probes(**changes: t.Any) -> dict[str, dict[str, t.Any]]:
    """Three good probes; changes are for node2, and a mapping is laid over what is there."""
    found = {f"node{number}": good_probe(number) for number in (1, 2, 3)}
    for name, value in changes.items():
        had = found["node2"][name]
        found["node2"][name] = had | value if isinstance(value, dict) else value
    return found


RUNNING = {
    "record": True,
    "api": "api.home.internal:6443",
    "role": "agent",
    "kubeadm": ["/etc/kubernetes/kubelet.conf"],
}
