# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From what went wrong to why: the likely cause, in a sentence with its remedy."""

from __future__ import annotations

import re
import typing as t

# The first that matches wins: causes before their symptoms.
_CAUSES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (
            r"no space left on device",
            "The disk is full. Free some space on the file systems of /var/lib and /run, then run again.",
        ),
        (
            r"running with swap on is not supported",
            (
                "kubelet refuses to run because the machine swaps. Take failSwapOn out of "
                "klubster_kubelet_config, or turn "
                "swap off."
            ),
        ),
        (
            r"kubelet is configured to not run on a host using cgroup v1|cgroup v1 support is unsupported",
            (
                "The machine has cgroup v1 and kubelet refuses it. Boot with cgroup v2 "
                "(systemd.unified_cgroup_hierarchy=1), or set failCgroupV1: false in klubster_kubelet_config."
            ),
        ),
        (
            (
                r"missing required cgroup subsystem|missing (required )?cgroups?: memory"
                r"|cgroup.*memory.*(not found|disabled)"
                r"|failed to find subsystem mount for required subsystem: memory"
            ),
            (
                "The kernel has no memory controller for cgroups. On a Raspberry Pi add cgroup_enable=memory "
                "cgroup_memory=1 to cmdline.txt (the machine role does) and reboot."
            ),
        ),
        (
            r"can't get final child's PID from pipe",
            "runc may not lower oom_score_adj on this machine. Set klubster_lower_oom_score: false.",
        ),
        (
            r"failed to adjust OOM|status=214/OOM_ADJUST",
            "systemd may not lower oom_score_adj on this machine. Set klubster_lower_oom_score: false.",
        ),
        (
            r"expected cgroupsPath to be of format|cgroup driver.*is different from",
            (
                "containerd and kubelet make cgroups in different ways. Set cgroupDriver in "
                "klubster_kubelet_config only; "
                "containerd follows it."
            ),
        ),
        (
            r"ErrImageNeverPull|not present with pull policy of Never|failed to get sandbox image",
            (
                "An image is missing in containerd and there is no registry to pull it from. Run "
                "the engine layer again; "
                "it imports what is missing."
            ),
        ),
        (
            r"unknown service runtime\.v1|validate CRI v1 (runtime|image) API|CRI plugin.*disabled",
            (
                "containerd runs without its CRI plugin. Look for another containerd or for "
                "/etc/containerd/config.toml of "
                "somebody else."
            ),
        ),
        (
            r"(bind|listen).*address already in use|Port \d+ is in use",
            "A port of the cluster is taken by another program. See ss -ltnp; stop that program.",
        ),
        (
            r"x509: certificate has expired or is not yet valid",
            (
                "The machines' clocks differ, or a certificate has run out. Compare date -u on "
                "all machines; see kubeadm "
                "certs check-expiration."
            ),
        ),
        (
            r"x509: certificate signed by unknown authority",
            "The machine trusts another cluster's CA. Reset this machine, then run again.",
        ),
        (
            r"invalid bearer token|token id .* is invalid|could not find a JWS signature|no bootstrap token",
            "The token of the join has run out or was removed. Run again; each run makes a new one.",
        ),
        (
            r"inotify|too many open files",
            (
                "The kernel's limit of files or inotify watches is used up. Raise fs.inotify.max_user_instances and "
                "fs.inotify.max_user_watches (machine_sysctls), or fs.file-max."
            ),
        ),
        (
            r"resolv\.conf: no such file",
            "/etc/resolv.conf is missing; no pod can start without it. Create it, an empty one is enough.",
        ),
        (
            r"no such host|server misbehaving",
            "A name cannot be resolved. The API's name must stand in /etc/hosts; the machine layer writes it.",
        ),
        (
            r"OOMKilled|Out of memory: Killed process|oom-kill",
            "The machine ran out of memory. A server needs about 2 GB, an agent about 1 GB.",
        ),
        (
            r"etcdserver: (request timed out|too many requests)|took too long|leader changed",
            "etcd is too slow: its disk does not sync fast enough, or the machine is overloaded. Use a faster disk.",
        ),
        (
            r"no route to host|network is unreachable",
            "A machine cannot be reached. Check addresses, routes and firewalls between the machines.",
        ),
        (
            r"i/o timeout|context deadline exceeded.*dial|connection timed out",
            (
                "A machine does not answer: a firewall drops the packets, or it is down. The API's port must be open "
                "between the machines."
            ),
        ),
        (
            r"connection refused",
            (
                "The API does not listen yet, or its container keeps ending. See crictl or ctr "
                "-n k8s.io containers list, "
                "and /var/log/pods."
            ),
        ),
        (
            r"cni plugin not initialized|network plugin is not ready|NetworkPluginNotReady",
            "The pod network is not there yet. It comes with the CNI layer; run site.yml as a whole.",
        ),
    )
)
_PRESSURES = {
    "MemoryPressure": "The node is short of memory",
    "DiskPressure": "The node is short of disk space",
    "PIDPressure": "The node is short of process numbers",
}


def likely_cause(journal: str, conditions: t.Sequence[t.Mapping[str, t.Any]] = ()) -> str:
    """The likely reason for a failure; empty when nothing known is found.

    :param journal: the end of a unit's journal, or what a program said.
    :param conditions: of the Node object, as the API has them.
    """
    for condition in conditions:
        kind = str(condition.get("type", ""))
        if kind in _PRESSURES and condition.get("status") == "True":
            return f"{_PRESSURES[kind]}: {condition.get('message', '')}".rstrip(": ") + "."
    for pattern, cause in _CAUSES:
        if pattern.search(journal):
            return cause
    for condition in conditions:
        if condition.get("type") == "Ready" and condition.get("status") != "True":
            message = str(condition.get("message", ""))
            for pattern, cause in _CAUSES:
                if pattern.search(message):
                    return cause
            return f"The node is not ready: {message}" if message else "The node is not ready."
    return ""


__all__ = ("likely_cause",)
