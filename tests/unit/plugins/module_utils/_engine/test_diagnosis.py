# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.diagnosis import likely_cause

TEST_JOURNALS: list[tuple[str, str]] = [
    ("write /var/lib/kubelet/x: no space left on device", "The disk is full"),
    ("failed to run Kubelet: running with swap on is not supported, please disable swap", "because the machine swaps"),
    (
        'err="invalid configuration: kubelet is configured to not run on a host using cgroup v1"',
        "failCgroupV1: false",
    ),
    ("[ERROR SystemVerification]: missing required cgroups: memory", "cgroup_enable=memory"),
    ("system validation failed - Following Cgroup subsystem not mounted: [memory]", "cgroup_enable=memory"),
    (
        ("OCI runtime create failed: unable to start container process: can't get final child's PID from pipe: EOF"),
        "klubster_lower_oom_score: false",
    ),
    ("containerd.service: Main process exited, code=exited, status=214/OOM_ADJUST", "klubster_lower_oom_score: false"),
    ("Container image is not present with pull policy of Never", "An image is missing"),
    ("rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService", "without its CRI plugin"),
    ("listen tcp 0.0.0.0:10250: bind: address already in use", "taken by another program"),
    ("[ERROR Port-6443]: Port 6443 is in use", "taken by another program"),
    ("tls: failed to verify certificate: x509: certificate has expired or is not yet valid", "clocks differ"),
    ("x509: certificate signed by unknown authority", "another cluster's CA"),
    ('could not find a JWS signature in the cluster-info ConfigMap for token ID "abcdef"', "token of the join"),
    ("inotify_init: too many open files", "fs.inotify.max_user_instances"),
    ("open /etc/resolv.conf: no such file or directory", "/etc/resolv.conf is missing"),
    ("dial tcp: lookup api.home.internal: no such host", "stand in /etc/hosts"),
    ("dial tcp 192.0.2.11:6443: connect: no route to host", "cannot be reached"),
    ("dial tcp 192.0.2.11:6443: i/o timeout", "a firewall drops the packets"),
    ("dial tcp 192.0.2.11:6443: connect: connection refused", "The API does not listen yet"),
    ('"Container runtime network not ready" err="cni plugin not initialized"', "comes with the CNI layer"),
    (
        (
            "couldn't validate the identity of the API Server: cluster CA found in cluster-info ConfigMap is invalid: "
            'none of the public keys "sha256:ab" are pinned'
        ),
        "CA hash of the token does not fit",
    ),
    ("failed to verify JWS signature of received cluster info object", "token of the join is wrong"),
    (
        'a Node with name "agent1" and status "Ready" already exists in the cluster. You must delete it',
        "The node's name agent1 is taken",
    ),
    (
        (
            'Get "https://192.0.2.11:6443/api/v1": net/http: request canceled while waiting for connection '
            "(Client.Timeout exceeded while awaiting headers)"
        ),
        "a firewall drops the packets",
    ),
    ('{"health":"false","reason":"RAFT NO LEADER"}', "etcd has no quorum"),
    ("all is well", ""),
    ("", ""),
]


# As k3s writes them, by reports of its users.
TEST_JOURNALS_OF_K3S: list[tuple[str, str]] = [
    (
        (
            'level=info msg="Waiting to retrieve agent configuration; server is not ready: Node password rejected, '
            "duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry\""
        ),
        "The node's name is taken",
    ),
    ("level=error msg=\"Node password validation failed for 'agent1'\"", "The node's name is taken"),
    (
        'level=error msg="failed to get CA certs: Get \\"https://127.0.0.1:6444/cacerts\\": EOF"',
        "firewall drops the packets",
    ),
    (
        (
            'level=error msg="failed to get CA certs: Get \\"https://127.0.0.1:6444/cacerts\\": read tcp '
            '127.0.0.1:47166->127.0.0.1:6444: read: connection reset by peer"'
        ),
        "a firewall drops the packets",
    ),
    ('level=info msg="Failed to test etcd connection: etcdserver: no leader"', "etcd has no quorum"),
    # What etcd 3.6 of a server said that started without the others (tests/lab/test_causes_k3s.py).
    (
        (
            '{"msg":"prober detected unhealthy status","error":"dial tcp 192.0.2.99:2380: connect: no route to host"}\n'
            '{"msg":"failed to publish local member to cluster through raft","error":"context deadline exceeded"}'
        ),
        "etcd has no quorum",
    ),
    (
        '{"level":"warn","msg":"server error","error":"the member has been permanently removed from the cluster"}',
        "This server was taken out of etcd",
    ),
    (
        'msg="Waiting for other members to finish joining etcd cluster: etcdserver: too many learner members"',
        "Another server is joining etcd just now",
    ),
    ('level=fatal msg="ETCD join failed: duplicate node name found, please use a unique name"', "name is taken"),
    (
        (
            'level=warning msg="critical configuration mismatched: flannel-backend"\n'
            'level=warning msg="critical configuration mismatched: disable network policy"\n'
            'level=fatal msg="preparing server: failed to bootstrap cluster data: failed to validate server '
            'configuration: critical configuration value mismatch between servers"'
        ),
        "differs from that of the running ones: flannel-backend, disable network policy. Write it once",
    ),
    (
        'level=fatal msg="unable to join cluster due to critical configuration value mismatch"',
        "differs from that of the running ones. Write it once",
    ),
    (
        'level=error msg="token CA hash does not match the Cluster CA certificate hash: f08676bf != 8e7d49c6"',
        "CA hash of the token does not fit",
    ),
    (
        'level=error msg="failed to get CA certs: https://127.0.0.1:6444/cacerts: 401 Unauthorized"',
        "token of the join is wrong",
    ),
    (
        (
            'level=fatal msg="Failed to reconcile with temporary etcd: bootstrap data already found and encrypted with '
            'different token"'
        ),
        "data was written with another one",
    ),
    ('level=fatal msg="ETCD join failed: etcdserver: too many learner members in cluster"', "one joins at a time"),
    (
        'level=fatal msg="failed to find memory cgroup (v2)"',
        "cgroup_enable=memory",
    ),
    ('level=error msg="Failed to check local etcd status: rpc error: etcdserver: no leader"', "etcd has no quorum"),
    (
        'level=error msg="failed to get CA certs: Get https://192.0.2.1:6443/cacerts: dial tcp: i/o timeout"',
        "a firewall drops",
    ),
    (
        (
            '{"level":"warn","logger":"etcd-client","msg":"retrying of unary invoker failed","attempt":0,'
            '"error":"rpc error: code = DeadlineExceeded desc = context deadline exceeded"}'
        ),
        "etcd's ports, 2379 and 2380, must be open",
    ),
    (
        "x509: certificate has expired or is not yet valid: current time 2026-11-20T07:00:00Z is before 2026-11-21",
        "clocks differ",
    ),
]


@pytest.mark.parametrize(("journal", "expected"), [*TEST_JOURNALS, *TEST_JOURNALS_OF_K3S])
def test_journals(journal: str, expected: str) -> None:
    found = likely_cause(journal)
    assert expected in found
    assert bool(found) == bool(expected)


def test_a_cause_comes_before_its_symptoms() -> None:
    journal = "connect: connection refused\nwrite x: no space left on device\ncni plugin not initialized\n"
    assert likely_cause(journal).startswith("The disk is full")


def test_a_cause_in_the_journal_is_worth_more_than_a_symptom_in_what_was_said() -> None:
    assert likely_cause("dial tcp: connection refused", "write x: no space left on device").startswith("The disk")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"type": "DiskPressure", "status": "True", "message": "has disk pressure"}, "short of disk space: has disk"),
        ({"type": "MemoryPressure", "status": "False"}, ""),
        ({"type": "Ready", "status": "False", "message": "cni plugin not initialized"}, "comes with the CNI layer"),
        (
            {"type": "Ready", "status": "Unknown", "message": "stopped posting"},
            "The node is not ready: stopped posting",
        ),
        ({"type": "Ready", "status": "True"}, ""),
    ],
)
def test_conditions(condition: dict[str, str], expected: str) -> None:
    found = likely_cause("", conditions=[condition])
    assert expected in found
    assert bool(found) == bool(expected)
