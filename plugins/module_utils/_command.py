# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import subprocess
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed


@dataclass(frozen=True)
class Result:
    """What a program printed and how it ended."""

    rc: int
    stdout: str
    stderr: str


class Runner(t.Protocol):
    """Runs a program; tests pass a small function of their own."""

    def __call__(
        self,
        argv: t.Sequence[str],
        *,
        check: bool = ...,
        stdin: str | None = ...,
        env: t.Mapping[str, str] | None = ...,
        timeout: float | None = ...,
    ) -> Result: ...


def run(
    argv: t.Sequence[str],
    *,
    check: bool = True,
    stdin: str | None = None,
    env: t.Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Result:
    """Run a program in the C locale, so that its output can be parsed.

    :param argv: program and arguments; never a shell string, never a secret.
    :param check: raise ``CommandFailed`` when the exit status is not 0.
    :param stdin: text for its standard input; without it standard input is empty.
    :param env: variables added to the environment.
    :param timeout: seconds; past them the program is killed and ``CommandFailed`` raised.
    :raises CommandFailed: it failed, took too long, or does not exist (status 127).
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        # The one place that runs programs; it knows no AnsibleModule.
        # pylint: disable-next=ansible-bad-function
        done = subprocess.run(
            list(argv), input=stdin or "", capture_output=True, text=True, env=environment, timeout=timeout, check=False
        )
    except FileNotFoundError as exc:
        raise CommandFailed(argv, 127, "", str(exc)) from exc
    except subprocess.TimeoutExpired as exc:
        raise CommandFailed(argv, 124, "", f"took longer than {timeout:g} s") from exc
    result = Result(done.returncode, done.stdout, done.stderr)
    if check and result.rc != 0:
        raise CommandFailed(argv, result.rc, result.stdout, result.stderr)
    return result


__all__ = ("Result", "Runner", "run")
