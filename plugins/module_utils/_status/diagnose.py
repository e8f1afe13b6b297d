# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What is wrong, the likely cause first; what only follows from it stands below it and not beside it.

Errors are about the cluster itself and make it unhealthy. What people run on it, and what is only worth knowing,
makes a warning.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import (
    UNASKED,
    Api,
    Expected,
    Layer,
    Node,
    PodTrouble,
    Problem,
    Report,
    Router,
    Session,
    Severity,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.observe import BALANCERS
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import count

_LOGS = "On that machine read: journalctl -u kubelet -u containerd --since -10min"
_SITE = "Run the playbook site"
_SHOWN = 5

_API: dict[str, tuple[str, str]] = {
    "kubeconfig": (
        "There is no usable kubeconfig for this cluster",
        f"{_SITE} to build the cluster and fetch it, or say in klubster_kubeconfig where it is.",
    ),
    "name": (
        "The name of the API server is not known on this machine",
        "Add the name to its DNS or hosts file, or set klubster_api_name to a name that is known there.",
    ),
    "refused": (
        "The machine answers but no API server runs on it",
        (
            "On the first server read: journalctl -u kubelet --since -10min, and the files in "
            "/var/log/pods/kube-system_kube-apiserver-*."
        ),
    ),
    "unreachable": (
        "There is no way through the network to the API server",
        "Check the network of this machine and of the first server.",
    ),
    "timeout": (
        "The first server is off or too busy, or a firewall drops what is sent to it",
        "Start the machine, let TCP to the API's port pass, then ask again.",
    ),
    "certificate": (
        "The certificate of the API server does not fit this kubeconfig",
        (
            f"Compare the clocks. After a cluster was built anew, fetch the new kubeconfig: {_SITE.lower()}. "
            "For an expired one run on each server: kubeadm certs renew all"
        ),
    ),
    "closed": (
        "Something else than a Kubernetes API answers there, or the API server is just starting",
        "Ask again in a minute; then check address and port in the kubeconfig.",
    ),
    "unauthorized": (
        "The API server does not accept the credentials of this kubeconfig",
        f"They may have expired, or belong to an older cluster of this name. {_SITE} to fetch new ones.",
    ),
    "forbidden": (
        "The credentials of this kubeconfig may not read the cluster's state",
        "Use an administrator's kubeconfig in klubster_kubeconfig.",
    ),
    "failing": (
        "The API server runs but cannot do its work",
        "On the first server read the files in /var/log/pods/kube-system_kube-apiserver-* and kube-system_etcd-*.",
    ),
}
_ETCD = (
    "etcd does not answer, so the API can neither read nor write",
    "On the servers check the disk (full or slow) and read the files in /var/log/pods/kube-system_etcd-*.",
)

_IMAGE = (
    "The image is not on the machine and cannot be fetched",
    "Correct its name, or bring the image to the machines; a cluster made from a bundle fetches nothing from outside.",
)
_ENDS = ("The program in the container ends by itself", "Read its last words: kubectl logs --previous")
_REASONS: dict[str, tuple[str, str]] = {
    "ErrImageNeverPull": _IMAGE,
    "ErrImagePull": _IMAGE,
    "ImagePullBackOff": _IMAGE,
    "InvalidImageName": _IMAGE,
    "CrashLoopBackOff": _ENDS,
    "Error": _ENDS,
    "OOMKilled": (
        "A container needs more memory than its limit",
        "Raise resources.limits.memory, or lower what it uses.",
    ),
    "CreateContainerConfigError": (
        "A ConfigMap or Secret that the pod names is missing",
        "Create what the message names.",
    ),
    "Unschedulable": (
        "No machine can take the pod",
        "The message counts the reasons: add memory or cpu, remove a taint or a cordon, or free the volume's machine.",
    ),
    "Evicted": ("A machine ran short of memory or disk and ended the pod", "Make room there; old pods may be deleted."),
    "Terminating": (
        "The pod cannot be ended",
        "Is its machine gone for good? Then remove the node; else read the machine's journal.",
    ),
    "ContainerCreating": (
        "The pod cannot be set up on its machine",
        "The message names what is missing: a volume, a network, a Secret.",
    ),
    "NotReady": ("The program runs but does not answer its readiness probe", "Read its log: kubectl logs"),
}
_POD = ("The pod is not ready", "Look at it: kubectl describe pod")


def diagnose(report: Report, expected: Expected) -> list[Problem]:
    """Problems of a report whose other parts are filled: errors before warnings, causes before the rest."""
    if not report["api"]["answers"]:
        # Routers are asked one by one, whatever the API does.
        return _sorted([_unanswered(report["api"]), *_Reader(report, expected).routers()])
    reader = _Reader(report, expected)
    found = [
        *reader.api(),
        *reader.lost_machines(),
        *reader.network(),
        *reader.pressure(),
        *reader.machines(),
        *reader.control_plane(),
        *reader.layers(),
        *reader.routers(),
        *reader.balancers(),
        *reader.pools(),
        *reader.services(),
        *reader.names(),
        *reader.pods(),
        *reader.claims(),
    ]
    return _sorted(found)


def _sorted(found: t.Iterable[Problem]) -> list[Problem]:
    return sorted(_merged(found), key=lambda problem: problem["severity"] != "error")


def _merged(problems: t.Iterable[Problem]) -> list[Problem]:
    """Problems of one cause and one remedy as one."""
    groups: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem["severity"], problem["cause"], problem["remedy"]), []).append(problem)
    found = []
    for group in groups.values():
        details = list(dict.fromkeys(problem["detail"] for problem in group))
        merged = group[0]
        merged["subject"] = _names(problem["subject"] for problem in group)
        merged["detail"] = "; ".join(details[:_SHOWN])
        merged["consequences"] = [text for problem in group for text in problem["consequences"]]
        found.append(merged)
    return found


def _unanswered(api: Api) -> Problem:
    cause, remedy = _ETCD if "etcd" in api["failing_checks"] else _API.get(api["cause"], _API["failing"])
    return _problem("error", cause, f"API {api['server']}".strip(), api["why"], remedy)


class _Reader:
    """Reads a report from the bottom up and remembers which parts follow from a cause already named."""

    def __init__(self, report: Report, expected: Expected) -> None:
        self._report, self._expected = report, expected
        self._lost = {node["name"] for node in report["nodes"] if node["state"] in ("unknown", "missing")}
        self._without_network = [node for node in report["nodes"] if node["state"] == "not ready" and _is_network(node)]
        #: layers and pods whose trouble has been told
        self._told: set[str] = set()

    def api(self) -> t.Iterator[Problem]:
        failing = self._report["api"]["failing_checks"]
        if failing:
            cause, remedy = _ETCD if "etcd" in failing else _API["failing"]
            yield _problem("error", cause, "API", f"failing checks: {', '.join(failing)}", remedy)

    def lost_machines(self) -> t.Iterator[Problem]:
        missing = [node for node in self._report["nodes"] if node["state"] == "missing"]
        if missing:
            names = _names(node["name"] for node in missing)
            yield _problem(
                "error",
                "Machines of the inventory have not joined the cluster",
                f"{_word(len(missing), 'machine')} {names}",
                "stands in the inventory, is no node" if len(missing) == 1 else "stand in the inventory, are no nodes",
                f"{_SITE}. {_LOGS}",
            )
        for node in self._report["nodes"]:
            if node["state"] == "unknown":
                yield _problem(
                    "error",
                    f"The machine {node['name']} is off, or its kubelet does not reach the API",
                    f"node {node['name']}",
                    node["why"],
                    f"Start the machine. {_LOGS}",
                    consequences=self._after_loss_of(node["name"]),
                )

    def _after_loss_of(self, name: str) -> list[str]:
        """What is not ready only because one machine does not answer."""
        found = []
        for layer in self._report["layers"]:
            if layer["state"] == "not ready" and name in layer["machines"] and set(layer["machines"]) <= self._lost:
                self._told |= {layer["name"], *layer["pods"]}
                found.append(f"{layer['title']}: {layer['why'].split(';')[0]}")
        troubles = [trouble for trouble in self._open_troubles() if trouble["node"] == name]
        self._told |= {_place(trouble) for trouble in troubles}
        if troubles:
            found.append(f"{count(len(troubles), 'pod')} on it")
        parts = [part["name"] for part in self._report["control_plane"] if part["node"] == name and not part["ready"]]
        if parts:
            found.append(f"control plane on it: {', '.join(parts)}")
        found += self._without_sessions([name])
        return found

    def _without_sessions(self, nodes: t.Sequence[str]) -> list[str]:
        """Sessions that are down because nobody on these nodes can speak."""
        gone = [one for one in self._down() if one["peer_kind"] == "node" and one["peer"] in nodes]
        self._told |= {_pair(one) for one in gone}
        if not gone:
            return []
        names = _names(f"{one['router']} to {one['peer']}" for one in gone)
        return [f"{count(len(gone), 'BGP session')} down: {names}"]

    def _down(self) -> list[Session]:
        return [one for one in self._report["routing"]["sessions"] if not one["up"] and _pair(one) not in self._told]

    def network(self) -> t.Iterator[Problem]:
        layer = next((entry for entry in self._report["layers"] if entry["name"] == "network"), None)
        if layer is None or layer["name"] in self._told:
            return
        broken = layer["state"] in ("missing", "not ready")
        if not broken and not self._without_network:
            return
        self._told |= {layer["name"], *layer["pods"]}
        cause, remedy = self._why_layer(layer)
        if layer["state"] in ("missing", "off"):
            cause, remedy = "No pod network is installed", f"{_SITE}, with klubster_cni set to a provider."
        elif layer["state"] == "ready":
            cause, remedy = "The pod network runs but has not been set up on every machine", _LOGS
        yield _problem(
            "error",
            cause,
            _title(layer),
            layer["why"] or layer["state"],
            remedy,
            consequences=self._after_loss_of_network(),
        )

    def _after_loss_of_network(self) -> list[str]:
        nodes = [node["name"] for node in self._without_network]
        if not nodes:
            return []
        found = [f"{_word(len(nodes), 'node')} {_names(nodes)} not ready: {self._without_network[0]['why']}"]
        for layer in self._report["layers"]:
            if layer["name"] not in self._told and layer["state"] == "not ready":
                self._told |= {layer["name"], *layer["pods"]}
                found.append(f"{layer['title']}: {layer['why'].split(';')[0]}")
        waiting = [
            trouble for trouble in self._open_troubles() if trouble["reason"] in ("Unschedulable", "ContainerCreating")
        ]
        self._told |= {_place(trouble) for trouble in waiting}
        if waiting:
            found.append(f"{count(len(waiting), 'pod')} {'waits' if len(waiting) == 1 else 'wait'} for a machine")
        return found

    def machines(self) -> t.Iterator[Problem]:
        network = {node["name"] for node in self._without_network}
        wanted = {node["name"] for node in self._expected["nodes"]}
        for node in self._report["nodes"]:
            name = node["name"]
            if node["state"] == "not ready" and name not in network:
                yield _problem("error", _why_node(node), f"node {name}", node["why"], _LOGS)
            if node["cordoned"]:
                yield _problem(
                    "warning",
                    "Somebody, or a run cut short, keeps new pods away from the machine",
                    f"node {name}",
                    "cordoned",
                    f"When it may work again: kubectl uncordon {name}",
                )
            if wanted and name not in wanted:
                yield _problem(
                    "warning",
                    "A machine of the cluster does not stand in the inventory",
                    f"node {name}",
                    "not in the groups servers and agents",
                    "Add it to the inventory, or remove the node.",
                )
            if (
                node["version"]
                and self._expected["version"]
                and not _is_version(node["version"], self._expected["version"])
            ):
                yield _problem(
                    "warning",
                    "A machine runs another version than the inventory asks for",
                    f"node {name}",
                    f"{node['version']} instead of v{self._expected['version']}",
                    f"{_SITE}, or set klubster_engine_version to what runs.",
                )

    def pressure(self) -> t.Iterator[Problem]:
        short = [node for node in self._report["nodes"] if node["pressure"]]
        if not short:
            return
        able = [node for node in self._report["nodes"] if node["state"] == "ready" and not node["cordoned"]]
        hence = [] if any(not node["pressure"] for node in able) else self._after_loss_of_room()
        yield _problem(
            "error",
            f"{'A machine runs' if len(short) == 1 else 'Machines run'} short of what pods need",
            f"{_word(len(short), 'node')} {_names(node['name'] for node in short)}",
            ", ".join(sorted({name for node in short for name in node["pressure"]})),
            "Free memory or disk there; until then no new pods go there, and some may be ended.",
            consequences=hence,
        )

    def _after_loss_of_room(self) -> list[str]:
        """What waits only because no machine takes new pods."""
        waiting = [trouble for trouble in self._open_troubles() if trouble["reason"] == "Unschedulable"]
        names = {_place(trouble) for trouble in waiting}
        found = [f"{count(len(waiting), 'pod')} without a machine"] if waiting else []
        for layer in self._report["layers"]:
            if layer["state"] == "not ready" and layer["pods"] and set(layer["pods"]) <= names:
                self._told.add(layer["name"])
                found.append(f"{layer['title']}: {layer['why'].split(';')[0]}")
        self._told |= names
        return found

    def control_plane(self) -> t.Iterator[Problem]:
        for part in self._report["control_plane"]:
            if not part["ready"] and part["node"] not in self._lost:
                self._told.add(f"kube-system/{part['name']}-{part['node']}")
                yield _problem(
                    "error",
                    f"{part['name']} does not run on {part['node']}",
                    f"control plane of {part['node']}",
                    part["why"],
                    f"Read there the files in /var/log/pods/kube-system_{part['name']}-*. {_LOGS}",
                )

    def layers(self) -> t.Iterator[Problem]:
        for layer in self._report["layers"]:
            if layer["name"] in self._told or layer["state"] not in ("missing", "not ready"):
                continue
            self._told |= {layer["name"], *layer["pods"]}
            cause, remedy = self._why_layer(layer)
            hence: list[str] = []
            if layer["name"] == "load_balancer":
                hence = self._after_loss_of_pools() if layer["state"] == "missing" else []
                hence += self._without_sessions(layer["machines"])
            yield _problem("error", cause, _title(layer), layer["why"] or "not installed", remedy, consequences=hence)

    def _why_layer(self, layer: Layer) -> tuple[str, str]:
        """The cause its pods name, if one does."""
        if layer["state"] == "missing":
            return f"{layer['title']} ({layer['provider']}) is not installed", f"{_SITE}."
        for trouble in self._report["pods"]["troubles"]:
            if _place(trouble) in layer["pods"] and trouble["reason"] in _REASONS:
                return _REASONS[trouble["reason"]]
        return f"{layer['title']} ({layer['provider']}) is not ready", "Look at its pods: kubectl describe pod"

    def routers(self) -> t.Iterator[Problem]:
        """The routers of the inventory, and every session that is not as it shall be."""
        for router in self._report["routing"]["routers"]:
            if router["state"] in ("silent", "stopped"):
                yield self._router(router)
        for one in self._report["routing"]["sessions"]:
            if one["cause"] and _pair(one) not in self._told:
                severity: Severity = "error" if one["severity"] == "error" else "warning"
                yield _problem(severity, one["cause"], _pair(one), one["seen"], one["remedy"])

    def _router(self, router: Router) -> Problem:
        name = router["name"]
        gone = [one for one in self._down() if name in (one["router"], one["peer"])]
        self._told |= {_pair(one) for one in gone}
        known = [one for one in gone if one["router"] != name]
        hence = [f"{count(len(known), 'BGP session')} down: {_names(_pair(one) for one in known)}"] if known else []
        if router["why"].startswith(UNASKED):
            cause, seen = f"The router {name} was not asked", router["why"]
            remedy = "Set the variable in the inventory, or give the vault that has it."
        elif router["state"] == "silent":
            cause, seen = f"The router {name} does not answer", router["why"]
            remedy = "Start it, or look whether it can be reached by SSH; what it knows is not shown."
        else:
            cause, seen = f"FRR does not run on the router {name}", "frr.service is not active"
            remedy = f"On {name} read: journalctl -u frr --since -10min; then run the playbook routers."
        return _problem("error", cause, f"router {name}", seen, remedy, consequences=hence)

    def names(self) -> t.Iterator[Problem]:
        found = self._report["names"]
        if found is None or found["ready"] or "pools" in self._told:
            return
        yield _problem(
            "error",
            f"Nobody tells the networks around the cluster the names in {found['zone']}",
            "service klubster-names/service-names",
            found["why"],
            f"{_SITE} --tags names; then look at its pods: kubectl get pods -n klubster-names",
        )

    def _after_loss_of_pools(self) -> list[str]:
        """What follows when addresses cannot be had: the pools are told of, and the services that wait."""
        self._told.add("pools")
        names = [
            f"{entry['namespace']}/{entry['name']}" for entry in self._report["services"] if not entry["addresses"]
        ]
        return [f"{_word(len(names), 'service')} {_names(names)} without an address"] if names else []

    def balancers(self) -> t.Iterator[Problem]:
        """A change from one load balancer to another that stopped half way."""
        wanted = self._expected["load_balancer"]
        (layer,) = [entry for entry in self._report["layers"] if entry["name"] == "load_balancer"]
        there = [one for one in BALANCERS if any(one in workload for workload in layer["workloads"])]
        others = [one for one in there if one != wanted]
        if not others or (wanted not in BALANCERS and len(there) == 1):
            return
        said = " and ".join(BALANCERS[one] for one in others)
        here = wanted in there or wanted not in BALANCERS
        cause = (
            f"{' and '.join(BALANCERS[one] for one in there)} are in the cluster, and may answer for the same addresses"
            if here
            else f"{said} is in the cluster instead of {BALANCERS[wanted]}"
        )
        yield _problem(
            "warning" if here else "error",
            cause,
            _title(layer),
            _names(workload for workload in layer["workloads"] if wanted not in workload),
            f"{_SITE} --tags load_balancer: it takes away what klubster_load_balancer ({wanted}) does not name, and"
            " says what holds it. What others brought has to go by hand.",
        )

    def pools(self) -> t.Iterator[Problem]:
        if "pools" in self._told:
            return
        there = {pool["name"]: pool for pool in self._report["pools"]}
        absent = [name for name in self._expected["pools"] if name not in there]
        if absent:
            hence = [] if there else self._after_loss_of_pools()
            yield _problem(
                "error",
                "A pool of the inventory has not reached the cluster",
                f"{_word(len(absent), 'pool')} {_names(absent)}",
                "stands in klubster_pools, is not in the cluster",
                f"{_SITE}.",
                consequences=hence,
            )
        silent = [pool["name"] for pool in there.values() if not pool["announced"]]
        if silent:
            yield _problem(
                "error",
                "No advertisement covers the pool, so nobody answers for its addresses",
                f"{_word(len(silent), 'pool')} {_names(silent)}",
                "in no L2Advertisement or BGPAdvertisement",
                f"{_SITE}, or add an advertisement if the pool is your own.",
            )
        for pool in there.values():
            if pool["free"] == 0:
                yield _problem(
                    "warning",
                    "All addresses of the pool are taken",
                    f"pool {pool['name']}",
                    f"{pool['used']} of {pool['size']} used",
                    "Add addresses to it in klubster_pools, or end services that are no longer needed.",
                )

    def services(self) -> t.Iterator[Problem]:
        layer = next((entry for entry in self._report["layers"] if entry["name"] == "load_balancer"), None)
        told = "pools" in self._told
        if layer and layer["state"] == "ready" and not self._report["pools"] and not told:
            told = True
            yield _problem(
                "warning",
                "The load balancer has no pool of addresses",
                _title(layer),
                "no service of type LoadBalancer can get an address",
                "Add a pool to klubster_pools: a range of your network that its DHCP server does not hand out.",
                consequences=self._after_loss_of_pools(),
            )
        for service in [] if told else [entry for entry in self._report["services"] if not entry["addresses"]]:
            yield _problem(
                "warning",
                f"The service has no address: {service['why']}",
                f"service {service['namespace']}/{service['name']}",
                "waits for an address",
                "Change its port, or free it on a node: kubectl get pods -n kube-system shows ServiceLB's as svclb-…"
                if "load_balancer" in self._expected["within"]
                else "Change what it asks for, or klubster_pools.",
            )
        for service in self._report["services"]:
            if service["addresses"] and service["endpoints"] == 0:
                yield _problem(
                    "warning",
                    "No ready pod stands behind the service, so its address does not answer",
                    f"service {service['namespace']}/{service['name']}",
                    f"{', '.join(service['addresses'])} has no endpoint",
                    "Compare its selector with the labels of the pods, and look whether those are ready.",
                )

    def pods(self) -> t.Iterator[Problem]:
        own = {"kube-system", *(name.split("/")[0] for layer in self._report["layers"] for name in layer["workloads"])}
        groups: dict[tuple[str, str], list[PodTrouble]] = {}
        for trouble in self._open_troubles():
            groups.setdefault((trouble["namespace"], trouble["reason"]), []).append(trouble)
        for (namespace, reason), troubles in groups.items():
            cause, remedy = _REASONS.get(reason, _POD)
            yield _problem(
                "error" if namespace in own else "warning",
                cause,
                f"{_word(len(troubles), 'pod')} {_names(_place(trouble) for trouble in troubles)}",
                f"{reason}: {troubles[0]['detail']}".rstrip(": "),
                f"{remedy} -n {namespace} {troubles[0]['name']}" if "kubectl" in remedy else remedy,
            )

    def claims(self) -> t.Iterator[Problem]:
        classes = self._report["storage_classes"]
        names = [entry["name"] for entry in classes]
        patient = {entry["name"] for entry in classes if entry["binding"] == "WaitForFirstConsumer"}
        default = any(entry["default"] for entry in classes)
        for claim in self._report["claims"]:
            waits = claim["phase"] == "Pending" and claim["storage_class"] in patient and ":" not in claim["why"]
            if not claim["why"] or waits:
                continue
            cause, remedy = "The claim has no volume", "The message says what its storage class waits for."
            if not claim["storage_class"] and not default:
                cause = "The claim names no storage class, and the cluster has no default one"
                remedy = "Name one in the claim, or set klubster_storage.local_path.default_class."
            elif claim["storage_class"] and claim["storage_class"] not in names:
                cause, remedy = f"There is no storage class {claim['storage_class']}", "Correct the name in the claim."
            yield _problem("warning", cause, f"claim {claim['namespace']}/{claim['name']}", claim["why"], remedy)

    def _open_troubles(self) -> list[PodTrouble]:
        return [trouble for trouble in self._report["pods"]["troubles"] if _place(trouble) not in self._told]


def _is_network(node: Node) -> bool:
    why = node["why"].lower()
    return "network plugin" in why or "cni" in why or "networkpluginnotready" in why or "network is unavailable" in why


def _why_node(node: Node) -> str:
    why = node["why"].lower()
    if "runtime" in why or "pleg" in why or "containerd" in why:
        return f"containerd on {node['name']} is down or hangs"
    if "shutting down" in why:
        return f"The machine {node['name']} is shutting down"
    return f"The kubelet of {node['name']} reports that it cannot work"


def _title(layer: Layer) -> str:
    return f"layer {layer['title']}" + (f" ({layer['provider']})" if layer["provider"] else "")


def _pair(one: Session) -> str:
    return f"session {one['router']} to {one['peer']}"


def _place(trouble: PodTrouble) -> str:
    return f"{trouble['namespace']}/{trouble['name']}"


def _word(number: int, word: str) -> str:
    return word if number == 1 else word + "s"


def _names(names: t.Iterable[str]) -> str:
    every = list(names)
    more = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _is_version(found: str, expected: str) -> bool:
    """Whether a kubelet is of a version; one of a build of one's own may not say ``+k3s1``."""
    found = found.lstrip("v")
    return found == expected if "+" in found else found == expected.partition("+")[0]


def _problem(
    severity: Severity, cause: str, subject: str, detail: str, remedy: str, *, consequences: t.Sequence[str] = ()
) -> Problem:
    return Problem(
        severity=severity,
        cause=cause,
        subject=subject,
        detail=detail,
        remedy=remedy,
        consequences=list(consequences),
    )


__all__ = ("diagnose",)
