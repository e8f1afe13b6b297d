# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._router import connections
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Folder, Frr
from ansible_collections.kateskit.klubster.plugins.module_utils._router.live_sessions import Sessions

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
NAMES = ("10.0.0.2", "10.0.0.3")


def row(address: str, port: int = 179, *, own: int = 40000, state: str = "01", waits: int = 0) -> str:
    there = "".join(f"{int(one):02X}" for one in reversed(address.split(".")))
    return f"   0: 0100000A:{own:04X} {there}:{port:04X} {state} {waits:08X}:00000000 01:00000014 00000000     0  0 1\n"


class Network:
    """FRR with two neighbours. What it sends is acknowledged, unless a test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.proc = Folder(folder), folder / "proc"
        (self.proc / "net").mkdir(parents=True)
        self.time = 0.0
        self.runs = True
        self.asked = False
        self.kept: set[str] = set()
        self.deaf: set[str] = set()
        self.down_after: dict[str, float] = {}
        self.slow = 0.0
        self.busy: set[str] = set()

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds
        self._kernel()

    def run(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "systemctl":
            return Result(0, f"ActiveState={'active' if self.runs else 'inactive'}\nUnitFileState=enabled\n", "")
        command = argv[-1]
        if command == "clear bgp * soft in":
            self.asked = True
            return Result(0, "", "")
        self._kernel()
        up = {name: self.time < self.down_after.get(name, 1e9) for name in NAMES}
        state = {name: "Established" if up[name] else "Idle" for name in NAMES}
        if command == "show bgp summary json":
            rows = {name: {"remoteAs": 65001, "state": said} for name, said in state.items()}
            return Result(0, json.dumps({"ipv4Unicast": {"peers": rows}}), "")
        assert command == "show bgp neighbors json"
        sent = {name: 7 + (self.asked and name not in self.kept) for name in NAMES}
        return Result(
            0,
            json.dumps({name: {"bgpState": state[name], "messageStats": {"totalSent": sent[name]}} for name in NAMES}),
            "",
        )

    def _kernel(self) -> None:
        late = self.asked and self.time < self.slow
        waits = {name: 23 if self.asked and (name in self.deaf or late) else 0 for name in NAMES}
        # One of them sends something each time that the last look falls on.
        waits.update(dict.fromkeys(self.busy, 19 if self.asked and 9.9 <= self.time < 10.5 else 0))
        (self.proc / "net" / "tcp").write_text(HEADING + "".join(row(name, waits=waits[name]) for name in NAMES))

    @property
    def sessions(self) -> Sessions:
        return Sessions(Frr(self.run, self.folder, self), self.proc)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(Frr, "installed", staticmethod(lambda: True))
    return Network(tmp_path)


def test_those_that_are_up_are_seen(network: Network) -> None:
    assert network.sessions.up() == NAMES
    network.down_after = {"10.0.0.3": 0}
    assert network.sessions.up() == ("10.0.0.2",)
    network.runs = False
    assert network.sessions.up() == ()


def test_where_everything_comes_back_nobody_waits(network: Network) -> None:
    assert network.sessions.cut(NAMES, 10) == []
    assert network.asked
    assert network.time == 0


def test_a_slow_network_is_waited_for(network: Network) -> None:
    network.slow = 2
    assert network.sessions.cut(NAMES, 10) == []
    assert 2 <= network.time < 3


def test_a_session_that_is_cut_still_looks_well_and_is_named(network: Network) -> None:
    network.deaf = {"10.0.0.3"}
    assert network.sessions.cut(NAMES, 10) == ["10.0.0.3"]
    assert network.time >= 10


def test_a_session_that_ended_is_named(network: Network) -> None:
    network.down_after = {"10.0.0.2": 0.1}
    assert network.sessions.cut(NAMES, 0.5) == []
    assert network.sessions.cut(NAMES, 10) == ["10.0.0.2"]


def test_of_a_neighbour_that_is_not_asked_nobody_knows(network: Network) -> None:
    network.kept = {"10.0.0.2"}
    assert network.sessions.cut(NAMES, 10) == []


def test_what_is_on_its_way_in_the_last_moment_is_not_lost(network: Network) -> None:
    network.kept = network.busy = {"10.0.0.2"}
    assert network.sessions.cut(NAMES, 10) == []


def test_without_sessions_frr_is_not_spoken_to(network: Network) -> None:
    assert network.sessions.cut((), 10) == []
    assert not network.asked


def test_only_open_connections_of_bgp_count(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    rows = [
        row("10.0.0.2", 22, waits=5),
        row("10.0.0.3", 40000, own=179, waits=5),
        row("10.0.0.4", state="02", waits=5),
        row("10.0.0.5"),
    ]
    (tmp_path / "net" / "tcp").write_text(HEADING + "".join(rows))
    assert connections.unacknowledged(tmp_path) == ("10.0.0.3",)
    assert connections.unanswered(tmp_path) == ("10.0.0.4",)
