# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From the inventory's variables and groups to the validated ``ClusterSpec``."""

from __future__ import annotations

import itertools
import re
import typing as t
import zlib
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_cache
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import upstream
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import (
    k3s_environment,
    k3s_plan,
    k3s_registries,
    k3s_release,
    k3s_tokens,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import HIDDEN
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model import (
    addresses,
    cni_parse,
    rules,
    sources,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.addresses import Span
from ansible_collections.kateskit.klubster.plugins.module_utils._model.component_fields import KUBE_PROXY, KUBELET
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer import BalancerReader
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import (
    BY_NAME,
    KUBE_VIP_IMAGE,
    PREFIX,
    REGISTERED,
    VARIABLES,
    WRONG,
    ruled,
    typed,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.service_names import NamesReader
from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import (
    MOVERS,
    Api,
    ClusterSpec,
    Datastore,
    Engine,
    Firewall,
    Layers,
    LoadBalancer,
    LocalPath,
    Machine,
    Networks,
    RoleName,
    Storage,
)

# Ports of the engine, of Flannel and MetalLB, and the range of NodePort services.
_TAKEN_PORTS = (22, 53, 2379, 2380, 2381, 7472, 7946, 10248, 10249, 10250, 10256, 10257, 10259)
_NODE_PORTS = range(30000, 32768)

# (smallest, largest) length of the prefix, as kubeadm and the API server take it
_POD_PREFIX = {4: (8, 24), 6: (48, 64)}
_SERVICE_PREFIX = {4: (12, 28), 6: (108, 124)}

_SOURCES: dict[str, tuple[str, ...]] = {"kubeadm": ("bundle",), "k3s": ("release", "airgap")}
_ARCHIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.tar")
_ANY_RELEASE = k3s_release.K3sVersion(1, 34, 2)
_K3S_ONLY = ("klubster_profile", "klubster_secrets_encryption", "klubster_proxy", "klubster_ca_dir")
_K3S_SECRETS = (
    "klubster_k3s_registries",
    "klubster_k3s_environment",
    "klubster_k3s_datastore",
    "klubster_token",
    "klubster_agent_token",
)

_KUBELET_OURS = {
    "apiVersion": "Leave it out: it is written by us.",
    "kind": "Leave it out: it is written by us.",
    "clusterDNS": "Leave it out: it follows from klubster_service_network.",
    "clusterDomain": "Set klubster_dns_domain instead.",
    "containerRuntimeEndpoint": "Leave it out: containerd is at a fixed place.",
    "staticPodPath": "Leave it out: kubeadm decides it.",
}
_KUBE_PROXY_OURS = {
    "apiVersion": "Leave it out: it is written by us.",
    "kind": "Leave it out: it is written by us.",
    "clusterCIDR": "Set klubster_pod_network instead.",
}


@dataclass(frozen=True)
class Unreadable:
    """Stands for a value that Ansible could not compute."""

    message: str


@dataclass(frozen=True)
class Parsed:
    """What the inventory says, and what its author should know though it is no mistake."""

    spec: ClusterSpec
    warnings: tuple[str, ...]


Hosts = t.Mapping[str, t.Mapping[str, t.Any]]
Groups = t.Mapping[str, t.Sequence[str]]


def parse(hosts: Hosts, groups: Groups, *, bundle_dir: str | t.Callable[[str], str] = "") -> Parsed:
    """Read the cluster out of an inventory.

    :param hosts: each host's variables, of which ``klubster_*`` and ``ansible_host`` are read.
    :param groups: members of each group, in the inventory's order.
    :param bundle_dir: folder of the bundle where the user names none.
    :raises InvalidInput: with every problem found.
    """
    return _Reader(hosts, groups, bundle_dir).read()


def registered(name: str) -> bool:
    """Whether a variable with our prefix is one that our playbooks register."""
    return name in REGISTERED


@dataclass(frozen=True)
class _Place:
    """Addresses that something takes."""

    kind: str
    where: str
    value: str
    span: Span


# Of two kinds that overlap, the one to be changed, and with whom it may not overlap.
_EXCLUSIVE: dict[str, tuple[str, ...]] = {
    "pool": ("pool", "dhcp", "other", "service", "pod", "node", "api", "peer"),
    "service": ("pod", "node", "api", "dhcp", "peer"),
    "pod": ("node", "api", "dhcp", "peer"),
    "peer": ("node", "api"),
}


class _Reader:
    def __init__(self, hosts: Hosts, groups: Groups, bundle_dir: str | t.Callable[[str], str]) -> None:
        self._hosts = hosts
        self._servers = list(groups.get("servers", ()))
        self._agents = list(groups.get("agents", ()))
        self._members = list(dict.fromkeys([*self._servers, *self._agents]))
        self._bundle_dir = bundle_dir
        self._problems: list[Problem] = []
        self._warnings: list[str] = []
        self._places: list[_Place] = []

    def read(self) -> Parsed:
        self._unknown()
        self._groups()
        cluster = {
            variable.name: self._cluster_value(variable.name) for variable in VARIABLES if variable.scope == "cluster"
        }
        machines = self._machines()
        name = self._name(cluster)
        networks = self._networks(cluster, machines)
        engine = self._engine(cluster)
        api = self._api(cluster, name, machines)
        cni = cni_parse.read(cluster, {addresses.network(text).family for text in networks.pod}, self._complain)
        layers = self._layers(cluster, engine)
        load_balancer = self._load_balancer(cluster, machines, layers)
        names = NamesReader(cluster, self._complain).read(load_balancer)
        storage = self._storage(cluster)
        firewall = self._firewall(cluster)
        self._taken("dhcp", "klubster_dhcp_ranges", cluster)
        self._taken("other", "klubster_other_pools", cluster)
        self._secrets(cluster, engine, machines)
        self._overlaps()
        self._size(cluster["klubster_single_node"])
        canary = self._canary(cluster["klubster_canary"])
        archives = self._archives(cluster["klubster_image_archives"])
        if self._problems:
            raise InvalidInput(self._problems)
        spec = ClusterSpec(
            name=name,
            machines=machines,
            engine=engine,
            api=api,
            networks=networks,
            cni=cni,
            load_balancer=load_balancer,
            storage=storage,
            names=names,
            firewall=firewall,
            layers=layers,
            single_node=cluster["klubster_single_node"],
            batch=self._batch(cluster["klubster_batch"]),
            canary=canary,
            drain_timeout=cluster["klubster_drain_timeout"],
            drain_force=cluster["klubster_drain_force"],
            snapshots_kept=cluster["klubster_snapshots_kept"],
            extra_images=tuple(cluster["klubster_images"]),
            image_archives=archives,
            secure_logging=cluster["klubster_secure_logging"],
        )
        if engine.name == "k3s" and (problems := k3s_plan.problems(spec.as_dict())):
            raise InvalidInput(problems)
        return Parsed(spec, tuple(self._warnings))

    # --- finding and typing values

    def _complain(self, where: str, value: t.Any, rule: str, remedy: str) -> None:
        self._problems.append(Problem(where, value, rule, remedy))

    def _complain_masked(self, where: str, value: t.Any, rule: str, remedy: str) -> None:
        bare = "Put it in quotes." if f'"{value}"' in remedy else remedy
        self._complain(where, None if value is None else HIDDEN, rule, bare)

    def _rule(self, where: str, value: t.Any, rule: t.Callable[[str], t.Any]) -> t.Any:
        return ruled(where, value, rule, self._complain)

    def _unknown(self) -> None:
        """Refuse variables with our prefix that we do not know; most often they are misspelt."""
        found: dict[str, list[str]] = {}
        for host, variables in self._hosts.items():
            for name in variables:
                if name.startswith(PREFIX) and name not in BY_NAME and not registered(name):
                    found.setdefault(name, []).append(host)
        for name, unsorted in sorted(found.items()):
            where = sorted(unsorted)
            near = rules.nearest(name[len(PREFIX) :], [known[len(PREFIX) :] for known in BY_NAME])
            remedy = (
                f"Did you mean '{PREFIX}{near}'?"
                if near
                else "The public variables are listed in playbooks/site.meta.yml."
            )
            self._complain(self._on(name, where), self._hosts[where[0]][name], "There is no such variable.", remedy)

    def _on(self, name: str, where: t.Sequence[str]) -> str:
        if len(where) == len(self._hosts) and len(where) != 1:
            return name
        return f"{name} of {_listed(where)}"

    def _cluster_value(self, name: str) -> t.Any:
        """A cluster-wide variable's typed value; it must be the same on every machine."""
        variable = BY_NAME[name]
        complain = self._complain_masked if variable.secret else self._complain
        readers = self._members or [host for host in self._hosts if name in self._hosts[host]]
        given = {host: self._hosts[host][name] for host in readers if name in self._hosts.get(host, {})}
        if not given:
            if variable.required:
                complain(
                    name, None, "It is required.", f"Set it once for all machines: {_lower_first(variable.meaning)}"
                )
                return WRONG
            return variable.default if variable.default is None else typed(variable, variable.default, name, complain)
        first_host, first = next(iter(given.items()))
        others = [host for host in readers if host not in given or given[host] != first]
        if others:
            rule = f"It holds for the whole cluster, but is not the same on {_listed(others)} as on {first_host}."
            complain(name, first, rule, "Set it once, in group_vars/all or for all machines of the cluster.")
            return WRONG
        if isinstance(first, Unreadable):
            complain(
                name,
                first.message,
                "It cannot be computed.",
                "Define what it refers to, or write the value itself.",
            )
            return WRONG
        if first is None and variable.default is None and not variable.required:
            return None
        return typed(variable, first, name, complain)

    def _host_value(self, host: str, name: str) -> t.Any:
        variable = BY_NAME[name]
        value = self._hosts.get(host, {}).get(name, variable.default)
        where = f"{name} of {host}"
        if isinstance(value, Unreadable):
            self._complain(
                where,
                value.message,
                "It cannot be computed.",
                "Define what it refers to, or write the value itself.",
            )
            return WRONG
        if value is None and variable.default is None:
            return None
        return typed(
            variable,
            value,
            name,
            lambda part, found, rule, remedy: self._complain(f"{part} of {host}", found, rule, remedy),
        )

    # --- machines

    def _batch(self, given: int | None) -> int:
        """Pods of agents that are emptied go to other agents, so some have to be left."""
        if given is None:
            return max(1, len(self._agents) // 4)
        if given >= len(self._agents) > 1:
            self._warnings.append(
                f"klubster_batch = {given}: an upgrade would empty all {len(self._agents)} agents at once, and "
                "their pods had nowhere to go. Leave it out, or choose a smaller number."
            )
        return given

    def _groups(self) -> None:
        if not self._servers:
            self._complain(
                "groups.servers",
                [],
                "A cluster has at least one server.",
                "Put a machine into the group servers.",
            )
        for host in self._servers:
            if host in self._agents:
                self._complain(
                    "groups.agents",
                    host,
                    f"{host} is in the group servers too, and a machine has one role.",
                    "Take it out of one of the groups.",
                )

    def _machines(self) -> tuple[Machine, ...]:
        machines = [self._machine(host, "server" if host in self._servers else "agent") for host in self._members]
        for name, attribute in (("klubster_node_name", "node_name"), ("klubster_address", "address")):
            owners: dict[str, str] = {}
            for machine in machines:
                value = getattr(machine, attribute)
                if value is WRONG:
                    continue
                if value in owners:
                    self._complain(
                        f"{name} of {machine.name}",
                        value,
                        f"It is the same as that of {owners[value]}, and is given once in a cluster.",
                        "Give each machine its own.",
                    )
                owners.setdefault(value, machine.name)
        return tuple(machines)

    def _machine(self, host: str, role: RoleName) -> Machine:
        node_name = self._host_value(host, "klubster_node_name")
        where = f"klubster_node_name of {host}"
        node_name = self._rule(
            where, host if node_name is None else node_name, lambda text: rules.dns_name(text, longest=63)
        )
        labels = self._host_value(host, "klubster_labels")
        taints = self._host_value(host, "klubster_taints")
        k3s_config = self._host_value(host, "klubster_k3s_config")
        return Machine(
            name=host,
            node_name=node_name,
            role=role,
            address=self._address(host),
            labels={} if labels is WRONG else self._labels(host, labels),
            taints=() if taints is WRONG else self._taints(host, taints),
            kubelet_config=self._node_kubelet(host),
            k3s_config={} if k3s_config is WRONG else k3s_config,
        )

    def _node_kubelet(self, host: str) -> dict[str, t.Any]:
        given = self._host_value(host, "klubster_node_kubelet_config")
        ours = {**_KUBELET_OURS, "cgroupDriver": "Set klubster_kubelet_config instead: containerd follows it."}
        self._refuse_entries("klubster_node_kubelet_config", given, ours, KUBELET, f" of {host}")
        return given if isinstance(given, dict) else {}

    def _address(self, host: str) -> str:
        where = f"klubster_address of {host}"
        given = self._host_value(host, "klubster_address")
        rule: t.Callable[[str], Span] = addresses.node_address
        if given is None:
            given, rule = self._hosts.get(host, {}).get("ansible_host") or host, _connection_address
        if isinstance(given, Unreadable):
            given = given.message
        span = self._rule(where, given, rule)
        if span is WRONG:
            return t.cast(str, WRONG)
        self._places.append(_Place("node", where, span.text, span))
        return t.cast(str, span.text)

    def _labels(self, host: str, labels: dict[str, t.Any]) -> dict[str, str]:
        for key, value in labels.items():
            where = f"klubster_labels.{key} of {host}"
            self._rule(where, key, rules.label_key)
            self._rule(where, value, rules.label_value)
        return labels

    def _taints(self, host: str, taints: list[t.Any]) -> tuple[str, ...]:
        seen: set[tuple[str, str]] = set()
        for index, entry in enumerate(taints):
            where = f"klubster_taints[{index}] of {host}"
            if self._rule(where, entry, rules.taint) is WRONG:
                continue
            if rules.taint_identity(entry) in seen:
                self._complain(where, entry, "A key and effect stand on a node once.", "Remove one of the two.")
            seen.add(rules.taint_identity(entry))
        return tuple(taints)

    def _size(self, single_node: t.Any) -> None:
        """Whether the number of machines is one that was meant."""
        count = len(self._members)
        if single_node is True and count > 1:
            self._complain(
                "klubster_single_node",
                True,
                f"It is for one machine, and the groups servers and agents have {count}.",
                "Set it to false, or leave one server only.",
            )
        if single_node is False and count == 1:
            self._complain(
                "klubster_single_node",
                False,
                "One machine alone is made a cluster only on request, since it then runs control plane and pods.",
                "Set it to true, or put machines into the group agents.",
            )
        servers = len(self._servers)
        if servers and servers % 2 == 0:
            self._warnings.append(
                f"{servers} servers bear the loss of no more machines than {servers - 1} do: an odd number is better."
            )
        if servers > 1 and not self._agents:
            self._warnings.append(
                "There are no agents, so servers take pods too: a pod that needs much takes it from the control plane."
            )

    def _archives(self, given: t.Any) -> tuple[str, ...]:
        """Paths of archives of images; the last parts of the paths name them on the nodes."""
        found: dict[str, str] = {}
        for index, text in enumerate([] if given is WRONG else given):
            where = f"klubster_image_archives[{index}]"
            path = "" if text is WRONG else sources.path(where, text, self._complain)
            name = path.rpartition("/")[2]
            if path and not _ARCHIVE.fullmatch(name):
                rule = "The name of an archive has letters, digits, '.', '_' and '-', and ends in .tar."
                self._complain(where, text, rule, "Rename it; unpack it first if it is compressed.")
            elif path and name in found:
                rule = f"An archive of this name is in the list already: {found[name]}."
                self._complain(where, text, rule, "Rename one of the two, or remove one.")
            elif path:
                found[name] = path
        return tuple(found.values())

    def _canary(self, name: t.Any) -> str:
        if name in (None, "", WRONG):
            return ""
        if name not in self._members:
            known = ", ".join(self._members[:10])
            self._complain("klubster_canary", name, "It is a machine of the cluster.", f"Name one of: {known}.")
        return str(name)

    # --- the cluster

    def _name(self, cluster: dict[str, t.Any]) -> str:
        return t.cast(str, self._rule("klubster_name", cluster["klubster_name"], rules.dns_label))

    def _engine(self, cluster: dict[str, t.Any]) -> Engine:
        engine = cluster["klubster_engine"]
        version = cluster["klubster_engine_version"]
        if version is None:
            version = rules.DEFAULT_VERSIONS.get(engine, "")
        if engine is not WRONG:
            version = self._rule("klubster_engine_version", version, lambda text: rules.engine_version(text, engine))
        bundle_dir = cluster["klubster_bundle_dir"]
        if bundle_dir is None:
            # The layers above k3s come from the same bundle, whatever k3s's version is.
            bundle_dir = self._default_bundle(version if engine == "kubeadm" else rules.DEFAULT_VERSIONS["kubeadm"])
        else:
            bundle_dir = self._rule("klubster_bundle_dir", bundle_dir, _home_path)
        source, release_dir = self._source(cluster, engine, version)
        datastore: Datastore = "etcd"
        if cluster["klubster_k3s_datastore"]:
            datastore = "external"
        elif engine == "k3s" and cluster["klubster_single_node"] is True:
            datastore = "sqlite"
        self._entries("klubster_kubelet_config", cluster, _KUBELET_OURS, KUBELET)
        self._entries("klubster_kube_proxy_config", cluster, _KUBE_PROXY_OURS, KUBE_PROXY)
        return Engine(
            name=engine,
            version=version,
            source=source,
            datastore=datastore,
            release_dir=release_dir,
            download=self._download(cluster["klubster_engine_download"], source),
            mirrors=self._mirrors(cluster["klubster_engine_mirrors"]),
            release_images=cluster["klubster_engine_images"],
            profile=cluster["klubster_profile"],
            secrets_encryption=cluster["klubster_secrets_encryption"],
            ca_dir=self._folder("klubster_ca_dir", cluster["klubster_ca_dir"]),
            bundle_dir="" if bundle_dir in ("", WRONG) else str(Path(bundle_dir).expanduser()),
            kubelet_config=cluster["klubster_kubelet_config"],
            kube_proxy_config=cluster["klubster_kube_proxy_config"],
            lower_oom_score=cluster["klubster_lower_oom_score"],
        )

    def _folder(self, variable: str, given: t.Any) -> str:
        found = self._rule(variable, given, _home_path) if given else ""
        return "" if found in ("", WRONG) else str(Path(found).expanduser())

    def _default_bundle(self, version: t.Any) -> str:
        """Where the bundle of this version lies if nobody says where."""
        if isinstance(self._bundle_dir, str):
            return self._bundle_dir
        if version is WRONG:
            return ""
        try:
            return self._bundle_dir(str(version))
        except InvalidInput as exc:
            self._problems.extend(exc.problems)
            return ""

    def _source(self, cluster: dict[str, t.Any], engine: t.Any, version: t.Any) -> tuple[t.Any, str]:
        """Where programs come from, and the folder of a release."""
        source, given = cluster["klubster_engine_source"], cluster["klubster_airgap_dir"]
        if WRONG in (source, engine, version, given):
            return source, ""
        fitting = _SOURCES[engine]
        source = source or fitting[0]
        if source not in fitting:
            rule = f"{engine} does not come from it."
            self._complain("klubster_engine_source", source, rule, rules.one_of(source, fitting))
        if source != "airgap":
            return source, str(default_cache().root / "k3s" / f"v{version}") if source == "release" else ""
        if given is None:
            self._complain(
                "klubster_airgap_dir",
                None,
                "The source airgap is a folder of yours.",
                "Name it; it holds the release's program and its list of sums.",
            )
            return source, ""
        folder = self._rule("klubster_airgap_dir", given, _home_path)
        if folder is WRONG:
            return source, ""
        place = Path(folder).expanduser()
        return source, str(place / f"v{version}" if (place / f"v{version}").is_dir() else place)

    def _download(self, given: t.Any, source: t.Any) -> t.Any:
        if given == "nodes" and source not in ("release", WRONG):
            rule = f"Nothing is fetched for the source {source}."
            self._complain(
                "klubster_engine_download", given, rule, "Leave it out, or choose klubster_engine_source: release."
            )
        return given

    def _mirrors(self, given: t.Any) -> tuple[str, ...]:
        if given is WRONG or WRONG in given:
            return ()
        try:
            k3s_release.places(_ANY_RELEASE, "k3s", given, "klubster_engine_mirrors")
        except InvalidInput as exc:
            self._problems.extend(exc.problems)
        return tuple(given)

    def _secrets(self, cluster: dict[str, t.Any], engine: Engine, machines: tuple[Machine, ...]) -> None:
        """What is for k3s only, and what no plan may hold; messages do not hold it either."""
        if engine.name != "k3s":
            for name in (*_K3S_ONLY, *_K3S_SECRETS):
                value = cluster[name]
                unset = value in (None, {}, False, "none", WRONG)
                if not unset and not (isinstance(value, dict) and not any(value.values())):
                    shown = HIDDEN if name in _K3S_SECRETS else value
                    self._complain(name, shown, "Only k3s has this.", "Remove it, or choose k3s.")
            for machine in machines:
                if machine.k3s_config:
                    self._complain(
                        f"klubster_k3s_config of {machine.name}",
                        sorted(machine.k3s_config),
                        "Only k3s has this.",
                        "Remove it, or choose k3s.",
                    )
            return
        if cluster["klubster_kube_proxy_config"]:
            self._complain(
                "klubster_kube_proxy_config",
                cluster["klubster_kube_proxy_config"],
                "k3s takes no configuration of kube-proxy.",
                "Give its flags in klubster_k3s_config, key kube-proxy-arg.",
            )
        for name in ("klubster_token", "klubster_agent_token"):
            if cluster[name] not in (None, WRONG):
                try:
                    k3s_tokens.parse(cluster[name])
                except k3s_tokens.TokenError as exc:
                    self._complain(name, HIDDEN, str(exc), "Use 32 letters and digits or more.")
        if cluster["klubster_k3s_registries"] is not WRONG:
            self._problems += k3s_registries.validate(cluster["klubster_k3s_registries"])
        proxy, datastore, further = (
            cluster[name] for name in ("klubster_proxy", "klubster_k3s_datastore", "klubster_k3s_environment")
        )
        if WRONG not in (proxy, datastore, further, *(proxy.values() if proxy is not WRONG else ())):
            given = k3s_environment.environment_of({"proxy": proxy, "datastore": datastore, "further": further})
            self._problems += k3s_environment.validate(given)

    def _entries(
        self, variable: str, cluster: dict[str, t.Any], ours: t.Mapping[str, str], known: t.Collection[str]
    ) -> None:
        """Refuse entries of a component's configuration that are ours, or nobody's."""
        self._refuse_entries(variable, cluster[variable], ours, known)

    def _refuse_entries(
        self, variable: str, given: t.Any, ours: t.Mapping[str, str], known: t.Collection[str], whose: str = ""
    ) -> None:
        for key, value in given.items() if isinstance(given, dict) else ():
            if key in ours:
                self._complain(f"{variable}.{key}{whose}", value, "This entry is not the user's.", ours[key])
            elif key not in known:
                near = rules.nearest(key, known)
                remedy = f"Did you mean {near!r}?" if near else "Look it up in the configuration's reference."
                self._complain(f"{variable}.{key}{whose}", value, "Kubernetes 1.34 has no such entry.", remedy)

    def _api(self, cluster: dict[str, t.Any], name: str, machines: tuple[Machine, ...]) -> Api:
        given = cluster["klubster_api_name"]
        if given is None:
            given = name if name is WRONG else f"api.{name}.internal"
        api_name = self._rule("klubster_api_name", given, rules.dns_name)
        for machine in machines:
            if machine.node_name == api_name and api_name is not WRONG:
                self._complain(
                    "klubster_api_name",
                    api_name,
                    f"It is the node {machine.name}'s own name.",
                    "Give the API another.",
                )
        port = cluster["klubster_api_port"]
        if port in _TAKEN_PORTS or port in _NODE_PORTS:
            self._complain(
                "klubster_api_port",
                port,
                "Another part of the cluster uses this port.",
                "Keep 6443, or choose for example 8443.",
            )
        host = cluster["klubster_api_host"]
        if host is not WRONG and host != "localhost" and host not in self._hosts:
            remedy = rules.one_of(host, ("localhost", *self._hosts))
            self._complain("klubster_api_host", host, "There is no such host in the inventory.", remedy)
        kubeconfig = cluster["klubster_kubeconfig"]
        kubeconfig = (
            f"~/.kube/klubster-{name}.yaml"
            if kubeconfig is None
            else self._rule("klubster_kubeconfig", kubeconfig, _home_path)
        )
        address = self._api_address(cluster, machines)
        url = f"https://[{address}]:{port}" if ":" in str(address) else f"https://{address}:{port}"
        provider, number = cluster["klubster_api_provider"], cluster["klubster_api_vrrp_id"]
        if provider in MOVERS:
            self._moving_address(cluster["klubster_api_address"], address, machines, MOVERS[provider])
        if number is None:
            number = zlib.crc32(str(name).encode()) % 255 + 1
        image = self._api_image(cluster)
        return Api(api_name, port, url, address, host, kubeconfig, provider, number, image)

    def _api_image(self, cluster: dict[str, t.Any]) -> str:
        """kube-vip's image; empty without kube-vip."""
        provider, given = cluster["klubster_api_provider"], cluster["klubster_api_image"]
        if provider == "kube_vip" and cluster["klubster_engine"] not in ("k3s", WRONG):
            self._complain(
                "klubster_api_provider",
                provider,
                f"{cluster['klubster_engine']} needs the API's address before its first API runs, and kube-vip brings"
                " it after that.",
                "Choose keepalived, or klubster_engine: k3s.",
            )
        if given is None:
            return KUBE_VIP_IMAGE if provider == "kube_vip" else ""
        if provider not in ("kube_vip", WRONG):
            self._complain(
                "klubster_api_image",
                given,
                "Only kube-vip has an image.",
                "Remove it, or set klubster_api_provider: kube_vip.",
            )
        return t.cast(str, self._rule("klubster_api_image", given, rules.image))

    def _moving_address(self, given: t.Any, address: str, machines: tuple[Machine, ...], mover: str) -> None:
        if given is None:
            self._complain(
                "klubster_api_address",
                None,
                f"{mover} moves this address between the servers (klubster_api_provider).",
                "Give a free address in the servers' network that the house's DHCP server does not hand out.",
            )
        for machine in machines:
            if machine.role == "server" and machine.address == address and given is not None:
                self._complain(
                    "klubster_api_address",
                    given,
                    f"It is the address of {machine.name}, and an address that moves can be no machine's own.",
                    "Give a free address in the servers' network.",
                )

    def _api_address(self, cluster: dict[str, t.Any], machines: tuple[Machine, ...]) -> str:
        given = cluster["klubster_api_address"]
        if given is None:
            servers = [machine for machine in machines if machine.role == "server"]
            if len(servers) > 1 and cluster["klubster_api_provider"] == "none":
                self._warnings.append(
                    f"The API's name leads to {servers[0].name} alone: without it the cluster cannot be changed."
                    " Set klubster_api_address to an address that moves between the servers."
                )
            return servers[0].address if servers else ""
        span = self._rule("klubster_api_address", given, addresses.node_address)
        if span is WRONG:
            return t.cast(str, WRONG)
        for machine in machines:
            if machine.role == "agent" and machine.address == span.text:
                self._complain(
                    "klubster_api_address",
                    given,
                    f"It is the address of {machine.name}, an agent.",
                    "Give a server's.",
                )
        self._places.append(_Place("api", "klubster_api_address", span.text, span))
        return t.cast(str, span.text)

    def _networks(self, cluster: dict[str, t.Any], machines: tuple[Machine, ...]) -> Networks:
        pods = self._family_networks("pod", cluster["klubster_pod_network"], _POD_PREFIX)
        services = self._family_networks("service", cluster["klubster_service_network"], _SERVICE_PREFIX)
        domain = self._rule("klubster_dns_domain", cluster["klubster_dns_domain"], rules.dns_name)
        if pods and services:
            if [span.family for span in pods] != [span.family for span in services]:
                self._complain(
                    "klubster_service_network",
                    ",".join(span.text for span in services),
                    "It has the same address families as klubster_pod_network, in the same order.",
                    "Give a network for each family in both.",
                )
            if len(pods) > 1:
                self._warnings.append("Two address families were not tried on real machines yet.")
        self._capacity(pods, len(machines))
        self._node_families(pods)
        return Networks(
            pod=tuple(span.text for span in pods),
            service=tuple(span.text for span in services),
            dns_domain=domain,
            dns_address=addresses.nth(services[0], 10) if services else "",
        )

    def _family_networks(self, kind: str, value: t.Any, lengths: dict[int, tuple[int, int]]) -> tuple[Span, ...]:
        where = f"klubster_{kind}_network"
        spans = self._rule(where, value, addresses.networks)
        if spans is WRONG:
            return ()
        fitting = []
        for span in spans:
            low, high = lengths[span.family]
            if not low <= span.prefix <= high:
                self._complain(
                    where,
                    span.text,
                    f"The prefix of a {kind} network is /{low} to /{high}.",
                    f"Take a {'larger' if span.prefix > high else 'smaller'} network.",
                )
                continue
            fitting.append(span)
            self._places.append(_Place(kind, where, span.text, span))
        return tuple(fitting) if len(fitting) == len(spans) else ()

    def _capacity(self, pods: tuple[Span, ...], machines: int) -> None:
        for span in pods:
            room = 1 << ((24 if span.family == 4 else 64) - span.prefix)
            if machines > room:
                self._complain(
                    "klubster_pod_network",
                    span.text,
                    f"It has room for {room} nodes, and there are {machines} machines.",
                    "Take a larger network.",
                )

    def _node_families(self, pods: tuple[Span, ...]) -> None:
        nodes = [place for place in self._places if place.kind == "node"]
        wanted = pods[0].family if pods else nodes[0].span.family if nodes else 4
        for place in nodes:
            if place.span.family != wanted:
                self._complain(
                    place.where,
                    place.value,
                    f"The pod network is IPv{wanted} first, and nodes have addresses of that family.",
                    f"Give an IPv{wanted} address, or change klubster_pod_network.",
                )

    def _layers(self, cluster: dict[str, t.Any], engine: Engine) -> Layers:
        source, mirrors = cluster["klubster_layers_source"], cluster["klubster_layers_mirrors"]
        if source is None:
            source = "release" if engine.source == "release" else "bundle"
        if source == "release" and engine.name == "kubeadm":
            rule = "Of kubeadm's clusters all comes from the bundle, as they have no other Flannel."
            self._complain("klubster_layers_source", source, rule, "Use 'bundle', or choose k3s.")
        if mirrors is WRONG or WRONG in mirrors:
            mirrors = []
        try:
            upstream.METALLB.urls(mirrors)
        except InvalidInput as exc:
            self._problems.extend(exc.problems)
        return Layers(source, str(default_cache().root / "layers") if source == "release" else "", tuple(mirrors))

    def _load_balancer(self, cluster: dict[str, t.Any], machines: tuple[Machine, ...], layers: Layers) -> LoadBalancer:
        provider = cluster["klubster_load_balancer"]
        if provider == "servicelb" and cluster["klubster_engine"] == "kubeadm":
            self._complain(
                "klubster_load_balancer",
                provider,
                "It is a part of k3s, and kubeadm has none.",
                "Use 'metallb', or choose k3s.",
            )
        for machine in machines if provider == "servicelb" else ():
            if "servicelb" in str(machine.k3s_config.get("disable", "")):
                self._complain(
                    f"klubster_k3s_config.disable of {machine.name}",
                    machine.k3s_config["disable"],
                    "It switches off what klubster_load_balancer names.",
                    "Take servicelb out of it, or set klubster_load_balancer: none.",
                )
        if provider in ("metallb", "openelb") and cluster["klubster_pools"] == []:
            self._warnings.append("klubster_pools is empty: services of type LoadBalancer get no address.")
        if provider == "metallb" and cluster["klubster_metallb_speaker"] == "frr" and layers.source == "bundle":
            self._complain(
                "klubster_metallb_speaker",
                "frr",
                "The bundle has no FRR, since it is not written in Go; layers come from the bundle here.",
                "Use 'native', or set klubster_layers_source: release, which kubeadm does not have.",
            )
        return BalancerReader(cluster, self._complain, self._place).read(machines)

    def _place(self, kind: str, where: str, span: Span) -> None:
        self._places.append(_Place(kind, where, span.text, span))

    def _storage(self, cluster: dict[str, t.Any]) -> Storage:
        given = cluster["klubster_storage"]
        if given is WRONG or given["local_path"] is WRONG:
            return Storage()
        local_path = given["local_path"]
        self._rule("klubster_storage.local_path.path", local_path["path"], rules.absolute_path)
        self._rule("klubster_storage.local_path.class_name", local_path["class_name"], rules.dns_name)
        return Storage(LocalPath(**local_path))

    def _firewall(self, cluster: dict[str, t.Any]) -> Firewall:
        provider, given = cluster["klubster_firewall"], cluster["klubster_api_sources"]
        found = []
        for index, text in enumerate(() if given is WRONG else given):
            source = self._rule(f"klubster_api_sources[{index}]", text, addresses.source)
            if source is not WRONG:
                found.append(source.text)
        return Firewall(provider, tuple(found))

    def _taken(self, kind: str, variable: str, cluster: dict[str, t.Any]) -> None:
        """Addresses that somebody else hands out."""
        given = cluster[variable]
        for index, text in enumerate([] if given is WRONG else given):
            where = f"{variable}[{index}]"
            span = self._rule(where, text, addresses.span)
            if span is not WRONG:
                self._places.append(_Place(kind, where, span.text, span))

    def _overlaps(self) -> None:
        """Refuse addresses that two things would take."""
        clashes: dict[_Place, list[_Place]] = {}
        for one, other in itertools.combinations(self._places, 2):
            if not one.span.overlaps(other.span):
                continue
            if other.kind in _EXCLUSIVE.get(one.kind, ()):
                clashes.setdefault(other if one.kind == other.kind else one, []).append(
                    one if one.kind == other.kind else other
                )
            elif one.kind in _EXCLUSIVE.get(other.kind, ()):
                clashes.setdefault(other, []).append(one)
        for place, others in clashes.items():
            named = _listed([f"{other.where} ({other.value})" for other in others])
            self._complain(
                place.where,
                place.value,
                f"It overlaps {named}, and no address may be in both.",
                "Choose addresses that nothing else uses.",
            )


def _connection_address(text: str) -> Span:
    """The address by which Ansible reaches a machine, as its address in the cluster."""
    try:
        return addresses.node_address(text)
    except Refused as exc:
        raise Refused(
            f"Without klubster_address it is taken from ansible_host, or else from the inventory name: {exc.rule}",
            "Set klubster_address to the machine's IP address.",
        ) from exc


def _home_path(text: str) -> str:
    """An absolute path, which may begin with the home folder."""
    return text[:1] + rules.absolute_path(text[1:]) if text.startswith("~/") else rules.absolute_path(text)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _listed(names: t.Sequence[str], most: int = 4) -> str:
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


__all__ = ("Groups", "Hosts", "Parsed", "Unreadable", "parse")
