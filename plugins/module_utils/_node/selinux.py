# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""SELinux stays as it is. Files that were moved into place get the label that the policy has for their place."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner

_ENFORCE = "sys/fs/selinux/enforce"
#: where the package k3s-selinux puts its policy
_K3S_POLICY = "usr/share/selinux/packages/k3s.pp"

Mode = t.Literal["enforcing", "permissive", "disabled"]


def mode(root: Path = Path("/")) -> Mode:
    """What the kernel says; it has no such file where SELinux is off."""
    try:
        text = (root / _ENFORCE).read_text(encoding="ascii").strip()
    except OSError:
        return "disabled"
    return "enforcing" if text == "1" else "permissive"


def has_k3s_policy(root: Path = Path("/")) -> bool:
    return any((root / f"{_K3S_POLICY}{ending}").exists() for ending in ("", ".bz2"))


def relabel(
    paths: t.Sequence[str],
    run: Runner,
    *,
    root: Path = Path("/"),
    which: t.Callable[[str], str | None] = shutil.which,
) -> bool:
    """Give files the policy's labels: a rename keeps the label of the place that a file came from.

    :returns: whether anything had to be asked for.
    """
    if not paths or mode(root) == "disabled" or not which("restorecon"):
        return False
    run(["restorecon", *paths])
    return True


__all__ = ("Mode", "has_k3s_policy", "mode", "relabel")
