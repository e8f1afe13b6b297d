# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From what went wrong to why: the likely cause, in a sentence with its remedy."""

from __future__ import annotations

import re
import typing as t

Table = tuple[tuple["re.Pattern[str]", str], ...]


def _table(*rows: tuple[str, str]) -> Table:
    return tuple((re.compile(pattern, re.IGNORECASE), cause) for pattern, cause in rows)


# The first that matches wins. A cause may name what the text names: {0} is what the pattern's first group has found.
# Words of k3s are those of its issues 390 (hetzner-k3s), 2527, 3727, 4049, 7000, 8381, 9748, 10755, 12745, 13498 and of
# its own code.
_CAUSES: Table = _table(
    (
        r"no space left on device",
        "The disk is full. Free some space on the file systems of /var/lib and /run, then run again.",
    ),
    (
        r"node password rejected|node password validation failed",
        (
            "The node's name is taken: the cluster knows another machine, or an earlier life of this one, by it "
            "(node password rejected). Give the machine a klubster_node_name of its own, or take the old node "
            "away with playbooks/remove_node.yml."
        ),
    ),
    (
        r"a node with name \"([^\"]+)\" and status \"[^\"]*\" already exists",
        (
            "The node's name {0} is taken: a living node of the cluster has it. Give this machine a "
            "klubster_node_name of its own, or take the other node away with playbooks/remove_node.yml."
        ),
    ),
    (
        r"duplicate node name found",
        (
            "The node's name is taken: a member of etcd has it already. Give this machine a klubster_node_name "
            "of its own, or take the other server away with playbooks/remove_node.yml."
        ),
    ),
    (
        r"critical configuration mismatched: ([^\"\n]+)|critical configuration value mismatch",
        (
            "A setting that must be the same on all servers differs from that of the running ones: {0}. Write it "
            "once for the whole group servers."
        ),
    ),
    (
        (
            r"token ca hash does not match|none of the public keys \"?[^\n]* are pinned"
            r"|cluster ca found in [^\n]* is invalid"
        ),
        (
            "The CA hash of the token does not fit: it belongs to another cluster, or the CA was made anew. "
            "Take the token that the servers have now."
        ),
    ),
    (
        r"bootstrap data already found and encrypted with different token",
        (
            "The token is wrong: the cluster's data was written with another one. Give this server the token of "
            "the others."
        ),
    ),
    (
        (
            r"invalid bearer token|token id .* is invalid|could not find a JWS signature|no bootstrap token"
            r"|JWS signature verification failed|failed to verify JWS signature"
            r"|401 Unauthorized|failed to normalize server token"
        ),
        (
            "The token of the join is wrong, has run out or was removed. Run again; a token that the inventory "
            "gives must be that of the servers."
        ),
    ),
    (
        (
            r"RAFT NO LEADER|etcdserver: no leader|etcd has no leader|lost leader"
            r"|etcd cluster is unavailable or misconfigured|failed to publish local member to cluster through raft"
        ),
        (
            "etcd has no quorum: fewer than half of its members are there, so nothing can be read or written. Start "
            "the other servers; of those that will never come back, see docs/troubleshooting.md."
        ),
    ),
    (
        r"member has been permanently removed|has been removed from the cluster|tombstone file has been detected but",
        (
            "This server was taken out of etcd, and its data is that of a member that is no more. Reset this machine "
            "(playbooks/reset.yml, --limit), then run again: it joins as a new one."
        ),
    ),
    (
        r"too many learner members",
        (
            "Another server is joining etcd just now, or was lost while it joined; one joins at a time. Run again when "
            "it is through, or take away what is gone for good with playbooks/remove_node.yml."
        ),
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
            r"|failed to find subsystem mount for required subsystem: memory|failed to find memory cgroup"
            r"|cgroups?: (the )?memory controller|cgroup mountpoint does not exist"
            r"|cgroup subsystem not mounted: \[[^\]\n]*memory"
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
            "The machines' clocks differ, or a certificate has run out. Compare date -u on all machines; see kubeadm "
            "certs check-expiration, or k3s certificate check."
        ),
    ),
    (
        r"x509: certificate signed by unknown authority",
        "The machine trusts another cluster's CA. Reset this machine, then run again.",
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
)
# What follows from other things as well: asked only when no text names a cause.
_SYMPTOMS: Table = _table(
    (
        r"etcdserver: (request timed out|too many requests)|took too long|leader changed",
        "etcd is too slow: its disk does not sync fast enough, or the machine is overloaded. Use a faster disk.",
    ),
    (
        r"no route to host|network is unreachable",
        "A machine cannot be reached. Check addresses, routes and firewalls between the machines.",
    ),
    (
        (
            r"i/o timeout|context deadline exceeded.*dial|dial.*context deadline exceeded|connection timed out"
            r"|request canceled while waiting for connection|Client\.Timeout exceeded"
            # An agent of k3s asks by way of its own load balancer, which hangs up when no server answers.
            r"|/cacerts\\?\": (EOF|read tcp [^\n]*connection reset by peer)"
        ),
        (
            "A machine does not answer: a firewall drops the packets, or it is down. The API's port must be open "
            "between the machines."
        ),
    ),
    (
        # etcd's client says no more of a member that it cannot reach.
        r"etcd-client[^\n]*code = DeadlineExceeded",
        (
            "A machine does not answer: a firewall drops the packets, or it is down. etcd's ports, 2379 and 2380, must "
            "be open between the servers."
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
_PRESSURES = {
    "MemoryPressure": "The node is short of memory",
    "DiskPressure": "The node is short of disk space",
    "PIDPressure": "The node is short of process numbers",
}


def likely_cause(*texts: str, conditions: t.Sequence[t.Mapping[str, t.Any]] = ()) -> str:
    """The likely reason for a failure; empty when nothing known is found.

    :param texts: what a program said, the end of a journal: those that know best first.
    :param conditions: of the Node object, as the API has them.
    """
    for condition in conditions:
        kind = str(condition.get("type", ""))
        if kind in _PRESSURES and condition.get("status") == "True":
            return f"{_PRESSURES[kind]}: {condition.get('message', '')}".rstrip(": ") + "."
    messages = [
        str(condition.get("message", ""))
        for condition in conditions
        if condition.get("type") == "Ready" and condition.get("status") != "True"
    ]
    # A cause in any text is worth more than a symptom in the first.
    for table in (_CAUSES, _SYMPTOMS):
        for text in (*texts, *messages):
            found = _first(table, text)
            if found:
                return found
    for message in messages:
        return f"The node is not ready: {message}" if message else "The node is not ready."
    return ""


def _first(table: Table, text: str) -> str:
    for pattern, cause in table:
        if not pattern.search(text):
            continue
        named: list[str] = []
        if "{0}" in cause:
            named = [found[1].strip(" .,") for found in pattern.finditer(text) if found[1]]
        if named:
            return cause.replace("{0}", ", ".join(dict.fromkeys(named)))
        return cause.replace(": {0}", "").replace(" {0}", "")
    return ""


__all__ = ("likely_cause",)
