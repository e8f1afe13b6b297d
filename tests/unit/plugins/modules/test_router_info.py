# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._router import echo, look
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Folder, Frr
from ansible_collections.kateskit.klubster.plugins.modules import router_info

PASSWORD = "h1dden-from-all"
CONFIG = f"""\
frr version 8.4.4
frr defaults traditional
hostname router2a
!
router bgp 65010
 bgp router-id 10.78.1.2
 no bgp ebgp-requires-policy
 neighbor nodes peer-group
 neighbor nodes remote-as 65001
 neighbor nodes password {PASSWORD}
 neighbor 10.78.1.11 peer-group nodes
 !
 address-family ipv4 unicast
  neighbor nodes activate
  neighbor nodes prefix-list services in
  neighbor nodes maximum-prefix 100
 exit-address-family
exit
!
ip prefix-list services seq 10 permit 203.0.113.0/24 ge 32
!
end
"""
ROW = {"remoteAs": 65001, "localAs": 65010, "state": "Active", "pfxRcd": 0, "pfxSnt": 0}
ADDRESSES = [
    {"ifname": "eth0", "addr_info": [{"family": "inet", "local": "10.78.1.2", "prefixlen": 24}]},
    {"ifname": "eth1", "addr_info": [{"family": "inet6", "local": "2001:db8::2", "prefixlen": 64}]},
]
ANSWERS: dict[str, t.Any] = {
    "show bgp summary json": {"ipv4Unicast": {"peers": {"10.78.1.11": ROW}}},
    "show bgp neighbors json": {"10.78.1.11": {"bgpState": "Active", "lastResetDueTo": "Waiting for peer OPEN"}},
    "show bfd peers json": [],
    "show bgp ipv4 unicast json": {"routes": {"203.0.113.10/32": [{"bestpath": True, "path": "65001"}]}},
    "show bgp ipv6 unicast json": {},
    "show running-config": Result(0, CONFIG, ""),
}
NETSTAT = """\
TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted
TcpExt: 0 3 0 12 7
IpExt: InNoRoutes
IpExt: 0
"""
# To 10.78.1.11:179 in SYN_SENT, to 10.78.1.21:179 established, to 10.78.1.22:443 in SYN_SENT.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 02014E0A:9C40 0B014E0A:00B3 02 00000000:00000000 01:00000064 00000003     0        0 1
   1: 02014E0A:9C41 15014E0A:00B3 01 00000000:00000000 01:00000064 00000003     0        0 1
   2: 02014E0A:9C42 16014E0A:01BB 02 00000000:00000000 01:00000064 00000003     0        0 1
"""
# To 2001:db8::11 in SYN_SENT, and by an address of version 4 in that of version 6.
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: B80D0120000000000000000002000000:9C40 B80D0120000000000000000011000000:00B3 02 00000000:00000000
   1: 0000000000000000FFFF000002014E0A:9C40 0000000000000000FFFF000017014E0A:00B3 02 00000000:00000000
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    for name, text in (("netstat", NETSTAT), ("tcp", TCP), ("tcp6", TCP6)):
        (tmp_path / "net" / name).write_text(text)
    return tmp_path


class Machine:
    """Answers as FRR and systemd do."""

    def __init__(self, **answers: t.Any) -> None:
        self.answers = {**ANSWERS, **answers}
        self.active = "active"
        self.asked: list[str] = []

    def __call__(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "ip":
            return Result(0, json.dumps(ADDRESSES), "")
        if argv[0] == "systemctl":
            said = f"Id=frr.service\nActiveState={self.active}\nUnitFileState=enabled\n"
            return Result(0, said, "")
        self.asked.append(argv[-1])
        answer = self.answers[argv[-1]]
        return answer if isinstance(answer, Result) else Result(0, json.dumps(answer), "")


def seen(machine: Machine, proc: Path, monkeypatch: pytest.MonkeyPatch, **more: t.Any) -> look.Look:
    monkeypatch.setattr(Frr, "installed", staticmethod(lambda: True))
    given = {"ask": lambda _addresses: {"10.78.1.11"}, **more}
    return look.look(Frr(machine, Folder(proc)), machine, proc, **given)


def test_one_look(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    found = seen(machine, proc, monkeypatch)
    assert found.frr == "runs"
    assert found.addresses == ("10.78.1.2/24", "2001:db8::2/64")
    assert found.router["bgp"]["neighbors"] == {"10.78.1.11": {"peer_group": "nodes"}}
    assert found.with_password == ("nodes",)
    assert [(one.neighbor, one.state) for one in found.sessions] == [("10.78.1.11", "Active")]
    assert [(one.prefix, one.as_path) for one in found.routes] == [("203.0.113.10/32", (65001,))]
    assert found.unsigned == {"missing": 3, "unexpected": 0, "wrong": 12}
    assert found.unanswered == ("10.78.1.11", "10.78.1.23", "2001:db8::11")
    assert found.reached == ("10.78.1.11",)
    assert PASSWORD not in json.dumps(look.as_data(found))
    assert all(command.startswith("show ") for command in machine.asked), "it changes nothing"


def test_a_router_with_very_many_routes_is_spared(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {**ROW, "state": "Established", "pfxRcd": 1_000_000}
    machine = Machine(
        **{
            "show bgp summary json": {"ipv4Unicast": {"peers": {"10.78.1.11": row}}},
            "show bgp neighbors json": {"10.78.1.11": {"bgpState": "Established"}},
        }
    )
    found = seen(machine, proc, monkeypatch)
    assert (found.routes, found.routes_read, found.reached) == ((), False, ())
    assert "show bgp ipv4 unicast json" not in machine.asked


def test_a_configuration_that_we_would_refuse_is_read_all_the_same(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG.replace(" bgp router-id 10.78.1.2\n", "")
    found = seen(Machine(**{"show running-config": Result(0, config, "")}), proc, monkeypatch)
    assert found.router["bgp"]["asn"] == 65010
    assert PASSWORD not in json.dumps(look.as_data(found))


def test_a_stopped_frr_is_not_asked(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    machine.active = "failed"
    (proc / "frr.conf").write_text(CONFIG)
    found = seen(machine, proc, monkeypatch)
    assert (found.frr, found.sessions, machine.asked) == ("stopped", (), [])
    assert found.router["bgp"]["asn"] == 65010


def test_a_machine_without_frr(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Frr, "installed", staticmethod(lambda: False))
    found = look.look(Frr(Machine()), Machine(), proc / "none")
    assert (found.frr, found.sessions, found.unsigned) == ("missing", (), {})


def test_nobody_can_ask(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(Machine(), proc, monkeypatch, ask=lambda _addresses: None).reached is None


@pytest.mark.parametrize(
    ("failure", "said"), [(None, ""), (CommandFailed(["vtysh"], 1, "", "no such daemon"), "no such daemon")]
)
def test_the_module(
    proc: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception | None,
    said: str,
) -> None:
    found = seen(Machine(), proc, monkeypatch)

    def looked(*_: t.Any) -> look.Look:
        if failure:
            raise failure
        return found

    monkeypatch.setattr(router_info, "look", looked)
    with patch_module_args({}), pytest.raises(SystemExit):
        router_info.main()
    result = json.loads(capsys.readouterr().out)
    if failure:
        assert said in result["msg"]
    else:
        assert (result["changed"], result["look"]["unsigned"]["wrong"]) == (False, 12)


def test_an_echo_request_and_its_answer() -> None:
    asked = echo.request(4, 0x1234)
    # The sum over all words, with its own, is all ones.
    total = sum(int.from_bytes(asked[at : at + 2], "big") for at in range(0, 8, 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    header = bytes([0x45]) + bytes(19)
    answer = bytes([0, 0, 0, 0]) + asked[4:]
    assert echo.is_reply(header + answer, 4, 0x1234)
    assert not echo.is_reply(header + answer, 4, 0x9999)
    assert not echo.is_reply(header + asked, 4, 0x1234)
    assert not echo.is_reply(header, 4, 0x1234)
    assert not echo.is_reply(b"", 4, 0x1234)
    assert echo.is_reply(bytes([129, 0, 0, 0]) + echo.request(6, 7)[4:], 6, 7)


def test_this_machine_answers_itself() -> None:
    found = echo.answering(["127.0.0.1", "::1", "no address"], timeout=0.5)
    assert found is None or "127.0.0.1" in found
    assert echo.answering([]) == set()
