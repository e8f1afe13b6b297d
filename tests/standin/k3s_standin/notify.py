# SPDX-License-Identifier: Apache-2.0
"""Tells systemd that the service is ready (``Type=notify``)."""

from __future__ import annotations

import os
import socket


def ready() -> None:
    place = os.environ.pop("NOTIFY_SOCKET", "")
    if not place:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + place[1:] if place.startswith("@") else place)
        sender.sendall(b"READY=1\n")


__all__ = ("ready",)
