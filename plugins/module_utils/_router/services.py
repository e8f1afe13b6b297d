# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a machine with FRR needs other programs for: NAT, firewall, DNS, DHCP and VRRP, rendered and read back.

Every part has files and, but for NAT and firewall, a process of its own, so a part that is not ours stays as it is.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._router import dnsmasq, nft_tables, vrrp
from ansible_collections.kateskit.klubster.plugins.module_utils._router.filtering import Firewall, Nat
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Dns, Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.nft import Table
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import Foreign

#: parts with rules of nftables; ``dns`` has them beside its program
RULES = ("nat", "firewall", "dns")


@dataclass(frozen=True)
class Program:
    """A program with one file, run by a unit of ours.

    :param test: arguments with which it reads the file and ends.
    :param arguments: arguments with which it serves.
    """

    part: str
    package: str
    path: str
    test: tuple[str, ...]
    arguments: tuple[str, ...]
    title: str

    @property
    def unit(self) -> str:
        return f"klubster-router-{self.part}.service"


_DNSMASQ = {
    "package": "dnsmasq-base",
    "path": "/usr/sbin/dnsmasq",
    "test": ("--test", "--conf-file={file}"),
    "arguments": ("--keep-in-foreground", "--user=dnsmasq", "--conf-file={file}"),
}
PROGRAMS: dict[str, Program] = {
    "dns": Program("dns", title="Names, for the networks behind this router", **_DNSMASQ),  # type: ignore[arg-type]
    "dhcp": Program("dhcp", title="Addresses, for the networks behind this router", **_DNSMASQ),  # type: ignore[arg-type]
    "vrrp": Program(
        "vrrp",
        "keepalived",
        "/usr/sbin/keepalived",
        ("--config-test", "--use-file", "{file}"),
        (
            *("--dont-fork", "--vrrp", "--log-console", "--use-file", "{file}"),
            *("--pid", "/run/klubster-router-keepalived.pid", "--vrrp_pid", "/run/klubster-router-vrrp.pid"),
        ),
        "Addresses that this router shares with another",
    ),
}
#: the parts, as they are when nothing of them shall be there
NOTHING: dict[str, t.Any] = {"nat": Nat(), "firewall": Firewall(), "dns": Dns(), "dhcp": (), "vrrp": ()}
PARTS = tuple(NOTHING)


def refuse(router: Router, root: str = "") -> None:
    """Refuse what these programs do not do.

    :raises InvalidInput: with what is in the way.
    """
    prefix = f"{root}." if root else ""
    problems = []
    dns = router.dns
    if dns is not None and dns != Dns() and not (dns.servers or dns.domains or dns.zones):
        rule = "On a machine with FRR names are asked of other servers."
        problems.append(Problem(f"{prefix}dns.servers", [], rule, "Give one, or domains or zones."))
    if problems:
        raise InvalidInput(problems)


def refuse_foreign(foreign: Foreign) -> None:
    """Refuse names of others in files that are ours alone.

    :raises InvalidInput: with the parts.
    """
    rule = "On a machine with FRR the file of this part is ours alone, and nothing in it belongs to others."
    remedy = "Leave it out: programs and files of others are not touched."
    parts = [part for part in PARTS if part in foreign.names]
    if parts:
        raise InvalidInput([Problem(f"foreign.{part}", sorted(foreign.names[part]), rule, remedy) for part in parts])


def tables(router: Router) -> dict[str, t.Optional[Table]]:
    """The tables of the parts that the router has; None for one that shall not be there."""
    found = nft_tables.tables(canonical(router))
    return {part: table if table.chains else None for part, table in found.items()}


def texts(router: Router) -> dict[str, t.Optional[str]]:
    """The programs' files of the parts that the router has; None for a program that shall not run."""
    found: dict[str, t.Optional[str]] = {}
    if router.dns is not None:
        found["dns"] = dnsmasq.dns(router.dns) if router.dns != Dns() else None
    if router.dhcp is not None:
        found["dhcp"] = dnsmasq.dhcp(router.dhcp) if router.dhcp else None
    if router.vrrp is not None:
        found["vrrp"] = vrrp.render(router.vrrp) if router.vrrp else None
    return found


def canonical(router: Router) -> Router:
    """The router as it is read back."""
    changes: dict[str, t.Any] = {}
    if router.dhcp is not None:
        changes["dhcp"] = dnsmasq.canonical_dhcp(router.dhcp)
    if router.vrrp is not None:
        changes["vrrp"] = vrrp.canonical(router.vrrp)
    if router.dns is not None:
        changes["dns"] = dataclasses.replace(router.dns, allow_from=_collapsed(router.dns.allow_from))
    return dataclasses.replace(router, **changes)


def _collapsed(networks: t.Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    for version in (4, 6):
        mine: t.Any = [one for one in map(ipaddress.ip_network, networks) if one.version == version]
        found += [str(one) for one in ipaddress.collapse_addresses(mine)]
    return tuple(found)


@dataclass(frozen=True)
class Gathered:
    """What tables and files say in the model's words.

    :param strange: what the model has no words for.
    """

    data: dict[str, t.Any]
    strange: tuple[str, ...] = ()


def gather(found_tables: t.Mapping[str, Table], found_texts: t.Mapping[str, str]) -> Gathered:
    """Read what is there, by part."""
    data: dict[str, t.Any] = {}
    strange: list[str] = []
    readers = {"nat": nft_tables.gather_nat, "firewall": nft_tables.gather_firewall, "dns": nft_tables.gather_allowed}
    allowed: dict[str, t.Any] = {}
    for part, table in found_tables.items():
        read = readers[part](table)
        strange += [f"{part}: {one}" for one in read.strange]
        if part == "dns":
            allowed = read.data or {}
        else:
            data[part] = read.data
    programs = {"dns": dnsmasq.gather_dns, "dhcp": dnsmasq.gather_dhcp, "vrrp": vrrp.gather}
    for part, text in found_texts.items():
        data[part], unread = programs[part](text)
        strange += [f"{part}: {one}" for one in unread]
    if "dns" in data:
        said = allowed.get("families", ())
        everybody = {6 if ":" in one else 4 for one in data["dns"]["listen"]} - set(said)
        open_to_all = ["::/0" if family == 6 else "0.0.0.0/0" for family in sorted(everybody)]
        data["dns"]["allow_from"] = [*allowed.get("allow_from", ()), *open_to_all]
    return Gathered(data, tuple(strange))


__all__ = (
    "NOTHING",
    "PARTS",
    "PROGRAMS",
    "RULES",
    "Gathered",
    "Program",
    "canonical",
    "gather",
    "refuse",
    "refuse_foreign",
    "tables",
    "texts",
)
