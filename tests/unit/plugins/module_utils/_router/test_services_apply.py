# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
import json
import re
import typing as t
from pathlib import Path

import nft_json
import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import CommandFailed, Result
from ansible_collections.kateskit.klubster.plugins.module_utils._router import (
    nft_tables,
    services,
    services_apply,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.nft import Table
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.services_device import (
    RULES_UNIT,
    Places,
    Services,
    ServicesError,
)
from nft_json import printed
from router_models import SERVICES, Data

DNS, DHCP, VRRP = (f"klubster-router-{part}.service" for part in ("dns", "dhcp", "vrrp"))


class Clock:
    def now(self) -> float:
        return 0.0

    def pause(self, seconds: float) -> None:
        pass


class Machine:
    """A machine that does what it is told, unless a test says otherwise. Its kernel knows the tables of tests."""

    def __init__(self, root: Path) -> None:
        self.places = Places(root)
        for program in ("usr/sbin/nft", "usr/sbin/dnsmasq", "usr/sbin/keepalived"):
            (root / program).parent.mkdir(parents=True, exist_ok=True)
            (root / program).write_text("")
        self.known: dict[str, Table] = {}
        self.kernel: dict[str, Table] = {}
        self.active: set[str] = set()
        self.loaded: set[str] = set()
        self.enabled: set[str] = set()
        self.started = "@99999999999"
        self.said: list[str] = []
        self.refuses: dict[str, str] = {}
        self.dies: set[str] = set()
        self.forgets = ""

    def run(self, argv: t.Sequence[str], **given: t.Any) -> Result:
        name = argv[0].rpartition("/")[2]
        done = {"systemctl": self._systemctl, "nft": self._nft}.get(name, self._program)(list(argv), given)
        if given.get("check", True) and done.rc:
            raise CommandFailed(argv, done.rc, done.stdout, done.stderr)
        return done

    def _systemctl(self, argv: list[str], _options: t.Any) -> Result:
        verb, unit = argv[1], argv[-1]
        if verb == "show":
            state = "active" if unit in self.active else "failed"
            lines = [f"ActiveState={state}", f"UnitFileState={'enabled' if unit in self.enabled else 'disabled'}"]
            return Result(0, "\n".join([*lines, f"ExecMainStartTimestamp={self.started}", "NRestarts=0", ""]), "")
        if verb == "is-active":
            return Result(0 if unit in self.active else 3, "", "")
        if verb != "reset-failed":
            self.said.append(" ".join(argv))
        on_disk = {path.name for path in self.places.units.glob("*.service")}
        if verb == "daemon-reload":
            self.loaded = on_disk
        if self.refuses.get(verb) == unit:
            return Result(1, "", "no")
        known = {"restart": self.loaded, "enable": on_disk, "disable": on_disk}.get(verb)
        if known is not None and unit not in known:
            return Result(1, "", f"Unit file {unit} does not exist.")
        if verb == "restart":
            (self.active.discard if unit in self.dies else self.active.add)(unit)
        if verb == "enable":
            self.enabled.add(unit)
        if verb in ("disable", "stop"):
            self.active.discard(unit)
            self.enabled.discard(unit)
        return Result(0, "", "")

    def _nft(self, argv: list[str], given: t.Any) -> Result:
        if "list" in argv:
            table = self.kernel.get(" ".join(argv[-2:]))
            if table is None:
                return Result(1, "", "Error: No such file or directory")
            text = json.dumps(printed(table)) if "--json" in argv else table.text().split("\n", 2)[2]
            return Result(0, text, "")
        if "--check" in argv:
            return Result(1 if "nft" in self.refuses else 0, "", self.refuses.get("nft", ""))
        self.said.append("nft")
        text: str = given["stdin"]
        for title in re.findall(r"^delete table (.*)$", text, re.MULTILINE):
            self.kernel.pop(title, None)
        for table in self.known.values():
            if table.text() in text and table.title != self.forgets:
                self.kernel[table.title] = table
        return Result(0, "", "")

    def _program(self, argv: list[str], _options: t.Any) -> Result:
        name = argv[0].rpartition("/")[2]
        if name == "systemd-run":
            self.said.append(" ".join(argv))
            self.active.add("klubster-router-undo.timer")
        return Result(1 if name in self.refuses else 0, "", self.refuses.get(name, ""))

    @property
    def device(self) -> Services:
        return Services(self.run, self.places, Clock())

    def plan(self, data: Data, left_out: services_apply.LeftOut = "kept") -> services_apply.Plan:
        router = parse(data)[0]
        for table in services.tables(router).values():
            if table is not None:
                self.known[table.text()] = table
        self.said.clear()
        return services_apply.plan(router, self.device, left_out)

    def converge(
        self, data: Data, *, confirm: int = 0, left_out: services_apply.LeftOut = "kept"
    ) -> tuple[services_apply.Plan, bool]:
        planned = self.plan(data, left_out)
        waits = services_apply.Change(planned, self.device, confirm=confirm).apply() if planned.changed else False
        return planned, waits

    def files(self) -> dict[str, str]:
        return {str(path): path.read_text() for path in self.places.root.rglob("*") if path.is_file()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def changed(part: str, **more: t.Any) -> Data:
    data = copy.deepcopy(SERVICES)
    data[part].update(more)
    return data


def without(*parts: str) -> Data:
    return {part: value for part, value in SERVICES.items() if part not in parts}


def test_looking_changes_nothing(machine: Machine) -> None:
    before = machine.files()
    planned = machine.plan(SERVICES)
    assert planned.changed
    assert machine.files() == before
    assert (machine.said, machine.kernel) == ([], {})


def test_the_first_time_everything_is_made_and_the_second_nothing(machine: Machine) -> None:
    machine.converge(SERVICES)
    assert {DNS, DHCP, VRRP} <= machine.active
    assert {DNS, DHCP, VRRP, RULES_UNIT} <= machine.enabled
    assert sorted(machine.kernel) == ["inet klubster_dns", "inet klubster_firewall", "ip klubster_nat"]
    assert "dhcp-range=set:lan" in machine.places.config("dhcp").read_text()
    before = machine.files()
    planned, dummy = machine.converge(SERVICES)
    assert not planned.changed
    assert services_apply.shown(planned)["before"] == services_apply.shown(planned)["after"]
    assert machine.files() == before
    assert machine.said == []


def test_a_part_that_changes_is_the_only_one_that_is_touched(machine: Machine) -> None:
    machine.converge(SERVICES)
    machine.converge(changed("dhcp", lan={**SERVICES["dhcp"]["lan"], "lease": 7200}))
    assert machine.said == [f"systemctl restart {DHCP}"]
    machine.converge(SERVICES)
    machine.converge(changed("firewall", invalid="reject"))
    assert machine.said == ["nft"]


def test_a_part_that_is_left_out_stays(machine: Machine) -> None:
    machine.converge(SERVICES)
    before, kernel = machine.files(), dict(machine.kernel)
    planned, dummy = machine.converge({"nat": SERVICES["nat"]})
    assert not planned.changed
    assert (machine.files(), machine.kernel) == (before, kernel)


def test_a_part_that_is_empty_goes(machine: Machine) -> None:
    machine.converge(SERVICES)
    machine.converge({"nat": {}, "firewall": {}, "dhcp": {}, "vrrp": {}})
    assert sorted(machine.kernel) == ["inet klubster_dns"]
    assert machine.active & {DNS, DHCP, VRRP} == {DNS}
    assert machine.enabled & {DNS, DHCP, VRRP} == {DNS}
    assert not machine.places.config("dhcp").exists()
    assert not machine.places.rules("nat").exists()
    left = {path.name for path in machine.places.units.rglob("*") if path.is_file()}
    assert left == {DNS, RULES_UNIT, machine.places.drop_in.name}
    assert not machine.plan({"nat": {}, "firewall": {}, "dhcp": {}, "vrrp": {}}).changed


NOTHING: Data = {part: {} for part in SERVICES}


def nothing_is_left(machine: Machine) -> bool:
    units = machine.active | machine.enabled
    return not (machine.kernel or units or machine.loaded or machine.places.folder.exists())


def test_when_every_part_is_empty_nothing_of_ours_is_left(machine: Machine) -> None:
    before = machine.files()
    machine.converge(SERVICES)
    planned, dummy = machine.converge(NOTHING)
    assert nothing_is_left(machine)
    assert machine.files() == before
    assert services_apply.shown(planned)["after"] == ""
    assert '"allow_from"' in services_apply.shown(planned)["before"]
    assert not machine.plan(NOTHING).changed


def test_a_part_that_left_the_model_goes(machine: Machine) -> None:
    machine.converge(SERVICES)
    before, kernel = machine.files(), dict(machine.kernel)
    planned = machine.plan(without("dns", "dhcp"), "removed")
    assert '"dhcp"' in services_apply.shown(planned)["before"]
    assert '"dhcp"' not in services_apply.shown(planned)["after"]
    assert (machine.files(), machine.kernel, machine.said) == (before, kernel, []), "looking changes nothing"
    machine.converge(without("dns", "dhcp"), left_out="removed")
    assert sorted(machine.kernel) == ["inet klubster_firewall", "ip klubster_nat"]
    assert machine.enabled == {VRRP, RULES_UNIT}
    assert not [path for path in map(Path, machine.files()) if path.stem in ("dns", "dhcp", DNS[:-8], DHCP[:-8])]
    assert not machine.plan(without("dns", "dhcp"), "removed").changed


def test_the_last_part_goes_when_others_are_in_the_model(machine: Machine) -> None:
    before = machine.files()
    machine.converge(SERVICES)
    machine.converge({"forwarding": True}, left_out="removed")
    assert nothing_is_left(machine)
    assert machine.files() == before


def test_a_model_without_any_part_takes_nothing_away(machine: Machine) -> None:
    machine.converge(SERVICES)
    assert not machine.plan({}, "removed").changed


def test_rules_of_parts_that_are_not_looked_at_are_still_loaded_at_boot(machine: Machine) -> None:
    machine.converge(SERVICES)
    machine.converge({"nat": {}})
    assert RULES_UNIT in machine.enabled
    assert machine.places.drop_in.exists()


def test_a_unit_that_an_older_run_left_goes(machine: Machine) -> None:
    machine.device.put(machine.places.units / DHCP, "[Unit]\n")
    assert machine.converge({"dhcp": {}})[0].changed
    assert not (machine.places.units / DHCP).exists()
    assert not machine.plan({"dhcp": {}}).changed


@pytest.mark.parametrize("refused", [("disable", RULES_UNIT), ("daemon-reload", "daemon-reload")])
def test_what_could_not_be_taken_away_is_back_whole(machine: Machine, refused: tuple[str, str]) -> None:
    machine.converge(SERVICES)
    before, kernel, enabled = machine.files(), dict(machine.kernel), set(machine.enabled)
    machine.refuses.update([refused])
    with pytest.raises(ServicesError, match="Everything is as it was before"):
        machine.converge(NOTHING)
    assert (machine.files(), machine.kernel, machine.enabled) == (before, kernel, enabled)
    assert {DNS, DHCP, VRRP} <= machine.active


def test_rules_that_went_come_back_with_what_loads_them(machine: Machine) -> None:
    machine.converge(SERVICES)
    dummy, waits = machine.converge({**NOTHING, "dns": SERVICES["dns"]}, confirm=60)
    assert waits
    assert RULES_UNIT not in (machine.places.undo / "undo").read_text(), "it is still there"
    machine.converge(SERVICES)
    machine.converge(NOTHING, confirm=60)
    undo = (machine.places.undo / "undo").read_text()
    assert f"cp {machine.places.undo}/{RULES_UNIT} {machine.places.units}/{RULES_UNIT}\n" in undo
    assert f"mkdir -p {machine.places.drop_in.parent}\n" in undo
    assert undo.endswith(f"systemctl daemon-reload\nsystemctl enable {RULES_UNIT}\n")
    assert DNS not in undo


def test_rules_that_somebody_changed_are_loaded_again(machine: Machine) -> None:
    machine.converge(SERVICES)
    del machine.kernel["ip klubster_nat"]
    planned, dummy = machine.converge(SERVICES)
    assert [one.part for one in planned.loads] == ["nat"]
    assert "ip klubster_nat" in machine.kernel


def test_a_rule_that_a_stranger_added_goes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.converge(SERVICES)

    def with_stranger(table: Table) -> Data:
        listing = nft_json.printed(table)
        limit = {"chain": table.chains[0].name, "expr": [{"limit": {"rate": 5, "per": "second"}}, {"drop": None}]}
        listing["nftables"].append({"rule": limit})
        return listing

    with monkeypatch.context() as patched:
        patched.setattr(f"{__name__}.printed", with_stranger)
        planned = machine.plan({"nat": SERVICES["nat"]})
    assert [one.part for one in planned.loads] == ["nat"]
    assert "nat: chain prerouting: limit" in services_apply.shown(planned)["before"]


def test_a_process_that_is_older_than_its_file_is_restarted(machine: Machine) -> None:
    machine.converge(SERVICES)
    machine.started = "@1000"
    planned, dummy = machine.converge({"dns": SERVICES["dns"]})
    assert [one.part for one in planned.programs if one.restart] == ["dns"]
    assert machine.said == [f"systemctl restart {DNS}"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("nft", "nft does not take these rules; nothing was changed:\nno"),
        ("dnsmasq", "dnsmasq does not take the file for dns; nothing was changed:\nno"),
        ("keepalived", "keepalived does not take the file for vrrp; nothing was changed:\nno"),
    ],
)
def test_what_a_program_refuses_changes_nothing(machine: Machine, program: str, said: str) -> None:
    machine.refuses[program] = "no"
    before = machine.files()
    with pytest.raises(ServicesError, match=re.escape(said)):
        machine.converge(SERVICES)
    assert (machine.files(), machine.kernel, machine.active) == (before, {}, set())


def test_a_program_that_dies_takes_everything_back(machine: Machine) -> None:
    machine.converge(SERVICES)
    before, kernel = machine.files(), dict(machine.kernel)
    machine.dies = {VRRP}
    data = changed("nat", source=[])
    data["dns"]["servers"] = ["172.30.0.99"]
    data["vrrp"]["lan"]["priority"] = 50
    with pytest.raises(ServicesError, match=f"{VRRP} does not run: It ended at once") as caught:
        machine.converge(data)
    # Here the old file does not help either, and that is told.
    assert "It could not be taken back whole; look at these:\nvrrp: " in str(caught.value)
    assert (machine.files(), machine.kernel) == (before, kernel)
    assert DNS in machine.active


def test_the_first_program_that_dies_leaves_nothing(machine: Machine) -> None:
    machine.dies = {DHCP}
    before = machine.files()
    with pytest.raises(ServicesError) as caught:
        machine.converge(SERVICES)
    assert str(caught.value).endswith("Everything is as it was before.")
    assert (machine.files(), machine.kernel, machine.active) == (before, {}, set())


def test_rules_that_the_kernel_does_not_do_are_taken_back(machine: Machine) -> None:
    machine.converge(without("nat"))
    before, kernel = machine.files(), dict(machine.kernel)
    machine.forgets = "ip klubster_nat"
    with pytest.raises(ServicesError, match="The kernel does something else than it was told, for nat"):
        machine.converge(SERVICES)
    assert (machine.files(), machine.kernel) == (before, kernel)


def test_new_rules_go_again_unless_somebody_confirms(machine: Machine) -> None:
    machine.converge(SERVICES)
    dummy, waits = machine.converge(changed("firewall", invalid="reject"), confirm=60)
    assert waits
    assert machine.device.armed()
    first = machine.said[1]
    assert first.startswith("systemd-run --unit=klubster-router-undo --on-active=60")
    assert machine.said.index(first) < machine.said.index("nft"), "the way back is there before the rules"
    undo = (machine.places.undo / "undo").read_text()
    assert f"cp {machine.places.undo}/firewall.nft {machine.places.rules('firewall')}" in undo
    family, name = nft_tables.TABLES["firewall"]
    assert f"delete table {family} {name}\n" in (machine.places.undo / "before.nft").read_text()
    assert "ct state invalid drop" in (machine.places.undo / "firewall.nft").read_text()
    machine.device.disarm()
    assert not machine.device.armed()
    assert list(machine.places.undo.iterdir()) == []


def test_nothing_waits_where_no_rule_changes(machine: Machine) -> None:
    machine.converge(SERVICES)
    data = changed("dns", servers=["172.30.0.99"])
    assert machine.converge(data, confirm=60)[1] is False
    assert not [line for line in machine.said if "systemd-run" in line]


def test_a_failure_leaves_no_way_back_behind(machine: Machine) -> None:
    machine.dies = {DHCP}
    with pytest.raises(ServicesError):
        machine.converge(SERVICES, confirm=60)
    assert not machine.device.armed()


class Watched:
    """Sessions of BGP, of which rules cut some."""

    def __init__(self, machine: Machine, *cut: str) -> None:
        self.machine, self.lost, self.seen = machine, list(cut), t.cast("list[t.Any]", [])

    def up(self) -> tuple[str, ...]:
        self.seen.append(("up", "nft" in self.machine.said))
        return ("10.0.0.2", "10.0.0.3")

    def cut(self, names: t.Collection[str], seconds: float) -> list[str]:
        self.seen.append(("cut", "nft" in self.machine.said, seconds))
        return [name for name in names if name in self.lost]


@pytest.mark.parametrize(
    ("confirm", "timeout", "seconds"), [(0, 30, 30), (60, 40, 30), (60, 5, 5), (1, 30, 2), (0, 0, 2)]
)
def test_rules_that_cut_sessions_are_taken_back_at_once(
    machine: Machine, confirm: int, timeout: int, seconds: float
) -> None:
    machine.converge(SERVICES)
    before, kernel = machine.files(), dict(machine.kernel)
    data = changed("firewall", invalid="reject")
    data["dns"]["servers"] = ["172.30.0.99"]
    watched = Watched(machine, "10.0.0.3")
    change = services_apply.Change(
        machine.plan(data), machine.device, confirm=confirm, sessions=watched, timeout=timeout
    )
    with pytest.raises(ServicesError, match=r"cut BGP's session with 10\.0\.0\.3: within") as caught:
        change.apply()
    assert "Let TCP 179 pass" in str(caught.value)
    assert str(caught.value).endswith("Everything is as it was before.")
    assert (machine.files(), machine.kernel) == (before, kernel)
    assert not machine.device.armed()
    assert watched.seen == [("up", False), ("cut", True, seconds)]


def test_sessions_that_go_on_are_no_hindrance(machine: Machine) -> None:
    planned = machine.plan(SERVICES)
    assert services_apply.Change(planned, machine.device, confirm=60, sessions=Watched(machine)).apply()
    assert machine.device.armed()


def test_where_no_rule_changes_nobody_looks_at_sessions(machine: Machine) -> None:
    machine.converge(SERVICES)
    planned, watched = machine.plan(changed("dns", servers=["172.30.0.99"])), Watched(machine, "10.0.0.3")
    services_apply.Change(planned, machine.device, confirm=60, sessions=watched).apply()
    assert watched.seen == []


def test_what_lacks_is_named_by_its_package(machine: Machine) -> None:
    router = parse(SERVICES)[0]
    assert services_apply.missing(router, machine.device) == []
    for program in ("nft", "dnsmasq", "keepalived"):
        (machine.places.root / "usr/sbin" / program).unlink()
    assert services_apply.missing(router, machine.device) == ["dnsmasq-base", "keepalived", "nftables"]
    assert services_apply.missing(parse({"nat": SERVICES["nat"]})[0], machine.device) == ["nftables"]
    assert services_apply.missing(parse({"dhcp": {}, "vrrp": {}, "nat": {}})[0], machine.device) == []


def test_what_is_gathered_is_the_model(machine: Machine) -> None:
    machine.converge(SERVICES)
    router, found = services_apply.gathered(machine.device)
    assert found.strange == ()
    assert router == services.canonical(parse(SERVICES)[0])


def test_a_difference_is_one_of_models(machine: Machine) -> None:
    machine.converge(SERVICES)
    shown = services_apply.shown(machine.plan(changed("dns", servers=["172.30.0.99"])))
    assert '"172.30.0.53"' in shown["before"]
    assert '"172.30.0.99"' in shown["after"]
    config = machine.places.config("dns")
    config.write_text(f"{config.read_text()}log-queries\n")
    assert "dns: log-queries" in services_apply.shown(machine.plan(SERVICES))["before"]
