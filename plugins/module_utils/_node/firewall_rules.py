# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Rules that let the cluster through this machine's firewall: ours alone, in whatever firewall is at work here.

firewalld and nftables read files of ours, ufw gets rules with our comment. Rules of others are never touched. A change
that was written and not yet taken over leaves a note, so that a run that was cut short is ended by the next one.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._node import (
    firewalld_rules,
    managed_files,
    nftables_rules,
    services,
    ufw_rules,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.openings import Openings
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

SET = "firewall"
_NOTE = "firewall-written"


class FirewallError(KlubsterError):
    """The firewall that is asked for is not here."""


@dataclass
class FirewallState:
    """Wanted against actual; changed, check mode and diff read from here."""

    provider: str
    files: list[managed_files.WantedFile] = field(default_factory=list)
    file_changes: list[managed_files.Change] = field(default_factory=list)
    #: rules of ufw, as it prints them
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    #: written, but not at work
    stale: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.file_changes or self.added or self.removed or self.stale)

    def diff(self) -> list[dict[str, str]]:
        shown = managed_files.describe(self.file_changes)
        if self.added or self.removed:
            before, after = ("".join(f"{rule}\n" for rule in rules) for rules in (self.removed, self.added))
            shown.append({"before_header": "ufw", "after_header": "ufw", "before": before, "after": after})
        if self.stale and not self.file_changes:
            shown.append({"before": "", "after": f"{self.provider}: read our rules again\n"})
        return shown


def active(root: Path = Path("/")) -> str:
    """The firewall at work on this machine; ``none`` if there is none that we know.

    Only files are looked at, for this is asked in every run.
    """
    if _runs(root, "firewalld"):
        return "firewalld"
    if re.search(r"^ENABLED=yes", _text(root / "etc/ufw/ufw.conf"), re.MULTILINE):
        return "ufw"
    return "nftables" if _runs(root, "nftables") else "none"


def compare(
    chosen: str,
    openings: Openings,
    record: Record,
    run: Runner,
    *,
    root: Path = Path("/"),
    which: t.Callable[[str], str | None] = shutil.which,
) -> FirewallState:
    """Look at the machine.

    :param chosen: a firewall, ``none``, or ``auto``: the one that is at work.
    :raises KlubsterError: the firewall cannot be told, or rules of others drop the cluster's packets nevertheless.
    """
    provider = active(root) if chosen == "auto" else chosen
    state = FirewallState(provider)
    if provider == "nftables":
        _require(provider, "nft", which)
        nftables_rules.refuse_drops(run)
        state.files = nftables_rules.files(openings)
        state.stale = not nftables_rules.at_work(run)
    elif provider == "firewalld":
        _require(provider, "firewall-cmd", which)
        state.files = firewalld_rules.files(openings)
    wanted = ufw_rules.rules(openings) if provider == "ufw" else []
    if wanted:
        _require(provider, "ufw", which)
    if wanted or record.firewall_rules:
        state.added, state.removed = ufw_rules.compare(wanted, run, which)
    state.file_changes = managed_files.plan(state.files, SET, record)
    state.stale = state.stale or (record.directory / _NOTE).exists()
    return state


def apply(state: FirewallState, record: Record, run: Runner) -> None:
    """Bring the rules to what is wanted; rules that stand stay at work meanwhile."""
    if not state.changed:
        return
    note = record.directory / _NOTE
    left = _providers(record) - {state.provider}
    if state.provider == "ufw" and not record.firewall_rules:
        record.firewall_rules = True
        record.save()
    note.touch()
    if "nftables" in left:
        run(["systemctl", "disable", "--now", "--quiet", nftables_rules.UNIT], check=False)
        record.services.pop(nftables_rules.UNIT, None)
    managed_files.apply(state.files, state.file_changes, SET, record)
    ufw_rules.apply(state.added, state.removed, run)
    if state.provider == "nftables":
        record.services[nftables_rules.UNIT] = ""
        record.save()
        _start_nftables(run)
    if "firewalld" in left | {state.provider}:
        firewalld_rules.reload(run)
    if state.provider != "ufw" and record.firewall_rules:
        record.firewall_rules = False
        record.save()
    with contextlib.suppress(FileNotFoundError):
        note.unlink()


def remove(record: Record, run: Runner, which: t.Callable[[str], str | None] = shutil.which) -> list[str]:
    """Take all rules of ours away, and only those; what was done, in words. Units have been stopped before."""
    done = []
    providers = _providers(record)
    for path in sorted(record.of_set(SET)):
        managed_files.remove(record, path)
        done.append(f"took away or restored {path}")
    if "firewalld" in providers:
        firewalld_rules.reload(run, which)
        done.append("let firewalld forget our rules")
    if record.firewall_rules:
        dummy, ours = ufw_rules.compare([], run, which)
        ufw_rules.apply([], ours, run)
        record.firewall_rules = False
        record.save()
        done.append(f"took {len(ours)} rules out of ufw")
    return done


def _providers(record: Record) -> set[str]:
    """Firewalls that know of us by our record."""
    found = {"ufw"} if record.firewall_rules else set()
    for path in record.of_set(SET):
        found.add("firewalld" if path.startswith(firewalld_rules.FOLDER) else "nftables")
    return found


def _start_nftables(run: Runner) -> None:
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "enable", "--quiet", nftables_rules.UNIT])
    state = services.states([nftables_rules.UNIT], run)[nftables_rules.UNIT]
    # A reload replaces the table in one step; no packet meets a machine without it.
    run(["systemctl", "reload" if state.get("ActiveState") == "active" else "start", nftables_rules.UNIT])


def _require(provider: str, program: str, which: t.Callable[[str], str | None]) -> None:
    if not which(program):
        raise FirewallError(
            f"klubster_firewall = {provider!r}: {program} is not on this machine. Install it, or leave the variable at "
            "auto, which takes the firewall that is at work."
        )


def _runs(root: Path, unit: str) -> bool:
    """Whether a unit is active, without asking systemd, which keeps a link for each that is."""
    return (root / f"run/systemd/units/invocation:{unit}.service").is_symlink()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


__all__ = ("SET", "FirewallError", "FirewallState", "active", "apply", "compare", "remove")
