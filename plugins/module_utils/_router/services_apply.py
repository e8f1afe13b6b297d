# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Makes NAT, firewall, DNS, DHCP and VRRP of a machine what the model says, and as they were when that does not work.

Looked at is what the kernel does and what the files say. What is right is not touched: no program is restarted for
the change of another.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._router import nft_tables, services
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.nft import Table
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.services_device import (
    RULES_UNIT,
    Services,
    ServicesError,
)

#: what becomes of ours in parts that the model has not
LeftOut = t.Literal["kept", "removed"]
LEFT_OUT: tuple[LeftOut, ...] = ("kept", "removed")
#: seconds in which an answer comes on every sane network
_SHORTEST = 2.0


@dataclass(frozen=True)
class Rules:
    """What has to be done with one table."""

    part: str
    wanted: t.Optional[Table]
    load: bool
    write: bool


@dataclass(frozen=True)
class Program:
    """What has to be done with one program.

    :param text: its file; None when it shall not run.
    :param old: its file as it is; None when there is none.
    """

    part: str
    text: t.Optional[str]
    old: t.Optional[str]
    restart: bool
    enable: bool
    stop: bool

    @property
    def changed(self) -> bool:
        return self.text != self.old or self.restart or self.enable or self.stop


@dataclass(frozen=True)
class Plan:
    """What has to be done, and what is to be seen of it.

    :param units: files of units that are another, with their texts; None for one that goes.
    """

    rules: tuple[Rules, ...]
    programs: tuple[Program, ...]
    units: t.Mapping[Path, t.Optional[str]]
    enable_rules: bool
    disable_rules: bool
    before: t.Mapping[str, t.Any]
    after: t.Mapping[str, t.Any]
    strange: tuple[str, ...]

    @property
    def loads(self) -> tuple[Rules, ...]:
        return tuple(one for one in self.rules if one.load)

    @property
    def changed(self) -> bool:
        rules = any(one.load or one.write for one in self.rules)
        units = bool(self.units) or self.enable_rules or self.disable_rules
        return rules or units or any(one.changed for one in self.programs)


def missing(router: Router, device: Services) -> list[str]:
    """Packages that have to be installed first."""
    found = {services.PROGRAMS[part].package for part, text in services.texts(router).items() if text is not None}
    present = {services.PROGRAMS[part].package for part in services.PROGRAMS if device.installed(part)}
    if any(services.tables(router).values()) and not device.has_nft():
        found.add("nftables")
    return sorted(found - present)


def gathered(device: Services) -> tuple[Router, services.Gathered]:
    """What the machine is, in the words of the model."""
    tables = {part: table for part in services.RULES for table in (_table(device, part),) if table is not None}
    texts = {part: text for part in services.PROGRAMS for text in (device.read(device.places.config(part)),) if text}
    found = services.gather(tables, texts)
    return parse(found.data)[0], found


def _table(device: Services, part: str) -> t.Optional[Table]:
    return device.table(part) if device.has_nft() else None


def plan(router: Router, device: Services, left_out: LeftOut = "kept") -> Plan:
    """Compare the model with the machine.

    :param left_out: what becomes of ours in parts that the model has not. A model without any part removes nothing.
    """
    services.refuse(router)
    if left_out == "removed" and router != Router():
        gone = [part for part in services.PARTS if getattr(router, part) is None and device.traces(part)]
        router = dataclasses.replace(router, **{part: services.NOTHING[part] for part in gone})
    rules = []
    for part, wanted in services.tables(router).items():
        text = wanted.text() if wanted is not None else None
        load = not _same(wanted, _table(device, part))
        rules.append(Rules(part, wanted, load, device.read(device.places.rules(part)) != text))
    programs = [_program(part, text, device) for part, text in services.texts(router).items()]
    wanted_rules = any(one.wanted is not None for one in rules)
    others = any(device.places.rules(part).exists() for part in services.RULES if getattr(router, part) is None)
    no_rules = bool(rules) and not wanted_rules and not others
    files: dict[Path, t.Optional[str]] = {
        **device.unit_files([one.part for one in programs if one.text is not None], rules=wanted_rules),
        **dict.fromkeys(device.unit_files([one.part for one in programs if one.text is None], rules=no_rules)),
    }
    units = {path: text for path, text in files.items() if device.read(path) != text}
    before, strange = _before(router, device)
    data = dump(services.canonical(router))
    after = {part: data[part] for part in services.PARTS if data.get(part)}
    return Plan(
        tuple(rules),
        tuple(programs),
        units,
        wanted_rules and not device.state(RULES_UNIT).enabled,
        no_rules and device.state(RULES_UNIT).enabled,
        before,
        after,
        strange,
    )


def _before(router: Router, device: Services) -> tuple[dict[str, t.Any], tuple[str, ...]]:
    """Our parts as they are; what cannot be read as a model is shown as it is."""
    try:
        found, told = gathered(device)
    except KlubsterError as exc:
        return {}, (str(exc),)
    ours = [part for part in services.PARTS if getattr(router, part) is not None]
    plain = {part: value for part, value in dump(found).items() if part in ours}
    return plain, tuple(one for one in told.strange if one.partition(":")[0] in ours)


def _same(wanted: t.Optional[Table], actual: t.Optional[Table]) -> bool:
    if wanted is None or actual is None:
        return wanted is None and actual is None
    chains = {chain.name: chain for chain in actual.chains}
    return not actual.strange and chains == {chain.name: chain for chain in wanted.chains}


def _program(part: str, text: t.Optional[str], device: Services) -> Program:
    path = device.places.config(part)
    old = device.read(path)
    state = device.state(services.PROGRAMS[part].unit, path)
    if text is None:
        return Program(part, None, old, restart=False, enable=False, stop=state.active or state.enabled)
    wrong = text != old or not state.active or state.stale
    return Program(part, text, old, restart=wrong, enable=not state.enabled, stop=False)


def shown(planned: Plan) -> dict[str, str]:
    """Models before and after."""
    before = dict(planned.before)
    if planned.strange:
        before["(no words)"] = list(planned.strange)
    return {"before": _plain(before), "after": _plain(planned.after)}


def _plain(data: t.Mapping[str, t.Any]) -> str:
    return json.dumps(data, indent=2, sort_keys=True) + "\n" if data else ""


class Watch(t.Protocol):
    """Sees whether rules cut what has to go on."""

    def up(self) -> t.Collection[str]: ...

    def cut(self, names: t.Collection[str], seconds: float) -> list[str]: ...


class Change:
    """Carries a plan out.

    :param confirm: seconds after which new rules go again unless somebody who still reaches the machine confirms them;
        0 for never.
    :param sessions: BGP's, which new rules may not cut; None when nobody asks for them.
    :param timeout: seconds in which a session that goes on has to be heard of, half of those to confirm at most.
    """

    def __init__(
        self,
        planned: Plan,
        device: Services,
        *,
        confirm: int,
        sessions: t.Optional[Watch] = None,
        timeout: float = 30,
    ) -> None:
        self._planned, self._device, self._confirm = planned, device, confirm
        self._sessions = sessions
        self._timeout = max(_SHORTEST, min(timeout, confirm / 2) if confirm else timeout)
        self._done: list[Program] = []

    def apply(self) -> bool:
        """Do it; whether the rules have to be confirmed.

        :raises ServicesError: it did not work; then everything is as it was before.
        """
        planned, device = self._planned, self._device
        self._refuse()
        loads = planned.loads
        back = "".join(device.listing(one.part) for one in loads)
        touched = (*(one for one in planned.rules if one.load or one.write),)
        old: dict[Path, t.Optional[str]] = {
            device.places.rules(one.part): device.read(device.places.rules(one.part)) for one in touched
        }
        old_units = {path: device.read(path) for path in planned.units}
        up = self._sessions.up() if loads and self._sessions is not None else ()
        waits = bool(loads) and self._confirm > 0
        if waits:
            rules_files = self._device.unit_files((), rules=True)
            gone = {path: text for path, text in old_units.items() if path in rules_files and text is not None}
            self._arm(back, {**old, **gone})
        try:
            self._units(gone=False)
            for one in touched:
                device.put(device.places.rules(one.part), one.wanted.text() if one.wanted is not None else None)
            self._load(loads)
            self._programs()
            self._look_after(up)
            if planned.enable_rules or planned.disable_rules:
                device.systemctl("enable" if planned.enable_rules else "disable", RULES_UNIT)
            # systemd switches off only what still has its file.
            self._units(gone=True)
            device.tidy()
        except (KlubsterError, OSError) as exc:
            left = self._back(back, {**old, **old_units})
            if waits:
                device.disarm()
            raise ServicesError(f"{exc}\n{left}") from exc
        return waits

    def _arm(self, rules: str, files: t.Mapping[Path, t.Optional[str]]) -> None:
        """Programs lock nobody out: what brings the rules back leaves them as they are."""
        units = (RULES_UNIT,) if self._planned.disable_rules else ()
        self._device.arm(rules, files, self._confirm, units)

    def _units(self, *, gone: bool) -> None:
        """Write files of units, or take those away that go."""
        chosen = {path: text for path, text in self._planned.units.items() if (text is None) == gone}
        for path, text in chosen.items():
            self._device.put(path, text)
        if chosen:
            self._device.systemctl("daemon-reload")

    def _refuse(self) -> None:
        new = "".join(_text(one) for one in self._planned.loads)
        said = self._device.nft(new, check=True) if new else ""
        if said:
            raise ServicesError(f"nft does not take these rules; nothing was changed:\n{said}")
        for one in self._planned.programs:
            if one.text is None or one.text == one.old:
                continue
            said = self._device.refused(one.part, one.text)
            if said:
                name = services.PROGRAMS[one.part].path.rpartition("/")[2]
                raise ServicesError(f"{name} does not take the file for {one.part}; nothing was changed:\n{said}")

    def _load(self, loads: t.Sequence[Rules]) -> None:
        if not loads:
            return
        said = self._device.nft("".join(_text(one) for one in loads))
        if said:
            raise ServicesError(f"nft did not load the rules: {said}")
        wrong = [one.part for one in loads if not _same(one.wanted, self._device.table(one.part))]
        if wrong:
            raise ServicesError(f"The kernel does something else than it was told, for {', '.join(wrong)}.")

    def _look_after(self, up: t.Collection[str]) -> None:
        """Sessions that were up have to go on."""
        cut = self._sessions.cut(up, self._timeout) if self._sessions is not None and up else []
        if cut:
            raise ServicesError(
                f"The new rules cut BGP's session with {', '.join(cut)}: within {self._timeout:g} s nothing came back."
                " Let TCP 179 pass between this machine and them, in both directions."
            )

    def _programs(self) -> None:
        device = self._device
        for one in self._planned.programs:
            if not one.changed:
                continue
            self._done.append(one)
            unit = services.PROGRAMS[one.part].unit
            if one.stop:
                device.systemctl("disable", "--now", unit)
            device.put(device.places.config(one.part), one.text)
            if one.restart:
                device.restart(unit)
            if one.enable:
                device.systemctl("enable", unit)

    def _back(self, rules: str, files: t.Mapping[Path, t.Optional[str]]) -> str:
        """Undo, and say how that went."""
        device = self._device
        # systemd switches off only what still has its file.
        wrong = self._programs_off()
        for path, text in files.items():
            device.put(path, text)
        if self._planned.units:
            device.run(["systemctl", "daemon-reload"], check=False)
        if self._planned.disable_rules:
            wrong += _tried("rules", functools.partial(device.systemctl, "enable", RULES_UNIT))
        if rules:
            said = device.nft(rules)
            wrong += [f"rules: {said}"] if said else []
        wrong += self._programs_on()
        device.tidy()
        if not wrong:
            return "Everything is as it was before."
        return "It could not be taken back whole; look at these:\n" + "\n".join(wrong)

    def _programs_off(self) -> list[str]:
        """End programs that were not there before."""
        wrong = []
        for one in self._done:
            if one.text is not None and one.old is None:
                unit = services.PROGRAMS[one.part].unit
                wrong += _tried(one.part, functools.partial(self._device.systemctl, "disable", "--now", unit))
        return wrong

    def _programs_on(self) -> list[str]:
        """Give programs their old files, and start those again that ran."""
        device, wrong = self._device, []
        for one in self._done:
            unit = services.PROGRAMS[one.part].unit
            device.put(device.places.config(one.part), one.old)
            if one.old is not None and (one.restart or one.stop):
                restart = functools.partial(device.restart, unit)
                wrong += _tried(one.part, restart, functools.partial(device.systemctl, "enable", unit))
        return wrong


def _tried(part: str, *steps: t.Callable[[], None]) -> list[str]:
    """One step after the other; what went wrong."""
    try:
        for step in steps:
            step()
    except KlubsterError as exc:
        return [f"{part}: {exc}"]
    return []


def _text(one: Rules) -> str:
    """What nft reads: the new table, or that there is none."""
    if one.wanted is not None:
        return one.wanted.text()
    family, name = nft_tables.TABLES[one.part]
    return f"table {family} {name}\ndelete table {family} {name}\n"


__all__ = ("LEFT_OUT", "Change", "LeftOut", "Plan", "Program", "Rules", "Watch", "gathered", "missing", "plan", "shown")
