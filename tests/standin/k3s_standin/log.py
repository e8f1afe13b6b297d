# SPDX-License-Identifier: Apache-2.0
"""Log lines in the form of k3s, on standard error."""

from __future__ import annotations

import json
import sys
import time
import typing as t

Level = t.Literal["debug", "info", "warning", "error", "fatal"]


class Fatal(Exception):
    """The program ends with exit status 1 and this text."""


class Stopped(Exception):
    """The program was asked to end while it waited."""


def log(level: Level, message: str) -> None:
    """One line; several threads may call it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f'time="{now}" level={level} msg={json.dumps(message, ensure_ascii=False)}\n')
    sys.stderr.flush()


def info(message: str) -> None:
    log("info", message)


def warning(message: str) -> None:
    log("warning", message)


def error(message: str) -> None:
    log("error", message)


__all__ = ("Fatal", "Stopped", "error", "info", "log", "warning")
