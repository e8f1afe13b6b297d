# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What has to be the same on all servers, compared before one starts that k3s would refuse, or let go wrong."""

from __future__ import annotations

import ipaddress
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_flags import (
    FLAGS,
    SHORT,
    Flag,
    release,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import Release
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import HIDDEN
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, Problem

Config = t.Mapping[str, t.Any]
#: the annotation in which k3s keeps what a node was started with, secrets left out
NODE_ARGUMENTS = "k3s.io/node-args"
_OMITTED = "********"
#: where a user sets what the collection writes into a key
_VARIABLES = {
    "cluster-cidr": "klubster_pod_network",
    "cluster-dns": "klubster_service_network",
    "cluster-domain": "klubster_dns_domain",
    "disable": "klubster_load_balancer, or klubster_k3s_config.disable",
    "disable-kube-proxy": "klubster_cni_service_proxy, or klubster_k3s_config.disable-kube-proxy",
    "disable-network-policy": "klubster_cni, or klubster_k3s_config.disable-network-policy",
    "flannel-backend": "klubster_cni, klubster_cni_backend",
    "secrets-encryption": "klubster_secrets_encryption, or klubster_profile",
    "service-cidr": "klubster_service_network",
}
#: what may be done instead of setting it back
_BESIDE = {"secrets-encryption": ", or keep it beside the profile: 'secrets-encryption: false' in klubster_k3s_config"}


class Unreadable(KlubsterError):
    """A server's report is not what k3s writes."""


@dataclass(frozen=True)
class Mismatch:
    """One key with two values. ``machines`` have ``value``, ``others`` have ``other``."""

    key: str
    value: str
    machines: tuple[str, ...]
    other: str
    others: tuple[str, ...]

    def problem(self, variable: str) -> Problem:
        """As a problem of the user's input: the fewer machines are the ones that are named first."""
        return Problem(
            f"{variable}.{self.key} of {', '.join(self.others)}",
            self.other,
            f"This key is the same on all servers, and {', '.join(self.machines)} has {self.value!r}.",
            "Give all servers the same value.",
        )


def compare(servers: t.Mapping[str, Config], version: Release) -> list[Mismatch]:
    """Effective configurations of servers with each other, by machine; what most of them have comes first."""
    result = []
    for key, flag in _matched(version).items():
        groups: dict[str, list[str]] = {}
        for machine, config in servers.items():
            groups.setdefault(_canonical(flag, config), []).append(machine)
        ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
        result += [
            Mismatch(key, _shown(flag, ordered[0][0]), tuple(ordered[0][1]), _shown(flag, value), tuple(machines))
            for value, machines in ordered[1:]
        ]
    return result


def compare_with_running(
    wanted: t.Mapping[str, Config], running: t.Mapping[str, Config], version: Release
) -> list[Mismatch]:
    """What servers shall get, with what others run with: the value of a living cluster does not change.

    :param running: by machine; what a server does not report has k3s's default there.
    """
    result = []
    for key, flag in _matched(version).items():
        have: dict[str, list[str]] = {}
        for machine, config in running.items():
            if not _is_omitted(config.get(key)):
                have.setdefault(_canonical(flag, config), []).append(machine)
        wants: dict[str, list[str]] = {}
        for machine, config in wanted.items():
            wants.setdefault(_canonical(flag, config), []).append(machine)
        result += [
            Mismatch(key, _shown(flag, value), tuple(machines), _shown(flag, other), tuple(others))
            for value, machines in have.items()
            for other, others in wants.items()
            if other != value
        ]
    return result


def refused(wanted: Config, node: t.Mapping[str, t.Any]) -> list[Problem]:
    """What a living server would not take: keys that a cluster keeps for as long as it lives.

    :param node: the server's Node object; without k3s's annotation nobody knows what it was started with.
    :raises Unreadable: the annotation is not what k3s writes.
    """
    metadata, status = node.get("metadata") or {}, node.get("status") or {}
    said = (metadata.get("annotations") or {}).get(NODE_ARGUMENTS)
    if not said:
        return []
    version = release(str((status.get("nodeInfo") or {}).get("kubeletVersion", "")).lstrip("v"))
    name = str(metadata.get("name"))
    unlike = compare_with_running({name: wanted}, {name: reported(said)}, version)
    return [
        Problem(
            _VARIABLES.get(one.key, f"klubster_k3s_config.{one.key}"),
            one.other,
            f"A living cluster keeps k3s's {one.key!r}, and {name} runs with {one.value!r}.",
            f"Set it back{_BESIDE.get(one.key, '')}. To change it, save what the cluster holds, run "
            "playbooks/reset.yml and then playbooks/site.yml with the new value.",
        )
        for one in unlike
    ]


def reported(text: str) -> dict[str, t.Any]:
    """The keys that a running node says it was started with, from its annotation ``k3s.io/node-args``.

    :raises Unreadable: the text is no list of arguments.
    """
    try:
        words = json.loads(text)
    except ValueError as exc:
        raise Unreadable(f"The annotation {NODE_ARGUMENTS} holds no JSON.") from exc
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Unreadable(f"The annotation {NODE_ARGUMENTS} holds no list of words.")
    result: dict[str, t.Any] = {}
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals:
            alone = position >= len(words) or words[position].startswith("--")
            value = "true" if alone else words[position]
            position += 0 if alone else 1
        _add(result, SHORT.get(name, name), value)
    return result


def _add(result: dict[str, t.Any], name: str, value: str) -> None:
    flag = FLAGS.get(name)
    if flag is not None and flag.kind == "bool":
        result[name] = value.lower() in ("true", "t", "1")
    elif flag is not None and flag.kind == "int":
        result[name] = int(value) if value.isdigit() else value
    elif flag is not None and flag.kind == "list":
        result[name] = (*result.get(name, ()), *(value.split(",") if flag.commas else [value]))
    else:
        result[name] = value


def _matched(version: Release) -> dict[str, Flag]:
    return {
        name: flag
        for name, flag in FLAGS.items()
        if (flag.must_match or flag.match_items) and flag.in_version(version) and flag.for_role("server")
    }


def _is_omitted(value: t.Any) -> bool:
    return bool(value == _OMITTED)


def _canonical(flag: Flag, config: Config) -> str:
    """A text that is equal for values that k3s takes for equal."""
    value = config.get(flag.name)
    if value in (None, (), [], ""):
        value = _dns_default(config) if flag.name == "cluster-dns" else flag.default
    if flag.kind != "list":
        return json.dumps(value)
    entries = [value] if isinstance(value, str) else list(value or ())
    parts = [part.strip() for entry in entries for part in (str(entry).split(",") if flag.commas else [str(entry)])]
    if flag.match_items:
        return ", ".join(item for item in flag.match_items if item in parts)
    return ", ".join(_address(part) for part in parts)


def _dns_default(config: Config) -> tuple[str, ...]:
    """The tenth address of each service network."""
    services = config.get("service-cidr") or FLAGS["service-cidr"].default
    entries = [services] if isinstance(services, str) else list(services)
    try:
        return tuple(str(ipaddress.ip_network(part.strip())[10]) for entry in entries for part in entry.split(","))
    except (ValueError, IndexError):
        return ()


def _address(text: str) -> str:
    for kind in (ipaddress.ip_address, ipaddress.ip_network):
        try:
            return str(kind(text))
        except ValueError:
            continue
    return text


def _shown(flag: Flag, canonical: str) -> str:
    if flag.secret:
        return HIDDEN
    return canonical.strip('"') or "(none)"


__all__ = ("NODE_ARGUMENTS", "Mismatch", "Unreadable", "compare", "compare_with_running", "refused", "reported")
