# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
import json
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import CommandFailed, Result
from ansible_collections.kateskit.klubster.plugins.module_utils._router import frr_apply
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import (
    Folder,
    Frr,
    FrrError,
    with_daemons,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from router_models import Data

STOCK = "# what runs\nbgpd=no\nospfd=yes\nbfdd=no\nvtysh_enable=yes\n"
MODEL: Data = {
    "bgp": {
        "asn": 65010,
        "router_id": "10.0.0.1",
        "neighbors": {
            "10.0.0.2": {"remote_as": 65001, "ipv4": {}},
            "10.0.0.3": {"remote_as": 65001, "ipv4": {}},
        },
    }
}
PASSWORDS = {"10.0.0.2": "s3cret"}


class Clock:
    """Time goes by when somebody waits."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds


class Machine:
    """A machine with FRR: it runs what it is told, unless a test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = Folder(folder)
        self.running = "frr version 8.4.4\nrouter ospf\n network 10.0.0.0/8 area 0\nexit\n"
        self.folder.config.write_text(self.running)
        self.folder.daemons.write_text(STOCK)
        self.active, self.enabled = True, True
        self.down: set[str] = set()
        self.sees: dict[str, int] = {}
        self.syntax = ""
        self.ignored: tuple[str, ...] = ()
        self.said: list[str] = []
        self.clock = Clock()

    def run(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        line = " ".join(argv)
        if argv[0] == "systemctl" and argv[1] == "show":
            state = "active" if self.active else "inactive"
            return Result(0, f"ActiveState={state}\nUnitFileState={'enabled' if self.enabled else 'disabled'}\n", "")
        self.said.append(line.replace(str(self.folder.path), ""))
        if argv[0] == "systemctl":
            return self._service(argv[1])
        if "-C" in argv:
            return Result(2 if self.syntax else 0, self.syntax, "")
        printed = f"Building configuration...\n\nCurrent configuration:\n!\n{self.running}\nend\n"
        shown = {"show running-config": printed, "show daemons": f"zebra staticd {' '.join(self._daemons())}"}
        if argv[-1] in shown:
            return Result(0, shown[argv[-1]], "")
        if "frr-reload.py" in argv[0]:
            return self._reload(Path(argv[-1]).read_text())
        return Result(0, self._json(argv[-1]), "")

    def _reload(self, text: str) -> Result:
        if "Building" in text:
            return Result(1, "% Unknown command: Building configuration...", "")
        self.running = "\n".join(one for one in text.splitlines() if not any(word in one for word in self.ignored))
        return Result(0, "", "")

    def _service(self, verb: str) -> Result:
        if verb == "start" and self.syntax == "start":
            raise CommandFailed(["systemctl"], 1, "", "no")
        if verb == "start":
            self.active, self.running = True, self.folder.config.read_text()
        if verb == "stop":
            self.active = False
        if verb == "enable":
            self.enabled = True
        return Result(0, "", "")

    def _daemons(self) -> list[str]:
        return [line[:-4] for line in self.folder.daemons.read_text().splitlines() if line.endswith("=yes")]

    def _json(self, command: str) -> str:
        names = [line.split()[1] for line in self.running.splitlines() if " remote-as " in line]
        up = {name: "Idle" if name in self.down else "Established" for name in names}
        if command == "show bgp summary json":
            rows = {name: {"remoteAs": 65001, "state": state} for name, state in up.items()}
            return json.dumps({"ipv4Unicast": {"peers": rows}} if rows else {})
        dropped = {
            name: {"bgpState": state, "connectionsDropped": self.sees.get(name, 0)} for name, state in up.items()
        }
        return json.dumps(dropped)

    @property
    def device(self) -> Frr:
        return Frr(self.run, self.folder, self.clock)

    def converge(
        self, model: Data, passwords: Data | None = None, *, watched: frr_apply.Watched = "others"
    ) -> tuple[frr_apply.Plan, frr_apply.Done]:
        router, foreign = parse(model, passwords)
        self.said.clear()
        planned = frr_apply.plan(router, foreign, self.device)
        done = frr_apply.Done()
        if planned.changed:
            change = frr_apply.Change(planned, (router, foreign), self.device, watched=watched, timeout=10)
            done = change.apply()
        return planned, done


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def changed(**more: t.Any) -> Data:
    model = copy.deepcopy(MODEL)
    model["bgp"].update(more)
    return model


def without(name: str) -> Data:
    model = copy.deepcopy(MODEL)
    del model["bgp"]["neighbors"][name]
    return model


def test_looking_changes_nothing(machine: Machine) -> None:
    router, foreign = parse(MODEL, PASSWORDS)
    before = {path: path.read_bytes() for path in machine.folder.path.iterdir()}
    planned = frr_apply.plan(router, foreign, machine.device)
    assert planned.changed
    assert {path: path.read_bytes() for path in machine.folder.path.iterdir()} == before
    assert machine.said == ["vtysh -c show running-config"]


def test_the_first_time_everything_is_said_and_the_second_nothing(machine: Machine) -> None:
    planned, done = machine.converge(MODEL, PASSWORDS)
    assert planned.changed
    assert done.reset == ()
    assert "systemctl reload frr.service" in machine.said
    assert "neighbor 10.0.0.2 password s3cret" in machine.running
    assert "network 10.0.0.0/8 area 0" in machine.running
    assert "neighbor 10.0.0.2 password s3cret" in machine.folder.config.read_text()
    assert "bgpd=yes\nospfd=yes\nbfdd=no" in machine.folder.daemons.read_text()
    assert machine.folder.config.stat().st_mode & 0o777 == 0o600
    assert machine.folder.backup.stat().st_mode & 0o777 == 0o600
    assert not machine.folder.trial.exists()
    planned, done = machine.converge(MODEL, PASSWORDS)
    assert not planned.changed
    assert machine.said == ["vtysh -c show running-config"]


def test_no_secret_is_an_argument(machine: Machine) -> None:
    machine.converge(MODEL, PASSWORDS)
    assert machine.said
    assert not [line for line in machine.said if "s3cret" in line]


def test_a_file_that_is_behind_is_written_without_a_word_to_frr(machine: Machine) -> None:
    machine.converge(MODEL)
    machine.folder.config.write_text("router ospf\n")
    planned, dummy = machine.converge(MODEL)
    assert (planned.rewrite, planned.reload) == (True, False)
    assert "remote-as 65001" in machine.folder.config.read_text()
    assert not [line for line in machine.said if "reload" in line]


def test_a_stopped_frr_is_started_with_its_new_files(machine: Machine) -> None:
    machine.active = machine.enabled = False
    machine.converge(MODEL)
    assert [line for line in machine.said if line.startswith("systemctl")] == [
        "systemctl start frr.service",
        "systemctl enable frr.service",
    ]
    assert not machine.converge(MODEL)[0].changed


def test_what_the_parser_refuses_changes_nothing(machine: Machine) -> None:
    machine.syntax = "line 3: % Unknown command:  neighbor 10.0.0.2 password s3cret"
    before = machine.folder.config.read_text()
    with pytest.raises(FrrError, match="nothing was changed") as caught:
        machine.converge(MODEL, PASSWORDS)
    assert "s3cret" not in str(caught.value)
    assert machine.folder.config.read_text() == before
    assert machine.folder.daemons.read_text() == STOCK
    assert not machine.folder.trial.exists()


def test_a_line_that_does_not_run_takes_all_back(machine: Machine) -> None:
    machine.converge(MODEL, PASSWORDS)
    running, config = machine.running, machine.folder.config.read_text()
    machine.ignored = ("router-id 10.0.0.9",)
    with pytest.raises(FrrError) as caught:
        machine.converge(changed(router_id="10.0.0.9"), PASSWORDS)
    assert "missing: router bgp 65010 / bgp router-id 10.0.0.9" in str(caught.value)
    assert str(caught.value).endswith("The configuration is as it was before.")
    assert machine.folder.config.read_text() == config
    assert sorted(machine.running.split("\n")) == sorted(running.split("\n"))


def test_what_cannot_be_taken_back_is_told(machine: Machine) -> None:
    machine.converge(MODEL)
    machine.ignored = ("router-id",)
    with pytest.raises(FrrError, match="It could not be taken back whole; look at these lines:"):
        machine.converge(changed(router_id="10.0.0.9"))


def test_another_session_that_goes_takes_all_back(machine: Machine) -> None:
    machine.converge(MODEL)
    old = machine.run

    def loses(argv: t.Sequence[str], **more: t.Any) -> Result:
        if "frr-reload.py" in argv[0]:
            machine.down = {"10.0.0.3"} if "router-id 10.0.0.9" in Path(argv[-1]).read_text() else set()
        return old(argv, **more)

    machine.run = loses  # type: ignore[method-assign]
    with pytest.raises(FrrError, match=re.escape("After 10 s there is no session with 10.0.0.3 (Idle).")):
        machine.converge(changed(router_id="10.0.0.9"))
    assert "router-id 10.0.0.1" in machine.running
    assert machine.clock.time >= 10
    machine.converge(changed(router_id="10.0.0.9"), watched="none")
    assert "router-id 10.0.0.9" in machine.running


def test_a_neighbour_whose_own_settings_change_may_go(machine: Machine) -> None:
    machine.converge(MODEL)
    model = copy.deepcopy(MODEL)
    model["bgp"]["neighbors"]["10.0.0.2"]["remote_as"] = 65002
    machine.down = set()
    old = machine.run

    def loses(argv: t.Sequence[str], **more: t.Any) -> Result:
        if "frr-reload.py" in argv[0]:
            machine.down = {"10.0.0.2"}
        return old(argv, **more)

    machine.run = loses  # type: ignore[method-assign]
    planned, done = machine.converge(model)
    assert planned.affected == {"10.0.0.2"}
    assert done.reset == ("10.0.0.2",)
    machine.down = {"10.0.0.2"}
    with pytest.raises(FrrError, match=re.escape("no session with 10.0.0.2")):
        machine.converge(changed(router_id="10.0.0.7"), watched="all")


def test_a_neighbour_that_left_is_the_only_one_that_is_reset(machine: Machine) -> None:
    machine.converge(MODEL)
    planned, done = machine.converge(without("10.0.0.3"))
    assert planned.affected == {"10.0.0.3"}
    assert done.reset == ("10.0.0.3",)
    assert "10.0.0.3" not in machine.running


def test_members_are_affected_with_their_group(machine: Machine) -> None:
    model: Data = {
        "bgp": {
            "asn": 65010,
            "router_id": "10.0.0.1",
            "peer_groups": {"nodes": {"remote_as": 65001, "ipv4": {}}},
            "neighbors": {"10.0.0.2": {"peer_group": "nodes"}, "10.0.0.3": {"remote_as": 65003, "ipv4": {}}},
        }
    }
    machine.converge(model)
    model["bgp"]["peer_groups"]["nodes"]["bfd"] = True
    assert machine.converge(model)[0].affected == {"nodes", "10.0.0.2"}


FILTERED: Data = {
    "prefix_lists": {"services": [{"prefix": "203.0.113.0/24"}]},
    "route_maps": {"mark": [{"set": {"local_preference": 150}}]},
    "bgp": {
        "asn": 65010,
        "router_id": "10.0.0.1",
        "neighbors": {
            "10.0.0.2": {"remote_as": 65001, "ipv4": {"prefix_list_in": "services"}},
            "10.0.0.3": {"remote_as": 65001, "ipv4": {"route_map_in": "mark"}},
        },
    },
}


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda model: model["prefix_lists"]["services"][0].update(prefix="198.18.0.0/24"), True),
        (lambda model: model["route_maps"]["mark"][0]["set"].update(local_preference=200), True),
        (lambda model: model["bgp"]["neighbors"]["10.0.0.3"]["ipv4"].update(prefix_list_in="services"), True),
        (lambda model: model["bgp"]["neighbors"]["10.0.0.3"]["ipv4"].pop("route_map_in"), True),
        (lambda model: model["bgp"]["neighbors"]["10.0.0.3"].update(description="an uplink"), False),
        (lambda model: model["bgp"].update(router_id="10.0.0.9"), False),
    ],
)
def test_routes_are_filtered_again_when_a_filter_changes(
    machine: Machine, change: t.Callable[[Data], None], again: bool
) -> None:
    machine.converge(FILTERED)
    model = copy.deepcopy(FILTERED)
    change(model)
    planned, done = machine.converge(model)
    assert planned.filters is again
    assert ("vtysh -c clear bgp * soft" in machine.said) is again
    assert done.reset == ()


def test_filters_that_cannot_be_used_are_taken_back(machine: Machine) -> None:
    machine.converge(FILTERED)
    model = copy.deepcopy(FILTERED)
    model["prefix_lists"]["services"] = [{"prefix": "198.18.0.0/24"}]
    old = machine.run

    def refuses(argv: t.Sequence[str], **more: t.Any) -> Result:
        if "soft" in argv[-1] and "198.18" in machine.running:
            return Result(1, "", "% bgpd is not there")
        return old(argv, **more)

    machine.run = refuses  # type: ignore[method-assign]
    with pytest.raises(
        FrrError, match=r"could not be filtered again: % bgpd is not there\nThe configuration is as it was"
    ):
        machine.converge(model)
    assert "203.0.113.0/24" in machine.running


def test_a_first_start_that_fails_leaves_the_files_as_they_were(machine: Machine) -> None:
    machine.active = False
    machine.ignored = ()
    before = machine.folder.config.read_text()
    old = machine.run

    def fails(argv: t.Sequence[str], **more: t.Any) -> Result:
        if list(argv[:2]) == ["systemctl", "start"]:
            raise CommandFailed(argv, 1, "", "it did not start")
        return old(argv, **more)

    machine.run = fails  # type: ignore[method-assign]
    with pytest.raises(FrrError, match="FRR was stopped again, its files are as they were"):
        machine.converge(MODEL)
    assert machine.folder.config.read_text() == before
    assert machine.folder.daemons.read_text() == STOCK


def test_a_difference_shows_no_password(machine: Machine) -> None:
    machine.converge(MODEL, {"10.0.0.2": "s3cret", "10.0.0.3": "same"})
    router, foreign = parse(MODEL, {"10.0.0.2": "an0ther", "10.0.0.3": "same"})
    shown = frr_apply.shown(frr_apply.plan(router, foreign, machine.device))
    assert " neighbor 10.0.0.2 password ********\n" in shown["before"]
    assert " neighbor 10.0.0.2 password ******** (another)\n" in shown["after"]
    assert " neighbor 10.0.0.3 password ********\n" in shown["after"]
    assert not [word for word in ("s3cret", "an0ther", "same") if word in shown["before"] + shown["after"]]


@pytest.mark.parametrize(
    ("text", "names", "result"),
    [
        (STOCK, (), STOCK),
        (STOCK, ("bgpd",), STOCK.replace("bgpd=no", "bgpd=yes")),
        ("bgpd=yes\n", ("bgpd", "bfdd"), "bgpd=yes\nbfdd=yes\n"),
        ("", ("bgpd",), "bgpd=yes\n"),
        ("#bgpd=no", ("bgpd",), "#bgpd=no\nbgpd=yes\n"),
    ],
)
def test_daemons_are_switched_on_and_never_off(text: str, names: tuple[str, ...], result: str) -> None:
    assert with_daemons(text, names) == result


def test_a_daemon_that_does_not_start_is_named(machine: Machine) -> None:
    machine.folder.daemons.write_text("bgpd=no\n")
    with pytest.raises(FrrError, match="These daemons of FRR did not start within 30 s: bgpd"):
        machine.device.wait_for(["bgpd"])


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Result(1, "", "% Unknown command"), "FRR did not answer 'show bgp summary': % Unknown command"),
        (Result(0, "hello", ""), "something that is no JSON: hello"),
    ],
)
def test_an_answer_that_is_none_is_told(result: Result, said: str) -> None:
    with pytest.raises(FrrError, match=said):
        Frr(lambda *_, **__: result).json("show bgp summary")


def test_a_daemon_that_does_not_run_knows_nothing() -> None:
    assert Frr(lambda *_, **__: Result(1, "bgpd is not running\n", "")).json("show bgp summary") == {}
