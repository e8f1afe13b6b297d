# SPDX-License-Identifier: Apache-2.0
"""The CIS profile of k3s as it holds on living machines: what runs, with which modes, and what is refused.

Numbers are those of the controls in k3s's hardening guide. Nothing of the collection is asked.
"""

from __future__ import annotations

import json
import typing as t
import uuid

import pytest
from cluster import Cluster, Inventory, Machine, on_machine, until
from kubernetes import client
from parts import template

pytestmark = pytest.mark.cis

SERVER = "/var/lib/rancher/k3s/server"
#: a line each of a word, the mode, and the path
LOOK = (
    f"cd {SERVER} && stat -c 'mode %a {SERVER}/%n' psa.yaml audit.yaml logs logs/audit.log tls/*.crt tls/*.key"
    f" cred/encryption-config.json && stat -c 'mode %a %n' {SERVER} /etc/rancher/k3s/*.yaml /etc/rancher/k3s/*.d/*"
)

SYSCTLS = {"vm.panic_on_oom": "0", "vm.overcommit_memory": "1", "kernel.panic": "10", "kernel.panic_on_oops": "1"}
#: control → argument of the API server
API_SERVER = {
    "1.2.9": "enable-admission-plugins=NodeRestriction,EventRateLimit",
    "1.2.17": f"audit-log-path={SERVER}/logs/audit.log",
    "1.2.18": "audit-log-maxage=30",
    "1.2.19": "audit-log-maxbackup=10",
    "1.2.20": "audit-log-maxsize=100",
    "3.2.1": f"audit-policy-file={SERVER}/audit.yaml",
    "5.2": f"admission-control-config-file={SERVER}/psa.yaml",
    "1.2.28": f"encryption-provider-config={SERVER}/cred/encryption-config.json",
    "1.2.22": "service-account-extend-token-expiration=false",
}


@pytest.fixture(scope="module")
def servers(machines: list[Machine]) -> list[Machine]:
    return [machine for machine in machines if machine.group == "servers"]


def arguments(inventory: Inventory, machine: Machine, program: str) -> str:
    """With what a part of k3s runs: as a process of its own, or as k3s wrote it into its log when it began it."""
    process = (
        f"for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f 2>/dev/null | grep -a '^[^ ]*/{program} '; done | head -1"
    )
    log = f"journalctl --quiet --no-pager --output cat --unit k3s | grep 'Running {program} ' | tail -1"
    return on_machine(inventory, machine.name, f'a=$({process}); test -n "$a" || a=$({log}); echo "$a"')


def test_the_api_server_runs_with_it(inventory: Inventory, servers: list[Machine]) -> None:
    for server in servers:
        words = arguments(inventory, server, "kube-apiserver").split()
        assert words, f"no API server on {server.name}"
        lacking = {control: word for control, word in API_SERVER.items() if f"--{word}" not in words}
        assert not lacking, f"{server.name}: {lacking}"


def test_the_controllers_run_with_it(inventory: Inventory, servers: list[Machine]) -> None:
    for server in servers:
        words = arguments(inventory, server, "kube-controller-manager").split()
        assert "--terminated-pod-gc-threshold=100" in words
        assert "--profiling=false" in words


def test_files_are_for_root_alone(inventory: Inventory, servers: list[Machine]) -> None:
    for server in servers:
        lines = [
            line.split() for line in on_machine(inventory, server.name, LOOK).splitlines() if line.startswith("mode")
        ]
        modes = {name: int(mode, 8) for _word, mode, name in lines}
        names = {name.removeprefix(f"{SERVER}/") for name in modes}
        assert {"psa.yaml", "audit.yaml", "logs", "tls/server-ca.crt", "tls/server-ca.key"} <= names
        assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
        assert (modes[SERVER], modes[f"{SERVER}/logs"]) == (0o700, 0o700)


def test_kernel_settings_hold_on_all_machines(inventory: Inventory, machines: list[Machine]) -> None:
    for machine in machines:
        said = on_machine(inventory, machine.name, f"sysctl {' '.join(SYSCTLS)}; cat /etc/sysctl.d/*klubster*")
        lines = [tuple(part.strip() for part in line.split("=", 1)) for line in said.splitlines() if "=" in line]
        for name, value in SYSCTLS.items():
            # As it is, and as it will be after the next start.
            assert lines.count((name, value)) == 2, f"{machine.name}: {name}"


def test_kubelets_run_with_it(cluster: Cluster, machines: list[Machine]) -> None:
    for machine in machines:
        config = json.loads(cluster.raw(f"/api/v1/nodes/{machine.node_name}/proxy/configz"))["kubeletconfig"]
        assert config["protectKernelDefaults"] is True
        assert config["streamingConnectionIdleTimeout"] == "5m0s"
        assert len(config["tlsCipherSuites"]) == 6
        assert all("_CBC_" not in suite for suite in config["tlsCipherSuites"])


def test_agents_have_nothing_of_servers(inventory: Inventory, machines: list[Machine]) -> None:
    for machine in machines:
        if machine.group == "agents":
            assert on_machine(inventory, machine.name, f"ls {SERVER} 2>&1 || true").count("No such file")


@pytest.mark.parametrize(
    ("name", "security"),
    [
        ("privileged", client.V1SecurityContext(privileged=True)),
        ("root", client.V1SecurityContext(allow_privilege_escalation=False)),
    ],
)
def test_a_pod_that_wants_too_much_is_refused(
    cluster: Cluster, namespace: str, image: str, name: str, security: client.V1SecurityContext
) -> None:
    spec = template(image, name).spec
    spec.containers[0].security_context = security
    pod = client.V1Pod(metadata=client.V1ObjectMeta(name=name), spec=spec)
    with pytest.raises(client.ApiException) as caught:
        cluster.core.create_namespaced_pod(namespace, pod)
    assert caught.value.status == 403
    assert 'violates PodSecurity "restricted:latest"' in json.loads(caught.value.body)["message"]
    # The same in a namespace that is exempt: it is the profile that refuses, not the pod that is wrong.
    cluster.core.create_namespaced_pod("kube-system", pod, dry_run="All")


def test_a_modest_pod_is_taken(cluster: Cluster, namespace: str, image: str) -> None:
    spec = template(image, "modest").spec
    spec.containers[0].security_context = client.V1SecurityContext(
        allow_privilege_escalation=False,
        run_as_non_root=True,
        run_as_user=1000,
        capabilities=client.V1Capabilities(drop=["ALL"]),
        seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault"),
    )
    pod = client.V1Pod(metadata=client.V1ObjectMeta(name="modest"), spec=spec)
    cluster.core.create_namespaced_pod(namespace, pod, dry_run="All")


def test_what_is_asked_of_the_api_is_written_down(
    cluster: Cluster, namespace: str, inventory: Inventory, servers: list[Machine]
) -> None:
    name = f"audited-{uuid.uuid4().hex[:8]}"
    cluster.core.create_namespaced_config_map(
        namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data={"a": "not-in-the-log"})
    )

    def written() -> str:
        found = [
            on_machine(inventory, server.name, f"grep -h {name} {SERVER}/logs/audit.log | head -1 || true")
            for server in servers
        ]
        return "".join(found)

    line = until(written, f"{name} in the audit log", 20)
    assert '"level":"Metadata"' in line
    assert "not-in-the-log" not in line


def test_namespaces_of_kubernetes_are_closed(cluster: Cluster) -> None:
    policies = client.NetworkingV1Api(cluster.api).list_network_policy_for_all_namespaces().items
    found = {(policy.metadata.namespace, policy.metadata.name) for policy in policies}
    closed = {(namespace, "intra-namespace") for namespace in ("default", "kube-public", "kube-system")}
    opened = {
        ("kube-system", name)
        for name in ("default-network-dns-policy", "allow-all-metrics-server", "allow-all-traefik-v121-ingress")
    }
    assert closed | opened <= found


def test_accounts_give_no_token_unasked(cluster: Cluster) -> None:
    for namespace in ("default", "kube-public", "kube-node-lease"):
        account = t.cast(t.Any, cluster.core.read_namespaced_service_account("default", namespace))
        assert account.automount_service_account_token is False, namespace
