# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Calico's own objects for BGP, where its speaker tells routers of services' addresses and of pods.

They are written as Calico keeps them (``crd.projectcalico.org/v1``), for its API server is off here: what that server
would check, ``_model`` has checked. Their fields: Calico's documentation, "BGP configuration", "BGP peer" and
"BGP filter".
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import announcing
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.announcing import Plain
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object

GROUP = "crd.projectcalico.org"
VERSION = f"{GROUP}/v1"
#: where the operator puts the pods that speak, and whose they are
NAMESPACE = "calico-system"
AGENT = "calico-node"
#: Calico reads the settings of all nodes from the object of this name
DEFAULT = "default"
#: what Calico calls its own autonomous system where nobody says it
DEFAULT_ASN = 64512
_ROLE = "klubster-bgp-passwords"
_PORT = 179
_EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}
_PLURALS = ("bgpconfigurations", "bgpfilters", "bgppeers")
_KEY = "password"


def definitions(balancer: Plain, pod_networks: t.Sequence[str]) -> list[Object]:
    """Settings of all nodes, the routers, what each is told, and leave to read their passwords.

    :param balancer: with ``bgp``, whose ``asn`` and ``peers`` are there.
    """
    bgp = balancer["bgp"]
    objects = [_configuration(balancer)]
    for peer in bgp.get("peers") or []:
        objects += [_filter(balancer, peer, pod_networks), _peer(bgp, peer)]
    return [*_leave_to_read(balancer), *objects]


def password_secrets(balancer: Plain) -> list[Object]:
    """Secrets of peers with a password, which itself is not here: ``cluster_objects`` puts it in."""
    return [
        {"name": secret_name(peer), "namespace": NAMESPACE, "key": _KEY, "value": str(peer["name"])}
        for peer in _with_password(balancer)
    ]


def wait_for() -> list[Object]:
    """Definitions that the operator, or its chart, brings."""
    return [
        {"api_version": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "name": f"{plural}.{GROUP}"}
        for plural in _PLURALS
    ]


def secret_name(peer: Plain) -> str:
    return f"klubster-bgp-peer-{peer['name']}"


def blocks(balancer: Plain) -> list[str]:
    """Networks of which Calico announces addresses: from every node each as a whole, and single addresses of services
    that only their own nodes answer for."""
    found = [str(net) for pool in announcing.pools_by("bgp", balancer) for net in _networks(pool)]
    return list(dict.fromkeys(found))


def _configuration(balancer: Plain) -> Object:
    bgp, pools = balancer["bgp"], {str(pool["name"]): pool for pool in balancer.get("pools") or []}
    names, tagged = bgp.get("communities") or {}, dict[str, list[str]]()
    for one in announcing.bgp_advertisements(balancer):
        told = [str(names.get(text, text)).replace("large:", "", 1) for text in one.get("communities") or []]
        for net in (str(net) for name in one["pools"] for net in _networks(pools[name])):
            tagged[net] = list(dict.fromkeys([*tagged.get(net, []), *told]))
    spec: Object = {
        "asNumber": int(bgp["asn"]),
        "listenPort": _PORT,
        # Nodes still tell each other where pods are.
        "nodeToNodeMeshEnabled": True,
        **_given(
            serviceLoadBalancerIPs=[{"cidr": net} for net in blocks(balancer)],
            prefixAdvertisements=[{"cidr": net, "communities": told} for net, told in tagged.items() if told],
        ),
    }
    return _custom("BGPConfiguration", DEFAULT, spec)


def _filter(balancer: Plain, peer: Plain, pod_networks: t.Sequence[str]) -> Object:
    """What a router is not told, and that nothing is learned from it.

    A rule that accepts would end Calico's own filter with all that a node knows of others: so what shall go out is what
    is left over by rules that reject. Calico itself lets out pods and addresses of services only.
    """
    family = 6 if ":" in str(peer["address"]) else 4
    told = {
        name
        for one in announcing.bgp_advertisements(balancer)
        if not one.get("peers") or peer["name"] in one["peers"]
        for name in one["pools"]
    }
    kept = [] if balancer["bgp"].get("pods") else [str(network) for network in pod_networks]
    for pool in announcing.pools_by("bgp", balancer):
        if pool["name"] not in told:
            kept += [str(net) for net in _networks(pool)]
    out = [_reject(network) for network in kept if (":" in network) == (family == 6)]
    spec = {f"importV{family}": [_reject(_EVERYTHING[family])], **_given(**{f"exportV{family}": out})}
    return _custom("BGPFilter", _name(peer), spec)


def _peer(bgp: Plain, peer: Plain) -> Object:
    address, port = str(peer["address"]), int(peer.get("port") or _PORT)
    if port != _PORT:
        address = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    spec = {
        "peerIP": address,
        "asNumber": int(peer["asn"]),
        "filters": [_name(peer)],
        **_given(
            nodeSelector=node_selector(peer.get("node_selectors") or []),
            # A node tells what it heard from others, too: with their address as the way, and not with its own.
            keepOriginalNextHop=True if peer["asn"] != bgp["asn"] else None,
            password={"secretKeyRef": {"name": secret_name(peer), "key": _KEY}} if peer.get("password") else None,
        ),
    }
    return _custom("BGPPeer", _name(peer), spec)


def _leave_to_read(balancer: Plain) -> list[Object]:
    """The agents may read the passwords, and no other Secret: Calico's documentation, "Secure BGP sessions"."""
    secrets = sorted(secret_name(peer) for peer in _with_password(balancer))
    if not secrets:
        return []
    metadata = {"name": _ROLE, "namespace": NAMESPACE}
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": secrets, "verbs": ["get", "list", "watch"]}
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": group, "kind": "Role", "name": _ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": AGENT, "namespace": NAMESPACE}],
        },
    ]


def _with_password(balancer: Plain) -> list[Plain]:
    return [peer for peer in (balancer.get("bgp") or {}).get("peers") or [] if peer.get("password")]


def _networks(pool: Plain) -> list[announcing.Network]:
    return [net for text in pool["addresses"] for net in announcing.networks_of(str(text))]


def _name(peer: Plain) -> str:
    return str(peer["name"])


def _reject(network: str) -> Object:
    return {"action": "Reject", "cidr": network, "matchOperator": "In"}


def _given(**values: t.Any) -> Object:
    """Only what there is something to say of."""
    return {key: value for key, value in values.items() if value not in (None, [], "")}


def _custom(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


# --- selectors in Calico's language: its documentation, "Selectors"

_TERM = re.compile(
    r"(?P<not>!)?has\((?P<has>[^()]+)\)"
    r"|(?P<key>\S+) == '(?P<value>[^']*)'"
    r"|(?P<among>\S+) (?P<out>not )?in \{(?P<values>[^{}]*)\}"
)


def node_selector(selectors: t.Sequence[Plain]) -> str:
    """Nodes by their labels; nothing where all are meant."""
    texts = [" && ".join(_terms(one)) for one in selectors]
    return texts[0] if len(texts) == 1 else " || ".join(f"({text})" for text in texts)


def _terms(selector: Plain) -> list[str]:
    found = [f"{key} == '{value}'" for key, value in sorted((selector.get("match_labels") or {}).items())]
    for entry in selector.get("match_expressions") or []:
        key, operator = entry["key"], entry["operator"]
        values = ", ".join(f"'{value}'" for value in entry.get("values") or [])
        found.append(
            {
                "In": f"{key} in {{{values}}}",
                # Both here and with Kubernetes, who lacks the label is not among the values.
                "NotIn": f"{key} not in {{{values}}}",
                "Exists": f"has({key})",
                "DoesNotExist": f"!has({key})",
            }[operator]
        )
    return found


def fits(selector: str, labels: t.Mapping[str, str]) -> bool:
    """Whether a selector in the form of ``node_selector`` fits; one in another form does."""
    if selector.strip() in ("", "all()"):
        return True
    return any(all(_term_fits(term, labels) for term in part.split(" && ")) for part in _parts(selector))


def _parts(selector: str) -> list[str]:
    return [part.strip()[1:-1] if part.strip().startswith("(") else part.strip() for part in selector.split(" || ")]


def _term_fits(term: str, labels: t.Mapping[str, str]) -> bool:
    found = _TERM.fullmatch(term.strip())
    if found is None:
        return True
    if found["has"]:
        return (found["has"] in labels) is not bool(found["not"])
    if found["key"]:
        return labels.get(found["key"]) == found["value"]
    values = re.findall(r"'([^']*)'", found["values"])
    return (labels.get(found["among"]) in values) is not bool(found["out"])


__all__ = (
    "AGENT",
    "DEFAULT",
    "DEFAULT_ASN",
    "GROUP",
    "NAMESPACE",
    "VERSION",
    "blocks",
    "definitions",
    "fits",
    "node_selector",
    "password_secrets",
    "secret_name",
    "wait_for",
)
