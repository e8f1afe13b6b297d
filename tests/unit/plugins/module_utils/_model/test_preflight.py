# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._model.describe import describe
from ansible_collections.kateskit.klubster.plugins.module_utils._model.preflight import (
    Judged,
    Limits,
    judge,
    ports_of,
    request_for,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.probe import FEATURES

sys.path.insert(0, str(Path(__file__).parent))
from machines import DISK, RUNNING, good_probe, plan, probes

from inventories import CALICO, OPENELB, OPENELB_BGP

LIMITS = Limits(disk_mib=DISK)


def test_good_machines_pass() -> None:
    assert judge(plan(), probes(), LIMITS, "amd64") == Judged((), ())


def test_a_running_cluster_passes() -> None:
    found = probes(
        installed=RUNNING, ports=[{"port": 10250, "program": "kubelet"}, {"port": 7472, "program": "speaker"}]
    )
    found["node1"]["installed"] |= RUNNING | {"role": "server"}
    found["node1"]["ports"] = [{"port": 6443, "program": "kube-apiserver"}]
    assert judge(plan(), found, LIMITS, "amd64") == Judged((), ())


@pytest.mark.parametrize(
    ("running", "rule"),
    [("1.34.3", "does not go back, and node1 runs 1.34.3"), ("1.32.9", "one minor release at a time")],
)
def test_a_version_to_which_no_way_leads_is_refused(running: str, rule: str) -> None:
    found = probes()
    found["node1"]["installed"] |= RUNNING | {"role": "server", "version": running}
    problems = judge(plan(), found, LIMITS).problems
    assert [problem.variable for problem in problems] == ["klubster_engine_version"]
    assert rule in problems[0].rule
    found["node1"]["installed"]["version"] = "1.34.1"
    assert judge(plan(), found, LIMITS).problems == ()


def test_a_machine_outside_of_the_run_is_not_judged() -> None:
    found = probes()
    del found["node3"]
    assert judge(plan(), found, LIMITS) == Judged((), ())


def _file_systems(**changes: t.Any) -> list[dict[str, t.Any]]:
    return [entry | changes for entry in good_probe(2)["file_systems"]]


def _interfaces(**changes: t.Any) -> list[dict[str, t.Any]]:
    return [good_probe(2)["interfaces"][0] | changes]


# changes of node2's probe -> variable, rule, remedy
BAD: dict[str, tuple[dict[str, t.Any], str, str, str]] = {
    "memory": ({"memory_mib": 512}, "memory of node2", "at least 700 MiB", "more memory"),
    "processors": ({"cpus": 0}, "processors of node2", "at least 1", "more processors"),
    "disk": (
        {"file_systems": _file_systems(free_mib=300)},
        "free disk space of node2",
        "needs 2010 MiB free",
        "Free space",
    ),
    "full disk of a running node": (
        {"file_systems": _file_systems(free_mib=0), "installed": RUNNING},
        "free disk space of node2",
        "needs 200 MiB free",
        "Free space",
    ),
    "inodes": (
        {"file_systems": _file_systems(inodes_free=5)},
        "free inodes of node2",
        "10000 free inodes",
        "small files",
    ),
    "read-only": ({"file_systems": _file_systems(read_only=True)}, "file system of node2", "read-only", "read-write"),
    "kernel": (
        {"kernel": {"features": {**dict.fromkeys(FEATURES, "works"), "overlay": "missing"}}},
        "kernel features of node2",
        "lacks overlay",
        "Boot a kernel",
    ),
    "kernel without vxlan": (
        {"kernel": {"features": {**dict.fromkeys(FEATURES, "works"), "vxlan": "missing"}}},
        "kernel features of node2",
        "lacks vxlan",
        "host-gw",
    ),
    "cgroup v2 without memory": (
        {"cgroup": {"controllers": ["cpu", "cpuset", "pids"]}},
        "cgroup controllers of node2",
        "memory are needed",
        "cgroup_enable=memory",
    ),
    "Raspberry Pi without memory": (
        {
            "cgroup": {"controllers": ["cpu", "cpuset", "pids"]},
            "raspberry_pi": {"model": "Raspberry Pi 4", "command_line": "/boot/firmware/cmdline.txt"},
        },
        "cgroup controllers of node2",
        "Raspberry Pi 4 was booted without the memory controller",
        "cgroup_memory=1' to /boot/firmware/cmdline.txt",
    ),
    "cgroup v1": (
        {"cgroup": {"version": 1, "controllers": ["cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"]}},
        "cgroup version of node2",
        "cgroup v1",
        "failCgroupV1: false",
    ),
    "no systemd": ({"systemd": False}, "init system of node2", "units of systemd", "Boot with systemd"),
    "architecture": ({"architecture": "arm64"}, "architecture of node2", "are for amd64", "Build a bundle for arm64"),
    "oom score": ({"may_lower_oom_score": False}, "klubster_lower_oom_score of node2", "CAP_SYS_RESOURCE", "false"),
    "port": ({"ports": [{"port": 10250, "program": "nginx"}]}, "TCP port of node2", "nginx listens", "another port"),
    "port of a hidden program": (
        {"ports": [{"port": 10250, "program": ""}]},
        "TCP port of node2",
        "cannot be seen",
        "Stop",
    ),
    "our program's name, not ours": (
        {"ports": [{"port": 10250, "program": "kubelet"}]},
        "TCP port of node2",
        "kubelet listens",
        "Stop",
    ),
    "k3s": ({"foreign": ["k3s"]}, "machine state of node2", "remains of k3s", "its own uninstaller"),
    "another cluster": (
        {"installed": RUNNING | {"api": "api.other.internal:6443"}},
        "machine state of node2",
        "belongs to a cluster already",
        "klubster_api_name",
    ),
    "a cluster by hand": (
        {"installed": {"kubeadm": ["/etc/kubernetes/manifests"]}},
        "machine state of node2",
        "not ours",
        "kubeadm reset",
    ),
    "another role": ({"installed": RUNNING | {"role": "server"}}, "role of node2", "keeps its role", "group servers"),
    "address": (
        {"address_local": False},
        "klubster_address of node2",
        "it has 192.168.1.12/24",
        "one of its interfaces",
    ),
    "peer": (
        {"silent_peers": [{"name": "node1", "address": "192.168.1.11", "port": 6443, "reason": "no answer in 5 s"}]},
        "network of node2",
        "cannot reach it at TCP port 6443: no answer",
        "firewalls",
    ),
    "pods in a network of the machine": (
        {"interfaces": _interfaces(addresses=["192.168.1.12/24", "10.244.9.1/24"])},
        "klubster_pod_network of node2",
        "overlaps 10.244.9.0/24, in which the machine's interface eth0 is",
        "used nowhere else",
    ),
    "hostname": ({"hostname": "node1"}, "hostname of node2", "node1 has the same", "hostnamectl"),
    "machine-id": ({"machine_id": f"{1:032d}"}, "machine-id of node2", "node1 has the same", "/etc/machine-id"),
    "product_uuid": ({"product_uuid": "uuid-1"}, "product_uuid of node2", "node1 has the same", "virtual machines"),
    "MAC": (
        {"interfaces": _interfaces(mac="52:54:00:00:00:01")},
        "MAC address of node2",
        "node1 has the same",
        "network card",
    ),
    "clock ahead": ({"clock": {"offset": 60.0}}, "clock of node2", "at most 5 s", "chrony"),
    "clock behind": ({"clock": {"offset": -6.0}}, "clock of node2", "at most 5 s", "chrony"),
}


@pytest.mark.parametrize(("changes", "variable", "rule", "remedy"), BAD.values(), ids=BAD.keys())
def test_a_machine_is_refused(changes: dict[str, t.Any], variable: str, rule: str, remedy: str) -> None:
    problems = judge(plan(), probes(**changes), LIMITS, "amd64").problems
    assert len(problems) == 1, problems
    assert problems[0].variable == variable
    assert rule in problems[0].rule
    assert remedy in problems[0].remedy


def test_a_server_needs_more() -> None:
    found = probes()
    found["node1"] |= {"memory_mib": 1000, "cpus": 1}
    problems = judge(plan(), found, LIMITS).problems
    assert [problem.variable for problem in problems] == ["memory of node1", "processors of node1"]


def test_everything_is_told_at_once() -> None:
    found = probes(memory_mib=1, systemd=False, hostname="node1")
    assert len(judge(plan(), found, LIMITS).problems) == 3


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"security": {"selinux": "enforcing"}}, "SELinux"),
    ],
)
def test_what_is_doubtful_is_a_warning(changes: dict[str, t.Any], part: str) -> None:
    judged = judge(plan(), probes(**changes), LIMITS)
    assert judged.problems == ()
    assert part in judged.warnings[0]


def test_a_raspberry_pi_that_may_be_rebooted_is_a_warning() -> None:
    changes = copy.deepcopy(BAD["Raspberry Pi without memory"][0])
    judged = judge(plan(), probes(**changes), Limits(disk_mib=DISK, reboot=True))
    assert judged.problems == ()
    assert "rebooted" in judged.warnings[0]


def test_swap_is_the_systems_unless_kubelet_shall_fail_on_it() -> None:
    assert judge(plan(), probes(swap=["/dev/sda2"]), LIMITS) == Judged((), ())
    strict = plan(klubster_kubelet_config={"failSwapOn": True})
    assert judge(strict, probes(), LIMITS) == Judged((), ())
    (problem,) = judge(strict, probes(swap=["/dev/sda2"]), LIMITS).problems
    assert "swap of node2 = '/dev/sda2'" in str(problem)
    assert "swapoff" in str(problem)


def test_servers_share_the_network_of_an_address_that_moves() -> None:
    moving = plan(klubster_api_provider="keepalived", klubster_api_address="192.168.1.10")
    assert judge(moving, probes(), LIMITS).problems == ()
    (problem,) = judge(
        plan(klubster_api_provider="keepalived", klubster_api_address="10.9.9.9"), probes(), LIMITS
    ).problems
    assert "networks of node1" in str(problem)
    assert "klubster_api_address = 10.9.9.9" in str(problem)


def test_kube_vip_needs_an_interface_in_the_network_as_well() -> None:
    given = plan(klubster_api_address="10.9.9.9")
    given["api"]["provider"] = "kube_vip"
    (problem,) = judge(given, probes(), LIMITS).problems
    assert "kube-vip moves klubster_api_address = 10.9.9.9" in str(problem)


def test_cgroup_v1_on_request() -> None:
    changes = copy.deepcopy(BAD["cgroup v1"][0])
    asked = plan(klubster_kubelet_config={"failCgroupV1": False})
    assert judge(asked, probes(**changes), LIMITS) == Judged((), ())


def test_a_pool_in_nobodys_network_is_a_warning() -> None:
    pools = [{"name": "far", "addresses": ["10.9.9.0/28"]}]
    judged = judge(plan(klubster_pools=pools), probes(), LIMITS)
    assert judged.problems == ()
    assert "klubster_pools[0].addresses[0] = 10.9.9.0/28" in judged.warnings[0]


def test_an_interface_that_no_machine_has_is_a_problem() -> None:
    pools = [{"name": "home", "addresses": ["192.168.1.240/29"], "interfaces": ["eth9"]}]
    problems = judge(plan(klubster_pools=pools), probes(), LIMITS).problems
    assert problems[0].variable == "klubster_pools[0].interfaces"
    assert "eth0" in problems[0].remedy


def test_openelb_answers_on_any_machine_and_only_within_the_interfaces_network() -> None:
    assert judge(plan(**OPENELB), probes(), LIMITS) == Judged((), ())
    (without,) = judge(plan(**OPENELB), probes(interfaces=_interfaces(name="ens3")), LIMITS).problems
    assert (without.variable, without.value) == ("klubster_pools[0].interfaces", "eth0")
    assert "node2 has none of this name" in without.rule
    far = [{**OPENELB["klubster_pools"][0], "addresses": ["10.9.9.0/28"]}]
    (apart,) = judge(plan(**{**OPENELB, "klubster_pools": far}), probes(), LIMITS).problems
    assert (apart.variable, apart.value) == ("klubster_pools[0].addresses[0]", "10.9.9.0/28")
    assert "On node1, node2, node3 eth0 is in another network" in apart.rule
    nowhere = [{**OPENELB["klubster_pools"][0], "interfaces": ["eth9"]}]
    (problem,) = judge(plan(**{**OPENELB, "klubster_pools": nowhere}), probes(), LIMITS).problems
    assert problem.rule == "No machine has an interface of this name."


def test_openelbs_ports_and_its_plan_in_words() -> None:
    assert {50051, 50052, 7946} <= set(ports_of(plan(**OPENELB), "agent"))
    assert 179 not in ports_of(plan(**OPENELB), "agent")
    assert {50051, 50052, 179} <= set(ports_of(plan(**OPENELB_BGP), "agent"))
    assert 7946 not in ports_of(plan(**OPENELB_BGP), "agent")
    lines = describe(plan(**OPENELB_BGP), {}, None).splitlines()
    assert "OpenELB        /srv/openelb.yaml" in lines
    assert "load balancer  openelb: far (203.0.113.0/24) by bgp" in lines


def test_networks_that_a_cluster_made_are_no_overlap() -> None:
    found = probes()
    found["node2"]["interfaces"].append({"name": "cni0", "mac": "aa", "virtual": True, "addresses": ["10.244.1.1/24"]})
    assert judge(plan(), found, LIMITS) == Judged((), ())


def test_a_clock_that_is_read_slowly_gets_the_benefit_of_the_doubt() -> None:
    assert judge(plan(), probes(clock={"offset": 9.0, "uncertainty": 8.0}), LIMITS) == Judged((), ())


def test_what_a_machine_is_asked() -> None:
    wanted = plan(klubster_api_port=8443)
    assert ports_of(wanted, "agent") == [7472, 7946, 10250, 10256]
    # Calico's speaker listens, and MetalLB has none.
    assert ports_of(plan(**CALICO), "agent") == [179, 5473, 10250, 10256]
    assert ports_of(wanted, "server") == [2379, 2380, 7472, 7946, 8443, 10250, 10256, 10257, 10259]
    asked = request_for(wanted, "node2", DISK)
    assert asked["address"] == "192.168.1.12"
    assert asked["paths"] == ["/etc", "/var/lib/containerd", "/srv/volumes"]
    assert asked["peers"] == [
        {"name": "node1", "address": "192.168.1.11", "ports": [10250, 8443]},
        {"name": "node3", "address": "192.168.1.13", "ports": [10250]},
    ]


def test_the_plan_in_words() -> None:
    found = probes(installed=RUNNING | {"versions": {"kubelet": "1.34.2"}})
    del found["node3"]
    lines = describe(plan(), found, None).splitlines()
    assert lines[0] == "cluster        home: 1 server(s), 2 agent(s)"
    assert any("bundle" in line and "not there yet" in line for line in lines)
    rows = [line.split() for line in lines if line.startswith(("1 ", "2 ", "3 "))]
    assert [row[1:5] for row in rows] == [
        ["node1", "server", "node1", "192.168.1.11"],
        ["node2", "agent", "node2", "192.168.1.12"],
        ["node3", "agent", "node3", "192.168.1.13"],
    ]
    assert lines[-3].endswith("bare  programs installed, joined") or "bare" in lines[-3]
    assert lines[-2].endswith("as it is")
    assert "agent 1.34.2" in lines[-2]
    assert lines[-1].endswith("not asked")


_ROUTER = {"name": "router2", "address": "10.9.9.1", "asn": 65010}


def _bgp(**peer: t.Any) -> dict[str, t.Any]:
    return plan(
        klubster_pools=[{"name": "far", "addresses": ["203.0.113.0/24"], "announce": "bgp"}],
        klubster_bgp={"asn": 65001, "peers": [_ROUTER | peer]},
        klubster_bgp_passwords={"router2": "s3cret-word"},
    )


def test_the_routers_are_in_the_plan_in_words() -> None:
    lines = describe(_bgp(), {}, None).splitlines()
    assert "load balancer  metallb (native): far (203.0.113.0/24) by bgp" in lines
    assert "BGP            AS 65001 to router2 (10.9.9.1, AS 65010, with a password)" in lines
    assert not any(line.startswith("BGP") for line in describe(plan(), {}, None).splitlines())
    calico = plan(**(CALICO | {"klubster_bgp": CALICO["klubster_bgp"] | {"pods": True}}))
    lines = describe(calico, {}, None).splitlines()
    assert "BGP            AS 65001 to router2 (192.168.1.2, AS 65010), pods too" in lines


def test_a_router_out_of_reach_is_a_warning_and_a_far_pool_is_none() -> None:
    (warning,) = judge(_bgp(), probes(), LIMITS).warnings
    assert warning.startswith("klubster_bgp.peers[0].address = 10.9.9.1: no machine has an interface in its network.")
    assert judge(_bgp(ebgp_multihop=True), probes(), LIMITS).warnings == ()
    assert judge(_bgp(address="192.168.1.2"), probes(), LIMITS).warnings == ()


def test_frr_is_for_one_architecture() -> None:
    frr = {"klubster_engine": "k3s", "klubster_engine_version": "1.34.2+k3s1", "klubster_kubelet_config": {}}
    found = probes(architecture="arm64")
    refused = judge(plan(**frr, klubster_metallb_speaker="frr"), found, LIMITS).problems
    assert [(one.variable, one.value, one.remedy) for one in refused] == [
        ("architecture of node2", "arm64", "Use klubster_metallb_speaker: native.")
    ]
    assert judge(plan(**frr), found, LIMITS).problems == ()


def test_a_firewall_that_gets_our_rules_is_no_mistake() -> None:
    silent = [{"name": "node2", "address": "192.168.1.12", "port": 10250, "reason": "no answer in 5 s"}]
    found = probes(security={"firewall": "ufw"})
    found["node1"]["silent_peers"] = silent
    assert judge(plan(), found, LIMITS) == Judged((), ())
    # Nobody opens it.
    judged = judge(plan(klubster_firewall="none"), found, LIMITS)
    assert [problem.variable for problem in judged.problems] == ["network of node1"]
    assert "ufw is active, and klubster_firewall = 'none'" in judged.warnings[0]


def test_whoever_makes_the_cluster_must_reach_its_api() -> None:
    found = probes()
    found["node1"]["security"]["firewall"] = "nftables"
    (problem,) = judge(plan(), found, LIMITS).problems
    assert problem.variable == "klubster_api_sources"
    assert "nftables on node1 will let only machines and pods through" in problem.rule
    assert judge(plan(klubster_api_sources=["192.168.1.0/24"]), found, LIMITS).problems == ()
    assert judge(plan(klubster_api_host="node1"), found, LIMITS).problems == ()


def test_a_firewall_that_sleeps_is_a_warning() -> None:
    judged = judge(plan(klubster_firewall="ufw", klubster_api_sources=["192.168.1.5"]), probes(), LIMITS)
    assert judged.problems == ()
    assert "ufw is not active yet" in judged.warnings[0]


def test_k3s_needs_its_policy_where_selinux_enforces() -> None:
    k3s = plan()
    k3s["engine"]["name"] = "k3s"
    found = probes(security={"selinux": "enforcing"})
    (problem,) = judge(k3s, found, LIMITS).problems
    assert (problem.variable, problem.value) == ("SELinux of node2", "enforcing")
    assert "k3s-selinux" in problem.remedy
    found = probes(security={"selinux": "enforcing", "k3s_policy": True})
    assert judge(k3s, found, LIMITS).problems == ()


def _without(*features: str) -> dict[str, t.Any]:
    return {"features": {**dict.fromkeys(FEATURES, "works"), **dict.fromkeys(features, "missing")}}


@pytest.mark.parametrize(
    ("choice", "missing", "remedy"),
    [
        ({}, "vxlan", "klubster_cni_backend: host-gw where all machines are in one network"),
        ({"klubster_cni_backend": "wireguard-native"}, "wireguard", "Set klubster_cni_backend: vxlan, or boot"),
        ({"klubster_cni": "kube_router"}, "ipip", "Set klubster_cni_backend: host-gw where all"),
        ({"klubster_cni": "kube_router", "klubster_cni_service_proxy": True}, "ip_vs", "choose another klubster_cni"),
        (
            {"klubster_cni": "calico", "klubster_cni_chart": "/srv/t"},
            "vxlan",
            "Set klubster_cni_backend: ipip, or boot",
        ),
        ({"klubster_cni": "calico", "klubster_cni_chart": "/srv/t"}, "ip_set", "choose another klubster_cni"),
        ({"klubster_cni": "cilium", "klubster_cni_backend": "geneve"}, "geneve", "Set klubster_cni_backend: vxlan"),
        ({"klubster_cni": "cilium"}, "cls_bpf", "cilium needs them"),
    ],
)
def test_a_kernel_without_what_the_network_needs_is_refused(
    choice: dict[str, t.Any], missing: str, remedy: str
) -> None:
    found = judge(plan(**choice), probes(kernel=_without(missing)), LIMITS).problems
    assert [problem.variable for problem in found] == ["kernel features of node2"]
    assert found[0].rule == f"The kernel lacks {missing}."
    assert remedy in found[0].remedy


@pytest.mark.parametrize("choice", [{"klubster_cni": "none"}, {"klubster_cni_backend": "host-gw"}])
def test_features_that_nobody_needs_may_be_missing(choice: dict[str, t.Any]) -> None:
    assert not judge(plan(**choice), probes(kernel=_without("vxlan", "ipip", "wireguard", "ip_vs")), LIMITS).problems


def test_plain_routes_lead_to_one_network_only() -> None:
    far = probes()
    far["node2"]["interfaces"] = _interfaces(addresses=["192.168.2.12/24"])
    chosen = plan(klubster_cni_backend="host-gw")
    chosen["machines"][1]["address"] = "192.168.2.12"
    found = judge(chosen, far, LIMITS).problems
    assert [problem.variable for problem in found] == [f"klubster_cni_backend of node{number}" for number in (1, 2, 3)]
    assert "node2 is not in 192.168.1.0/24" in found[0].rule
    assert "vxlan" in found[0].remedy
    chosen["cni"]["backend"] = "vxlan"
    assert not judge(chosen, far, LIMITS).problems


def test_ufw_does_not_know_ip_in_ip() -> None:
    chosen = plan(klubster_cni="kube_router", klubster_api_sources=["192.168.1.0/24"])
    found = judge(chosen, probes(security={"firewall": "ufw"}), LIMITS).problems
    assert [problem.variable for problem in found] == ["klubster_firewall of node2"]
    assert "protocol 4" in found[0].remedy


def test_what_a_living_cluster_keeps_is_refused_before_anything_is_changed() -> None:
    entry = {"variable": "klubster_cni", "value": "cilium", "rule": "It has flannel.", "remedy": "Put it back."}
    seen = probes()
    for name in ("node1", "node2"):
        seen[name]["layers"] = {"kubeadm": {"node": {"refused": [entry]}}, "machine": {}}
    assert [vars(problem) for problem in judge(plan(), seen, LIMITS).problems] == [entry]


@pytest.mark.parametrize(
    ("choice", "ports"),
    [
        ({}, []),
        ({"klubster_cni": "calico", "klubster_cni_chart": "/srv/t"}, [5473]),
        ({"klubster_cni": "calico", "klubster_cni_chart": "/srv/t", "klubster_cni_backend": "bgp"}, [179, 5473]),
        ({"klubster_cni": "kube_router"}, [179]),
        ({"klubster_cni": "cilium"}, [4240]),
    ],
)
def test_ports_of_the_pod_network_are_free_before_it_comes(choice: dict[str, t.Any], ports: list[int]) -> None:
    assert sorted(set(ports_of(plan(**choice), "agent")) - set(ports_of(plan(), "agent"))) == ports
    for port in ports:
        taken = [{"port": port, "program": "bgpd"}]
        found = judge(plan(**choice), probes(ports=taken), LIMITS).problems
        assert [problem.variable for problem in found] == ["TCP port of node2"]
        assert not judge(plan(**choice), probes(ports=taken, installed=RUNNING), LIMITS).problems


def test_machines_are_asked_for_the_features_that_the_choice_needs() -> None:
    assert "vxlan" in request_for(plan(), "node1")["features"]
    asked = request_for(plan(klubster_cni="kube_router", klubster_cni_service_proxy=True), "node1")["features"]
    assert {"overlay", "ipip", "ip_vs", "ip_set"} <= set(asked)
    assert "vxlan" not in asked
