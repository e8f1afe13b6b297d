# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Which change of version a cluster may take: forward, one minor release at a time, no node newer than servers."""

from __future__ import annotations

import functools
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem

VARIABLE = "klubster_engine_version"
#: minor releases that a kubelet may be behind its API server (kubernetes.io, version skew policy)
KUBELET_SKEW = 3
#: the first release of etcd 3.5 whose members may become 3.6 without a further look
ETCD_STEPPING_STONE = (3, 5, 26)

_VERSION = re.compile(
    r"v?(?P<major>\d+)\.(?P<minor>\d+)\.(?P<patch>\d+)"
    r"(?:-(?P<stage>alpha|beta|rc)\.?(?P<round>\d+))?(?:\+k3s(?P<build>\d+))?",
    re.ASCII,
)
_STAGES = ("alpha", "beta", "rc", None)


@functools.total_ordering
@dataclass(frozen=True)
class Version:
    """A version of Kubernetes, with or without the build of a distribution."""

    major: int
    minor: int
    patch: int
    stage: int = 3
    round: int = 0
    build: int = 0
    text: str = ""

    @classmethod
    def parse(cls, text: str, variable: str = VARIABLE) -> Version:
        """Such as 1.34.2, v1.34.2+k3s1 or 1.35.0-rc.1.

        :raises InvalidInput: it is no complete version.
        """
        found = _VERSION.fullmatch(text)
        if not found:
            raise InvalidInput([Problem(variable, text, "is no complete version.", "Write for example 1.34.2.")])
        return cls(
            int(found["major"]),
            int(found["minor"]),
            int(found["patch"]),
            _STAGES.index(found["stage"]),
            int(found["round"] or 0),
            int(found["build"] or 0),
            text.lstrip("v"),
        )

    def __lt__(self, other: Version) -> bool:
        return self._order < other._order

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order == other._order

    def __hash__(self) -> int:
        return hash(self._order)

    def __str__(self) -> str:
        return self.text or f"{self.major}.{self.minor}.{self.patch}"

    @property
    def _order(self) -> tuple[int, ...]:
        return self.major, self.minor, self.patch, self.stage, self.round, self.build


@dataclass(frozen=True)
class Running:
    """What runs on one machine: all versions that were seen there, which differ after an interruption."""

    name: str
    role: t.Literal["server", "agent"]
    versions: tuple[Version, ...]


def problems_of(wanted: str, running: t.Sequence[Running], joining: t.Sequence[str] = ()) -> list[Problem]:
    """Why the machines may not go to a version.

    :param running: machines that are nodes; those of which no version is known are left out.
    :param joining: machines that are no nodes yet.
    """
    to = Version.parse(wanted)
    known = [machine for machine in running if machine.versions]
    found = _downgrades(to, known)
    if found:
        return found
    found = [*_skips(to, known), *_skews(to, known)]
    if found:
        return found
    changing = [machine for machine in known if any(version != to for version in machine.versions)]
    if changing and joining:
        now = _shown(changing)
        found.append(
            Problem(
                VARIABLE,
                wanted,
                f"A machine joins a cluster only when all of it has one version; {now} would change, and "
                f"{', '.join(joining)} would join.",
                "Upgrade first with --limit and all machines but these, then run site.yml.",
            )
        )
    return found


def etcd_problem(installed: str, wanted: str, *, agreed: bool | None = None) -> Problem | None:
    """Why etcd may not go from one version to the other.

    Before 3.5.26 a member keeps two lists of members, and 3.6 believes the one that 3.5 did not. Where servers were
    replaced in the past they may differ: members that are long gone come back and cost the quorum.

    :param agreed: whether the two lists were compared and are the same; None where nobody looked.
    """
    before, to = _etcd(installed), _etcd(wanted)
    if before is None or to is None or before == to:
        return None
    value = f"etcd {_dotted(before)} to {_dotted(to)}"
    if to < before:
        return Problem(VARIABLE, value, "etcd does not go back.", "Choose a bundle with this etcd or a newer one.")
    if before[:2] == to[:2]:
        return None
    if before[0] != to[0] or to[1] - before[1] > 1:
        return Problem(
            VARIABLE, value, "etcd goes one minor release at a time.", "Choose a bundle with the release between."
        )
    if before[:2] == (3, 5) and before < ETCD_STEPPING_STONE and not agreed:
        stone = _dotted(ETCD_STEPPING_STONE)
        looked = "its two lists of members differ" if agreed is False else "nobody compared its two lists of members"
        return Problem(
            VARIABLE,
            value,
            f"Only from {stone} on may etcd 3.5 become 3.6 unseen, and {looked}.",
            f"Go to a bundle of the running minor release with etcd {stone} or later first.",
        )
    return None


def rolling_order(
    machines: t.Mapping[str, tuple[str, t.Sequence[str]]], wanted: str, canary: str
) -> dict[str, list[str]]:
    """Who is changed alone before all others, and the servers and agents after that, in their order.

    Where the version changes an agent cannot be before the servers: its kubelet would be newer than their API.

    :param machines: name -> role and versions, of those that are changed one after the other.
    """
    to = Version.parse(wanted)
    upgrades = any(Version.parse(text) != to for _role, versions in machines.values() for text in versions)
    first = [canary] if canary in machines and (machines[canary][0] == "server" or not upgrades) else []
    names = sorted((name for name in machines if name not in first), key=lambda name: name != canary)
    return {
        "first": first,
        "servers": [name for name in names if machines[name][0] == "server"],
        "agents": [name for name in names if machines[name][0] == "agent"],
    }


def _downgrades(to: Version, known: t.Sequence[Running]) -> list[Problem]:
    newer = [machine for machine in known if max(machine.versions) > to]
    if not newer:
        return []
    return [
        Problem(
            VARIABLE,
            str(to),
            f"Kubernetes does not go back, and {_shown(newer, newest=True)}.",
            "Keep the version. The way back is a snapshot from before the upgrade, on new machines or after reset.yml.",
        )
    ]


def _skips(to: Version, known: t.Sequence[Running]) -> list[Problem]:
    servers = [machine for machine in known if machine.role == "server"]
    behind = [
        machine
        for machine in servers
        if min(machine.versions).major != to.major or to.minor - min(machine.versions).minor > 1
    ]
    if not behind:
        return []
    oldest = min(version for machine in behind for version in machine.versions)
    return [
        Problem(
            VARIABLE,
            str(to),
            f"Servers take one minor release at a time, and {_shown(behind)}.",
            f"Go to a release of {oldest.major}.{oldest.minor + 1} first.",
        )
    ]


def _skews(to: Version, known: t.Sequence[Running]) -> list[Problem]:
    agents = [machine for machine in known if machine.role == "agent"]
    behind = [machine for machine in agents if to.minor - min(machine.versions).minor > KUBELET_SKEW]
    if not behind:
        return []
    return [
        Problem(
            VARIABLE,
            str(to),
            f"A kubelet may be {KUBELET_SKEW} minor releases behind its API server at most, and {_shown(behind)}.",
            "Upgrade these machines to the servers' version first.",
        )
    ]


def _shown(machines: t.Sequence[Running], *, newest: bool = False) -> str:
    choose = max if newest else min
    first = [f"{machine.name} runs {choose(machine.versions)}" for machine in machines[:3]]
    rest = len(machines) - len(first)
    return ", ".join(first) + (f" and {rest} more likewise" if rest else "")


def _etcd(text: str) -> tuple[int, int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(str(number) for number in version)


__all__ = (
    "ETCD_STEPPING_STONE",
    "KUBELET_SKEW",
    "VARIABLE",
    "Running",
    "Version",
    "etcd_problem",
    "problems_of",
    "rolling_order",
)
