# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""kubectl, crictl and ctr by their own names, where k3s is the program behind them."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3sLayout
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

SET = "k3s-commands"
_FOLDERS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")


def wanted(layout: K3sLayout, record: Record, root: Path = Path("/")) -> list[WantedFile]:
    """Files that call k3s by a name of its own; nothing for a command that the machine has from elsewhere.

    k3s's installer makes symbolic links by the same rule. A file can be recorded, compared and put back.
    """
    ours = record.of_set(SET)
    files = []
    for name in layout.commands:
        path = str(Path(layout.program).parent / name)
        kept = path in ours and not _is_other(root / path.lstrip("/"), layout)
        if kept or not any((root / folder / name).exists() for folder in _FOLDERS):
            files.append(WantedFile(path, f'#!/bin/sh\nexec {layout.program} {name} "$@"\n', mode=0o755))
    return files


def forget(layout: K3sLayout, record: Record, root: Path = Path("/")) -> bool:
    """Drop from the record what the user has put over a file of ours, so that nobody takes it away.

    :returns: whether there was anything.
    """
    others = [path for path in record.of_set(SET) if _is_other(root / path.lstrip("/"), layout)]
    for path in others:
        del record.entries[path]
    return bool(others)


def _is_other(place: Path, layout: K3sLayout) -> bool:
    """Whether a program of somebody else stands there; one of ours that was cut short or changed is ours."""
    head = f"#!/bin/sh\nexec {layout.program} ".encode()
    if place.is_symlink():
        return True
    if not place.is_file():
        return False
    with place.open("rb") as stream:
        return not head.startswith(stream.read(len(head)))


__all__ = ("SET", "forget", "wanted")
