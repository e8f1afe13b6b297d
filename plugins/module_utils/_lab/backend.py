# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What every kind of lab machine must be able to do. The same as tests: backend_contract.py beside the unit tests."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._difference import Difference
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import Lab

Power = t.Literal["running", "off"]


@dataclass(frozen=True)
class Found:
    """A machine as it is.

    :param digest: of the definition it was last started with; empty when nobody knows.
    """

    power: Power
    digest: str = ""
    memory: int | None = None
    cpus: float | None = None


@dataclass(frozen=True)
class Observed:
    """A lab as it is. ``network`` is the digest of what its segments were made from; empty: there are none."""

    network: str = ""
    machines: dict[str, Found] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """What must happen, in this order: remove, network, restart, limit, start."""

    remove: tuple[str, ...] = ()
    network: bool = False
    restart: tuple[str, ...] = ()
    limit: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    difference: Difference = field(default_factory=Difference)

    @property
    def empty(self) -> bool:
        return self.difference.empty


class Backend(t.Protocol):
    """The verbs. Each can be called at any time, again, and after any of them was killed half-way."""

    def up(self, lab: Lab, *, check: bool = False) -> Changes:
        """Make the lab what its definition says; returns when every machine answers."""

    def down(self, name: str, *, check: bool = False) -> bool:
        """Take the lab away, whatever state it is in; return whether there was anything."""

    def power_off(
        self, name: str, machines: t.Sequence[str], *, orderly: bool = False, check: bool = False
    ) -> tuple[str, ...]:
        """Pull the plug, or shut down when orderly; return the machines that were running. Disks are kept."""

    def power_on(self, name: str, machines: t.Sequence[str], *, check: bool = False) -> tuple[str, ...]:
        """Start machines that are off and wait for them; return which these were."""

    def exists(self, name: str) -> bool:
        """Whether there is anything of the lab."""

    def observe(self, name: str) -> Observed:
        """What is there."""

    def leftovers(self, name: str) -> list[str]:
        """Everything of the lab that can be found by looking at the system rather than at notes; [] after ``down``."""


def plan(lab: Lab, observed: Observed) -> Changes:
    """Compare a definition with what is there."""
    difference = Difference()
    network = difference.add("network", want=lab.network_digest(), have=observed.network or None)
    remove = tuple(name for name in observed.machines if name not in lab.machines)
    restart, limit, start = [], [], []
    for name in remove:
        difference.add(f"machine {name}", want="absent", have=observed.machines[name].power)
    for name, machine in lab.machines.items():
        found = observed.machines.get(name)
        if found is None:
            difference.add(f"machine {name}", want="running", have="absent")
            start.append(name)
        elif found.digest != (digest := lab.machine_digest(name)):
            difference.add(
                f"machine {name}",
                want=f"running, definition {digest}",
                have=f"{found.power}, definition {found.digest or 'unknown'}",
            )
            restart.append(name)
        else:
            if difference.add(f"machine {name}", want="running", have=found.power):
                start.append(name)
            limits = (machine.memory, machine.cpus)
            if difference.add(f"limits of {name}", want=limits, have=(found.memory, found.cpus)):
                limit.append(name)
    return Changes(remove, network, tuple(restart), tuple(limit), tuple(start), difference)


__all__ = ("Backend", "Changes", "Found", "Observed", "Power", "plan")
