# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Keys of k3s that do not go together: what it refuses at its start, or takes and does not act on."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

Config = t.Mapping[str, t.Any]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
#: key, rule, remedy
Broken = tuple[str, str, str]
#: the largest network of services, by family
_SERVICE_PREFIX = {4: 12, 6: 112}


@dataclass(frozen=True)
class _Rule:
    """``key`` breaks the rule where ``when`` is true; ``roles`` says on which machines it is looked at."""

    key: str
    when: t.Callable[[Config], bool]
    rule: str
    remedy: str
    roles: tuple[str, ...] = ("server",)


def _has(*keys: str) -> t.Callable[[Config], bool]:
    return lambda config: all(config.get(key) not in (None, False, (), "") for key in keys)


def _first_without(key: str, *others: str) -> t.Callable[[Config], bool]:
    return lambda config: _has(key)(config) and not any(_has(other)(config) for other in others)


def _no_flannel(config: Config) -> bool:
    return config.get("flannel-backend") == "none"


def _s3_beside_secret(config: Config) -> bool:
    return _has("etcd-s3-config-secret")(config) and any(
        key.startswith("etcd-s3-") and key != "etcd-s3-config-secret" for key in config
    )


_RULES = (
    _Rule(
        "cluster-reset-restore-path",
        _first_without("cluster-reset-restore-path", "cluster-reset"),
        "A snapshot is restored by a reset only.",
        "Set 'cluster-reset' for that one start.",
    ),
    _Rule(
        "cluster-reset",
        _has("cluster-reset", "server"),
        "k3s resets no cluster while it is told which server to join.",
        "Leave 'server' out for that one start.",
    ),
    _Rule(
        "disable-etcd",
        _first_without("disable-etcd", "server"),
        "A server without etcd has to join one that has it.",
        "Keep etcd on the server that begins the cluster.",
    ),
    _Rule(
        "flannel-ipv6-masq",
        lambda config: _has("flannel-ipv6-masq")(config) and _no_flannel(config),
        "There is no flannel here to masquerade anything.",
        "Leave it out, or set klubster_cni to 'flannel'.",
    ),
    _Rule(
        "flannel-ipv6-masq",
        lambda config: _has("flannel-ipv6-masq")(config) and not any(":" in net for net in config["cluster-cidr"]),
        "The pods have no IPv6 network.",
        "Leave it out, or add one to klubster_pod_network.",
    ),
    _Rule(
        "flannel-external-ip",
        _first_without("flannel-external-ip", "node-external-ip"),
        "flannel is to use the external address, and this machine has none.",
        "Give 'node-external-ip' on every machine.",
    ),
    *(
        _Rule(
            key,
            lambda config, key=key: _has(key)(config) and _no_flannel(config),  # type: ignore[misc]
            "k3s's own flannel is off, so nothing reads this key.",
            "Leave it out, or set klubster_cni to 'flannel'.",
        )
        for key in ("flannel-iface", "flannel-conf", "flannel-cni-conf", "flannel-external-ip")
    ),
    _Rule(
        "disable-network-policy",
        lambda config: _no_flannel(config) and not config.get("disable-network-policy"),
        "With a CNI provider of its own, the cluster cannot keep k3s's network policies.",
        "Leave the key out.",
    ),
    _Rule(
        "kube-proxy-arg",
        _has("kube-proxy-arg", "disable-kube-proxy"),
        "There is no kube-proxy here, so nothing reads this key.",
        "Leave it out, or set klubster_cni_service_proxy: false.",
    ),
    _Rule(
        "secrets-encryption-provider",
        _first_without("secrets-encryption-provider", "secrets-encryption"),
        "Nothing is encrypted while 'secrets-encryption' is off.",
        "Set 'secrets-encryption: true', or leave the provider out.",
    ),
    _Rule(
        "etcd-s3-config-secret",
        _s3_beside_secret,
        "k3s reads the Secret only when no other key of S3 stands beside it.",
        "Move the others into the Secret.",
    ),
    _Rule(
        "etcd-s3-config-secret",
        _first_without("etcd-s3-config-secret", "etcd-s3"),
        "Nothing goes to S3 while 'etcd-s3' is off.",
        "Set 'etcd-s3: true'.",
    ),
    _Rule(
        "etcd-s3",
        _first_without("etcd-s3", "etcd-s3-bucket", "etcd-s3-config-secret"),
        "S3 keeps snapshots in a bucket, and none is named.",
        "Give 'etcd-s3-bucket' or 'etcd-s3-config-secret'.",
    ),
    _Rule(
        "lb-server-port",
        lambda config: config.get("lb-server-port", 6444) == config.get("https-listen-port", 6443),
        "Both the API and the local way to it would listen on this port.",
        "Choose another one.",
    ),
    _Rule(
        "egress-selector-mode",
        lambda config: _has("disable-agent")(config) and config.get("egress-selector-mode", "agent") == "agent",
        "A server that is no node reaches pods in the modes 'cluster' and 'pod' only.",
        "Choose one of them.",
    ),
    _Rule("token-file", lambda config: not _has_token(config), "An agent needs a token.", "Name its file.", ("agent",)),
    _Rule(
        "server",
        lambda config: not _has("server")(config),
        "An agent needs to know where to join.",
        "Give the URL of a server.",
        ("agent",),
    ),
)


def _has_token(config: Config) -> bool:
    return _has("token")(config) or _has("token-file")(config)


def broken(config: Config, role: str, *, datastore: str) -> list[Broken]:
    """What of an effective configuration does not hold together; each key once.

    :param datastore: ``etcd``, ``sqlite`` or ``external``; the endpoint of an external one stands in the environment.
    """
    found = _without_etcd(config, datastore) if role == "server" else []
    found += [(rule.key, rule.rule, rule.remedy) for rule in _RULES if role in rule.roles and rule.when(config)]
    if role == "server":
        found += _addresses(config)
    return list({key: (key, rule, remedy) for key, rule, remedy in reversed(found)}.values())[::-1]


def _without_etcd(config: Config, datastore: str) -> list[Broken]:
    if datastore == "etcd":
        return []
    keys = [key for key in config if key.startswith("etcd-") or key == "disable-etcd"]
    result: list[Broken] = [
        (key, "The datastore is not the embedded etcd, so nothing reads this key.", "Leave it out.") for key in keys
    ]
    if datastore == "external" and config.get("disable-apiserver"):
        result.append(
            ("disable-apiserver", "Servers with an external datastore all run the API.", "Leave it out."),
        )
    return result


def _addresses(config: Config) -> list[Broken]:
    result: list[Broken] = []
    networks: dict[str, list[Network]] = {}
    for key in ("cluster-cidr", "service-cidr"):
        try:
            networks[key] = [ipaddress.ip_network(text) for text in config.get(key, ())]
        except ValueError:
            return [(key, "This is no network.", "Write it like '10.42.0.0/16', with no bits behind the prefix.")]
        if len({network.version for network in networks[key]}) != len(networks[key]):
            result.append((key, "It is one network, or one of each family.", "Leave the others out."))
    pods, services = networks["cluster-cidr"], networks["service-cidr"]
    result += _services(services)
    if [network.version for network in pods] != [network.version for network in services]:
        result.append(("service-cidr", "Pods and services have the same families in the same order.", "Order them so."))
    elif any(pod.overlaps(service) for pod in pods for service in services):
        result.append(("service-cidr", "Pods and services share addresses.", "Take networks that do not overlap."))
    return result + _single_addresses(config, services)


def _services(services: t.Sequence[Network]) -> list[Broken]:
    large = next((network for network in services if network.prefixlen < _SERVICE_PREFIX[network.version]), None)
    if large is None:
        return []
    return [("service-cidr", "Services have at most a /12, or a /112 with IPv6.", f"Choose a part of {large}.")]


def _single_addresses(config: Config, services: t.Sequence[Network]) -> list[Broken]:
    result: list[Broken] = []
    try:
        outside = [
            text
            for text in config.get("cluster-dns", ())
            if services and not any(_within(text, network) for network in services)
        ]
    except ValueError:
        return [("cluster-dns", "This is no IP address.", "Write it like '10.43.0.10'.")]
    if outside:
        result.append(("cluster-dns", f"{outside[0]} lies outside the service network.", "Take an address in it."))
    advertised = config.get("advertise-address")
    if advertised and services and ipaddress.ip_address(advertised).version != services[0].version:
        result.append(
            (
                "advertise-address",
                "The API's address is of the family of the first service network.",
                "Give one of that family.",
            )
        )
    return result


def _within(text: str, network: Network) -> bool:
    return ipaddress.ip_address(text) in network


__all__ = ("Broken", "broken")
