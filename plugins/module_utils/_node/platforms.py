# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What differs between families of systems: one row for each, of which the machine chooses its own."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._node.packages import PackagesError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.selinux import Mode


@dataclass(frozen=True)
class Platform:
    """A family.

    :param systems: their ``ID`` in os-release, or what they say they are like.
    :param selinux_packages: needed only where SELinux is on.
    :param command_line_files: where a Raspberry Pi's boot loader may keep the kernel's command line.
    """

    systems: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    selinux_packages: tuple[str, ...] = ()
    command_line_files: tuple[str, ...] = ()

    def needs(self, mode: Mode) -> list[str]:
        """Packages on a machine whose SELinux is so."""
        return [*self.packages, *(self.selinux_packages if mode != "disabled" else ())]


#: one family, as modules take it
OPTIONS: dict[str, t.Any] = {
    name: {"type": "list", "elements": "str", "default": []}
    for name in ("systems", "packages", "selinux_packages", "command_line_files")
}


def choose(rows: t.Sequence[t.Mapping[str, t.Any]], names: t.Sequence[str]) -> Platform:
    """The row of this system.

    :param names: what the system is, the most specific first.
    :raises PackagesError: there is none.
    """
    platforms = [Platform(**{name: tuple(row.get(name) or ()) for name in OPTIONS}) for row in rows]
    for name in names:
        for platform in platforms:
            if name in platform.systems:
                return platform
    if not platforms:
        return Platform()
    known = ", ".join(sorted(name for platform in platforms for name in platform.systems))
    raise PackagesError(
        f"This system calls itself {' '.join(names) or 'nothing'}, and packages are known for {known} only. Install "
        f"what the cluster needs yourself and set machine_platforms: [{{systems: [{(names or ['linux'])[0]}]}}] for "
        "this machine."
    )


__all__ = ("OPTIONS", "Platform", "choose")
