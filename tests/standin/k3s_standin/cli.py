# SPDX-License-Identifier: Apache-2.0
"""The command line (k3s.md B.1, C.2, C.5)."""

from __future__ import annotations

import errno
import os
import signal
import sys
import typing as t
from pathlib import Path

from k3s_standin.log import Fatal, Stopped, info, log

_USAGE = """\
NAME:
   k3s - Kubernetes, but small and simple (the stand-in for tests)

COMMANDS:
   server            Run management server
   agent             Run node agent
   kubectl           Run kubectl
   crictl            Run crictl
   ctr               Run ctr
   token             Manage tokens
   etcd-snapshot     Manage etcd snapshots
   secrets-encrypt   Control secrets encryption and keys rotation
   certificate       Manage K3s certificates
"""
_MULTICALL = ("kubectl", "crictl", "ctr")


def main() -> int:
    """Exit status."""
    called = Path(sys.argv[0]).name
    arguments = sys.argv[1:]
    if called in _MULTICALL:
        arguments = [called, *arguments]
    try:
        return _run(arguments)
    except Fatal as exc:
        log("fatal", str(exc))
        return 1


def _run(arguments: t.Sequence[str]) -> int:
    command, *rest = arguments or ["help"]
    if command in ("--version", "-v"):
        from k3s_standin import unpack  # noqa: PLC0415 - each command loads what it needs

        stamp = unpack.stamp()
        print(f"k3s version {stamp['version']} ({stamp['commit']})\ngo version {stamp['go']}")
        return 0
    if command in ("help", "--help", "-h"):
        print(_USAGE)
        return 0
    if command in ("server", "agent"):
        return _serve(t.cast('t.Literal["server", "agent"]', command), rest)
    from k3s_standin import tools  # noqa: PLC0415

    return tools.run(command, rest)


def _serve(role: t.Literal["server", "agent"], arguments: t.Sequence[str]) -> int:
    from k3s_standin import config, unpack, validate  # noqa: PLC0415
    from k3s_standin.agent import Agent  # noqa: PLC0415
    from k3s_standin.children import Children, environment  # noqa: PLC0415
    from k3s_standin.paths import Paths  # noqa: PLC0415
    from k3s_standin.record import Record  # noqa: PLC0415
    from k3s_standin.server import Server  # noqa: PLC0415
    from k3s_standin.start import Start  # noqa: PLC0415

    stamp = unpack.stamp()
    record = Record()
    record.add("start", role, str(stamp["version"]))
    settings = config.load(role, arguments, record)
    paths = Paths(Path(settings.text("data-dir")))
    record.open(paths.standin)
    validate.check(settings, paths, record)
    try:
        programs = unpack.unpack(paths, str(stamp["hash"]))
    except OSError as exc:
        raise Fatal(f"extracting data: {exc.filename}: {(exc.strerror or str(exc)).lower()}") from exc
    info(f"Starting k3s {'agent ' if role == 'agent' else ''}{stamp['version']} ({stamp['commit']})")
    children = Children(environment(programs))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_ignored: children.stop.set())
    try:
        part: t.Union[Server, Agent]
        part = (Server if role == "server" else Agent)(Start(settings, paths, record, children, programs, stamp))
        part.start()
        children.stop.wait()
    except Stopped:
        pass
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EADDRINUSE):
            raise
        children.failure = f"{exc.filename or 'listen tcp'}: {exc.strerror or exc}".lower()
    finally:
        children.end()
    if children.failure:
        log("fatal", children.failure)
        return 1
    info("Shutdown request received")
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)
