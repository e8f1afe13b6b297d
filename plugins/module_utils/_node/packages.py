# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Which packages are missing: one question to the package database."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


class PackagesError(KlubsterError):
    """The machine's package database is of no kind we know."""


def system_names(path: Path = Path("/etc/os-release")) -> list[str]:
    """What this system is, the most specific first: its ID, then what it says it is like."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    values = {key: value.strip("\"'") for key, dummy, value in (line.partition("=") for line in lines)}
    return [*values.get("ID", "").split(), *values.get("ID_LIKE", "").split()]


def missing(names: t.Sequence[str], run: Runner, which: t.Callable[[str], str | None] = shutil.which) -> list[str]:
    """Those of ``names`` that are not installed, in their order.

    :raises PackagesError: the machine has neither dpkg nor rpm.
    """
    if not names:
        return []
    if which("dpkg-query"):
        # Names it does not know make it end with status 1; it still lists the others.
        listed = run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names], check=False)
        installed = {line.split()[0] for line in listed.stdout.splitlines() if line.endswith(" installed")}
        return [name for name in names if name not in installed]
    if which("rpm"):
        return [name for name in names if run(["rpm", "--query", "--whatprovides", name], check=False).rc != 0]
    raise PackagesError(
        "This machine has neither dpkg nor rpm, so its packages cannot be looked at. docs/support.md lists the systems "
        "this collection knows."
    )


__all__ = ("PackagesError", "missing", "system_names")
