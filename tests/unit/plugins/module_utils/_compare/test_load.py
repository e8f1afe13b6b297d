# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import load, network
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.iperf import Unmeasured
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, InvalidInput

UID = "0b6d6f4e-6a2f-4a55-8d53-3a3a6a1f0a11"
GOOD = json.dumps({"end": {"sum_received": {"bits_per_second": 5e9}, "sum_sent": {"retransmits": 1}}})
AMOUNT = load.Amount(seconds=1, round_trips=50, connections=10, timeout=5)


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture
def echo() -> t.Iterator[load.Target]:
    """The very program that serve() starts."""
    port = free_port()
    program = subprocess.Popen([sys.executable, "-I", "-c", load._ECHO, "127.0.0.1", str(port)])
    target = load.Target("127.0.0.1", port - 1)
    try:
        assert load.reach(target, wanted=True, timeout=10)
        yield target
    finally:
        program.terminate()
        program.wait()


class Machine:
    """Answers what was put into it, and keeps what was asked."""

    def __init__(self, *answers: Result | Exception) -> None:
        self.answers, self.asked = list(answers), list[list[str]]()

    def __call__(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        self.asked.append(list(argv))
        answer = self.answers.pop(0) if self.answers else Result(0, "", "")
        if isinstance(answer, Exception):
            raise answer  # pylint: disable=raising-non-exception
        return answer


def test_a_load_has_all_numbers(echo: load.Target) -> None:
    machine = Machine(Result(0, GOOD, ""))
    sample = load.load(machine, echo, AMOUNT)
    assert sample.error == ""
    assert (sample.bits_per_second, sample.retransmits) == (5e9, 1)
    assert sample.round_trip_p50 is not None and sample.round_trip_p99 is not None and sample.connect_p50 is not None
    assert 0 < sample.round_trip_p50 <= sample.round_trip_p99 < 5e6
    (argv,) = machine.asked
    assert argv[:3] == ["iperf3", "--client", "127.0.0.1"]
    assert argv[argv.index("--time") + 1] == "1"


@pytest.mark.parametrize(
    "answer, said",
    [
        (Result(1, '{"error": "unable to connect"}', ""), "iperf3: unable to connect"),
        (CommandFailed(["iperf3"], 124, "", "took longer than 21 s"), "took longer than 21 s"),
        (CommandFailed(["iperf3"], 127, "", "No such file"), "exit status 127"),
    ],
)
def test_round_trips_stay_when_throughput_fails(echo: load.Target, answer: Result | Exception, said: str) -> None:
    sample = load.load(Machine(answer), echo, AMOUNT)
    assert said in sample.error
    assert sample.bits_per_second is None
    assert sample.round_trip_p50 is not None


def test_nobody_there_is_no_number() -> None:
    machine = Machine()
    amount = load.Amount(seconds=1, round_trips=50, connections=10, timeout=0)
    sample = load.load(machine, load.Target("127.0.0.1", free_port()), amount)
    assert "did not answer within 0 s" in sample.error
    assert {value for name, value in load.as_data(sample).items() if name != "error"} == {None}
    assert machine.asked == []


def test_round_trips_end_with_their_time(echo: load.Target) -> None:
    assert len(load.round_trips(echo.echo, 100_000, 0.0)) == 1
    assert len(load.connections(echo.echo, 1000, 0.0)) == 1


def test_reach_waits_for_what_is_wanted(echo: load.Target) -> None:
    assert load.reach(echo, wanted=False, timeout=0.3) is True
    began = time.monotonic()
    assert load.reach(load.Target("127.0.0.1", free_port()), wanted=False, timeout=30) is False
    assert time.monotonic() - began < 10, "what is as wanted is not waited for"


def test_serving_is_bounded_by_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "network_of", lambda _: Path("/proc/42/ns/net"))
    heard: list[t.Any] = []
    monkeypatch.setattr(load, "_until_listening", lambda *given: heard.append(given))
    machine = Machine(Result(3, "", ""), Result(3, "", ""))
    load.serve(machine, "far", load.Target("10.244.0.3", 5201, UID), 600)
    iperf, echo = machine.asked[2:]
    for argv in (iperf, echo):
        assert argv[0] == "systemd-run"
        assert "--property=RuntimeMaxSec=600" in argv
        assert argv[argv.index("--") + 1 :][:2] == ["nsenter", "--net=/proc/42/ns/net"]
    assert iperf[-4:] == ["iperf3", "--server", "--port", "5201"]
    assert echo[-2:] == ["0.0.0.0", "5202"]  # noqa: S104 - what is compared, not bound
    assert heard == [(Path("/proc/42/ns/net"), (5201, 5202))]


def test_stop_ends_what_runs() -> None:
    machine = Machine(Result(0, "", ""), Result(3, "", ""))
    assert load.stop(machine, "far") is True
    assert machine.asked[-1] == ["systemctl", "stop", "klubster-load-iperf3-far"]
    assert load.stop(Machine(Result(3, "", ""), Result(3, "", "")), "far") is False


def test_listening_sockets() -> None:
    table = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1451 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1452 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 00000000000000000000000000000000:1453 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 3
"""
    assert load.listening(table) == {0x1451, 0x1453}


PARAMS = {"work": "load", "address": "192.0.2.1", "port": 5201, "pod": "", "name": ""}


@pytest.mark.parametrize(
    "given, variable",
    [
        ({"address": ""}, "address"),
        ({"address": "agent1"}, "address"),
        ({"work": "reach", "address": ""}, "address"),
        ({"pod": "near"}, "pod"),
        ({"pod": "../../1"}, "pod"),
        ({"work": "serve", "name": ""}, "name"),
        ({"work": "stop", "name": "a b"}, "name"),
        ({"port": 80}, "port"),
        ({"seconds": 61}, "seconds"),
        ({"round_trips": 9}, "round_trips"),
        ({"lifetime": 9}, "lifetime"),
    ],
)
def test_bad_input_is_refused(given: dict[str, t.Any], variable: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load.check({**PARAMS, **given})
    assert [problem.variable for problem in caught.value.problems] == [variable]


def test_good_input() -> None:
    load.check({**PARAMS, "pod": UID})
    load.check({"work": "cost"})


def process(proc: Path, pid: int, name: str, **files: str) -> Path:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


def test_cost_is_that_of_the_networks_programs(tmp_path: Path) -> None:
    stat = "7 (kube (proxy) S 1 7 7 0 -1 0 0 0 0 0 {user} {system} 0 0 20 0 9 0 100 0 0"
    process(tmp_path, 7, "kube-proxy", stat=stat.format(user=150, system=50), smaps_rollup="x\nPss:   100 kB\n")
    process(tmp_path, 8, "kube-proxy", stat=stat.format(user=100, system=0), status="Name: x\nVmRSS:\t 50 kB\n")
    process(tmp_path, 9, "bash", stat=stat.format(user=900, system=0))
    process(tmp_path, 10, "flanneld", stat="10 (flanneld) S")
    found = load.cost(tmp_path, lambda: 5.0)
    assert found.cpu_seconds == {"kube-proxy": pytest.approx(3.0)}
    assert found.memory == {"kube-proxy": 150 * 1024}
    assert found.at == 5.0


def pod_process(proc: Path, pid: int, group: str, namespace: str) -> None:
    folder = process(proc, pid, "pause", cgroup=f"0::{group}\n")
    (folder / "ns").mkdir()
    (folder / "ns" / "net").symlink_to(namespace)


@pytest.mark.parametrize(
    "group",
    [
        f"/kubepods/besteffort/pod{UID}/abc",
        f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID.replace('-', '_')}.slice/cri-abc.scope",
    ],
)
def test_a_pods_network_is_found_by_its_control_group(tmp_path: Path, group: str) -> None:
    pod_process(tmp_path, 4, group, "net:[1]")
    pod_process(tmp_path, 5, "/system.slice/kubelet.service", "net:[1]")
    pod_process(tmp_path, 6, group, "net:[77]")
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "net").symlink_to("net:[1]")
    assert network.network_of(UID, tmp_path) == tmp_path / "6" / "ns" / "net"
    assert network.prefix(tmp_path / "6" / "ns" / "net") == ["nsenter", f"--net={tmp_path}/6/ns/net"]
    assert network.prefix(None) == []


def test_a_pod_of_another_machine_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(Unmeasured, match=UID):
        network.network_of(UID, tmp_path)
