# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The network of a pod, seen from its machine: found by a process of the pod, entered without a program in the pod."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._compare.iperf import Unmeasured

PROC = Path("/proc")
_NEWNET = 0x40000000
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_uid(text: str) -> bool:
    return _UID.fullmatch(text) is not None


def network_of(uid: str, proc: Path = PROC) -> Path:
    """The file of the network namespace in which the pod's processes are.

    Every runtime puts the pod's UID into the names of its control groups; systemd's driver writes it with underscores.

    :raises Unmeasured: no process of the pod runs here.
    """
    own = _namespace(proc / "self")
    for folder in sorted(proc.glob("[0-9]*")):
        try:
            groups = (folder / "cgroup").read_text(encoding="utf-8", errors="replace").replace("_", "-")
            if f"pod{uid}" in groups and _namespace(folder) not in ("", own):
                return folder / "ns" / "net"
        except OSError:
            # It ended while we looked.
            continue
    raise Unmeasured(f"No process of the pod {uid} runs on this machine.")


def _namespace(folder: Path) -> str:
    try:
        return str((folder / "ns" / "net").readlink())
    except OSError:
        return ""


@contextlib.contextmanager
def inside(network: Path | None) -> t.Iterator[None]:
    """Sockets that are made in it belong to that network; they stay there when it ends."""
    if network is None:
        yield
        return
    with (PROC / "self" / "ns" / "net").open() as own, network.open() as other:
        _enter(other.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


def _enter(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, _NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "network namespace")


def prefix(network: Path | None) -> list[str]:
    """What stands before a program that shall run there."""
    return [] if network is None else ["nsenter", f"--net={network}"]


__all__ = ("inside", "is_uid", "network_of", "prefix")
