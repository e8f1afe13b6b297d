# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Our rules for ufw: each with our comment, written as ufw itself prints them, so that the two can be compared."""

from __future__ import annotations

import shlex
import shutil
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._node.openings import FAMILIES, Opening, Openings

COMMENT = "klubster"
_SUFFIX = f" comment '{COMMENT}'"


def rules(openings: Openings) -> list[str]:
    """What ``ufw show added`` says of our rules, without the comment."""
    found = [rule for opening in openings.openings for rule in _allowed(opening, openings)]
    for family in FAMILIES:
        for pods in openings.of("pods", family):
            found.append(f"route allow from {pods}")
            found += [f"route allow from {source} to {pods}" for source in openings.of("machines", family)]
    return list(dict.fromkeys(found))


def compare(
    wanted: t.Sequence[str], run: Runner, which: t.Callable[[str], str | None] = shutil.which
) -> tuple[list[str], list[str]]:
    """Rules to add, and rules of ours to take away. What the user allows already is left to the user."""
    if not which("ufw"):
        return [], []
    lines = run(["ufw", "show", "added"]).stdout.splitlines()
    listed = [line[len("ufw ") :] for line in lines if line.startswith("ufw ")]
    ours = [line[: -len(_SUFFIX)] for line in listed if line.endswith(_SUFFIX)]
    others = {line.partition(" comment '")[0] for line in listed if not line.endswith(_SUFFIX)}
    missing = [rule for rule in wanted if rule not in ours and rule not in others]
    return missing, [rule for rule in ours if rule not in wanted]


def apply(added: t.Sequence[str], removed: t.Sequence[str], run: Runner) -> None:
    for rule in added:
        run(["ufw", *shlex.split(rule), "comment", COMMENT])
    for rule in removed:
        # ``ufw route delete allow``, but ``ufw delete allow``
        words = shlex.split(rule)
        place = 1 if words[0] == "route" else 0
        run(["ufw", *words[:place], "delete", *words[place:]])


def _allowed(opening: Opening, openings: Openings) -> t.Iterator[str]:
    ports = opening.ports.replace("-", ":")
    for name in opening.sources:
        if any(openings.anybody(name, family) for family in FAMILIES):
            # ufw makes it one rule for both families.
            yield f"allow {ports}/{opening.protocol}"
            continue
        for source in openings.networks.get(name, ()):
            where = f" to any port {ports}" if ports else ""
            yield f"allow from {source}{where} proto {opening.protocol}"


__all__ = ("COMMENT", "apply", "compare", "rules")
