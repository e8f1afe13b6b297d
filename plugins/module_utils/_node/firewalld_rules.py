# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Our rules for firewalld: sets of addresses and two policies, each a file of our own.

No zone is changed and no interface is moved: policies from any zone to the machine, and through it, are looked at
before the zones' own rules.
"""

from __future__ import annotations

import shutil
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.openings import FAMILIES, Opening, Openings

FOLDER = "/etc/firewalld/"
_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<!-- Written by kateskit.klubster; changes are overwritten. -->\n'
_FAMILY = {4: ("ipv4", "inet"), 6: ("ipv6", "inet6")}


def files(openings: Openings) -> list[WantedFile]:
    """All files of ours; firewalld reads them at its start and when it is told to."""
    found = [
        WantedFile(f"{FOLDER}ipsets/{_set(name, family)}.xml", _ipset(openings.of(name, family), family))
        for name in _used(openings)
        for family in FAMILIES
        if openings.of(name, family) and not openings.anybody(name, family)
    ]
    found.append(WantedFile(f"{FOLDER}policies/klubster-in.xml", _policy("HOST", _input(openings))))
    found.append(WantedFile(f"{FOLDER}policies/klubster-through.xml", _policy("ANY", _through(openings))))
    return found


def reload(run: Runner, which: t.Callable[[str], str | None] = shutil.which) -> None:
    """Connections that stand go on; a firewalld that does not run reads the files when it starts."""
    if which("firewall-cmd") and run(["firewall-cmd", "--state"], check=False).rc == 0:
        run(["firewall-cmd", "--reload"])


def _used(openings: Openings) -> list[str]:
    """Names of networks that a rule is about."""
    names = [name for opening in openings.openings for name in opening.sources]
    return list(dict.fromkeys([*names, "pods", "machines"]))


def _set(name: str, family: int) -> str:
    return f"klubster-{name}-{family}"


def _ipset(entries: t.Sequence[str], family: int) -> str:
    lines = "".join(f"  <entry>{entry}</entry>\n" for entry in entries)
    return f'{_HEAD}<ipset type="hash:net">\n  <option name="family" value="{_FAMILY[family][1]}"/>\n{lines}</ipset>\n'


def _policy(egress: str, rules: t.Iterable[str]) -> str:
    return (
        f'{_HEAD}<policy target="CONTINUE" priority="-100">\n'
        "  <short>klubster</short>\n"
        '  <ingress-zone name="ANY"/>\n'
        f'  <egress-zone name="{egress}"/>\n'
        f"{''.join(rules)}"
        "</policy>\n"
    )


def _rule(family: int, inner: str) -> str:
    return f'  <rule family="{_FAMILY[family][0]}">\n{inner}    <accept/>\n  </rule>\n'


def _match(name: str, family: int, openings: Openings) -> str | None:
    """Who sends; None when there is no address of this family."""
    if openings.anybody(name, family):
        return ""
    return f'    <source ipset="{_set(name, family)}"/>\n' if openings.of(name, family) else None


def _input(openings: Openings) -> t.Iterator[str]:
    for opening in openings.openings:
        for name in opening.sources:
            for family in FAMILIES:
                source = _match(name, family, openings)
                if source is not None:
                    yield from (_rule(family, source + what) for what in _whats(opening))


def _whats(opening: Opening) -> list[str]:
    if not opening.ports:
        return [f'    <protocol value="{opening.protocol}"/>\n']
    return [f'    <port port="{ports}" protocol="{opening.protocol}"/>\n' for ports in opening.ports.split(",")]


def _through(openings: Openings) -> t.Iterator[str]:
    """Pods reach everything, and machines reach them. What kube-proxy sent on, firewalld lets pass by itself."""
    for family in FAMILIES:
        pods, machines = (_match(name, family, openings) for name in ("pods", "machines"))
        if pods is not None:
            yield _rule(family, pods)
            for network in openings.of("pods", family) if machines is not None else ():
                yield _rule(family, f'{machines}    <destination address="{network}"/>\n')


__all__ = ("FOLDER", "files", "reload")
