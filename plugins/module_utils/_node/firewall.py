# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Firewall rules of kube-proxy and of pod networks: taken away one by one, so that rules of others survive."""

from __future__ import annotations

import re
import shutil
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed

_OURS = re.compile(r"^((KUBE|CNI|FLANNEL)-|cali-|(OLD_)?CILIUM_)")
_COMMENT = re.compile(r'--comment "?(flanneld |kubernetes |cni |cali:|cilium: )')
_SETS = re.compile(r"^(inet6:)?(KUBE-|kube-router-)|^cali[46]0|^cilium_")
# Tables of nftables that belong as a whole to a part of the cluster.
_OUR_TABLES = re.compile(r"^(inet|ip|ip6) (kube-proxy|flannel-ipv4|flannel-ipv6|cni_plugins_masquerade|cni_hostport)$")
_FAMILIES = (("ip", "iptables"), ("ip6", "ip6tables"))


@dataclass(frozen=True)
class Removal:
    """Input for iptables-restore --noflush."""

    program: str
    text: str


def removal(program: str, saved: str) -> Removal | None:
    """What takes our chains, and the rules that lead to them, out of the output of iptables-save.

    A rule of ours in a foreign chain is one that jumps to a chain of ours, or that a provider or plugin commented.
    """
    parts: list[str] = []
    for table, chains, rules in _tables(saved):
        ours = [chain for chain in chains if _OURS.match(chain)]
        leading = [rule for rule in rules if not _OURS.match(_chain(rule)) and _is_ours(rule)]
        if not ours and not leading:
            continue
        parts.append(f"*{table}")
        parts += [f":{chain} - [0:0]" for chain in ours]
        parts += [rule.replace("-A ", "-D ", 1) for rule in leading]
        parts += [f"-X {chain}" for chain in ours]
        parts.append("COMMIT")
    if not parts:
        return None
    return Removal(program, "\n".join(parts) + "\n")


def removals(run: Runner, which: t.Callable[[str], str | None] = shutil.which) -> list[Removal]:
    """For both address families and both backends of iptables that the machine has."""
    found = []
    for dummy, base in _FAMILIES:
        for backend in ("-nft", "-legacy"):
            program = base + backend
            if not which(f"{program}-save"):
                continue
            try:
                saved = run([f"{program}-save"]).stdout
            except CommandFailed:
                # This kernel does not have that backend.
                continue
            step = removal(program, saved)
            if step is not None:
                found.append(step)
    return found


def remove(steps: t.Sequence[Removal], run: Runner) -> None:
    for step in steps:
        run([f"{step.program}-restore", "--noflush"], stdin=step.text)


def remove_sets(run: Runner, which: t.Callable[[str], str | None] = shutil.which) -> list[str]:
    """Destroy the sets of addresses that no rule refers to any more; returns their names."""
    if not which("ipset"):
        return []
    names = run(["ipset", "list", "-name"], check=False).stdout.split()
    ours = [name for name in names if _SETS.match(name)]
    # Sets of sets first: what they hold cannot go before them.
    gone = [name for _again in range(2) for name in ours if run(["ipset", "destroy", name], check=False).rc == 0]
    return list(dict.fromkeys(gone))


def tables(run: Runner) -> list[str]:
    """The tables of nftables, ``family name``; those of iptables-nft are among them."""
    if not shutil.which("nft"):
        return []
    listed = run(["nft", "list", "tables"], check=False).stdout
    return [line.partition(" ")[2].strip() for line in listed.splitlines() if line.startswith("table ")]


def surplus_tables(before: t.Sequence[str], run: Runner) -> list[str]:
    """Tables that came with the cluster: those of kube-proxy and CNI plugins, and new ones that hold no rule."""
    surplus = []
    for name in tables(run):
        if _OUR_TABLES.match(name) or (
            name not in before and _is_empty(run(["nft", "list", "table", *name.split()]).stdout)
        ):
            surplus.append(name)
    return surplus


def remove_tables(names: t.Sequence[str], run: Runner) -> None:
    for name in names:
        run(["nft", "delete", "table", *name.split()])


def _is_empty(shown: str) -> bool:
    """Whether a table, as nft lists it, has base chains at most: no rules, sets or maps."""
    for line in shown.splitlines():
        text = line.strip()
        if not text or text == "}" or text.startswith(("table ", "chain ", "#")):
            continue
        if text.startswith("type ") and text.endswith("policy accept;"):
            continue
        return False
    return True


def _tables(saved: str) -> t.Iterator[tuple[str, list[str], list[str]]]:
    table, chains, rules = "", [], []  # type: str, list[str], list[str]
    for line in saved.splitlines():
        if line.startswith("*"):
            table, chains, rules = line[1:].strip(), [], []
        elif line.startswith(":"):
            chains.append(line[1:].split()[0])
        elif line.startswith("-A "):
            rules.append(line)
        elif line == "COMMIT":
            yield table, chains, rules


def _chain(rule: str) -> str:
    return rule.split()[1]


def _is_ours(rule: str) -> bool:
    words = rule.split()
    for flag in ("-j", "-g"):
        if flag in words:
            target = words[words.index(flag) + 1]
            if _OURS.match(target):
                return True
    return bool(_COMMENT.search(rule))


__all__ = ("Removal", "removal", "removals", "remove", "remove_sets", "remove_tables", "surplus_tables", "tables")
