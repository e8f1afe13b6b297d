# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Lab machines that are only remembered: for unit tests, and to show that the interface belongs to no one backend."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.backend import (
    Changes,
    Found,
    Observed,
    Power,
    plan,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import Lab


@dataclass
class MemoryBackend:
    """Does what a backend does, to a dictionary."""

    labs: dict[str, Observed] = field(default_factory=dict)

    def up(self, lab: Lab, *, check: bool = False) -> Changes:
        changes = plan(lab, self.observe(lab.name))
        if not check:
            machines = {
                name: Found("running", lab.machine_digest(name), machine.memory, machine.cpus)
                for name, machine in lab.machines.items()
            }
            self.labs[lab.name] = Observed(lab.network_digest(), machines)
        return changes

    def down(self, name: str, *, check: bool = False) -> bool:
        there = self.exists(name)
        if not check:
            self.labs.pop(name, None)
        return there

    def power_off(
        self, name: str, machines: t.Sequence[str], *, orderly: bool = False, check: bool = False
    ) -> tuple[str, ...]:
        # A remembered machine ends the same way however it is ended.
        del orderly
        return self._switch(name, machines, "off", check=check)

    def power_on(self, name: str, machines: t.Sequence[str], *, check: bool = False) -> tuple[str, ...]:
        return self._switch(name, machines, "running", check=check)

    def exists(self, name: str) -> bool:
        return name in self.labs

    def observe(self, name: str) -> Observed:
        return self.labs.get(name, Observed())

    def leftovers(self, name: str) -> list[str]:
        return [f"machine {one}" for one in self.observe(name).machines]

    def _switch(self, name: str, machines: t.Sequence[str], power: Power, *, check: bool) -> tuple[str, ...]:
        there = self.observe(name).machines
        unknown = [one for one in machines if one not in there]
        if unknown:
            known = ", ".join(there) or "none"
            raise InvalidInput(
                [Problem("machines", one, f"lab {name} has no such machine.", f"It has {known}.") for one in unknown]
            )
        switched = tuple(one for one in machines if there[one].power != power)
        if not check and switched:
            changed = {one: replace(there[one], power=power) for one in switched}
            self.labs[name] = replace(self.labs[name], machines={**there, **changed})
        return switched


__all__ = ("MemoryBackend",)
