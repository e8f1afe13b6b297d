# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""SSH's way into a lab: connects inside its network namespace and hands the socket over; no process stays.

Run as a program: ``python connect.py NAMESPACE ADDRESS PORT`` under ``ProxyUseFdpass yes``.
It imports nothing of the collection.
"""

from __future__ import annotations

import os
import socket
import sys

_CLONE_NEWNET = 0x40000000


def enter_network(namespace: str) -> None:
    """Move the calling thread into a network namespace (Python 3.12 or later)."""
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        os.setns(descriptor, _CLONE_NEWNET)
    finally:
        os.close(descriptor)


def main(argv: list[str]) -> int:
    namespace, address, port = argv
    try:
        enter_network(namespace)
        connection = socket.create_connection((address, int(port)), timeout=10)
        connection.setblocking(True)
        with socket.socket(fileno=1) as out:
            socket.send_fds(out, [b"\0"], [connection.fileno()])
    except OSError as exc:
        # A program of its own, started by ssh.
        # pylint: disable-next=ansible-bad-function
        print(f"lab: {address} port {port} in {namespace}: {exc}", file=sys.stderr)  # noqa: T201 - a program of its own
        return 1
    return 0


if __name__ == "__main__":
    # pylint: disable-next=ansible-bad-function
    sys.exit(main(sys.argv[1:]))

__all__ = ("enter_network", "main")
