# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Our rules for plain nftables: a table of our own, before all others.

What one table accepts another may still drop. So our table marks the cluster's packets, and a ruleset that drops has
one line that accepts the mark; it need not know any address. Without that line we refuse, and say what is lacking.
The cluster's ports are closed to everybody else, whatever other tables say.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.openings import FAMILIES, Opening, Openings

TABLE = "inet klubster"
UNIT = "klubster-firewall.service"
_FILE = "/etc/klubster/firewall.nft"
_DROP_IN = "/etc/systemd/system/nftables.service.d/klubster.conf"
_NFT = "/usr/sbin/nft"
# None of the bits that kube-proxy (14, 15), kube-router (16, 17) and Tailscale (16 to 23) use.
MARK = 0x01000000
ACCEPT_LINE = f"meta mark and {MARK:#010x} == {MARK:#010x} accept"
_MARKED = re.compile(rf"mark\b.*(0x0*{MARK:x}|\b{MARK})\b.*accept")
_BASE_CHAIN = re.compile(r"hook (input|forward) .*policy drop;")
_PROTOCOL = {4: "ip", 6: "ip6"}


class DroppedElsewhere(KlubsterError):
    """Another table drops what ours lets through."""


def table(openings: Openings) -> str:
    """The file: read as a whole, it replaces our table in one step."""
    lines = [
        "#!/usr/sbin/nft -f",
        "# Written by kateskit.klubster; changes are overwritten.",
        f"table {TABLE}",
        f"delete table {TABLE}",
        f"table {TABLE} {{",
        *_sets(openings),
        "  chain input {",
        "    type filter hook input priority mangle; policy accept;",
        '    iif "lo" accept',
        *(f"    {rule}" for opening in openings.openings for rule in _input(opening, openings)),
        "    ct state established,related accept",
        *(f"    {proto} dport {{ {_spaced(ports)} }} drop" for proto, ports in sorted(openings.closed.items())),
        "  }",
        "  chain forward {",
        "    type filter hook forward priority mangle; policy accept;",
        *(f"    {rule}" for rule in _forward(openings)),
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def files(openings: Openings) -> list[WantedFile]:
    return [
        WantedFile(_FILE, table(openings)),
        WantedFile(f"/etc/systemd/system/{UNIT}", _unit()),
        WantedFile(_DROP_IN, _drop_in()),
    ]


def at_work(run: Runner) -> bool:
    """Whether the kernel has our table: somebody may have flushed the whole ruleset."""
    listed = run(["nft", "list", "tables"], check=False).stdout
    return f"table {TABLE}" in listed.splitlines()


def refuse_drops(run: Runner) -> None:
    """:raises DroppedElsewhere: a chain of others drops, and does not know our mark."""
    listed = run(["nft", "list", "chains"], check=False).stdout
    deaf = [
        f"{chain} of table {name}"
        for name, chain in _dropping(listed)
        if not _MARKED.search(run(["nft", "list", "chain", *name.split(), chain], check=False).stdout)
    ]
    if deaf:
        raise DroppedElsewhere(
            f"klubster_firewall = 'nftables': the chain {' and '.join(deaf)} drops what nothing in it accepts, and no "
            "other table can change that. Nothing was changed. Add this line to it, once; our own table marks the "
            f"cluster's packets and keeps the addresses: {ACCEPT_LINE}\n"
            "Or let the cluster's ports through yourself, and set klubster_firewall: none."
        )


def _dropping(listed: str) -> t.Iterator[tuple[str, str]]:
    """Base chains that drop by policy: table and chain."""
    name = chain = ""
    for line in listed.splitlines():
        text = line.strip()
        if text.startswith("table "):
            name = text[len("table ") :].rstrip(" {")
        elif text.startswith("chain "):
            chain = text.split()[1]
        elif _BASE_CHAIN.search(text) and name != TABLE:
            yield name, chain


def _unit() -> str:
    return (
        "# Written by kateskit.klubster; changes are overwritten. Put your own into a drop-in.\n"
        "[Unit]\n"
        "Description=Firewall rules of the cluster\n"
        "DefaultDependencies=no\n"
        "Before=network-pre.target shutdown.target\n"
        "Wants=network-pre.target\n"
        "Conflicts=shutdown.target\n"
        "After=local-fs.target nftables.service\n"
        "\n[Service]\n"
        "Type=oneshot\n"
        "RemainAfterExit=yes\n"
        f"ExecStart={_NFT} -f {_FILE}\n"
        f"ExecReload={_NFT} -f {_FILE}\n"
        f"ExecStop=-{_NFT} delete table {TABLE}\n"
        "\n[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def _drop_in() -> str:
    """The system's own rules begin with emptying everything, whenever they are read; ours follow them."""
    read = f"-{_NFT} -f {_FILE}"
    return f"# Written by kateskit.klubster.\n[Service]\nExecStartPost={read}\nExecReload={read}\n"


def _sets(openings: Openings) -> t.Iterator[str]:
    for name in openings.networks:
        for family in FAMILIES:
            found = openings.of(name, family)
            if found and not openings.anybody(name, family):
                kind = "ipv4_addr" if family == 4 else "ipv6_addr"
                yield f"  set {name}{family} {{"
                yield f"    type {kind}; flags interval; auto-merge"
                yield f"    elements = {{ {', '.join(found)} }}"
                yield "  }"


def _from(name: str, family: int, openings: Openings) -> str | None:
    """The match for a source; None when it has no address of this family."""
    if openings.anybody(name, family):
        return f"meta nfproto ipv{family}"
    return f"{_PROTOCOL[family]} saddr @{name}{family}" if openings.of(name, family) else None


def _input(opening: Opening, openings: Openings) -> t.Iterator[str]:
    what = (
        f"{opening.protocol} dport {{ {_spaced(opening.ports)} }}"
        if opening.ports
        else f"meta l4proto {opening.protocol}"
    )
    for name in opening.sources:
        for family in FAMILIES:
            source = _from(name, family, openings)
            if source:
                yield f"{source} {what} {_MARK_AND_ACCEPT}"


def _forward(openings: Openings) -> t.Iterator[str]:
    """Pods reach everything; they are reached by machines, and by what kube-proxy sent on for a published service."""
    for family in FAMILIES:
        if not openings.of("pods", family):
            continue
        proto = _PROTOCOL[family]
        pods = f"@pods{family}"
        yield f"{proto} saddr {pods} {_MARK_AND_ACCEPT}"
        if openings.of("machines", family):
            yield f"{proto} saddr @machines{family} {proto} daddr {pods} {_MARK_AND_ACCEPT}"
        yield f"{proto} daddr {pods} ct state established,related {_MARK_AND_ACCEPT}"
        # The addresses of services themselves are the cluster's own.
        inner = f"ct original {proto} daddr != @services{family} " if openings.of("services", family) else ""
        yield f"{proto} daddr {pods} ct status dnat {inner}{_MARK_AND_ACCEPT}"


def _spaced(ports: str) -> str:
    return ports.replace(",", ", ")


_MARK_AND_ACCEPT = f"meta mark set meta mark or {MARK:#010x} accept"

__all__ = ("ACCEPT_LINE", "MARK", "TABLE", "UNIT", "DroppedElsewhere", "at_work", "files", "refuse_drops", "table")
