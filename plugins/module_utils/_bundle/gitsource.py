# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Fetches a component from a git repository and holds it to the pinned commit."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import Component
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.errors import ChecksumMismatch, explain
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner

# Objects are checked against their ids as they come in; no hook, filter or helper program of a repository runs.
_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "transfer.fsckObjects=true", "-c", "advice.detachedHead=false")
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:https:ssh", "GIT_LFS_SKIP_SMUDGE": "1"}


def checkout(component: Component, target: Path, *, run: Runner) -> None:
    """Put the tree of the component's commit into ``target``.

    The tag must point to the pinned commit: a tag that was moved stops the build.

    :raises DownloadFailed: the repository or the tag cannot be had.
    :raises ChecksumMismatch: the tag is another commit.
    """
    _git(component, ["init", "--quiet", str(target)], run)
    within = ["-C", str(target)]
    _git(component, [*within, "fetch", "--quiet", "--depth=1", component.repository, f"refs/tags/{component.tag}"], run)
    found = _git(component, [*within, "rev-parse", "--verify", "FETCH_HEAD^{commit}"], run).strip()
    if found != component.commit:
        raise ChecksumMismatch(
            component.name,
            f"COMMIT MISMATCH: tag {component.tag} of {component.repository} is {found}, pinned is {component.commit}.",
            "Do not override this. Find out who moved the tag; pin the new commit only if you trust it.",
        )
    _git(component, [*within, "checkout", "--quiet", component.commit], run)


def _git(component: Component, arguments: t.Sequence[str], run: Runner) -> str:
    done = run(["git", *_OPTIONS, *arguments], check=False, env=_ENVIRONMENT)
    if done.rc != 0:
        raise explain(component.name, done.stderr or done.stdout, fetching=True)
    return done.stdout


__all__ = ("checkout",)
