# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The environment of k3s's service: proxies, and what must not stand in ``config.yaml``. Its file is 0600."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_registries import without_password
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import HIDDEN
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, url

_HEAD = "# Written by kateskit.klubster; changes are overwritten.\n"
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_LOOPBACK = ("localhost", "127.0.0.0/8", "::1")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PROXY_SCHEMES = ("socks5", "https", "http")
#: the collection gives these by other ways; the configuration's keys would win over them anyway
_OURS = (
    "K3S_AGENT_TOKEN", "K3S_AGENT_TOKEN_FILE", "K3S_CLUSTER_INIT", "K3S_CLUSTER_RESET", "K3S_CLUSTER_SECRET",
    "K3S_CONFIG_FILE", "K3S_DATASTORE_ENDPOINT", "K3S_DATA_DIR", "K3S_KUBECONFIG_OUTPUT", "K3S_NODE_NAME", "K3S_TOKEN",
    "K3S_TOKEN_FILE", "K3S_URL", "K3S_VPN_AUTH",
)  # fmt: skip
_DATASTORES = ("postgres", "mysql", "http", "https", "nats")
_MYSQL = re.compile(r"([^@/\s]*@)?(tcp|unix)\([^)\s]+\)(/[^\s]*)?")


class EnvironmentUnwritable(KlubsterError):
    """A value cannot stand in an environment file."""


@dataclass(frozen=True)
class Proxy:
    """How machines reach the world outside.

    :param outside: names, addresses and networks that are reached directly, besides the cluster's own.
    :param images_only: only containerd uses it, for images.
    """

    http: str = ""
    https: str = ""
    outside: tuple[str, ...] = ()
    images_only: bool = False


@dataclass(frozen=True)
class Environment:
    """What goes into the file.

    :param nodes: names and addresses that machines of the cluster have.
    :param networks: networks of the machines. An address within them needs no entry of its own, so the file, and with
        it a running service, stays as it is when a machine comes or goes.
    :param datastore: endpoint of an external datastore; holds a password.
    """

    proxy: Proxy = field(default_factory=Proxy)
    nodes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    datastore: str = field(default="", repr=False)
    further: dict[str, str] = field(default_factory=dict, repr=False)


def environment_of(given: t.Mapping[str, t.Any]) -> Environment:
    """From plain data: proxy, nodes, datastore, further."""
    proxy = given.get("proxy") or {}
    return Environment(
        proxy=Proxy(
            http=proxy.get("http") or "",
            https=proxy.get("https") or "",
            outside=tuple(proxy.get("outside") or ()),
            images_only=bool(proxy.get("images_only")),
        ),
        # Without a proxy nothing is reached around it.
        nodes=tuple(given.get("nodes") or ()) if proxy else (),
        datastore=given.get("datastore") or "",
        further=dict(given.get("further") or {}),
    )


def validate(environment: Environment, *, variable: str = "klubster_k3s_environment") -> list[Problem]:
    """Everything that is wrong with what the user gave; passwords are left out."""
    problems = []
    proxy = environment.proxy
    for name, value in (("klubster_proxy.http", proxy.http), ("klubster_proxy.https", proxy.https)):
        try:
            if value:
                url(value, _PROXY_SCHEMES)
        except Refused as exc:
            problems.append(Problem(name, without_password(value), exc.rule, exc.remedy))
    if proxy.outside and not (proxy.http or proxy.https):
        problems.append(
            Problem("klubster_proxy", list(proxy.outside), "There is no proxy to go round.", "Give 'http' or 'https'.")
        )
    problems += [
        Problem("klubster_proxy.outside", entry, "An entry has no blank, comma or scheme.", "Write 'host.example.org'.")
        for entry in proxy.outside
        if not entry or re.search(r"[\s,]|://", entry)
    ]
    try:
        if environment.datastore:
            endpoint(environment.datastore)
    except Refused as exc:
        problems.append(Problem("klubster_k3s_datastore", HIDDEN, exc.rule, exc.remedy))
    for name, value in environment.further.items():
        try:
            _further(name, value)
        except Refused as exc:
            problems.append(Problem(f"{variable}.{name}", HIDDEN, exc.rule, exc.remedy))
    return problems


def endpoint(text: str) -> str:
    """The endpoint of an external datastore.

    :raises Refused: k3s would not understand it; the message does not hold it.
    """
    if re.search(r"\s", text):
        raise Refused("An endpoint holds no blank.", "Write a blank in a password as '%20'.")
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _DATASTORES:
        raise Refused(
            "An external datastore is PostgreSQL, MySQL, etcd or NATS.",
            "Write 'postgres://user:password@host:5432/db' or 'mysql://user:password@tcp(host:3306)/db'.",
        )
    if scheme == "mysql" and rest:
        if not _MYSQL.fullmatch(rest):
            raise Refused("MySQL's host stands in 'tcp(…)'.", "Write 'mysql://user:password@tcp(host:3306)/db'.")
        if re.search(r"[?&]tls=", rest):
            raise Refused("k3s takes no 'tls=' here.", "Give 'datastore-cafile', '-certfile' and '-keyfile'.")
    if scheme in ("http", "https"):
        for part in text.split(","):
            url(part)
    return text


def render(environment: Environment) -> str:
    """The text of the file, in the order of names.

    :raises EnvironmentUnwritable: a value holds a line break.
    """
    values = {**_proxy(environment), **environment.further}
    if environment.datastore:
        values["K3S_DATASTORE_ENDPOINT"] = environment.datastore
    return _HEAD + "".join(f"{name}={_quoted(name, values[name])}\n" for name in sorted(values))


def _further(name: str, value: t.Any) -> None:
    if not _NAME.fullmatch(name):
        raise Refused("A variable's name has capital letters, digits and '_'.", "Rename it.")
    if name in _OURS:
        raise Refused("The collection gives this by another way.", "Leave it out.")
    bare = name[len("CONTAINERD_") :] if name.startswith("CONTAINERD_") else name
    if bare in _PROXIES:
        raise Refused("Proxies have a variable of their own.", "Set klubster_proxy.")
    if not isinstance(value, str):
        raise Refused("A variable's value is a text.", "Put it in quotes.")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", value):
        raise Refused("The value holds a line break or another control character.", "Write it in one line.")


def _proxy(environment: Environment) -> dict[str, str]:
    proxy = environment.proxy
    if not (proxy.http or proxy.https):
        return {}
    # k3s adds the networks of pods and services and the cluster's domain itself.
    apart = [node for node in environment.nodes if not _is_within(node, environment.networks)]
    direct = dict.fromkeys([*_LOOPBACK, *environment.networks, *sorted(apart), *proxy.outside])
    values = {"HTTP_PROXY": proxy.http, "HTTPS_PROXY": proxy.https or proxy.http, "NO_PROXY": ",".join(direct)}
    prefix = "CONTAINERD_" if proxy.images_only else ""
    return {f"{prefix}{name}": value for name, value in values.items() if value}


def _is_within(node: str, networks: t.Iterable[str]) -> bool:
    try:
        address = ipaddress.ip_address(node)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in networks)


def _quoted(name: str, value: str) -> str:
    """In double quotes as systemd reads them: a backslash before what would end or change the text."""
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise EnvironmentUnwritable(f"{name} holds a line break or another control character. Write it in one line.")
    return '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'


__all__ = ("Environment", "EnvironmentUnwritable", "Proxy", "endpoint", "environment_of", "render", "validate")
