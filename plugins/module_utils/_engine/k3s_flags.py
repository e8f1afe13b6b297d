# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The keys of k3s's configuration as data: one row for each, with the versions and the role it is for.

k3s only logs a key that it does not know, and goes on without it; so this table is what a mistake meets first.
https://docs.k3s.io/cli/server https://docs.k3s.io/cli/agent https://docs.k3s.io/installation/configuration
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.engine_layout import Role
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import Release
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, nearest

Kind = t.Literal["str", "int", "bool", "list"]
Scope = t.Literal["server", "agent", "both"]
Standing = t.Literal["", "hidden", "experimental", "deprecated"]

#: the table says nothing of older ones
FIRST_MINOR = 28
_VERSION = re.compile(r"v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*))?(?:-[a-z]+[0-9]+)?(?:\+k3s([0-9]+))?")


@dataclass(frozen=True)
class Flag:
    """One key of ``config.yaml``; the same word with two dashes is the command line's option."""

    name: str
    kind: Kind
    scope: Scope
    meaning: str
    #: what k3s takes when nobody says anything; None where it is found out at run time
    default: t.Any = None
    #: which rule its text or its entries obey, by name in ``k3s_values``
    form: str = ""
    allowed: tuple[str, ...] = ()
    #: first version of each minor that has it (later minors have it from their start); empty: all of this table
    since: tuple[str, ...] = ()
    #: first version without it
    removed: str = ""
    #: has to be the same on all servers
    must_match: bool = False
    #: entries of a list that have to be the same on all servers, where not the whole list has to
    match_items: tuple[str, ...] = ()
    #: its value is never shown
    secret: bool = False
    #: what a user does instead of setting it; empty where it is the user's
    ours: str = ""
    #: what replaces a removed one
    instead: str = ""
    #: one letter, also taken in the file
    short: str = ""
    standing: Standing = ""
    #: k3s splits the entries at commas
    commas: bool = False

    def in_version(self, version: Release) -> bool:
        """Whether this version of k3s has the key."""
        if self.removed and version >= release(self.removed, any_minor=True):
            return False
        return not self.since or _has_begun([release(text, any_minor=True) for text in self.since], version)

    def for_role(self, role: Role) -> bool:
        return self.scope in ("both", role)


def release(text: str, *, any_minor: bool = False) -> Release:
    """A version: ``1.34.2``, ``v1.34.2+k3s1``, ``1.34.2-rc1+k3s1``; a release candidate counts as its release.

    :param any_minor: also those that are older than this table, and a minor version alone.
    :raises Refused: no version, or too old.
    """
    found = _VERSION.fullmatch(text)
    if found is None or (found.group(3) is None and not any_minor):
        raise Refused("This is no version of k3s.", "Write it like '1.34.2+k3s1'.")
    version = Release(int(found.group(1)), int(found.group(2)), int(found.group(3) or 0), int(found.group(4) or 1))
    if not any_minor and (version.major, version.minor) < (1, FIRST_MINOR):
        raise Refused(f"Keys are known from k3s 1.{FIRST_MINOR} on.", "Choose a newer version.")
    return version


def _has_begun(starts: t.Sequence[Release], version: Release) -> bool:
    same = [start for start in starts if start[:2] == version[:2]]
    if same:
        return version >= min(same)
    return version > max(starts)


_BACKEND = "Set klubster_cni and klubster_cni_backend."
_JOINING = "Leave it out: the token stands in a file of mode 0600 that the collection writes."
_JOIN = "Leave it out: the collection decides which server begins and which join it."
_ONE_SHOT = "Leave it out: it acts on every start. Restoring is a step of its own."
_S3_KEYS = "Put it into a Secret of kube-system and name that with 'etcd-s3-config-secret'."
_CONFIG_SECRET_SINCE = ("1.28.13", "1.29.8", "1.30.4")
_REGISTRY_SINCE = ("1.28.6", "1.29.1")

# Logging, configuration, data.
_GENERAL = (
    Flag("config", "str", "both", "the file itself", ours="Give the keys themselves.", short="c"),
    Flag("debug", "bool", "both", "more log", False),
    Flag("v", "int", "both", "how much the Kubernetes parts log", 0, form="verbosity"),
    Flag("vmodule", "str", "both", "how much single source files log", form="vmodule"),
    Flag("log", "str", "both", "log into a file", form="path", short="l"),
    Flag("alsologtostderr", "bool", "both", "log to a file and to standard error", False),
    Flag(
        "data-dir",
        "str",
        "both",
        "where everything is kept",
        "/var/lib/rancher/k3s",
        ours="Leave it out, and mount your disk at /var/lib/rancher/k3s.",
        short="d",
    ),
    Flag("bind-address", "str", "both", "address that k3s listens on", "0.0.0.0", form="ip"),  # noqa: S104 - k3s's own
)

# Listeners and certificates of servers.
_LISTENER = (
    Flag("https-listen-port", "int", "server", "port of the API", 6443, form="port", ours="Set klubster_api_port."),
    Flag("advertise-address", "str", "server", "address that the API tells its clients", form="ip"),
    Flag("advertise-port", "int", "server", "port that the API tells its clients", 0, form="port or 0"),
    Flag("tls-san", "list", "server", "further names in the API's certificate", (), form="host", commas=True),
    Flag("tls-san-security", "bool", "server", "names that nobody told stay out of the certificate", True),
    Flag("supervisor-port", "int", "server", "port of the supervisor", form="port", standing="experimental"),
    Flag("apiserver-port", "int", "server", "port of the API server alone", form="port", standing="experimental"),
    Flag(
        "apiserver-bind-address",
        "str",
        "server",
        "address of the API server alone",
        form="ip",
        standing="experimental",
    ),
)

_NETWORK = (
    Flag(
        "cluster-cidr",
        "list",
        "server",
        "networks of the pods",
        ("10.42.0.0/16",),
        form="network",
        must_match=True,
        ours="Set klubster_pod_network.",
        commas=True,
    ),
    Flag(
        "service-cidr",
        "list",
        "server",
        "networks of the services",
        ("10.43.0.0/16",),
        form="network",
        must_match=True,
        ours="Set klubster_service_network.",
        commas=True,
    ),
    Flag("service-node-port-range", "str", "server", "ports of NodePort services", "30000-32767", form="port range"),
    Flag(
        "cluster-dns",
        "list",
        "server",
        "addresses of the cluster's DNS",
        form="ip",
        must_match=True,
        ours="Leave it out: it is the tenth address of the service network.",
        commas=True,
    ),
    Flag(
        "cluster-domain",
        "str",
        "server",
        "DNS domain of the cluster",
        "cluster.local",
        form="domain",
        must_match=True,
        ours="Set klubster_dns_domain.",
    ),
    Flag(
        "flannel-backend",
        "str",
        "server",
        "how pods of different machines reach each other",
        "vxlan",
        allowed=("none", "vxlan", "host-gw", "wireguard-native"),
        must_match=True,
        ours=_BACKEND,
    ),
    Flag("flannel-ipv6-masq", "bool", "server", "masquerade pods' IPv6", False, must_match=True),
    Flag("flannel-external-ip", "bool", "server", "flannel uses the external addresses", False, must_match=True),
    Flag(
        "egress-selector-mode",
        "str",
        "server",
        "how the API reaches kubelets and pods",
        "agent",
        allowed=("agent", "cluster", "pod", "disabled"),
        must_match=True,
    ),
    Flag("servicelb-namespace", "str", "server", "namespace of servicelb's pods", "kube-system", form="label"),
    Flag(
        "node-ip",
        "list",
        "both",
        "addresses of the node",
        form="ip",
        ours="Set klubster_address.",
        short="i",
        commas=True,
    ),
    Flag("node-external-ip", "list", "both", "addresses of the node seen from outside", (), form="ip", commas=True),
    Flag("node-internal-dns", "list", "both", "names of the node inside", (), form="name", since=("1.31",)),
    Flag("node-external-dns", "list", "both", "names of the node seen from outside", (), form="name", since=("1.31",)),
    Flag("resolv-conf", "str", "both", "resolv.conf for kubelet", form="path"),
    Flag("flannel-iface", "str", "both", "interface that flannel uses", form="interface"),
    Flag("flannel-conf", "str", "both", "flannel's own configuration file", form="path"),
    Flag("flannel-cni-conf", "str", "both", "flannel's CNI configuration file", form="path"),
    Flag(
        "vpn-auth",
        "str",
        "both",
        "key of a VPN",
        secret=True,
        ours="Put it into a file of mode 0600 and name that with 'vpn-auth-file'.",
        standing="experimental",
    ),
    Flag("vpn-auth-file", "str", "both", "file with the key of a VPN", form="path", standing="experimental"),
    Flag(
        "disable-apiserver-lb",
        "bool",
        "agent",
        "talk to one server instead of all",
        False,
        standing="experimental",
    ),
)

_CLUSTER = (
    Flag("token", "str", "both", "lets machines join", secret=True, ours=_JOINING, short="t"),
    Flag("token-file", "str", "both", "file with the token", form="path", ours=_JOINING),
    Flag("agent-token", "str", "server", "lets agents join", must_match=True, secret=True, ours=_JOINING),
    Flag("agent-token-file", "str", "server", "file with the token for agents", form="path", ours=_JOINING),
    Flag("server", "str", "both", "URL of the server to join", form="https URL", ours=_JOIN, short="s"),
    Flag("cluster-init", "bool", "server", "begin a cluster with embedded etcd", False, ours=_JOIN),
    Flag("cluster-reset", "bool", "server", "shrink etcd to this member", False, ours=_ONE_SHOT),
    Flag("cluster-reset-restore-path", "str", "server", "snapshot to restore", ours=_ONE_SHOT),
    Flag("lb-server-port", "int", "both", "local port of the way to the servers", 6444, form="port"),
)

_CLIENT = (
    Flag(
        "write-kubeconfig",
        "str",
        "server",
        "where the administrator's kubeconfig goes",
        "/etc/rancher/k3s/k3s.yaml",
        form="path",
        ours="Leave it out: klubster_kubeconfig says where your copy goes.",
        short="o",
    ),
    Flag("write-kubeconfig-mode", "str", "server", "mode of that file", "0600", form="mode"),
    Flag("write-kubeconfig-group", "str", "server", "group of that file", "root", form="word", since=("1.30",)),
    Flag("helm-job-image", "str", "server", "image of the Helm jobs", form="image", standing="deprecated"),
    Flag(
        "helm-controller-arg",
        "list",
        "server",
        "options of the Helm controller",
        (),
        form="argument",
        since=("1.33.13+k3s2", "1.34.10", "1.35.7", "1.36.3"),
    ),
)

_DATASTORE = (
    Flag(
        "datastore-endpoint",
        "str",
        "server",
        "external datastore",
        secret=True,
        ours="Leave it out: it holds a password, so it goes into the service's environment file.",
    ),
    Flag("datastore-cafile", "str", "server", "CA of the external datastore", form="path"),
    Flag("datastore-certfile", "str", "server", "certificate for the external datastore", form="path"),
    Flag("datastore-keyfile", "str", "server", "key for the external datastore", form="path"),
    Flag("kine-tls", "bool", "server", "TLS for the datastore's socket", False, standing="experimental"),
    Flag("etcd-expose-metrics", "bool", "server", "etcd's metrics for other machines", False),
    Flag("etcd-disable-snapshots", "bool", "server", "no snapshots by schedule", False),
    Flag("etcd-snapshot-name", "str", "server", "how snapshots' names begin", "etcd-snapshot", form="word"),
    Flag("etcd-snapshot-schedule-cron", "str", "server", "when snapshots are taken", "0 */12 * * *", form="cron"),
    Flag("etcd-snapshot-retention", "int", "server", "how many snapshots are kept", 5, form="count"),
    Flag(
        "etcd-snapshot-reconcile-interval",
        "str",
        "server",
        "how often the list of snapshots is renewed",
        "10m",
        form="duration",
        since=("1.32",),
    ),
    Flag("etcd-snapshot-dir", "str", "server", "where snapshots go", form="path"),
    Flag("etcd-snapshot-compress", "bool", "server", "snapshots are packed", False),
    Flag("etcd-s3", "bool", "server", "snapshots go to S3 too", False),
    Flag("etcd-s3-endpoint", "str", "server", "host of the S3 service", "s3.amazonaws.com", form="host and port"),
    Flag("etcd-s3-endpoint-ca", "str", "server", "CA of the S3 service", form="path"),
    Flag("etcd-s3-skip-ssl-verify", "bool", "server", "trust any certificate of the S3 service", False),
    Flag("etcd-s3-access-key", "str", "server", "S3 key", secret=True, ours=_S3_KEYS),
    Flag("etcd-s3-secret-key", "str", "server", "S3 secret", secret=True, ours=_S3_KEYS),
    Flag("etcd-s3-session-token", "str", "server", "S3 session", secret=True, ours=_S3_KEYS),
    Flag("etcd-s3-bucket", "str", "server", "S3 bucket", form="word"),
    Flag("etcd-s3-folder", "str", "server", "folder in the bucket", form="word"),
    Flag(
        "etcd-s3-bucket-lookup-type",
        "str",
        "server",
        "how the bucket is addressed",
        "auto",
        allowed=("auto", "dns", "path"),
        since=("1.33",),
    ),
    Flag("etcd-s3-region", "str", "server", "S3 region", "us-east-1", form="word"),
    Flag(
        "etcd-s3-retention",
        "int",
        "server",
        "how many snapshots S3 keeps",
        5,
        form="count",
        since=("1.31.12", "1.32.8", "1.33.4", "1.34.0"),
    ),
    Flag("etcd-s3-proxy", "str", "server", "proxy on the way to S3", form="URL", since=_CONFIG_SECRET_SINCE),
    Flag(
        "etcd-s3-config-secret",
        "str",
        "server",
        "Secret with the settings for S3",
        form="label",
        since=_CONFIG_SECRET_SINCE,
    ),
    Flag("etcd-s3-insecure", "bool", "server", "S3 without TLS", False),
    Flag("etcd-s3-timeout", "str", "server", "how long S3 may take", "5m0s", form="duration"),
)

PACKAGED = ("coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes")

_COMPONENTS = (
    Flag(
        "disable",
        "list",
        "server",
        "packaged components to leave out",
        (),
        form="component",
        match_items=("servicelb",),
        commas=True,
    ),
    Flag("disable-scheduler", "bool", "server", "no scheduler here", False),
    Flag("disable-cloud-controller", "bool", "server", "no built-in cloud controller", False, must_match=True),
    Flag("disable-kube-proxy", "bool", "server", "no kube-proxy", False, must_match=True),
    Flag("disable-network-policy", "bool", "server", "no built-in network policies", False, must_match=True),
    Flag("disable-helm-controller", "bool", "server", "no Helm controller", False, must_match=True),
    Flag("disable-apiserver", "bool", "server", "no API server here", False, standing="hidden"),
    Flag("disable-controller-manager", "bool", "server", "no controller manager here", False, standing="hidden"),
    Flag("disable-etcd", "bool", "server", "no etcd here", False, standing="hidden"),
    Flag(
        "disable-agent",
        "bool",
        "server",
        "a server that is no node",
        False,
        ours="Leave it out: every machine of the inventory is a node.",
        standing="experimental",
    ),
    Flag(
        "embedded-registry",
        "bool",
        "server",
        "machines hand images to each other",
        False,
        since=_REGISTRY_SINCE,
        must_match=True,
    ),
    Flag(
        "supervisor-metrics",
        "bool",
        "server",
        "metrics of k3s itself",
        False,
        since=("1.30",),
        must_match=True,
        standing="experimental",
    ),
    Flag("default-local-storage-path", "str", "server", "where local volumes lie", form="path"),
    Flag("secrets-encryption", "bool", "server", "Secrets lie encrypted in the datastore", False, must_match=True),
    Flag(
        "secrets-encryption-provider",
        "str",
        "server",
        "how they are encrypted",
        "aescbc",
        allowed=("aescbc", "secretbox"),
        since=("1.30.12", "1.31.8", "1.32.4", "1.33.0"),
        must_match=True,
    ),
)

_ARGUMENTS = (
    Flag("kube-apiserver-arg", "list", "server", "options of the API server", (), form="argument"),
    Flag("etcd-arg", "list", "server", "options of etcd", (), form="argument"),
    Flag("kube-controller-manager-arg", "list", "server", "options of the controller manager", (), form="argument"),
    Flag("kube-scheduler-arg", "list", "server", "options of the scheduler", (), form="argument"),
    Flag("kube-cloud-controller-manager-arg", "list", "server", "of the cloud controller", (), form="argument"),
    Flag("kubelet-arg", "list", "both", "options of kubelet", (), form="argument"),
    Flag("kube-proxy-arg", "list", "both", "options of kube-proxy", (), form="argument"),
    Flag(
        "kube-controller-arg",
        "list",
        "server",
        "old name",
        (),
        form="argument",
        ours="Write 'kube-controller-manager-arg'.",
        standing="hidden",
    ),
    Flag(
        "kube-cloud-controller-arg",
        "list",
        "server",
        "old name",
        (),
        form="argument",
        ours="Write 'kube-cloud-controller-manager-arg'.",
        standing="hidden",
    ),
)

_CREDENTIALS = "/var/lib/rancher/credentialprovider"

_NODE = (
    Flag("node-name", "str", "both", "name of the node", form="name", ours="Set klubster_node_name."),
    Flag(
        "with-node-id",
        "bool",
        "both",
        "a random number behind the name",
        False,
        ours="Leave it out: names are unique in the inventory.",
    ),
    Flag("node-label", "list", "both", "labels of a new node", (), ours="Set klubster_labels."),
    Flag("node-taint", "list", "both", "taints of a new node", (), ours="Set klubster_taints."),
    Flag(
        "image-credential-provider-bin-dir",
        "str",
        "both",
        "programs that give credentials for images",
        f"{_CREDENTIALS}/bin",
        form="path",
    ),
    Flag(
        "image-credential-provider-config",
        "str",
        "both",
        "their configuration",
        f"{_CREDENTIALS}/config.yaml",
        form="path",
    ),
    Flag("selinux", "bool", "both", "containers are confined by SELinux", False),
    Flag("protect-kernel-defaults", "bool", "both", "kubelet ends when kernel settings differ", False),
    Flag("container-runtime-endpoint", "str", "both", "socket of a container runtime of your own", form="socket"),
    Flag("image-service-endpoint", "str", "both", "socket of an image service of your own", form="socket"),
    Flag("default-runtime", "str", "both", "runtime of pods that ask for none", "runc", form="word", since=("1.29",)),
    Flag("docker", "bool", "both", "Docker instead of containerd", False, standing="experimental"),
    Flag("pause-image", "str", "both", "image of the pause container", "rancher/mirrored-pause:3.6", form="image"),
    Flag("snapshotter", "str", "both", "how containerd keeps images", "overlayfs", form="word"),
    Flag(
        "private-registry",
        "str",
        "both",
        "file with registries",
        "/etc/rancher/k3s/registries.yaml",
        form="path",
        ours="Leave it out: registries have a variable of their own.",
    ),
    Flag("system-default-registry", "str", "server", "registry of all system images", form="host and port"),
    Flag(
        "disable-default-registry-endpoint",
        "bool",
        "both",
        "never ask a registry itself when it has mirrors",
        False,
        since=_REGISTRY_SINCE,
    ),
    Flag("nonroot-devices", "bool", "both", "pods without root may use devices", False, since=("1.31",)),
    Flag(
        "airgap-extra-registry", "list", "both", "further names for loaded images", (), form="host", standing="hidden"
    ),
    Flag("prefer-bundled-bin", "bool", "both", "k3s's own tools before the system's", False, standing="experimental"),
    Flag(
        "rootless",
        "bool",
        "both",
        "run without root",
        False,
        ours="Leave it out: the service runs as root.",
        standing="experimental",
    ),
    Flag("enable-pprof", "bool", "both", "profiling on the API's port", False, standing="experimental"),
)

# Gone before this table begins, but still in many guides.
_GONE = (
    Flag("no-flannel", "bool", "both", "", removed="1.26", instead="Set klubster_cni to 'none'."),
    Flag("no-deploy", "list", "server", "", removed="1.26", instead="Write 'disable'."),
    Flag("cluster-secret", "str", "both", "", removed="1.26", secret=True, instead=_JOINING),
    Flag("disable-selinux", "bool", "both", "", removed="1.26", instead="Leave it out: 'selinux' is off by default."),
    Flag("multi-cluster-cidr", "bool", "server", "", removed="1.29", instead="Leave it out."),
)

FLAGS: t.Final[dict[str, Flag]] = {
    flag.name: flag
    for flag in (
        *_GENERAL,
        *_LISTENER,
        *_NETWORK,
        *_CLUSTER,
        *_CLIENT,
        *_DATASTORE,
        *_COMPONENTS,
        *_ARGUMENTS,
        *_NODE,
        *_GONE,
    )
}
#: letters that the file takes for keys
SHORT: t.Final = {flag.short: flag.name for flag in FLAGS.values() if flag.short}


def known(version: Release, role: Role) -> dict[str, Flag]:
    """The keys that this version of k3s takes on a machine of this role."""
    return {name: flag for name, flag in FLAGS.items() if flag.in_version(version) and flag.for_role(role)}


def find(name: str, version: Release, role: Role) -> Flag:
    """The row of a key that this version takes on a machine of this role.

    :raises Refused: there is none; the remedy names the nearest key, or what replaces it.
    """
    flag = FLAGS.get(name)
    if flag is None:
        raise _unknown(name, version, role)
    if not flag.in_version(version):
        if flag.removed and version >= release(flag.removed, any_minor=True):
            raise Refused(f"k3s has no such key since {flag.removed}.", flag.instead)
        raise Refused(
            f"k3s {version.minor_text}.{version.patch} has no such key yet; it came with {', '.join(flag.since)}.",
            "Leave it out, or choose a newer version.",
        )
    if not flag.for_role(role):
        article = "an agent" if flag.scope == "agent" else "a server"
        raise Refused(
            f"This key is for {article}; on the other machines k3s skips it.", f"Give it to {flag.scope}s only."
        )
    return flag


def _unknown(name: str, version: Release, role: Role) -> Refused:
    rule = "k3s has no such key; it would only log that, and start without it."
    if name in SHORT:
        return Refused("Keys are written in full here.", f"Write {SHORT[name]!r}.")
    if name.endswith("+"):
        return Refused(
            "A list stands in one place, so there is nothing to append to.",
            f"Write {name.rstrip('+')!r}; what the collection puts there stays.",
        )
    bare = name.lstrip("-").replace("_", "-")
    near = bare if bare in FLAGS else nearest(name, known(version, role))
    return Refused(rule, f"Did you mean {near!r}?" if near else "Look it up: https://docs.k3s.io/cli/server.")


__all__ = (
    "FIRST_MINOR",
    "FLAGS",
    "PACKAGED",
    "SHORT",
    "Flag",
    "Kind",
    "Scope",
    "find",
    "known",
    "release",
)
