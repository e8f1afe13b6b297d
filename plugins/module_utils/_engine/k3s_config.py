# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The configuration of one machine for k3s: what the user gave is checked, laid over ours, and written into files.

Nothing here is a secret: tokens and passwords are given by the names of the files that hold them.
"""

from __future__ import annotations

import ipaddress
import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_cis
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.containerd import merged
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.engine_layout import Role
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_files import SHARED, render
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_flags import (
    FLAGS,
    SHORT,
    find,
    release,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S, K3sLayout
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import Release
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_rules import broken
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import HIDDEN, masked
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_values import (
    Value,
    checked,
    split_argument,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import (
    CONTROL_PLANE_TAINT,
    is_reserved,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, nearest

Config = dict[str, Value]
Datastore = t.Literal["sqlite", "etcd", "external"]
Profile = t.Literal["", "cis"]

VARIABLE = "klubster_k3s_config"
#: kubelet reads drop-ins from then on
KUBELET_DROP_INS_SINCE = Release(1, 32, 0, 0)
_JOINING = ("cluster-init", "server")
_KUBELET = "50-klubster.conf"
# Options whose value is a list; ours and the user's are one list then.
_JOINED_OPTIONS = ("enable-admission-plugins", "disable-admission-plugins", "feature-gates")
#: namespace of our provisioner, whose helper pods make folders on the nodes; MetalLB's says itself that it needs more
_LOCAL_PATH = "local-path-storage"
_TELLTALE = ("token", "secret", "pass", "cred", "auth", "key", "endpoint")


@dataclass(frozen=True)
class K3sMachine:
    """This machine."""

    #: name in the inventory
    name: str
    node_name: str
    role: Role
    #: of the node, the first one is the primary
    addresses: tuple[str, ...]
    labels: dict[str, str] = field(default_factory=dict)
    #: ``key=value:Effect``
    taints: tuple[str, ...] = ()
    #: the server that begins the cluster
    first: bool = False


@dataclass(frozen=True)
class K3sCluster:
    """The cluster as k3s needs to know it."""

    version: str
    pod_networks: tuple[str, ...]
    service_networks: tuple[str, ...]
    dns_domain: str
    dns_addresses: tuple[str, ...]
    #: name or address where machines join; a server's own, or that of what stands before the servers
    registration: str
    api_port: int = 6443
    #: further names and addresses of the API
    alternative_names: tuple[str, ...] = ()
    #: ``flannel`` is the one within k3s; with any other, k3s leaves the network alone
    cni: str = "flannel"
    flannel_backend: str = "vxlan"
    kube_proxy: bool = True
    #: packaged components to leave out
    disabled: tuple[str, ...] = ()
    datastore: Datastore = "etcd"
    secrets_encryption: bool = False
    profile: Profile = ""
    #: namespaces of add-ons that need more than the profile allows, and do not say so themselves
    exempt: tuple[str, ...] = ()
    open_servers: bool = False
    #: agents have a token of their own
    agent_token: bool = False
    #: entries of the user for KubeletConfiguration
    kubelet_config: dict[str, t.Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        host = f"[{self.registration}]" if ":" in self.registration else self.registration
        return f"https://{host}:{self.api_port}"


def cluster_of(plan: t.Mapping[str, t.Any], **further: t.Any) -> K3sCluster:
    """From the plan's plain data; ``further`` is what the plan does not know yet, or overrides it."""
    networks, api = plan["networks"], plan["api"]
    single = bool(plan["single_node"])
    exempt: list[str] = []
    disabled = ["servicelb"] if plan["load_balancer"]["provider"] != "servicelb" else []
    if plan["storage"]["local_path"]["enabled"]:
        disabled.append("local-storage")
        exempt.append(_LOCAL_PATH)
    given: dict[str, t.Any] = {
        "version": plan["engine"]["version"],
        "pod_networks": tuple(networks["pod"]),
        "service_networks": tuple(networks["service"]),
        "dns_domain": networks["dns_domain"],
        "dns_addresses": tuple(str(ipaddress.ip_network(entry)[10]) for entry in networks["service"]),
        "registration": api["name"],
        "api_port": api["port"],
        "alternative_names": (api["address"],),
        "cni": plan["cni"]["provider"],
        "flannel_backend": plan["cni"]["backend"],
        "kube_proxy": not plan["cni"].get("service_proxy", False),
        "disabled": tuple(disabled),
        "exempt": tuple(exempt),
        "datastore": "sqlite" if single else "etcd",
        "open_servers": bool(plan["open_servers"]),
        "kubelet_config": dict(plan["engine"]["kubelet_config"]),
    }
    return K3sCluster(**{**given, **further})


def machine_of(plan: t.Mapping[str, t.Any], name: str) -> K3sMachine:
    """A machine of the plan, by its name in the inventory."""
    found = next(machine for machine in plan["machines"] if machine["name"] == name)
    return K3sMachine(
        name=name,
        node_name=found["node_name"],
        role=found["role"],
        addresses=(found["address"],),
        labels=dict(found["labels"]),
        taints=tuple(found["taints"]),
        first=name == plan["servers"][0],
    )


def validate(user: t.Any, cluster: K3sCluster, machine: K3sMachine, *, variable: str = VARIABLE) -> list[Problem]:
    """Everything that is wrong with the keys that a user gave for one machine; empty when all is well.

    :param user: the keys, as Ansible has them.
    :param variable: where they come from; problems name it.
    """
    try:
        version = release(cluster.version)
    except Refused as exc:
        return [Problem("klubster_engine_version", cluster.version, exc.rule, exc.remedy)]
    if not isinstance(user, t.Mapping):
        return [
            Problem(f"{variable} of {machine.name}", _shown("", user), "It is keys with values.", "Write 'key: value'.")
        ]
    problems = []
    for key, value in user.items():
        try:
            flag = find(str(key), version, machine.role)
            if flag.ours:
                raise Refused("The collection decides about this key.", flag.ours)
            if value is None:
                raise Refused("The key has no value.", "Give it one, or leave it out.")
            checked(flag, value)
        except Refused as exc:
            problems.append(
                Problem(f"{variable}.{key} of {machine.name}", _shown(str(key), value), exc.rule, exc.remedy)
            )
    if cluster.kubelet_config and version < KUBELET_DROP_INS_SINCE:
        problems.append(
            Problem(
                "klubster_kubelet_config",
                cluster.kubelet_config,
                f"k3s reads configuration of kubelet from {KUBELET_DROP_INS_SINCE.minor_text} on.",
                "Give 'kubelet-arg', or choose a newer version.",
            )
        )
    return problems or check_together(effective(cluster, machine, user), cluster, machine, user, variable=variable)


def check_together(
    config: Config,
    cluster: K3sCluster,
    machine: K3sMachine,
    user: t.Mapping[str, t.Any],
    *,
    variable: str = VARIABLE,
) -> list[Problem]:
    """What k3s would refuse at its start, or silently ignore, in a configuration as a whole."""
    return [
        Problem(
            f"{variable}.{key} of {machine.name}" if key in user else f"k3s's {key} of {machine.name}",
            _shown(key, config.get(key)),
            rule,
            remedy,
        )
        for key, rule, remedy in broken(config, machine.role, datastore=cluster.datastore)
    ]


def effective(cluster: K3sCluster, machine: K3sMachine, user: t.Mapping[str, t.Any]) -> Config:
    """Ours with the user's laid over, by key. Names, components and options are joined; anything else is replaced.

    ``user`` has passed ``validate``.
    """
    version = release(cluster.version)
    config = ours(cluster, machine)
    for key, given in user.items():
        flag = find(str(key), version, machine.role)
        value = checked(flag, given)
        have = config.get(flag.name)
        if isinstance(have, tuple) and isinstance(value, tuple):
            value = _with_options(have, value) if flag.form == "argument" else tuple(dict.fromkeys((*have, *value)))
        config[flag.name] = value
    return {key: config[key] for key in sorted(config) if config[key] != ()}


def ours(cluster: K3sCluster, machine: K3sMachine) -> Config:
    """What the collection decides for a machine."""
    labels = sorted(f"{key}={value}" for key, value in machine.labels.items() if not is_reserved(key))
    config: Config = {
        "node-name": machine.node_name,
        "node-ip": machine.addresses,
        "node-label": tuple(labels),
        "node-taint": _taints(cluster, machine),
        "token-file": K3S.agent_token if machine.role == "agent" and cluster.agent_token else K3S.token,
    }
    if cluster.profile == "cis":
        config.update(k3s_cis.keys(machine.role))
    if machine.role == "agent":
        config["server"] = cluster.url
        return config
    config.update(_server(cluster))
    # Where etcd's files lie already, k3s takes no notice of these two.
    if cluster.datastore == "etcd":
        config.update({"cluster-init": True} if machine.first else {"server": cluster.url})
    return config


def _server(cluster: K3sCluster) -> Config:
    config: Config = {
        "https-listen-port": cluster.api_port,
        "tls-san": tuple(dict.fromkeys(filter(None, (cluster.registration, *cluster.alternative_names)))),
        "cluster-cidr": cluster.pod_networks,
        "service-cidr": cluster.service_networks,
        "cluster-dns": cluster.dns_addresses,
        "cluster-domain": cluster.dns_domain,
        "flannel-backend": cluster.flannel_backend if cluster.cni == "flannel" else "none",
        "disable": tuple(sorted(cluster.disabled)),
    }
    if cluster.cni != "flannel":
        config["disable-network-policy"] = True
    if not cluster.kube_proxy:
        config["disable-kube-proxy"] = True
    if cluster.secrets_encryption:
        config["secrets-encryption"] = True
    if cluster.agent_token:
        config["agent-token-file"] = K3S.agent_token
    return config


def _taints(cluster: K3sCluster, machine: K3sMachine) -> tuple[str, ...]:
    """A server keeps the user's pods away where there are agents."""
    control_plane = (CONTROL_PLANE_TAINT,) if machine.role == "server" and not cluster.open_servers else ()
    return (*control_plane, *machine.taints)


def _with_options(under: tuple[str, ...], over: tuple[str, ...]) -> tuple[str, ...]:
    """Options of ours that the user does not name, then the user's; lists of both are one."""
    named = {split_argument(entry)[0] for entry in over}
    lists = {split_argument(entry)[0]: split_argument(entry)[1] for entry in under}
    kept = [entry for entry in under if split_argument(entry)[0] not in named]
    result = []
    for entry in over:
        name, value = split_argument(entry)
        if name in _JOINED_OPTIONS and name in lists and entry.startswith(f"{name}="):
            value = ",".join(dict.fromkeys([*lists.pop(name).split(","), *value.split(",")]))
            result.append(f"{name}={value}")
        else:
            result.append(entry)
    return (*kept, *result)


def files(cluster: K3sCluster, config: Config, layout: K3sLayout = K3S) -> dict[str, str]:
    """Path and text of the files; every key stands in one of them.

    What has to be the same on all servers has a file of its own, which is the same on all servers, byte for byte. How
    the machine comes into the cluster is written by who lets it join: that stays as it was.
    """
    shared = {key: config[key] for key in sorted(config) if FLAGS[key].must_match}
    own = {key: config[key] for key in sorted(config) if key not in (*shared, *_JOINING)}
    result = {layout.config: render(own)}
    if shared:
        result[f"{layout.drop_ins}/{SHARED}"] = render(shared)
    if cluster.kubelet_config:
        result[f"{layout.kubelet_drop_ins}/{_KUBELET}"] = kubelet_text(cluster)
    return result


def kubelet_text(cluster: K3sCluster) -> str:
    """kubelet's drop-in: JSON, which it takes as YAML. Whatever k3s tells kubelet itself stays."""
    ours_ = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
    return json.dumps(merged(ours_, cluster.kubelet_config), indent=2, sort_keys=True) + "\n"


def _shown(key: str, value: t.Any) -> t.Any:
    """The value for a message. A misspelt name of a secret holds a secret too."""
    flag = FLAGS.get(SHORT.get(key, key)) or FLAGS.get(nearest(key, FLAGS) or "")
    telltale = key not in FLAGS and any(word in key.lower() for word in _TELLTALE)
    if telltale or (flag is not None and flag.secret):
        return HIDDEN
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, (list, tuple)):
        return [_shown(key, entry) for entry in value]
    return value


__all__ = (
    "KUBELET_DROP_INS_SINCE",
    "VARIABLE",
    "Config",
    "K3sCluster",
    "K3sMachine",
    "check_together",
    "cluster_of",
    "effective",
    "files",
    "kubelet_text",
    "machine_of",
    "ours",
    "validate",
)
