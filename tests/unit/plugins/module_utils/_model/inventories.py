# SPDX-License-Identifier: Apache-2.0
"""Inventories for tests: a good one, and many with one mistake each."""

from __future__ import annotations

import copy
import typing as t
from dataclasses import dataclass, field

Hosts = dict[str, dict[str, t.Any]]
Groups = dict[str, list[str]]

MACHINES = ("node1", "node2", "node3")
REMOVED: t.Final = object()


def good() -> tuple[Hosts, Groups]:
    """Three machines on a home network, with every kind of variable set."""
    shared: dict[str, t.Any] = {
        "klubster_name": "home",
        "klubster_engine_version": "1.34.2",
        "klubster_batch": 3,
        "klubster_pod_network": "10.244.0.0/16",
        "klubster_service_network": "10.96.0.0/16",
        "klubster_dhcp_ranges": ["192.168.1.100-192.168.1.199"],
        "klubster_pools": [
            {"name": "home", "addresses": ["192.168.1.240-192.168.1.247"]},
            {"name": "special", "addresses": ["192.168.1.248/29"], "auto_assign": False, "interfaces": ["eth0"]},
        ],
        "klubster_storage": {"local_path": {"path": "/srv/volumes"}},
        "klubster_kubelet_config": {"maxPods": 200},
    }
    hosts: Hosts = {
        name: copy.deepcopy(shared) | {"ansible_host": f"192.168.1.1{number}"}
        for number, name in enumerate(MACHINES, 1)
    }
    hosts["node3"]["klubster_labels"] = {"example.org/disk": "ssd"}
    hosts["node3"]["klubster_taints"] = ["example.org/only=tests:NoSchedule"]
    hosts["workstation"] = {}
    return hosts, {"all": [*MACHINES, "workstation"], "servers": ["node1"], "agents": ["node2", "node3"]}


@dataclass(frozen=True)
class Bad:
    """One mistake, and what the message about it must hold."""

    #: ``name=value`` for all machines
    everywhere: dict[str, t.Any]
    #: of the message
    variable: str
    rule: str
    remedy: str
    #: more for one machine
    hosts: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    #: as the message shows it; the given one unless it was changed on the way
    value: t.Any = REMOVED

    def inventory(self) -> tuple[Hosts, Groups]:
        hosts, groups = good()
        for name in MACHINES:
            _lay_over(hosts[name], self.everywhere)
        for name, variables in self.hosts.items():
            _lay_over(hosts.setdefault(name, {}), variables)
        return hosts, groups | self.groups


def _lay_over(variables: dict[str, t.Any], changes: dict[str, t.Any]) -> None:
    for name, value in changes.items():
        if value is REMOVED:
            variables.pop(name, None)
        else:
            variables[name] = copy.deepcopy(value)


def one(name: str, value: t.Any, rule: str, remedy: str, where: str = "", *, shown: t.Any = REMOVED) -> Bad:
    """A mistake in a cluster-wide variable."""
    return Bad({name: value}, where or name, rule, remedy, value=value if shown is REMOVED and not where else shown)


def host(name: str, value: t.Any, rule: str, remedy: str, where: str = "", *, machine: str = "node2") -> Bad:
    """A mistake in a variable of one machine."""
    return Bad({}, f"{where or name} of {machine}", rule, remedy, hosts={machine: {name: value}})


def pool(rule: str, remedy: str, where: str, **entry: t.Any) -> Bad:
    """A mistake in the only pool."""
    entries = {"name": "home", "addresses": ["192.168.1.240/29"]} | entry
    kept = {key: value for key, value in entries.items() if value is not REMOVED}
    return Bad({"klubster_pools": [kept]}, f"klubster_pools[0].{where}", rule, remedy)


CHART: dict[str, t.Any] = {"klubster_cni_chart": "/srv/tigera-operator"}
FILES: dict[str, t.Any] = {"klubster_cni_manifests": ["/srv/network.yml"]}


def cni(  # noqa: PLR0917 - a row of the table
    provider: str,
    name: str,
    value: t.Any,
    rule: str,
    remedy: str,
    further: dict[str, t.Any] | None = None,
    *,
    where: str = "",
) -> Bad:
    """A mistake in a variable of the pod network."""
    variable = f"klubster_cni_{name}"
    shown = REMOVED if where else value
    everywhere = {"klubster_cni": provider, variable: value} | (further or {})
    return Bad(everywhere, f"{variable}{where}", rule, remedy, value=shown)


def decided(provider: str, path: str, value: t.Any, remedy: str, further: dict[str, t.Any] | None = None) -> Bad:
    """A value of a chart that another variable decides."""
    values: t.Any = value
    for key in reversed(path.split(".")):
        values = {key: values}
    everywhere = {"klubster_cni": provider, "klubster_cni_values": values} | (further or {})
    return Bad(everywhere, f"klubster_cni_values.{path}", "decided by the collection", remedy, value=value)


BAD: dict[str, Bad] = {
    # names of variables
    "unknown variable": one(
        "klubster_pool", [], "There is no such variable", "'klubster_pools'", "klubster_pool of node1"
    ),
    "unknown variable like none": one("klubster_zzz", 1, "no such variable", "site.meta.yml", "klubster_zzz of node1"),
    "unknown variable of a host": host("klubster_adress", "10.0.0.1", "no such variable", "'klubster_address'"),
    "unknown variable outside of the cluster": host(
        "klubster_nam", "x", "no such variable", "'klubster_name'", machine="workstation"
    ),
    "design's word used as a variable": one("klubster_bgp", {}, "no such variable", "", "klubster_bgp of"),
    # the firewall
    "no firewall of that name": one("klubster_firewall", "iptables", "none of its choices", "nftables"),
    "sources are a text": one("klubster_api_sources", "192.168.1.0/24", "a list, not text", "[a, b]"),
    "source is a name": one(
        "klubster_api_sources", ["laptop"], "no IP address", "192.168.1.10", "klubster_api_sources[0]"
    ),
    "source with host bits": one(
        "klubster_api_sources",
        ["192.168.1.5/24"],
        "no bits behind the prefix",
        "'192.168.1.0/24'",
        "klubster_api_sources[0]",
    ),
    # the cluster's name
    "no name": one("klubster_name", REMOVED, "required", "Set it once for all machines", shown=None),
    "name with capitals": one("klubster_name", "Home", "RFC 1123", "'home'"),
    "name with underscore": one("klubster_name", "my_house", "RFC 1123", "'my-house'"),
    "name with dot": one("klubster_name", "my.house", "RFC 1123", "'my-house'"),
    "name too long": one("klubster_name", "a" * 64, "1 to 63", f"'{'a' * 63}'"),
    "name empty": one("klubster_name", "", "1 to 63", "'home'"),
    "name ends with a dash": one("klubster_name", "home-", "ends with a letter or digit", "'home'"),
    "name a number": one("klubster_name", 42, "It is text, not a whole number", '"42"'),
    "name a truth value": one("klubster_name", True, "not a truth value", "quotes"),
    "name null": one("klubster_name", None, "not empty", "Give it a value"),
    "name differs": Bad(
        {},
        "klubster_name",
        "not the same on node2 as on node1",
        "group_vars/all",
        hosts={"node2": {"klubster_name": "other"}},
    ),
    "set on some machines only": Bad(
        {},
        "klubster_cni",
        "not the same on node2 and node3",
        "group_vars/all",
        hosts={"node1": {"klubster_cni": "flannel"}},
    ),
    # choices and versions
    "engine unknown": one("klubster_engine", "kubeadmin", "none of its choices", "'kubeadm'"),
    "engine version a float": one("klubster_engine_version", 1.34, "It is text, not a decimal number", '"1.34"'),
    "engine version with v": one("klubster_engine_version", "v1.34.2", "no leading 'v'", "'1.34.2'"),
    "engine version of two numbers": one("klubster_engine_version", "1.34", "three numbers", "'1.34.2'"),
    "engine version unsupported": one(
        "klubster_engine_version", "1.29.3", "supported in these versions: 1.33.x, 1.34.x", "Choose one"
    ),
    "engine version with a suffix": one("klubster_engine_version", "1.34.2+k3s1", "three numbers", "'1.34.2'"),
    "engine source of k3s": one("klubster_engine_source", "release", "kubeadm does not come from it", "'bundle'"),
    "engine source unknown": one("klubster_engine_source", "internet", "none of its choices", "Use one of bundle"),
    "profile of k3s": one("klubster_profile", "cis", "Only k3s has this", "choose k3s"),
    "CAs of k3s": one("klubster_ca_dir", "/srv/ca", "Only k3s has this", "choose k3s"),
    "proxy of k3s": one(
        "klubster_proxy",
        {"http": "http://proxy:3128"},
        "Only k3s has this",
        "choose k3s",
        shown={"http": "http://proxy:3128", "https": "", "outside": [], "images_only": False},
    ),
    "token of k3s": one("klubster_token", "A" * 32, "Only k3s has this", "choose k3s", shown="(masked)"),
    "bundle folder relative": one("klubster_bundle_dir", "build/bundle", "absolute", "'/srv/build/bundle'"),
    "bundle folder a list": one("klubster_bundle_dir", ["/srv"], "It is a path, not a list", "one text"),
    # machines
    "no server": Bad({}, "groups.servers", "at least one server", "group servers", groups={"servers": []}),
    "no machine at all": Bad(
        {}, "groups.servers", "at least one server", "group servers", groups={"servers": [], "agents": []}
    ),
    "machine in both groups": Bad(
        {},
        "groups.agents",
        "one role",
        "out of one of the groups",
        groups={"agents": ["node1", "node2"]},
        value="node1",
    ),
    "one machine by accident": Bad(
        {}, "klubster_single_node", "only on request", "Set it to true", groups={"agents": []}, value=False
    ),
    "single node with three machines": one("klubster_single_node", True, "have 3", "leave one server only"),
    "single node no truth value": one("klubster_single_node", "perhaps", "true or false, not text", "without quotes"),
    "two machines with one address": host(
        "ansible_host", "192.168.1.11", "same as that of node1", "its own", "klubster_address"
    ),
    "two machines with one address, written differently": Bad(
        {},
        "klubster_address of node3",
        "same as that of node2",
        "its own",
        hosts={"node2": {"klubster_address": "fd00::2"}, "node3": {"klubster_address": "fd00:0:0::2"}},
        value="fd00::2",
    ),
    "two machines with one node name": Bad(
        {},
        "klubster_node_name of node3",
        "same as that of node2",
        "its own",
        hosts={"node2": {"klubster_node_name": "worker"}, "node3": {"klubster_node_name": "worker"}},
        value="worker",
    ),
    "node takes another's inventory name": host("klubster_node_name", "node1", "same as that of node1", "its own"),
    "node name with capitals": host("klubster_node_name", "Node2", "RFC 1123", "'node2'"),
    "inventory name no node name": Bad(
        {},
        "klubster_node_name of node_4",
        "RFC 1123",
        "'node-4'",
        hosts={"node_4": {**good()[0]["node2"], "ansible_host": "192.168.1.14"}},
        groups={"agents": ["node2", "node3", "node_4"]},
        value="node_4",
    ),
    "node name too long": host("klubster_node_name", "n" * 70, "up to 63", "'nnn"),
    "address a name": host("klubster_address", "node2.lan", "no IP address", "192.168.1.10"),
    "address from a name": host(
        "ansible_host", "node2.lan", "ansible_host", "Set klubster_address", "klubster_address"
    ),
    "no address at all": host("ansible_host", REMOVED, "inventory name", "Set klubster_address", "klubster_address"),
    "address with prefix": host("klubster_address", "192.168.1.12/24", "no IP address", "192.168.1.10"),
    "address with a part too many": host("klubster_address", "192.168.1.12.1", "no IP address", "192.168.1.10"),
    "address in octal": host("klubster_address", "192.168.001.012", "no IP address", "192.168.1.10"),
    "address a number": host("klubster_address", 3232235788, "text, not a whole number", "quotes"),
    "address loopback": host("klubster_address", "127.0.0.1", "loopback", "in your network"),
    "address everything": host("klubster_address", "0.0.0.0", "unspecified", "in your network"),  # noqa: S104 - refused
    "address multicast": host("klubster_address", "224.0.0.9", "multicast", "in your network"),
    "address link-local": host("klubster_address", "fe80::1", "link-local", "in your network"),
    "address of another family": host("klubster_address", "fd00::12", "IPv4 first", "Give an IPv4 address"),
    "labels a list": host("klubster_labels", ["a=b"], "a mapping, not a list", "key: value"),
    "label a number": host("klubster_labels", {"tier": 1}, "text, not a whole number", '"1"', "klubster_labels.tier"),
    "label key with space": host(
        "klubster_labels", {"a b": "c"}, "A label's key", "example.org/name", "klubster_labels.a b"
    ),
    "label prefix no name": host(
        "klubster_labels", {"A_/b": "c"}, "before the '/'", "example.org", "klubster_labels.A_/b"
    ),
    "label value with space": host(
        "klubster_labels", {"a": "b c"}, "A label's value", "annotation", "klubster_labels.a"
    ),
    "label of Kubernetes": host(
        "klubster_labels",
        {"node-role.kubernetes.io/x": ""},
        "belong to Kubernetes",
        "example.org/",
        "klubster_labels.node-role.kubernetes.io/x",
    ),
    "label of the kubelet": host(
        "klubster_labels",
        {"kubernetes.io/hostname": "x"},
        "kubelet sets",
        "Leave it out",
        "klubster_labels.kubernetes.io/hostname",
    ),
    "taints text": host("klubster_taints", "a=b:NoSchedule", "a list, not text", "'- '"),
    "taint without effect": host("klubster_taints", ["a=b"], "key=value:Effect", "NoSchedule", "klubster_taints[0]"),
    "taint effect misspelt": host(
        "klubster_taints", ["a=b:NoSchedul"], "no effect", "'NoSchedule'", "klubster_taints[0]"
    ),
    "taint without key": host(
        "klubster_taints", [":NoExecute"], "A taint's key", "example.org/name", "klubster_taints[0]"
    ),
    "taint value bad": host("klubster_taints", ["a=b/c:NoExecute"], "A taint's value", "", "klubster_taints[0]"),
    "taint twice": host(
        "klubster_taints", ["a=b:NoExecute", "a=c:NoExecute"], "once", "Remove one", "klubster_taints[1]"
    ),
    "batch text": one("klubster_batch", "many", "a whole number, not text", "whole number"),
    "batch zero": one("klubster_batch", 0, "between 1 and 1000", "from 1"),
    "batch a truth value": one("klubster_batch", True, "not a truth value", "whole number"),
    "batch negative": one("klubster_batch", "-1", "a whole number", "whole number"),
    "batch a share": one("klubster_batch", "30%", "a whole number", "units"),
    "canary unknown": one("klubster_canary", "node9", "a machine of the cluster", "node1"),
    "canary a list": one("klubster_canary", ["node1"], "text", ""),
    "drain timeout zero": one("klubster_drain_timeout", 0, "between 1 and 86400", "from 1"),
    "drain force text": one("klubster_drain_force", "perhaps", "true or false", ""),
    "snapshots kept none": one("klubster_snapshots_kept", 0, "between 1 and 1000", "from 1"),
    "kubelet entry of a node misspelt": host(
        "klubster_node_kubelet_config",
        {"maxPod": 9},
        "no such entry",
        "'maxPods'",
        "klubster_node_kubelet_config.maxPod",
    ),
    "kubelet's cgroup driver of a node": host(
        "klubster_node_kubelet_config",
        {"cgroupDriver": "systemd"},
        "not the user's",
        "klubster_kubelet_config",
        "klubster_node_kubelet_config.cgroupDriver",
    ),
    # the API
    "API name with underscore": one("klubster_api_name", "api_home.lan", "RFC 1123", "'api-home.lan'"),
    "API name is a node": one("klubster_api_name", "node1", "own name", "another"),
    "API port text": one("klubster_api_port", "https", "a whole number", "whole number"),
    "API port too high": one("klubster_api_port", 70000, "between 1 and 65535", "from 1"),
    "API port taken": one("klubster_api_port", 10250, "Another part", "6443"),
    "API port a node port": one("klubster_api_port", 30443, "Another part", "6443"),
    "API address a name": one("klubster_api_address", "api.lan", "no IP address", "192.168.1.10"),
    "API address of an agent": one("klubster_api_address", "192.168.1.12", "node2, an agent", "server"),
    "API address in a pool": one(
        "klubster_api_address",
        "192.168.1.241",
        "overlaps klubster_api_address",
        "nothing else",
        "klubster_pools[0].addresses[0]",
    ),
    "API moved by a stranger": one("klubster_api_provider", "kube-vip", "one of", "keepalived"),
    "API address that shall move is missing": one(
        "klubster_api_provider", "keepalived", "keepalived moves this address", "free address", "klubster_api_address"
    ),
    "VRRP id too high": one("klubster_api_vrrp_id", 256, "between 1 and 255", "from 1"),
    "VRRP id a text": one("klubster_api_vrrp_id", "home", "a whole number", "whole number"),
    "API host unknown": one("klubster_api_host", "workstaton", "no such host", "'workstation'"),
    "kubeconfig relative": one("klubster_kubeconfig", "kube.yaml", "absolute", "/"),
    "kubeconfig null is the default, a number is not": one(
        "klubster_kubeconfig", 1, "a path, not a whole number", "quotes"
    ),
    # networks
    "pod network no network": one("klubster_pod_network", "10.244.0.0", "no network", "10.244.0.0/16"),
    "pod network with host bits": one("klubster_pod_network", "10.244.1.0/16", "no bits behind", "'10.244.0.0/16'"),
    "pod network with a mask": one("klubster_pod_network", "10.244.0.0/255.255.0.0", "no network", "/16"),
    "pod network prefix too long": one("klubster_pod_network", "10.244.0.0/25", "/8 to /24", "larger"),
    "pod network prefix too short": one("klubster_pod_network", "0.0.0.0/4", "/8 to /24", "smaller"),
    "pod network too small": one("klubster_pod_network", "10.244.0.0/23", "room for 2 nodes", "larger"),
    "pod network of nonsense": one("klubster_pod_network", "auto", "no network", "10.244.0.0/16"),
    "pod network a list": one("klubster_pod_network", ["10.244.0.0/16"], "text, not a list", "commas"),
    "pod networks of one family": one(
        "klubster_pod_network", "10.244.0.0/16,10.245.0.0/16", "two of different families", "fd00:10:244::/56"
    ),
    "pods on the nodes": one("klubster_pod_network", "192.168.0.0/16", "overlaps klubster_address", "nothing else"),
    "pods and services": one(
        "klubster_service_network", "10.244.128.0/20", "overlaps klubster_pod_network", "nothing else"
    ),
    "services on the nodes": one(
        "klubster_service_network", "192.168.0.0/20", "overlaps klubster_address", "nothing else"
    ),
    "services too few": one("klubster_service_network", "10.96.0.0/29", "/12 to /28", "larger"),
    "services too many": one("klubster_service_network", "10.0.0.0/8", "/12 to /28", "smaller"),
    "families differ": one("klubster_service_network", "fd00:10:96::/112", "same address families", "in both"),
    "families in another order": Bad(
        {
            "klubster_pod_network": "10.244.0.0/16,fd00:10:244::/56",
            "klubster_service_network": "fd00:10:96::/112,10.96.0.0/16",
        },
        "klubster_service_network",
        "in the same order",
        "in both",
    ),
    "DNS domain with underscore": one("klubster_dns_domain", "cluster_local", "RFC 1123", "'cluster-local'"),
    "DHCP text": one("klubster_dhcp_ranges", "192.168.1.100-192.168.1.199", "a list, not text", "[a, b]"),
    "DHCP range backwards": one(
        "klubster_dhcp_ranges",
        ["192.168.1.9-192.168.1.2"],
        "lower address",
        "'192.168.1.2-192.168.1.9'",
        "klubster_dhcp_ranges[0]",
    ),
    "DHCP in the pods": one(
        "klubster_dhcp_ranges",
        ["10.244.3.0/24"],
        "overlaps klubster_dhcp_ranges[0]",
        "nothing else",
        "klubster_pod_network",
    ),
    # pods' network provider
    "CNI unknown": one("klubster_cni", "flanel", "none of its choices", "'flannel'"),
    "CNI of another world": one("klubster_cni", "weave", "none of its choices", "Use one of flannel, calico"),
    "CNI is a list": one("klubster_cni", ["cilium"], "text, not a list", "one text"),
    "CNI with a dash": one("klubster_cni", "kube-router", "none of its choices", "'kube_router'"),
    "CNI backend unknown": one("klubster_cni_backend", "hostgw", "none of its choices", "'host-gw'"),
    "CNI backend of another provider": cni(
        "flannel", "backend", "geneve", "flannel has no such backend", "vxlan, host-gw"
    ),
    "CNI backend of Calico's": cni("calico", "backend", "native", "calico has no such", "vxlan, ipip, bgp", CHART),
    "CNI backend of kube-router's": cni("kube_router", "backend", "vxlan", "kube_router has no such", "ipip, host-gw"),
    "CNI backend of Cilium's": cni("cilium", "backend", "host-gw", "cilium has no such", "vxlan, geneve, native"),
    "CNI backend without provider": cni("none", "backend", "vxlan", "With none it is not ours", "Remove it"),
    "CNI backend of one's own": cni("custom", "backend", "vxlan", "With custom it is not ours", "Remove it", FILES),
    "MTU without provider": cni("none", "mtu", 1400, "With none it is not ours to set", "Remove it"),
    "service proxy by Flannel": cni("flannel", "service_proxy", True, "flannel cannot do kube-proxy's work", "false"),
    "service proxy by Calico": cni("calico", "service_proxy", True, "kube_router, cilium can", "one of these", CHART),
    "service proxy by nobody": cni("none", "service_proxy", True, "none cannot do kube-proxy's work", "false"),
    "service proxy is a text": cni("cilium", "service_proxy", "strict", "true or false", "without quotes"),
    "kube-proxy configured where there is none": Bad(
        {"klubster_cni": "cilium", "klubster_cni_service_proxy": True, "klubster_kube_proxy_config": {"mode": "ipvs"}},
        "klubster_kube_proxy_config",
        "There is no kube-proxy: cilium does its work",
        "Remove it",
        value={"mode": "ipvs"},
    ),
    "IPIP and IPv6": Bad(
        {
            "klubster_cni": "calico",
            "klubster_cni_backend": "ipip",
            "klubster_cni_chart": "/srv/tigera-operator",
            "klubster_pod_network": "10.244.0.0/16,fd00:42::/56",
            "klubster_service_network": "10.96.0.0/16,fd00:43::/112",
        },
        "klubster_cni_backend",
        "calico carries no IPv6 by it",
        "Use one of vxlan, bgp",
        value="ipip",
    ),
    "kube-router and IPv6": Bad(
        {
            "klubster_cni": "kube_router",
            "klubster_pod_network": "10.244.0.0/16,fd00:42::/56",
            "klubster_service_network": "10.96.0.0/16,fd00:43::/112",
        },
        "klubster_cni_backend",
        "kube_router carries no IPv6 by it",
        "choose another provider",
        value="ipip",
    ),
    "Calico without its chart": Bad(
        {"klubster_cni": "calico"},
        "klubster_cni_chart",
        "chart of calico is neither in the bundle",
        "a URL with its sum",
    ),
    "custom without anything": Bad(
        {"klubster_cni": "custom"}, "klubster_cni_manifests", "nothing says what it is", "or a chart"
    ),
    "chart for Flannel": cni("flannel", "chart", "/srv/flannel", "flannel is not installed by a chart", "Remove it"),
    "chart for kube-router": cni("kube_router", "chart", "/srv/kr", "with a chart of this collection", "Remove it"),
    "chart at a relative path": cni("cilium", "chart", "charts/cilium", "The path is absolute", "/srv/"),
    "chart by OCI": cni(
        "cilium", "chart", "oci://quay.io/cilium/charts/cilium", "by https or http", "fetch it yourself"
    ),
    "chart's address without a file": cni(
        "calico",
        "chart",
        "https://docs.example.org/charts",
        "A chart that is fetched is one file",
        ".tgz",
        {"klubster_cni_chart_sha256": "0" * 64},
    ),
    "chart's address with a password": Bad(
        {
            "klubster_cni": "cilium",
            "klubster_cni_chart": "https://me:hunter2@example.org/cilium.tgz",
            "klubster_cni_chart_sha256": "0" * 64,
        },
        "klubster_cni_chart",
        "no password may be in it",
        "Remove it",
        value="https://…@example.org/cilium.tgz",
    ),
    "chart from afar without its sum": Bad(
        {"klubster_cni": "calico", "klubster_cni_chart": "https://example.org/tigera-operator-v3.30.3.tgz"},
        "klubster_cni_chart_sha256",
        "only when its sum is known",
        "64 hexadecimal digits",
    ),
    "chart's sum cut short": cni(
        "cilium",
        "chart_sha256",
        "abc123",
        "64 digits 0-9 and a-f",
        "list of sums",
        {"klubster_cni_chart": "/srv/cilium.tgz"},
    ),
    "sum of a folder": cni("calico", "chart_sha256", "0" * 64, "A folder has no sum", "name the .tgz", CHART),
    "sum of nothing": cni("cilium", "chart_sha256", "0" * 64, "no chart whose sum", "klubster_cni_chart"),
    "values without a chart": Bad(
        {"klubster_cni": "flannel", "klubster_cni_values": {"podCidr": "10.1.0.0/16"}},
        "klubster_cni_values",
        "values of a chart, and flannel has none",
        "Remove them",
        value=["podCidr"],
    ),
    "values of a chart that is not named": Bad(
        {"klubster_cni": "custom", "klubster_cni_values": {"a": 1}} | FILES,
        "klubster_cni_values",
        "klubster_cni_chart names none",
        "Remove them",
        value=["a"],
    ),
    "values are a list": cni("cilium", "values", ["a=b"], "a mapping, not a list", "key: value"),
    "value that the engine decides": decided("cilium", "k8sServiceHost", "10.0.0.1", "follows from the engine"),
    "value that the backend decides": decided("cilium", "tunnelProtocol", "geneve", "Set klubster_cni_backend"),
    "value that the service proxy decides": decided(
        "cilium", "kubeProxyReplacement", True, "Set klubster_cni_service_proxy"
    ),
    "value that the network decides": decided(
        "cilium", "ipv4NativeRoutingCIDR", "10.1.0.0/16", "Set klubster_pod_network"
    ),
    "value deep inside": decided("calico", "installation.calicoNetwork.linuxDataplane", "BPF", "eBPF stays off", CHART),
    "value of our chart": decided("kube_router", "serviceProxy", True, "Set klubster_cni_service_proxy"),
    "manifests for Cilium": cni(
        "cilium", "manifests", ["/srv/a.yml"], "for calico and custom, not for cilium", "custom"
    ),
    "manifest at a relative path": cni("custom", "manifests", ["a.yml"], "path is absolute", "/srv/a.yml", where="[0]"),
    "manifest of another kind": cni("custom", "manifests", ["/srv/a.tf"], "YAML or JSON", ".yml", where="[0]"),
    "manifest named twice": cni(
        "custom", "manifests", ["/srv/a.yml", "/srv/a.yml"], "named once", "one of the two", where="[1]"
    ),
    "manifests are a text": cni("custom", "manifests", "/srv/a.yml", "a list, not text", "[a, b]"),
    "MTU small": one("klubster_cni_mtu", 500, "between 1280 and 65535", "1280"),
    "MTU text": one("klubster_cni_mtu", "auto", "a whole number", "whole number"),
    # load balancer
    "load balancer unknown": one("klubster_load_balancer", "metalb", "none of its choices", "'metallb'"),
    "load balancer of the future": one("klubster_load_balancer", "openelb", "not built yet", "metallb"),
    "load balancer of the other engine": Bad(
        {"klubster_load_balancer": "servicelb", "klubster_pools": []},
        "klubster_load_balancer",
        "kubeadm has none",
        "'metallb'",
        value="servicelb",
    ),
    "layers of a release under kubeadm": one("klubster_layers_source", "release", "comes from the bundle", "'bundle'"),
    "mode of the future": one("klubster_load_balancer_mode", "bgp", "not built yet", "'l2'"),
    "pools without load balancer": one(
        "klubster_load_balancer",
        "none",
        "Pools need a load balancer",
        "metallb",
        "klubster_pools",
        shown=["home", "special"],
    ),
    "pools a mapping": one("klubster_pools", {"name": "a"}, "a list, not a mapping", "'- '"),
    "pool text": one("klubster_pools", ["192.168.1.0/24"], "a mapping, not text", "key: value", "klubster_pools[0]"),
    "pool without name": pool("required", "Add it: name of the pool", "name", name=REMOVED),
    "pool without addresses": pool("required", "Add it: networks or ranges", "addresses", addresses=REMOVED),
    "pool with no address": pool("A pool has addresses", "Add a range", "addresses", addresses=[]),
    "pool key misspelt": pool("no key 'adresses'", "'addresses'", "adresses", adresses=["192.168.1.0/24"]),
    "pool name bad": pool("RFC 1123", "'main-pool'", "name", name="Main Pool"),
    "pool addresses text": pool("a list, not text", "[a, b]", "addresses", addresses="192.168.1.240/29"),
    "pool single address": pool(
        "as a network or as a range", "'192.168.1.240/32'", "addresses[0]", addresses=["192.168.1.240"]
    ),
    "pool network with host bits": pool(
        "no bits behind", "'192.168.1.240/29'", "addresses[0]", addresses=["192.168.1.241/29"]
    ),
    "pool range of two families": pool("one family", "two ranges", "addresses[0]", addresses=["192.168.1.2-fd00::1"]),
    "pool range short form": pool("no IP address", "192.168.1.10", "addresses[0]", addresses=["192.168.1.240-250"]),
    "pool loopback": pool("loopback", "your own network", "addresses[0]", addresses=["127.0.0.0/29"]),
    "pool multicast": pool("multicast", "your own network", "addresses[0]", addresses=["239.0.0.1-239.0.0.9"]),
    "pool inside the pod network": pool(
        "overlaps klubster_pod_network (10.244.0.0/16)", "nothing else", "addresses[0]", addresses=["10.244.7.0/28"]
    ),
    "pool inside the service network": pool(
        "overlaps klubster_service_network", "nothing else", "addresses[0]", addresses=["10.96.7.0/28"]
    ),
    "pool around a node": pool(
        "overlaps klubster_address of node2 (192.168.1.12)",
        "nothing else",
        "addresses[0]",
        addresses=["192.168.1.12-192.168.1.12"],
    ),
    "pool inside the DHCP range": pool(
        "overlaps klubster_dhcp_ranges[0]", "nothing else", "addresses[0]", addresses=["192.168.1.192/29"]
    ),
    "pool with itself": pool(
        "overlaps klubster_pools[0].addresses[0]",
        "nothing else",
        "addresses[1]",
        addresses=["192.168.1.240/29", "192.168.1.247-192.168.1.250"],
    ),
    "pools share addresses": Bad(
        {
            "klubster_pools": [
                {"name": "a", "addresses": ["192.168.1.240/29"]},
                {"name": "b", "addresses": ["192.168.1.244/30"]},
            ]
        },
        "klubster_pools[1].addresses[0]",
        "overlaps klubster_pools[0].addresses[0]",
        "nothing else",
    ),
    "pools share a name": Bad(
        {
            "klubster_pools": [
                {"name": "a", "addresses": ["192.168.1.240/30"]},
                {"name": "a", "addresses": ["192.168.1.244/30"]},
            ]
        },
        "klubster_pools[1].name",
        "has this name too",
        "its own name",
    ),
    "pool flag text": pool("true or false, not text", "true or false", "auto_assign", auto_assign="sometimes"),
    "pool interface bad": pool("1 to 15", "ip link", "interfaces[0]", interfaces=["a network card"]),
    "pool flag null": pool("not empty", "Give it a value", "avoid_buggy_ips", avoid_buggy_ips=None),
    # storage
    "storage text": one("klubster_storage", "local_path", "a mapping, not text", "key: value"),
    "storage provider misspelt": one(
        "klubster_storage", {"localpath": {}}, "no key 'localpath'", "'local_path'", "klubster_storage.localpath"
    ),
    "storage key misspelt": one(
        "klubster_storage", {"local_path": {"pth": "/a"}}, "no key 'pth'", "'path'", "klubster_storage.local_path.pth"
    ),
    "storage path relative": one(
        "klubster_storage",
        {"local_path": {"path": "srv"}},
        "absolute",
        "'/srv/srv'",
        "klubster_storage.local_path.path",
    ),
    "storage path climbs": one(
        "klubster_storage",
        {"local_path": {"path": "/srv/../etc"}},
        "no '..'",
        "in full",
        "klubster_storage.local_path.path",
    ),
    "storage path the root": one(
        "klubster_storage", {"local_path": {"path": "/"}}, "not the root", "in full", "klubster_storage.local_path.path"
    ),
    "storage class bad": one(
        "klubster_storage",
        {"local_path": {"class_name": "Fast"}},
        "RFC 1123",
        "'fast'",
        "klubster_storage.local_path.class_name",
    ),
    "images text": one("klubster_images", "agnhost", "a list, not text", "[a, b]"),
    # configuration of Kubernetes
    "kubelet configuration text": one("klubster_kubelet_config", "maxPods: 3", "a mapping", "key: value"),
    "kubelet configuration ours": one(
        "klubster_kubelet_config",
        {"clusterDomain": "x"},
        "not the user's",
        "klubster_dns_domain",
        "klubster_kubelet_config.clusterDomain",
    ),
    "kube-proxy configuration ours": one(
        "klubster_kube_proxy_config",
        {"clusterCIDR": "x"},
        "not the user's",
        "klubster_pod_network",
        "klubster_kube_proxy_config.cl",
    ),
    "kubelet entry misspelt": one(
        "klubster_kubelet_config",
        {"maxPod": 3},
        "Kubernetes 1.34 has no such entry",
        "'maxPods'",
        "klubster_kubelet_config.maxPod",
    ),
    "kubelet entry in the wrong case": one(
        "klubster_kubelet_config",
        {"failCGroupV1": False},
        "no such entry",
        "'failCgroupV1'",
        "klubster_kubelet_config.f",
    ),
    "kube-proxy entry of nowhere": one(
        "klubster_kube_proxy_config", {"zzzz": 1}, "no such entry", "reference", "klubster_kube_proxy_config.zzzz"
    ),
    "oom a word": one("klubster_lower_oom_score", "maybe", "true or false", "true or false"),
}
