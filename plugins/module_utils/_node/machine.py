# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a machine needs before an engine comes: wanted against actual, then one step that changes it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._difference import Difference
from ansible_collections.kateskit.klubster.plugins.module_utils._node import (
    firewall_rules,
    managed_files,
    platforms,
    selinux,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.firewall import tables
from ansible_collections.kateskit.klubster.plugins.module_utils._node.kernel import (
    PI_COMMAND_LINES,
    WATCHED,
    Kernel,
    load_modules,
    with_parameters,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.openings import Openings
from ansible_collections.kateskit.klubster.plugins.module_utils._node.packages import missing, system_names
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

SET = "machine"
_SYSCTL_FILE = "/etc/sysctl.d/90-klubster.conf"
_MODULES_FILE = "/etc/modules-load.d/klubster.conf"
_HOSTS_FILE = "/etc/hosts"
_HEAD = "# Written by kateskit.klubster; changes are overwritten.\n"


@dataclass(frozen=True)
class WantedMachine:
    modules: tuple[str, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    #: (address, names)
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    packages: tuple[str, ...] = ()
    boot_parameters: tuple[str, ...] = ()
    #: where they may stand
    command_line_files: tuple[str, ...] = PI_COMMAND_LINES
    #: which firewall is told, and what; None leaves all of them alone
    firewall: tuple[str, Openings] | None = None


@dataclass
class MachineState:
    """The comparison's result; changed, check mode and diff read from here."""

    difference: Difference
    files: list[WantedFile]
    file_changes: list[managed_files.Change]
    modules: list[str]
    sysctls: dict[str, str]
    packages: list[str]
    command_line: tuple[str, str] | None
    reboot_required: bool
    firewall: firewall_rules.FirewallState | None = None

    @property
    def changed(self) -> bool:
        return bool(self.file_changes) or not self.difference.empty or self.firewall_changed

    @property
    def firewall_changed(self) -> bool:
        return self.firewall is not None and self.firewall.changed


def wanted_of(given: t.Mapping[str, t.Any], root: Path = Path("/")) -> WantedMachine:
    """From the options of ``machine_settings``.

    :raises KlubsterError: nobody knows what such a system needs, or the firewall is not described as it shall be.
    """
    platform = platforms.choose(given["platforms"], system_names(root / "etc/os-release"))
    packages = [*platform.needs(selinux.mode(root)), *given["packages"]]
    firewall = given["firewall"]
    return WantedMachine(
        modules=tuple(given["kernel_modules"]),
        sysctls={str(key): " ".join(str(value).split()) for key, value in given["sysctls"].items()},
        hosts=tuple((entry["address"], tuple(entry["names"])) for entry in given["hosts"]),
        packages=tuple(dict.fromkeys(packages)),
        boot_parameters=tuple(given["boot_parameters"]),
        command_line_files=platform.command_line_files or PI_COMMAND_LINES,
        firewall=(firewall["provider"], Openings.parse(firewall, given["role"])) if firewall else None,
    )


def lacking(state: MachineState, record: Record) -> list[str]:
    """What the module would do, and what has to be done after it; nothing when the machine is settled."""
    parts = {
        "settings": state.changed,
        "packages": bool(state.packages),
        "reboot": state.reboot_required,
        # How the machine was before has to be written down even where nothing else is to do.
        "record": record.firewall_tables is None,
    }
    return [name for name, wrong in parts.items() if wrong]


def files_of(wanted: WantedMachine) -> list[WantedFile]:
    """The machine layer's files."""
    settings = "".join(f"{key} = {value}\n" for key, value in sorted(wanted.sysctls.items()))
    files = [
        WantedFile(_MODULES_FILE, _HEAD + "".join(f"{name}\n" for name in wanted.modules)),
        WantedFile(_SYSCTL_FILE, _HEAD + settings),
    ]
    if wanted.hosts:
        lines = "".join(f"{address} {' '.join(names)}\n" for address, names in wanted.hosts)
        files.append(WantedFile(_HOSTS_FILE, lines, block="names"))
    return files


def compare(wanted: WantedMachine, record: Record, kernel: Kernel, run: Runner) -> MachineState:
    """Look at the machine.

    :raises KlubsterError: what the machine cannot be brought to, before anything is changed.
    """
    difference = Difference()
    files = files_of(wanted)
    modules = [name for name in wanted.modules if not kernel.has_module(name)]
    difference.add("kernel_modules", want=list(wanted.modules), have=[n for n in wanted.modules if n not in modules])
    sysctls = {}
    for key, value in sorted(wanted.sysctls.items()):
        if difference.add(f"sysctl {key}", want=value, have=kernel.setting(key)):
            sysctls[key] = value
    command_line, reboot = _command_line(wanted, kernel, difference)
    firewall = None
    if wanted.firewall is not None:
        firewall = firewall_rules.compare(*wanted.firewall, record, run)
    return MachineState(
        difference=difference,
        files=files,
        file_changes=managed_files.plan(files, SET, record),
        modules=modules,
        sysctls=sysctls,
        packages=missing(wanted.packages, run),
        command_line=command_line,
        reboot_required=reboot,
        firewall=firewall,
    )


def apply(state: MachineState, record: Record, kernel: Kernel, run: Runner) -> None:
    """Bring the machine to the wanted state and remember how it was."""
    remember(state, record, kernel, run)
    managed_files.apply(state.files, state.file_changes, SET, record)
    load_modules(state.modules, kernel, run)
    for key, value in state.sysctls.items():
        kernel.set(key, value)
    if state.firewall is not None:
        firewall_rules.apply(state.firewall, record, run)
    if state.command_line:
        path, line = state.command_line
        entry = WantedFile(path, line, mode=0o755)
        changes = managed_files.plan([entry], "boot", record)
        managed_files.apply([entry], changes, "boot", record)


def remember(state: MachineState, record: Record, kernel: Kernel, run: Runner) -> None:
    """Write down what was there before the first change; later runs add only what is new."""
    for key in {*WATCHED, *state.sysctls}:
        value = kernel.setting(key)
        if key not in record.sysctls and value is not None:
            record.sysctls[key] = value
    if record.firewall_tables is None:
        record.firewall_tables = tables(run)
    record.packages += [name for name in state.packages if name not in record.packages]
    record.save()


def _command_line(wanted: WantedMachine, kernel: Kernel, difference: Difference) -> tuple[tuple[str, str] | None, bool]:
    path = kernel.command_line_file(wanted.command_line_files)
    if path is None or not wanted.boot_parameters:
        return None, False
    have = path.read_text(encoding="utf-8")
    want = with_parameters(have, wanted.boot_parameters)
    booted = kernel.booted_with()
    reboot = any(parameter not in booted for parameter in wanted.boot_parameters)
    if difference.add(str(path), want=want, have=have):
        return (str(path), want), reboot
    return None, reboot


def as_result(state: MachineState) -> dict[str, t.Any]:
    """What the module returns."""
    return {
        "changed": state.changed,
        "missing_packages": state.packages,
        "reboot_required": state.reboot_required,
        "firewall": state.firewall.provider if state.firewall else "none",
        "diff": [
            *managed_files.describe(state.file_changes),
            *_shown(state.difference),
            *(state.firewall.diff() if state.firewall else ()),
        ],
    }


def _shown(difference: Difference) -> list[dict[str, t.Any]]:
    return [] if difference.empty else [difference.as_diff()]


__all__ = (
    "SET",
    "MachineState",
    "WantedMachine",
    "apply",
    "as_result",
    "compare",
    "files_of",
    "lacking",
    "remember",
    "wanted_of",
)
