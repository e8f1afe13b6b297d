# SPDX-License-Identifier: Apache-2.0
"""A small cluster of k3s for the tests, and a table of what users get wrong."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_config import K3sCluster, K3sMachine


def cluster(**changes: t.Any) -> K3sCluster:
    options: dict[str, t.Any] = {
        "version": "1.34.2+k3s1",
        "pod_networks": ("10.42.0.0/16",),
        "service_networks": ("10.43.0.0/16",),
        "dns_domain": "cluster.local",
        "dns_addresses": ("10.43.0.10",),
        "registration": "api.home.internal",
        "alternative_names": ("192.0.2.11",),
        "disabled": ("traefik", "servicelb"),
    }
    return K3sCluster(**{**options, **changes})


def server(**changes: t.Any) -> K3sMachine:
    options: dict[str, t.Any] = {"name": "s1", "node_name": "s1", "role": "server", "addresses": ("192.0.2.11",)}
    return K3sMachine(**{**options, "first": True, **changes})


def agent(**changes: t.Any) -> K3sMachine:
    options: dict[str, t.Any] = {"name": "a1", "node_name": "a1", "role": "agent", "addresses": ("192.0.2.21",)}
    return K3sMachine(**{**options, **changes})


@dataclass(frozen=True)
class Bad:
    """Keys that are refused: what has to be found in the rule and the remedy of the problem with ``key``."""

    keys: t.Any
    rule: str
    remedy: str
    key: str = ""
    role: str = "server"
    cluster: dict[str, t.Any] = field(default_factory=dict)
    hidden: str = ""

    @property
    def blamed(self) -> str:
        return self.key or next(iter(self.keys))


def _agent(keys: t.Any, rule: str, remedy: str, **more: t.Any) -> Bad:
    return Bad(keys, rule, remedy, role="agent", **more)


UNKNOWN = "no such key; it would only log that"
OURS = "The collection decides about this key"
DUAL: dict[str, t.Any] = {
    "pod_networks": ("10.42.0.0/16", "fd00:42::/56"),
    "service_networks": ("10.43.0.0/16", "fd00:43::/112"),
    "dns_addresses": ("10.43.0.10", "fd00:43::a"),
}
NO_CNI = {"cni": "none"}
EXTERNAL = {"datastore": "external"}
SQLITE = {"datastore": "sqlite"}

BAD: dict[str, Bad] = {
    # unknown, and what was meant
    "plural": Bad({"tls-sans": ["a"]}, UNKNOWN, "Did you mean 'tls-san'?"),
    "underscores": Bad({"tls_san": ["a"]}, UNKNOWN, "Did you mean 'tls-san'?"),
    "dashes": Bad({"--debug": True}, UNKNOWN, "Did you mean 'debug'?"),
    "typing error": Bad({"disbale": ["traefik"]}, UNKNOWN, "Did you mean 'disable'?"),
    "letters swapped": Bad({"kubelet-agr": ["a=b"]}, UNKNOWN, "Did you mean 'kubelet-arg'?"),
    "arguments": Bad({"kubelet-args": ["a=b"]}, UNKNOWN, "Did you mean 'kubelet-arg'?"),
    "camel case": Bad({"writeKubeconfigMode": "0644"}, UNKNOWN, "Did you mean 'write-kubeconfig-mode'?"),
    "misspelt secret": Bad({"tokn": "hunter22"}, UNKNOWN, "Did you mean 'token'?", hidden="hunter22"),
    "unknown password": Bad({"db-password": "hunter22"}, UNKNOWN, "", hidden="hunter22"),
    "nothing like it": Bad({"xyzzy": 1}, UNKNOWN, "Look it up"),
    "number as key": Bad({1: 2}, UNKNOWN, "Look it up"),
    "one letter": Bad({"t": "hunter22"}, "Keys are written in full", "Write 'token'", hidden="hunter22"),
    "one letter for a path": Bad({"d": "/srv/k3s"}, "Keys are written in full", "Write 'data-dir'"),
    "appending": Bad({"tls-san+": ["a"]}, "nothing to append to", "Write 'tls-san'"),
    "no mapping": Bad(["debug"], "It is keys with values", "Write 'key: value'", key=" of s1"),
    "text": Bad("debug: true", "It is keys with values", "Write 'key: value'", key=" of s1"),
    # versions
    "gone deploy": Bad({"no-deploy": ["traefik"]}, "no such key since 1.26", "Write 'disable'"),
    "gone flannel": Bad({"no-flannel": True}, "no such key since 1.26", "klubster_cni"),
    "gone secret": Bad({"cluster-secret": "hunter22"}, "no such key since 1.26", "0600", hidden="hunter22"),
    "gone selinux": Bad({"disable-selinux": True}, "no such key since 1.26", "off by default"),
    "gone multi": Bad({"multi-cluster-cidr": True}, "no such key since 1.29", "Leave it out"),
    "not yet by minor": Bad(
        {"nonroot-devices": True}, "no such key yet; it came with 1.31", "newer", cluster={"version": "1.30.9+k3s1"}
    ),
    "not yet by patch": Bad(
        {"etcd-s3-retention": 3}, "it came with 1.31.12, 1.32.8", "newer", cluster={"version": "1.32.7+k3s1"}
    ),
    "not yet by build": Bad(
        {"helm-controller-arg": ["a=b"]}, "1.33.13+k3s2", "newer", cluster={"version": "1.33.13+k3s1"}
    ),
    "not yet lookup type": Bad({"etcd-s3-bucket-lookup-type": "dns"}, "1.33", "newer", cluster={"version": "1.32.1"}),
    "never merged": Bad({"flannel-ip-masq-disable-random-fully": True}, UNKNOWN, ""),
    "old version": Bad({}, "Keys are known from k3s 1.28", "newer", key="1.27", cluster={"version": "1.27.4+k3s1"}),
    "no version": Bad({}, "no version of k3s", "Write it like", key="stable", cluster={"version": "stable"}),
    "minor only": Bad({}, "no version of k3s", "Write it like", key="1.34", cluster={"version": "1.34"}),
    "rke2": Bad({}, "no version of k3s", "Write it like", key="rke2", cluster={"version": "1.34.2+rke2r1"}),
    # wrong role
    "server key on agent": _agent({"tls-san": ["a.example.org"]}, "for a server", "servers only"),
    "etcd on agent": _agent({"etcd-s3": True}, "for a server", "servers only"),
    "disable on agent": _agent({"disable": ["traefik"]}, "for a server", "servers only"),
    "apiserver options on agent": _agent({"kube-apiserver-arg": ["a=b"]}, "for a server", "servers only"),
    "encryption on agent": _agent({"secrets-encryption": True}, "for a server", "servers only"),
    "registry on agent": _agent({"system-default-registry": "r.example.org"}, "for a server", "servers only"),
    "agent key on server": Bad({"disable-apiserver-lb": True}, "for an agent", "agents only"),
    # ours
    "token": Bad({"token": "hunter22"}, OURS, "0600", hidden="hunter22"),
    "token file": Bad({"token-file": "/etc/token"}, OURS, "0600"),
    "agent token": Bad({"agent-token": "hunter22"}, OURS, "0600", hidden="hunter22"),
    "server": Bad({"server": "https://a:6443"}, OURS, "which server begins"),
    "server on agent": _agent({"server": "https://a:6443"}, OURS, "which server begins"),
    "init": Bad({"cluster-init": True}, OURS, "which server begins"),
    "reset": Bad({"cluster-reset": True}, OURS, "acts on every start"),
    "restore": Bad({"cluster-reset-restore-path": "/x"}, OURS, "acts on every start"),
    "pods": Bad({"cluster-cidr": "10.1.0.0/16"}, OURS, "klubster_pod_network"),
    "services": Bad({"service-cidr": "10.1.0.0/16"}, OURS, "klubster_service_network"),
    "dns": Bad({"cluster-dns": "10.1.0.10"}, OURS, "tenth address"),
    "domain": Bad({"cluster-domain": "x.example"}, OURS, "klubster_dns_domain"),
    "backend": Bad({"flannel-backend": "none"}, OURS, "klubster_cni_backend"),
    "api port": Bad({"https-listen-port": 8443}, OURS, "klubster_api_port"),
    "node name": _agent({"node-name": "x"}, OURS, "klubster_node_name"),
    "node address": _agent({"node-ip": "10.0.0.1"}, OURS, "klubster_address"),
    "labels": _agent({"node-label": ["a=b"]}, OURS, "klubster_labels"),
    "taints": _agent({"node-taint": ["a=b:NoExecute"]}, OURS, "klubster_taints"),
    "node id": Bad({"with-node-id": True}, OURS, "unique in the inventory"),
    "data": Bad({"data-dir": "/srv/k3s"}, OURS, "mount your disk"),
    "config": Bad({"config": "/srv/k3s.yaml"}, OURS, "Give the keys themselves"),
    "kubeconfig": Bad({"write-kubeconfig": "/srv/x"}, OURS, "klubster_kubeconfig"),
    "registries": _agent({"private-registry": "/srv/x"}, OURS, "variable of their own"),
    "datastore": Bad({"datastore-endpoint": "mysql://u:hunter22@tcp(h)/d"}, OURS, "environment", hidden="hunter22"),
    "s3 key": Bad({"etcd-s3-secret-key": "hunter22"}, OURS, "etcd-s3-config-secret", hidden="hunter22"),
    "vpn": Bad({"vpn-auth": "name=tailscale,joinKey=hunter22"}, OURS, "vpn-auth-file", hidden="hunter22"),
    "rootless": Bad({"rootless": True}, OURS, "runs as root"),
    "agentless": Bad({"disable-agent": True}, OURS, "is a node"),
    "old alias": Bad({"kube-controller-arg": ["a=b"]}, OURS, "kube-controller-manager-arg"),
    # wrong type
    "true as text": Bad({"debug": "true"}, "true or false", "Write true without quotes"),
    "yes": Bad({"debug": "yes"}, "true or false", "Write true or false"),
    "one": Bad({"selinux": 1}, "true or false", "Write true or false"),
    "list for bool": Bad({"debug": [True]}, "true or false", "Write true or false"),
    "number as text": Bad({"etcd-snapshot-retention": "5"}, "whole number", "Write 5 without quotes"),
    "broken number": Bad({"etcd-snapshot-retention": 1.5}, "whole number", "Write it as a number"),
    "bool for number": Bad({"lb-server-port": True}, "whole number", "Write it as a number"),
    "mode as number": Bad({"write-kubeconfig-mode": 420}, "YAML reads 0644 as the number 420", '"0644"'),
    "number for text": Bad({"snapshotter": 1}, "This key is a text", "Put it in quotes"),
    "bool for text": Bad({"egress-selector-mode": False}, "This key is a text", "Put it in quotes"),
    "list for text": Bad({"pause-image": ["a"]}, "This key is one text", "single text"),
    "mapping for list": Bad({"disable": {"traefik": True}}, "list of texts", "one entry for each line"),
    "bool for list": Bad({"disable": True}, "list of texts", "one entry for each line"),
    "numbers in list": Bad({"tls-san": [1]}, "This key is a text", "Put it in quotes"),
    "mapping in list": Bad({"kubelet-arg": [{"max-pods": 9}]}, "This key is one text", "single text"),
    "nothing": Bad({"debug": None}, "The key has no value", "leave it out"),
    "nothing in list": Bad({"disable": [None]}, "This key is one text", "single text"),
    "empty text": Bad({"snapshotter": ""}, "The text is empty", "Leave the key out"),
    "blank at the end": Bad({"snapshotter": "native "}, "ends with a blank", "write the text alone"),
    "two lines": Bad({"kubelet-arg": ["a=b\nc=d"]}, "line break", "one line"),
    "half a character": Bad({"kubelet-arg": ["a=\ud83d"]}, "control character", "one line"),
    "twice": Bad({"disable": ["traefik", "coredns,traefik"]}, "'traefik' stands twice", "Leave one out"),
    # wrong word or form
    "egress mode": Bad({"egress-selector-mode": "pods"}, "no value of this key", "Did you mean 'pod'?"),
    "lookup type": Bad({"etcd-s3-bucket-lookup-type": "host"}, "no value", "Use one of auto, dns, path"),
    "provider": Bad({"secrets-encryption-provider": "aesgcm"}, "no value", "Did you mean 'aescbc'?"),
    "component": Bad({"disable": ["treafik"]}, "no component 'treafik'", "Did you mean 'traefik'?"),
    "component in capitals": Bad({"disable": ["ServiceLB"]}, "no component", "Did you mean 'servicelb'?"),
    "component among others": Bad({"disable": "traefik,metric-server"}, "no component", "'metrics-server'"),
    "component of two words": Bad({"disable": ["my thing"]}, "one word", "Use one of"),
    "address": Bad({"bind-address": "0.0.0"}, "no IP address", "192.168.1.10"),
    "name for address": Bad({"advertise-address": "api.example.org"}, "no IP address", "192.168.1.10"),
    "address with prefix": Bad({"node-external-ip": ["203.0.113.1/24"]}, "no IP address", "192.168.1.10"),
    "san with scheme": Bad({"tls-san": ["https://api.example.org"]}, "an RFC 1123 subdomain", "Write for example"),
    "san with port": Bad({"tls-san": ["api.example.org:6443"]}, "an RFC 1123 subdomain", "Write for example"),
    "san almost an address": Bad({"tls-san": ["192.0.2.300"]}, "neither a name nor an IP", "api.home.internal"),
    "port too high": Bad({"lb-server-port": 70000}, "between 1 and 65535", "in between"),
    "port zero": Bad({"lb-server-port": 0}, "between 1 and 65535", "in between"),
    "retention": Bad({"etcd-snapshot-retention": -1}, "between 0 and", "in between"),
    "verbosity": Bad({"v": 99}, "between 0 and 10", "in between"),
    "port range": Bad({"service-node-port-range": "30000"}, "as a range", "30000-32767"),
    "port range backwards": Bad({"service-node-port-range": "32767-30000"}, "begins at its lower end", "30000"),
    "port range too high": Bad({"service-node-port-range": "30000-70000"}, "between 1 and 65535", "30000"),
    "mode": Bad({"write-kubeconfig-mode": "rw-r--r--"}, "octal digits", "0640"),
    "mode for all": Bad({"write-kubeconfig-mode": "0666"}, "writable by everybody", "0640"),
    "duration": Bad({"etcd-s3-timeout": "5 minutes"}, "numbers with units", "5m0s"),
    "bare duration": Bad({"etcd-snapshot-reconcile-interval": "10"}, "numbers with units", "5m0s"),
    "schedule": Bad({"etcd-snapshot-schedule-cron": "daily"}, "five fields", "0 */12 * * *"),
    "six fields": Bad({"etcd-snapshot-schedule-cron": "0 0 */12 * * *"}, "five fields", "0 */12 * * *"),
    "relative path": Bad({"resolv-conf": "resolv.conf"}, "path is absolute", "/srv/"),
    "path upwards": Bad({"etcd-snapshot-dir": "/srv/../etc"}, "no '..'", "in full"),
    "s3 url": Bad({"etcd-s3-endpoint": "https://s3.example.org"}, "no scheme", "host.example.org:5000"),
    "s3 port": Bad({"etcd-s3-endpoint": "s3.example.org:99999"}, "Here stands a host", "host.example.org:5000"),
    "registry url": Bad({"system-default-registry": "https://r.example.org"}, "no scheme", "host.example.org"),
    "proxy": Bad({"etcd-s3-proxy": "proxy:3128"}, "Here stands a URL", "https://"),
    "socket": Bad({"container-runtime-endpoint": "tcp://h:1"}, "A socket is a path", "unix://"),
    "image": Bad({"pause-image": "Pause Image"}, "no name of an image", "registry.example.org"),
    "interface": Bad({"flannel-iface": "a-very-long-interface"}, "1 to 15 characters", "ip link"),
    "bucket": Bad({"etcd-s3-bucket": "my bucket"}, "one word", "Write it so"),
    "levels": Bad({"vmodule": "kubelet"}, "pairs of file pattern and level", "kubelet*=4"),
    "namespace": Bad({"servicelb-namespace": "Kube_System"}, "RFC 1123 label", "kube-system"),
    "node dns": _agent({"node-external-dns": ["Node_1"]}, "RFC 1123 subdomain", "node-1"),
    # options of the parts
    "option with dashes": Bad({"kubelet-arg": ["--max-pods=9"]}, "without dashes", "Write 'max-pods=9'"),
    "option without value": Bad({"kubelet-arg": ["max-pods"]}, "'name=value'", "max-pods=true"),
    "option with blank": Bad({"kubelet-arg": ["max-pods 9"]}, "'name=value'", "Write for example"),
    "option with colon": Bad({"kube-apiserver-arg": ["v: 4"]}, "'name=value'", "Write for example"),
    "option config": Bad({"kubelet-arg": ["config=/x"]}, "sets this option itself", "klubster_kubelet_config"),
    "option config-dir": _agent({"kubelet-arg": ["config-dir=/x"]}, "sets this option", "klubster_kubelet_config"),
    "option node-ip": _agent({"kubelet-arg": ["node-ip=1.2.3.4"]}, "sets this option", "klubster_address"),
    "option services": Bad(
        {"kube-apiserver-arg": ["service-cluster-ip-range=10.1.0.0/16"]}, "sets this option", "service_network"
    ),
    "option pods": Bad({"kube-controller-manager-arg": ["cluster-cidr=10.1.0.0/16"]}, "sets this", "pod_network"),
    # keys that do not go together
    "no etcd, nothing to join": Bad({"disable-etcd": True}, "has to join one", "Keep etcd"),
    "no etcd with sqlite": Bad({"disable-etcd": True}, "not the embedded etcd", "Leave it out", cluster=SQLITE),
    "no API with external": Bad({"disable-apiserver": True}, "all run the API", "Leave it out", cluster=EXTERNAL),
    "etcd key with external": Bad(
        {"etcd-snapshot-retention": 9}, "not the embedded etcd", "Leave it out", cluster=EXTERNAL
    ),
    "etcd key with sqlite": Bad({"etcd-expose-metrics": True}, "not the embedded etcd", "Leave", cluster=SQLITE),
    "etcd options with sqlite": Bad({"etcd-arg": ["a=b"]}, "not the embedded etcd", "Leave it out", cluster=SQLITE),
    "masquerade without IPv6": Bad({"flannel-ipv6-masq": True}, "no IPv6 network", "klubster_pod_network"),
    "masquerade without flannel": Bad(
        {"flannel-ipv6-masq": True}, "no flannel here", "klubster_cni", cluster={**DUAL, **NO_CNI}
    ),
    "external without address": Bad({"flannel-external-ip": True}, "this machine has none", "node-external-ip"),
    "external without flannel": Bad(
        {"flannel-external-ip": True, "node-external-ip": "203.0.113.1"},
        "flannel is off",
        "klubster_cni",
        cluster=NO_CNI,
    ),
    "interface without flannel": Bad({"flannel-iface": "eth1"}, "flannel is off", "klubster_cni", cluster=NO_CNI),
    "policies of k3s": Bad({"disable-network-policy": False}, "CNI provider", "Leave the key out", cluster=NO_CNI),
    "provider without encryption": Bad(
        {"secrets-encryption-provider": "secretbox"}, "Nothing is encrypted", "secrets-encryption: true"
    ),
    "secret beside keys": Bad(
        {"etcd-s3": True, "etcd-s3-config-secret": "s3", "etcd-s3-bucket": "b"},
        "no other key of S3",
        "into the Secret",
        key="etcd-s3-config-secret",
    ),
    "secret without s3": Bad({"etcd-s3-config-secret": "s3"}, "'etcd-s3' is off", "etcd-s3: true"),
    "s3 without bucket": Bad({"etcd-s3": True}, "in a bucket", "etcd-s3-bucket"),
    "same port": Bad({"lb-server-port": 6443}, "would listen on this port", "Choose another one"),
    "advertised family": Bad(
        {"advertise-address": "fd00::11"}, "family of the first service network", "of that family"
    ),
    "kubelet config": Bad(
        {},
        "from 1.32 on",
        "kubelet-arg",
        key="klubster_kubelet_config",
        cluster={"version": "1.31.4+k3s1", "kubelet_config": {"maxPods": 9}},
    ),
    # what the cluster itself gets wrong, should the model let it through
    "services too large": Bad(
        {}, "at most a /12", "part of", key="service-cidr", cluster={"service_networks": ("10.0.0.0/8",)}
    ),
    "services too large, IPv6": Bad(
        {},
        "/112 with IPv6",
        "part of",
        key="service-cidr",
        cluster={**DUAL, "service_networks": ("10.43.0.0/16", "fd00:43::/64")},
    ),
    "dns outside": Bad(
        {}, "outside the service network", "address in it", key="cluster-dns", cluster={"dns_addresses": ("10.9.0.10",)}
    ),
    "overlap": Bad(
        {}, "share addresses", "do not overlap", key="service-cidr", cluster={"pod_networks": ("10.0.0.0/8",)}
    ),
    "families": Bad({}, "same families", "Order", key="service-cidr", cluster={"pod_networks": ("fd00:42::/56",)}),
    "two of one family": Bad(
        {},
        "one of each family",
        "Leave",
        key="cluster-cidr",
        cluster={"pod_networks": ("10.42.0.0/16", "10.44.0.0/16")},
    ),
    "no network": Bad(
        {}, "no network", "10.42.0.0/16", key="cluster-cidr", cluster={"pod_networks": ("10.42.0.1/16",)}
    ),
    "no address of DNS": Bad({}, "no IP address", "10.43.0.10", key="cluster-dns", cluster={"dns_addresses": ("dns",)}),
}
