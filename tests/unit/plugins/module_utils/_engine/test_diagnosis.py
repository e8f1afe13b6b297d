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
    ("all is well", ""),
    ("", ""),
]


@pytest.mark.parametrize(("journal", "expected"), TEST_JOURNALS)
def test_journals(journal: str, expected: str) -> None:
    found = likely_cause(journal)
    assert expected in found
    assert bool(found) == bool(expected)


def test_a_cause_comes_before_its_symptoms() -> None:
    journal = "connect: connection refused\nwrite x: no space left on device\ncni plugin not initialized\n"
    assert likely_cause(journal).startswith("The disk is full")


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
    found = likely_cause("", [condition])
    assert expected in found
    assert bool(found) == bool(expected)
