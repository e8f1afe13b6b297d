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
        "klubster_batch": 1,
        "klubster_pod_network": "10.244.0.0/16",
        "klubster_service_network": "10.96.0.0/16",
        "klubster_dhcp_ranges": ["192.168.1.100-192.168.1.199"],
        "klubster_other_pools": ["192.168.9.0/28"],
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


PEER: dict[str, t.Any] = {"name": "router2", "address": "192.168.1.2", "asn": 65010}
FRR: dict[str, t.Any] = {
    "klubster_engine": "k3s",
    "klubster_engine_version": REMOVED,
    "klubster_kubelet_config": REMOVED,
    "klubster_metallb_speaker": "frr",
}
CALICO: dict[str, t.Any] = {
    "klubster_cni": "calico",
    "klubster_cni_backend": "bgp",
    "klubster_cni_chart": "/srv/tigera-operator",
    "klubster_load_balancer_mode": "bgp",
    "klubster_metallb_speaker": "cni",
    "klubster_bgp": {"asn": 65001, "peers": [PEER]},
}


KUBE_VIP: dict[str, t.Any] = {
    "klubster_engine": "k3s",
    "klubster_engine_version": REMOVED,
    "klubster_api_provider": "kube_vip",
    "klubster_api_address": "192.168.1.10",
}


OPENELB: dict[str, t.Any] = {
    "klubster_load_balancer": "openelb",
    "klubster_openelb_manifest": "/srv/openelb.yaml",
    "klubster_pools": [{"name": "home", "addresses": ["192.168.1.240-192.168.1.247"], "interfaces": ["eth0"]}],
}
OPENELB_BGP: dict[str, t.Any] = {
    **OPENELB,
    "klubster_load_balancer_mode": "bgp",
    "klubster_pools": [{"name": "far", "addresses": ["203.0.113.0/24"]}],
    "klubster_bgp": {"asn": 65001, "peers": [PEER]},
}


def elb(rule: str, remedy: str, where: str, value: t.Any = REMOVED, **changes: t.Any) -> Bad:
    """A mistake with OpenELB, which announces by BGP; other variables by their names without the prefix."""
    named = {f"klubster_{name}": entry for name, entry in changes.items()}
    return Bad(OPENELB_BGP | named, f"klubster_{where}", rule, remedy, value=value)


def elb_pool(rule: str, remedy: str, where: str, value: t.Any = REMOVED, **entry: t.Any) -> Bad:
    """A mistake in OpenELB's only pool, which is announced by L2."""
    entries = [{**OPENELB["klubster_pools"][0], **entry}]
    return Bad({**OPENELB, "klubster_pools": entries}, f"klubster_pools[0].{where}", rule, remedy, value=value)


def elb_peer(rule: str, remedy: str, where: str, value: t.Any = REMOVED, **entry: t.Any) -> Bad:
    """A mistake in OpenELB's only peer."""
    given = {"asn": 65001, "peers": [{key: one for key, one in (PEER | entry).items() if one is not REMOVED}]}
    return elb(rule, remedy, f"bgp.peers[0].{where}", value, bgp=given)


def bgp(rule: str, remedy: str, where: str, value: t.Any = REMOVED, **entries: t.Any) -> Bad:
    """A mistake in ``klubster_bgp``, whose peer is right; an entry ``frr`` or ``calico`` is for that speaker."""
    frr, pools = FRR if entries.pop("frr", False) else {}, entries.pop("pools", None)
    speaker = CALICO if entries.pop("calico", False) else frr
    given = {"asn": 65001, "peers": [PEER]} | entries
    made = {"klubster_bgp": {key: entry for key, entry in given.items() if entry is not REMOVED}}
    names = {"klubster_pools": pools} if pools else {}
    return Bad({"klubster_load_balancer_mode": "bgp", **speaker, **made, **names}, where, rule, remedy, value=value)


def by_calico(rule: str, remedy: str, where: str, value: t.Any = REMOVED, **changes: t.Any) -> Bad:
    """A mistake in what goes with Calico's speaker; all else is right."""
    return Bad(CALICO | changes, where, rule, remedy, value=value)


def calico_peer(
    rule: str, where: str, remedy: str = "klubster_metallb_speaker: native or frr", **entries: t.Any
) -> Bad:
    """A peer with what Calico's speaker has no words for."""
    kept = {key: entry for key, entry in (PEER | entries).items() if entry is not REMOVED}
    return bgp(rule, remedy, f"klubster_bgp.peers[0].{where}", calico=True, peers=[kept])


def calico_advertisement(rule: str, where: str, remedy: str = "Leave it out", **entries: t.Any) -> Bad:
    """An advertisement with what Calico's speaker has no words for."""
    path = f"klubster_bgp.advertisements[0].{where}"
    return bgp(rule, remedy, path, calico=True, advertisements=[{"name": "all"} | entries])


def peer(rule: str, remedy: str, where: str, value: t.Any = REMOVED, *, frr: bool = False, **entries: t.Any) -> Bad:
    """A mistake in the only peer."""
    more = {name: entries.pop(name) for name in ("pools", "bfd_profiles") if name in entries}
    kept = {key: entry for key, entry in (PEER | entries).items() if entry is not REMOVED}
    path = where if where.startswith("klubster_") else f"klubster_bgp.peers[0].{where}"
    return bgp(rule, remedy, path, value, peers=[kept], frr=frr, **more)


def advertisement(rule: str, remedy: str, where: str, *, frr: bool = False, **entries: t.Any) -> Bad:
    """A mistake in the only advertisement."""
    pools = entries.pop("given", None)
    made = {"name": "all"} | entries
    path = f"klubster_bgp.advertisements[0].{where}"
    return bgp(rule, remedy, path, advertisements=[made], frr=frr, pools=pools)


def secret(rule: str, remedy: str, name: str, value: t.Any) -> Bad:
    """A mistake in a password, which no message shows."""
    given = {"klubster_bgp": {"asn": 65001, "peers": [PEER]}, "klubster_bgp_passwords": {name: value}}
    return Bad(given, f"klubster_bgp_passwords.{name}", rule, remedy, value="(masked)")


def selector(rule: str, remedy: str, where: str, **entry: t.Any) -> Bad:
    """A mistake in a selector of nodes."""
    return peer(rule, remedy, f"node_selectors[0]{where}", node_selectors=[entry])


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
    "design's word used as a variable": one("klubster_peers", {}, "no such variable", "", "klubster_peers of"),
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
    "API moved by a stranger": one("klubster_api_provider", "haproxy", "one of", "keepalived"),
    "API address that shall move is missing": one(
        "klubster_api_provider", "keepalived", "keepalived moves this address", "free address", "klubster_api_address"
    ),
    "API moved by kube-vip under kubeadm": Bad(
        {"klubster_api_provider": "kube_vip", "klubster_api_address": "192.168.1.10"},
        "klubster_api_provider",
        "before its first API runs",
        "keepalived",
    ),
    "API address for kube-vip is missing": Bad(
        KUBE_VIP | {"klubster_api_address": REMOVED}, "klubster_api_address", "kube-vip moves this", "free address"
    ),
    "API address for kube-vip is a server's": Bad(
        KUBE_VIP | {"klubster_api_address": "192.168.1.11"}, "klubster_api_address", "no machine's own", "free address"
    ),
    "image of kube-vip without kube-vip": one("klubster_api_image", "kube-vip:v1", "Only kube-vip", "kube_vip"),
    "image of kube-vip with keepalived": Bad(
        {
            "klubster_api_provider": "keepalived",
            "klubster_api_address": "192.168.1.10",
            "klubster_api_image": "kube-vip:v1",
        },
        "klubster_api_image",
        "Only kube-vip",
        "Remove it",
    ),
    "image of kube-vip malformed": Bad(
        KUBE_VIP | {"klubster_api_image": "https://registry.example.org/kube-vip:v1"},
        "klubster_api_image",
        "no name of an image",
        "v1.2.3",
    ),
    "image of kube-vip of any version": Bad(
        KUBE_VIP | {"klubster_api_image": "registry.example.org:5000/kube-vip"}, "klubster_api_image", "tag", "v1.2.3"
    ),
    "image of kube-vip a number": Bad(KUBE_VIP | {"klubster_api_image": 1}, "klubster_api_image", "text", "quotes"),
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
    "pool of another cluster, backwards": one(
        "klubster_other_pools", ["10.9.0.9-10.9.0.2"], "lower address", "'10.9.0.2-10.9.0.9'", "klubster_other_pools[0]"
    ),
    "pool of another cluster": Bad(
        {
            "klubster_pools": [{"name": "home", "addresses": ["203.0.113.0/24"]}],
            "klubster_other_pools": ["198.51.100.0/24", "203.0.113.128/25"],
        },
        "klubster_pools[0].addresses[0]",
        "overlaps klubster_other_pools[1] (203.0.113.128/25)",
        "nothing else",
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
    "OpenELB without its manifest": elb(
        "neither in the bundle", "deploy/openelb.yaml", "openelb_manifest", None, openelb_manifest=REMOVED
    ),
    "OpenELB's manifest at a relative path": elb(
        "path is absolute", "/srv/", "openelb_manifest", "openelb.yaml", openelb_manifest="openelb.yaml"
    ),
    "OpenELB's manifest without a sum": elb(
        "only when its sum is known",
        "64 hexadecimal",
        "openelb_manifest_sha256",
        None,
        openelb_manifest="https://example.org/openelb.yaml",
    ),
    "OpenELB's manifest is a folder of the web": elb(
        "is one file",
        ".yaml",
        "openelb_manifest",
        "https://example.org/deploy",
        openelb_manifest="https://example.org/deploy",
        openelb_manifest_sha256="0" * 64,
    ),
    "OpenELB's manifest by a password": elb(
        "no password may be in it",
        "Remove it",
        "openelb_manifest",
        "https://…@example.org/openelb.yaml",
        openelb_manifest="https://me:secret@example.org/openelb.yaml",
        openelb_manifest_sha256="0" * 64,
    ),
    "sum of OpenELB's manifest too short": elb(
        "has 64 digits", "publisher's list", "openelb_manifest_sha256", "abc", openelb_manifest_sha256="abc"
    ),
    "OpenELB: pool of two ranges": elb_pool(
        "one network or range",
        "a pool of each",
        "addresses",
        ["192.168.1.240/30", "192.168.1.244/30"],
        addresses=["192.168.1.240/30", "192.168.1.244/30"],
    ),
    "OpenELB: pool of IPv6": elb_pool(
        "no IPv6", "metallb", "addresses[0]", "2001:db8:5::/64", addresses=["2001:db8:5::/64"]
    ),
    "OpenELB: pool announced in both ways": Bad(
        {
            **OPENELB,
            "klubster_pools": [{**OPENELB["klubster_pools"][0], "announce": "both"}],
            "klubster_bgp": OPENELB_BGP["klubster_bgp"],
        },
        "klubster_pools[0].announce",
        "in one way",
        "l2 or bgp",
        value="both",
    ),
    "OpenELB: pool without an interface": elb_pool("on one interface", "[eth0]", "interfaces", [], interfaces=[]),
    "OpenELB: pool on two interfaces": elb_pool(
        "on one interface", "[eth0]", "interfaces", ["eth0", "eth1"], interfaces=["eth0", "eth1"]
    ),
    "OpenELB: pool without buggy addresses": elb_pool(
        "every address", "without .0 and .255", "avoid_buggy_ips", True, avoid_buggy_ips=True
    ),
    "OpenELB: pool for some services": elb_pool(
        "by their labels",
        "metallb",
        "service_selectors",
        [{"app": "a"}],
        service_selectors=[{"match_labels": {"app": "a"}}],
    ),
    "OpenELB: pool for namespaces by comparisons": elb_pool(
        "one set of labels",
        "match_labels only",
        "namespace_selectors",
        [["a"]],
        namespace_selectors=[{"match_expressions": [{"key": "a", "operator": "Exists"}]}],
    ),
    "OpenELB: pool for namespaces by two sets of labels": elb_pool(
        "one set of labels",
        "one selector",
        "namespace_selectors",
        [{"a": "b"}, {"c": "d"}],
        namespace_selectors=[{"match_labels": {"a": "b"}}, {"match_labels": {"c": "d"}}],
    ),
    "OpenELB: pool for namespaces, not given out": elb_pool(
        "by itself", "Leave it out", "auto_assign", False, auto_assign=False, namespaces=["web"]
    ),
    "OpenELB: pool with a number and no namespaces": elb_pool("first", "namespaces", "priority", 5, priority=5),
    "OpenELB: pool with a long name": elb_pool("as a label", "Shorten", "name", name=f"{'a' * 40}.{'b' * 40}"),
    "OpenELB: two pools for everybody": elb(
        "OpenELB has one such pool",
        "auto_assign: false",
        "pools[1].auto_assign",
        True,
        pools=[
            {"name": "a", "addresses": ["203.0.113.0/25"]},
            {"name": "b", "addresses": ["203.0.113.128/25"]},
        ],
    ),
    "OpenELB: advertisement by L2": Bad(
        {
            **OPENELB,
            "klubster_l2_advertisements": [{"name": "wired", "node_selectors": [{"match_labels": {"a": "b"}}]}],
        },
        "klubster_l2_advertisements",
        "no advertisements",
        "interface in the pool",
        value=["wired"],
    ),
    "OpenELB: password": elb(
        "plain text", "metallb, which has Secrets", "bgp_passwords", "(masked)", bgp_passwords={"router2": "s3cret"}
    ),
    "OpenELB: advertisement by BGP": elb(
        "each address alone to all peers",
        "metallb",
        "bgp.advertisements",
        ["wide"],
        bgp={"asn": 65001, "peers": [PEER], "advertisements": [{"name": "wide", "aggregation_length": 24}]},
    ),
    "OpenELB: communities": elb(
        "no communities",
        "metallb",
        "bgp.communities",
        ["a"],
        bgp={"asn": 65001, "peers": [PEER], "communities": {"a": "1:2"}},
    ),
    "OpenELB: BFD profile": elb(
        "has no BFD",
        "metallb",
        "bgp.bfd_profiles",
        ["fast"],
        bgp={"asn": 65001, "peers": [PEER], "bfd_profiles": [{"name": "fast"}]},
    ),
    "OpenELB: number too large": elb(
        "up to 2147483647", "64512", "bgp.asn", 4200000001, bgp={"asn": 4200000001, "peers": [PEER]}
    ),
    "OpenELB: peer with a number too large": elb_peer("up to 2147483647", "64512", "asn", 4200000001, asn=4200000001),
    "OpenELB: peer of its own system": elb_peer("other autonomous systems", "another number", "asn", 65001, asn=65001),
    "OpenELB: peer finds its number": elb_peer(
        "finds out by itself", "metallb", "dynamic_asn", "external", asn=REMOVED, dynamic_asn="external"
    ),
    "OpenELB: peer by BFD": elb_peer("have BFD", "metallb", "bfd_profile", "fast", bfd_profile="fast"),
    "OpenELB: peer from an address": elb_peer(
        "to speak from",
        "metallb",
        "source_address",
        "192.168.1.11",
        source_address="192.168.1.11",
        node_selectors=[{"match_labels": {"kubernetes.io/hostname": "node1"}}],
    ),
    "OpenELB: peer with a router id": elb_peer("differs", "metallb", "router_id", "10.0.0.1", router_id="10.0.0.1"),
    "OpenELB: peer that restarts gracefully": elb_peer(
        "graceful restart", "metallb", "graceful_restart", True, graceful_restart=True
    ),
    "OpenELB: peer of both families": elb_peer("IPv6", "metallb", "dual_stack", True, dual_stack=True),
    "OpenELB: peer by IPv6": elb_peer("no IPv6", "IPv4 address", "address", "2001:db8::2", address="2001:db8::2"),
    "OpenELB: peer that is held for ever": elb_peer("0 for 90", "3 or more", "hold_time", 0, hold_time=0),
    "OpenELB: peer keepalive too long": elb_peer(
        "Three of them fit", "at most 3", "keepalive", 4, keepalive=4, hold_time=9
    ),
    "OpenELB: peer of nodes by two selectors": elb_peer(
        "one selector",
        "operator In",
        "node_selectors",
        [{"a": "b"}, {"a": "c"}],
        node_selectors=[{"match_labels": {"a": "b"}}, {"match_labels": {"a": "c"}}],
    ),
    "OpenELB: peers share an address, apart": elb(
        "OpenELB takes a router once",
        "Remove one",
        "bgp.peers[1].address",
        "192.168.1.2",
        bgp={
            "asn": 65001,
            "peers": [
                PEER | {"node_selectors": [{"match_labels": {"a": "b"}}]},
                PEER | {"name": "again", "node_selectors": [{"match_labels": {"a": "c"}}]},
            ],
        },
    ),
    "IPVS answers on all nodes": Bad(
        {"klubster_kube_proxy_config": {"mode": "ipvs"}},
        "klubster_kube_proxy_config.ipvs.strictARP",
        "all would answer",
        "true",
        value=None,
    ),
    "load balancer of the other engine": Bad(
        {"klubster_load_balancer": "servicelb", "klubster_pools": []},
        "klubster_load_balancer",
        "kubeadm has none",
        "'metallb'",
        value="servicelb",
    ),
    "layers of a release under kubeadm": one("klubster_layers_source", "release", "comes from the bundle", "'bundle'"),
    "mode unknown": one("klubster_load_balancer_mode", "l3", "none of its choices", "l2, bgp"),
    "pools without load balancer": one(
        "klubster_load_balancer",
        "none",
        "Pools need a load balancer",
        "metallb",
        "klubster_pools",
        shown=["home", "special"],
    ),
    # names of services
    "names without a zone": one(
        "klubster_names",
        {"address": "192.168.1.241"},
        "There is no zone",
        "klubster_names.zone",
        "klubster_names.address",
    ),
    "zone is no name": one("klubster_names", {"zone": "apps_home"}, "RFC 1123", "'apps-home'", "klubster_names.zone"),
    "zone of the cluster's own DNS": one(
        "klubster_names", {"zone": "cluster.local"}, "the cluster's own DNS", "apps.home.arpa", "klubster_names.zone"
    ),
    "zone within the cluster's own": one(
        "klubster_names", {"zone": "x.cluster.local"}, "the cluster's own DNS", "apps.home.arpa", "klubster_names.zone"
    ),
    "address of names in no pool": one(
        "klubster_names",
        {"zone": "apps.test", "address": "192.168.9.1"},
        "No pool has it",
        "klubster_pools",
        "klubster_names.address",
    ),
    "address of names is none": one(
        "klubster_names", {"zone": "apps.test", "address": "web"}, "no IP address", "", "klubster_names.address"
    ),
    "alias of no service": one(
        "klubster_names",
        {"zone": "apps.test", "aliases": {"wiki": "wiki"}},
        "It is no service",
        "'web.default'",
        "klubster_names.aliases.wiki",
    ),
    "alias with a dot": one(
        "klubster_names",
        {"zone": "apps.test", "aliases": {"my.wiki": "wiki.default"}},
        "RFC 1123",
        "'my-wiki'",
        "klubster_names.aliases",
    ),
    "names kept for no time": one(
        "klubster_names", {"zone": "apps.test", "ttl": 0}, "between 1 and 3600", "1 to 3600", "klubster_names.ttl"
    ),
    "names without a load balancer": Bad(
        {"klubster_names": {"zone": "apps.test"}, "klubster_load_balancer": "none", "klubster_pools": []},
        "klubster_names.zone",
        "klubster_load_balancer is none",
        "leave klubster_names out",
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
    "pool announced in a third way": pool("none of its choices", "l2, bgp, both", "announce", announce="arp"),
    "pool priority of nothing": pool("between 1 and", "from 1", "priority", priority=0),
    "pool namespace bad": pool("RFC 1123", "'my-house'", "namespaces[0]", namespaces=["my_house"]),
    "pool namespace twice": pool("there twice", "Leave one", "namespaces[1]", namespaces=["a", "a"]),
    "pool selector with a bad value": pool(
        "label's value",
        "Shorten",
        "service_selectors[0].match_labels.a",
        service_selectors=[{"match_labels": {"a": "?"}}],
    ),
    "pool selector empty": pool(
        "fits everything", "match_labels", "namespace_selectors[0]", namespace_selectors=[{"match_labels": {}}]
    ),
    "pool by BGP without BGP": Bad(
        {"klubster_pools": [{"name": "a", "addresses": ["203.0.113.0/24"], "announce": "bgp"}]},
        "klubster_bgp.peers",
        "'a' is announced by BGP, and there is no router",
        "Add a router's name",
        value=[],
    ),
    "mode BGP without pools and peers": Bad(
        {"klubster_load_balancer_mode": "bgp", "klubster_pools": []},
        "klubster_bgp.peers",
        "no router to announce to",
        "announce by l2",
    ),
    "IPv6 by the native speaker": bgp(
        "announces no IPv6",
        "klubster_metallb_speaker: frr",
        "klubster_pools[0].addresses[0]",
        "2001:db8:5::/64",
        pools=[{"name": "six", "addresses": ["2001:db8:5::/64"]}],
    ),
    "speaker unknown": one("klubster_metallb_speaker", "fr", "none of its choices", "'frr'"),
    "FRR out of the bundle": one("klubster_metallb_speaker", "frr", "The bundle has no FRR", "klubster_layers_source"),
    # Calico's speaker
    "Calico's speaker with another network": by_calico(
        "and klubster_cni is flannel",
        "klubster_cni: calico",
        "klubster_metallb_speaker",
        "cni",
        klubster_cni=REMOVED,
        klubster_cni_backend=REMOVED,
        klubster_cni_chart=REMOVED,
    ),
    "Calico's speaker with VXLAN": by_calico(
        "here that is vxlan", "klubster_cni_backend: bgp", "klubster_metallb_speaker", klubster_cni_backend="vxlan"
    ),
    "Calico's speaker with its first backend": by_calico(
        "here that is vxlan", "klubster_cni_backend: bgp", "klubster_metallb_speaker", klubster_cni_backend=REMOVED
    ),
    "Calico's speaker with IPIP": by_calico(
        "here that is ipip", "klubster_cni_backend: bgp", "klubster_metallb_speaker", klubster_cni_backend="ipip"
    ),
    "Calico's speaker without MetalLB": by_calico(
        "MetalLB gives the addresses",
        "klubster_load_balancer: metallb",
        "klubster_metallb_speaker",
        klubster_load_balancer="none",
        klubster_load_balancer_mode=REMOVED,
        klubster_pools=[],
        klubster_bgp={},
    ),
    "Calico's speaker without routers": by_calico(
        "there is no router to tell it", "Add a router", "klubster_bgp.peers", [], klubster_bgp={"asn": 65001}
    ),
    "Calico's speaker without anything to say": by_calico(
        "There is no router to announce to",
        "Add a router",
        "klubster_bgp.peers",
        [],
        klubster_bgp={},
        klubster_pools=[],
        klubster_load_balancer_mode=REMOVED,
    ),
    "Calico's speaker by L2": by_calico(
        "Nobody announces by l2",
        "announce: bgp",
        "klubster_pools[0].announce",
        "l2",
        klubster_pools=[{"name": "home", "addresses": ["192.168.1.240/29"], "announce": "both"}],
    ),
    "Calico's speaker on servers alone": Bad(
        CALICO,
        "klubster_metallb_speaker",
        "there are no agents",
        "Add agents",
        groups={"servers": list(MACHINES), "agents": []},
    ),
    "Calico's speaker by a large number": bgp(
        "up to 2147483647", "64512", "klubster_bgp.asn", 4200000001, calico=True, asn=4200000001
    ),
    "Calico's speaker to a large number": calico_peer("up to 2147483647", "asn", "64512", asn=4200000001),
    "Calico's speaker with a profile of BFD": bgp(
        "has no BFD", "native or frr", "klubster_bgp.bfd_profiles[0]", calico=True, bfd_profiles=[{"name": "fast"}]
    ),
    "Calico's speaker with BFD": calico_peer("does not have BFD", "bfd_profile", bfd_profile="fast"),
    "Calico's speaker with any number": calico_peer(
        "finds out by itself", "dynamic_asn", asn=REMOVED, dynamic_asn="external"
    ),
    "Calico's speaker with a keepalive": calico_peer("a time for keepalive", "keepalive", keepalive=3),
    "Calico's speaker with a time to connect": calico_peer("a time for connecting", "connect_time", connect_time=5),
    "Calico's speaker with both families": calico_peer("both families", "dual_stack", dual_stack=True),
    "Calico's speaker with a source": calico_peer(
        "a source but the node's own",
        "source_address",
        source_address="192.168.1.13",
        node_selectors=[{"match_labels": {"kubernetes.io/hostname": "node3"}}],
    ),
    "Calico's speaker with a name": calico_peer("a name but the node's own", "router_id", router_id="192.0.2.1"),
    "Calico's speaker that never gives up": calico_peer("offers 240 seconds", "hold_time", "3 to 240", hold_time=0),
    "Calico's speaker that waits long": calico_peer("offers 240 seconds", "hold_time", "3 to 240", hold_time=300),
    "Calico's speaker in a family that nodes lack": calico_peer(
        "no address of IPv6", "address", "other family", address="fd00:1::2"
    ),
    "Calico's speaker to the other family": bgp(
        "whose address is of the other family",
        "Add a peer of this family",
        "klubster_pools[0].addresses[0]",
        calico=True,
        pools=[{"name": "six", "addresses": ["2001:db8:5::/64"]}],
    ),
    "Calico's speaker with a length": calico_advertisement("a length", "aggregation_length", aggregation_length=32),
    "Calico's speaker with a preference": calico_advertisement(
        "a preference", "local_preference", local_preference=200
    ),
    "Calico's speaker from some nodes": calico_advertisement(
        "a choice of nodes", "node_selectors", node_selectors=[{"match_labels": {"a": "b"}}]
    ),
    "Calico's speaker with communities for one": bgp(
        "communities of a prefix to all peers",
        "Leave peers out",
        "klubster_bgp.advertisements[0].communities",
        calico=True,
        peers=[PEER, {"name": "router3", "address": "192.168.1.3", "asn": 65010}],
        advertisements=[{"name": "all", "peers": ["router3"], "communities": ["65001:1"]}],
    ),
    "pods by MetalLB": bgp("and no pods", "klubster_metallb_speaker: cni", "klubster_bgp.pods", True, pods=True),
    # advertisements in the own network
    "L2 pool unknown": Bad(
        {"klubster_l2_advertisements": [{"name": "a", "pools": ["hme"]}]},
        "klubster_l2_advertisements[0].pools[0]",
        "not in klubster_pools",
        "'home'",
        value="hme",
    ),
    "L2 pool of BGP": Bad(
        {
            "klubster_pools": [{"name": "far", "addresses": ["203.0.113.0/24"], "announce": "bgp"}],
            "klubster_bgp": {"asn": 65001, "peers": [PEER]},
            "klubster_l2_advertisements": [{"name": "a", "pools": ["far"]}],
        },
        "klubster_l2_advertisements[0].pools",
        "announced by bgp only",
        "announce: both",
    ),
    "L2 interfaces in two places": Bad(
        {"klubster_l2_advertisements": [{"name": "a", "pools": ["special"]}]},
        "klubster_l2_advertisements[0].interfaces",
        "'special' has interfaces",
        "in the advertisement only",
    ),
    "L2 advertisement with the name of a lonely pool": Bad(
        {"klubster_l2_advertisements": [{"name": "special", "pools": ["home"]}]},
        "klubster_l2_advertisements[0].name",
        "gets one of this name",
        "Rename",
    ),
    "L2 advertisements share a name": Bad(
        {"klubster_l2_advertisements": [{"name": "a", "pools": ["home"]}, {"name": "a", "pools": ["home"]}]},
        "klubster_l2_advertisements[1].name",
        "has this name too",
        "each advertisement",
    ),
    "advertisements without load balancer": Bad(
        {
            "klubster_load_balancer": "none",
            "klubster_pools": [],
            "klubster_l2_advertisements": [{"name": "a"}],
        },
        "klubster_l2_advertisements",
        "need a load balancer",
        "metallb",
    ),
    # BGP
    "BGP without load balancer": Bad(
        {"klubster_load_balancer": "none", "klubster_pools": [], "klubster_bgp": {"asn": 65001, "peers": [PEER]}},
        "klubster_bgp",
        "Peers need a load balancer",
        "metallb",
    ),
    "BGP key misspelt": bgp("no key 'neighbors'", "Use one of", "klubster_bgp.neighbors", neighbors=[]),
    "BGP no number": bgp(
        "announced by BGP, and the cluster has no number", "64512", "klubster_bgp.asn", None, asn=REMOVED
    ),
    "BGP number zero": bgp("from 1 to", "64512", "klubster_bgp.asn", 0, asn=0),
    "BGP number too large": bgp("from 1 to", "64512", "klubster_bgp.asn", asn=4294967295),
    "BGP number reserved": bgp("23456 stands for", "64512", "klubster_bgp.asn", 23456, asn=23456),
    "BGP number with a dot": bgp("a whole number", "whole number", "klubster_bgp.asn", asn="1.10"),
    "BGP number negative": bgp("from 1 to", "64512", "klubster_bgp.asn", asn=-5),
    "BGP no peers": bgp("there is no router to tell it", "announce by l2", "klubster_bgp.peers", [], peers=[]),
    "peer without a name": peer("required", "Add it", "name", name=REMOVED),
    "peer name bad": peer("RFC 1123", "'router-2'", "name", name="Router 2"),
    "peer without address": peer("required", "Add it", "address", address=REMOVED),
    "peer address a name": peer("no IP address", "192.168.1.10", "address", address="router2.lan"),
    "peer address a network": peer("no IP address", "192.168.1.10", "address", address="192.168.1.2/24"),
    "peer address of this machine": peer("loopback", "your network", "address", address="127.0.0.1"),
    "peer address multicast": peer("multicast", "your network", "address", address="224.0.0.1"),
    "peer address link-local": peer("link-local", "your network", "address", address="fe80::1"),
    "peer address of a node": peer(
        "overlaps klubster_address of node1", "nothing else", "address", address="192.168.1.11"
    ),
    "peer address in a pool": bgp(
        "overlaps klubster_bgp.peers[0].address (192.168.1.241)",
        "nothing else",
        "klubster_pools[0].addresses[0]",
        peers=[PEER | {"address": "192.168.1.241"}],
    ),
    "peer address of a pod": bgp(
        "overlaps klubster_bgp.peers[0].address",
        "nothing else",
        "klubster_pod_network",
        peers=[PEER | {"address": "10.244.0.1"}],
    ),
    "peer without number": peer("has a number, or dynamic_asn", "Give the number", "asn", None, asn=REMOVED),
    "peer number zero": peer("from 1 to", "64512", "asn", 0, asn=0),
    "peer with two numbers": peer("Both are given", "Give the number", "asn", frr=True, dynamic_asn="external"),
    "peer of an unknown side": peer("none of its choices", "'external'", "dynamic_asn", dynamic_asn="extern"),
    "peer port too high": peer("between 1 and 16384", "from 1", "port", 17900, port=17900),
    "peer with its password": peer(
        "does not stand among other data", "klubster_bgp_passwords", "password", "(masked)", password="s3cret"
    ),
    "peer hold time of a second": peer("at least 3 seconds", "3 or more", "hold_time", 1, hold_time=1),
    "peer hold time too long": peer("between 0 and 65535", "from 0", "hold_time", hold_time=70000),
    "peer hold time with a unit": peer("a whole number", "without quotes and units", "hold_time", hold_time="90s"),
    "peer keepalive by the native speaker": peer(
        "does not have a time for keepalive", "frr", "keepalive", 3, keepalive=3
    ),
    "peer keepalive too long": peer("Three of them fit", "at most 3", "keepalive", frr=True, keepalive=4, hold_time=9),
    "peer keepalive without end": peer(
        "Three of them fit", "give hold_time", "keepalive", frr=True, keepalive=4, hold_time=0
    ),
    "peer connect time by the native speaker": peer(
        "does not have a time for connecting", "frr", "connect_time", connect_time=5
    ),
    "peer connect time zero": peer("between 1 and", "from 1", "connect_time", frr=True, connect_time=0),
    "peer restart by the native speaker": peer(
        "does not have graceful restart", "frr", "graceful_restart", graceful_restart=True
    ),
    "peer number of its own finding by the native speaker": peer(
        "finds out by itself", "frr", "dynamic_asn", asn=REMOVED, dynamic_asn="external"
    ),
    "peer BFD by the native speaker": peer(
        "native speaker does not have BFD", "frr", "bfd_profile", "fast", bfd_profile="fast"
    ),
    "BFD profile for the native speaker": bgp(
        "has no BFD", "frr", "klubster_bgp.bfd_profiles[0]", "fast", bfd_profiles=[{"name": "fast"}]
    ),
    "peer BFD profile unknown": peer(
        "not in klubster_bgp.bfd_profiles",
        "'fast'",
        "bfd_profile",
        frr=True,
        bfd_profile="fats",
        bfd_profiles=[{"name": "fast"}],
    ),
    "peer far away in its own system": peer(
        "another autonomous system", "Leave it out", "ebgp_multihop", asn=65001, ebgp_multihop=True
    ),
    "peer source a name": peer("no IP address", "192.0.2.1", "source_address", source_address="eth0"),
    "peer source of another family": peer(
        "not of the family",
        "one family",
        "source_address",
        source_address="fd00::5",
        node_selectors=[{"match_labels": {"kubernetes.io/hostname": "node1"}}],
    ),
    "peer source of all machines": peer(
        "an address of one machine", "node_selectors", "source_address", source_address="192.168.1.11"
    ),
    "peer router id of IPv6": peer("IPv4 address", "192.0.2.1", "router_id", router_id="fd00::1"),
    "peers share a name": bgp(
        "has this name too", "each peer", "klubster_bgp.peers[1].name", peers=[PEER, PEER | {"address": "192.168.1.3"}]
    ),
    "peers share an address": bgp(
        "has this address too", "Remove one", "klubster_bgp.peers[1].address", peers=[PEER, PEER | {"name": "again"}]
    ),
    "peers share an address, apart, by FRR": bgp(
        "FRR takes a router once",
        "Remove one",
        "klubster_bgp.peers[1].address",
        frr=True,
        peers=[
            PEER | {"node_selectors": [{"match_labels": {"a": "b"}}]},
            PEER | {"name": "again", "node_selectors": [{"match_labels": {"a": "c"}}]},
        ],
    ),
    "router ids differ by FRR": bgp(
        "one name for all peers",
        "the same router_id",
        "klubster_bgp.peers",
        frr=True,
        peers=[PEER | {"router_id": "10.0.0.1"}, {**PEER, "name": "b", "address": "192.168.1.3"}],
    ),
    "password of nobody": secret("No peer", "'router2'", "router", "abc"),
    "password with a blank": secret("no blanks", "both sides", "router2", "two words"),
    "password with a line": secret("no blanks", "both sides", "router2", "line\n"),
    "password with a control character": secret("no blanks", "both sides", "router2", "a\x07b"),
    "password too long": secret("1 to 80", "quote", "router2", "a" * 81),
    "password empty": secret("1 to 80", "quote", "router2", ""),
    "password a number": secret("text, not a whole number", "Put it in quotes.", "router2", 31337),
    "passwords a list": one("klubster_bgp_passwords", ["abc"], "a mapping", "key: value", shown="(masked)"),
    "selector empty": selector("fits everything", "match_labels", "", match_labels={}),
    "selector key bad": selector("label's key", "example.org/name", ".match_labels.a b", match_labels={"a b": "c"}),
    "selector value bad": selector("label's value", "Shorten", ".match_labels.a", match_labels={"a": "b c"}),
    "selector value a number": selector("not a whole number", '"1"', ".match_labels.a", match_labels={"a": 1}),
    "selector of a node that is not": selector(
        "no node of this name",
        "'node1'",
        ".match_labels.kubernetes.io/hostname",
        match_labels={"kubernetes.io/hostname": "nod1"},
    ),
    "selector operator unknown": selector(
        "none of its choices",
        "'Exists'",
        ".match_expressions[0].operator",
        match_expressions=[{"key": "a", "operator": "exists"}],
    ),
    "selector without values": selector(
        "In compares with values",
        "at least one",
        ".match_expressions[0].values",
        match_expressions=[{"key": "a", "operator": "In"}],
    ),
    "selector with values for nothing": selector(
        "nothing to compare with",
        "Leave it out",
        ".match_expressions[0].values",
        match_expressions=[{"key": "a", "operator": "Exists", "values": ["b"]}],
    ),
    "selector twice": peer(
        "there twice", "Leave one", "node_selectors[1]", node_selectors=[{"match_labels": {"a": "b"}}] * 2
    ),
    "advertised pool unknown": advertisement("not in klubster_pools", "'home'", "pools[0]", pools=["hom"]),
    "advertised pool twice": advertisement("there twice", "Leave one", "pools[1]", pools=["home", "home"]),
    "advertised pool of L2": advertisement(
        "announced by l2 only",
        "announce: both",
        "pools",
        pools=["near"],
        given=[
            {"name": "near", "addresses": ["192.168.1.240/29"], "announce": "l2"},
            {"name": "far", "addresses": ["203.0.113.0/24"]},
        ],
    ),
    "advertised to nobody known": advertisement("not in klubster_bgp.peers", "'router2'", "peers[0]", peers=["router"]),
    "aggregation too long": advertisement("between 1 and 32", "from 1", "aggregation_length", aggregation_length=33),
    "aggregation of everything": advertisement(
        "between 1 and 32", "from 1", "aggregation_length", aggregation_length=0
    ),
    "aggregation wider than a pool": advertisement(
        "no network larger than /29", "29 to 32", "aggregation_length", aggregation_length=28, pools=["special"]
    ),
    "aggregation wider than a range": advertisement(
        "192.168.1.241-192.168.1.246 of the pool 'a' has no network larger than /31",
        "31 to 32",
        "aggregation_length",
        aggregation_length=30,
        given=[{"name": "a", "addresses": ["192.168.1.241-192.168.1.246"]}],
    ),
    "aggregation without such addresses": advertisement(
        "None of its pools has addresses of IPv6", "Leave it out", "aggregation_length_v6", aggregation_length_v6=64
    ),
    "preference below nothing": advertisement("between 0 and", "from 0", "local_preference", local_preference=-1),
    "preferences disagree": bgp(
        "announces the same to the same peers with 100",
        "Give both the same",
        "klubster_bgp.advertisements[1].local_preference",
        advertisements=[{"name": "one", "local_preference": 100}, {"name": "two", "local_preference": 200}],
    ),
    "advertisements share a name": bgp(
        "has this name too",
        "each advertisement",
        "klubster_bgp.advertisements[1].name",
        advertisements=[{"name": "one"}, {"name": "one"}],
    ),
    "advertisement with the name of a lonely pool": bgp(
        "gets one of this name",
        "Rename",
        "klubster_bgp.advertisements[0].name",
        advertisements=[{"name": "special", "pools": ["home"]}],
    ),
    "community unknown": advertisement(
        "not in klubster_bgp.communities", "no-export", "communities[0]", communities=["nobody"]
    ),
    "community too large": advertisement("up to 65535", "quotes", "communities[0]", communities=["65536:1"]),
    "community read as a number by YAML": advertisement(
        "text, not a whole number", "in quotes, like '65010:100'", "communities[0]", communities=[65010 * 60 + 20]
    ),
    "community twice": advertisement("there twice", "Leave one", "communities[1]", communities=["1:2", "1:2"]),
    "community of three numbers by the native speaker": advertisement(
        "no large communities", "frr", "communities[0]", communities=["65010:1:2"]
    ),
    "community's name bad": bgp(
        "begins with a letter", "Rename", "klubster_bgp.communities.1st", communities={"1st": "1:2"}
    ),
    "community's name taken": bgp(
        "has a meaning already", "another", "klubster_bgp.communities.no-export", communities={"no-export": "1:2"}
    ),
    "community's value no community": bgp(
        "two numbers", "quotes", "klubster_bgp.communities.a", communities={"a": "x"}
    ),
    "BFD interval too short": bgp(
        "between 10 and 60000",
        "from 10",
        "klubster_bgp.bfd_profiles[0].receive",
        frr=True,
        bfd_profiles=[{"name": "fast", "receive": 5}],
    ),
    "BFD multiplier of one": bgp(
        "between 2 and 255",
        "from 2",
        "klubster_bgp.bfd_profiles[0].multiplier",
        frr=True,
        bfd_profiles=[{"name": "fast", "multiplier": 1}],
    ),
    "BFD echo interval without echo": bgp(
        "echo is off",
        "echo: true",
        "klubster_bgp.bfd_profiles[0].echo_interval",
        frr=True,
        bfd_profiles=[{"name": "fast", "echo_interval": 50}],
    ),
    "BFD profiles share a name": bgp(
        "has this name too",
        "each profile",
        "klubster_bgp.bfd_profiles[1].name",
        frr=True,
        bfd_profiles=[{"name": "fast"}, {"name": "fast"}],
    ),
    "pool of a family that no peer hears": peer(
        "whose address is of the other family",
        "dual_stack: true",
        "klubster_pools[0].addresses[0]",
        frr=True,
        pools=[{"name": "six", "addresses": ["2001:db8:5::/64"]}],
    ),
    "peer of both families by the native speaker": peer(
        "does not have sessions with both families", "frr", "dual_stack", dual_stack=True
    ),
    "BFD echo and IPv6": peer(
        "'six' has IPv6",
        "without echo",
        "bfd_profile",
        frr=True,
        bfd_profile="loud",
        bfd_profiles=[{"name": "loud", "echo": True}],
        dual_stack=True,
        pools=[{"name": "six", "addresses": ["2001:db8:5::/64"]}],
    ),
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
    "image archives text": one("klubster_image_archives", "/srv/a.tar", "a list, not text", "[a, b]"),
    "image archive relative": one(
        "klubster_image_archives", ["images/a.tar"], "absolute", "/srv/images/a.tar", "klubster_image_archives[0]"
    ),
    "image archive compressed": one(
        "klubster_image_archives", ["/srv/a.tar.gz"], "ends in .tar", "unpack", "klubster_image_archives[0]"
    ),
    "image archive odd name": one(
        "klubster_image_archives", ["/srv/my images.tar"], "letters, digits", "Rename", "klubster_image_archives[0]"
    ),
    "image archives of one name": one(
        "klubster_image_archives",
        ["/srv/a.tar", "/srv/other/a.tar"],
        "in the list already: /srv/a.tar",
        "Rename one",
        "klubster_image_archives[1]",
    ),
    "image archive a number": one(
        "klubster_image_archives", [7], "a path, not a whole number", "quotes", "klubster_image_archives[0]"
    ),
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
