# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""VRRP in keepalived's words, and read back from there."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._router import table
from ansible_collections.kateskit.klubster.plugins.module_utils._router.dnsmasq import HEADER
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import VrrpGroup
from ansible_collections.kateskit.klubster.plugins.module_utils._router.table import form

#: what VyOS and keepalived take where nothing is said
PRIORITY, INTERVAL = 100, 1
_ALWAYS = ("state BACKUP", "}")
_GROUP = (
    form("# {description...}"),
    form("interface {interface}"),
    form("virtual_router_id {id}"),
    form("priority {priority}"),
    form("advert_int {interval}"),
    form("nopreempt", preempt=False),
)
_INSTANCE = re.compile(r"vrrp_instance (\S+) \{")


def canonical(part: t.Sequence[VrrpGroup]) -> tuple[VrrpGroup, ...]:
    """The part as it is read back: nothing is left unsaid."""
    return tuple(
        dataclasses.replace(group, priority=group.priority or PRIORITY, interval=group.interval or INTERVAL)
        for group in part
    )


def render(part: t.Sequence[VrrpGroup]) -> str:
    """keepalived.conf; every router begins as a backup, and the highest priority wins."""
    lines = [HEADER]
    for group in canonical(part):
        lines += [f"vrrp_instance {group.name} {{", "    state BACKUP"]
        lines += [f"    {' '.join(words)}" for words in table.lines(_GROUP, group)]
        lines += ["    virtual_ipaddress {", *(f"        {address}" for address in group.addresses), "    }", "}"]
    return "\n".join((*lines, ""))


def gather(text: str) -> tuple[dict[str, t.Any], tuple[str, ...]]:
    """The part as data, and lines without words in the model."""
    groups: dict[str, dict[str, t.Any]] = {}
    strange: list[str] = []
    name, inside, addresses = "", [], None  # type: str, list[str], t.Optional[list[str]]
    for line in (one.strip() for one in text.splitlines()):
        found = _INSTANCE.fullmatch(line)
        if found:
            name, inside = found.group(1), []
        elif line == "virtual_ipaddress {":
            addresses = []
        elif addresses is not None and line != "}":
            addresses.append(line)
        elif line == "}" and addresses is not None:
            fields, rest = table.read(_GROUP, inside)
            groups[name] = {**fields, "addresses": addresses}
            strange += [f"vrrp_instance {name} / {one}" for one in rest]
            addresses = None
        elif line and line != HEADER and line not in _ALWAYS:
            (inside if name else strange).append(line)
    return groups, tuple(strange)


__all__ = ("INTERVAL", "PRIORITY", "canonical", "gather", "render")
