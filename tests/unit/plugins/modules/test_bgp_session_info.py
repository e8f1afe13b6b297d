# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Frr
from ansible_collections.kateskit.klubster.plugins.modules import bgp_session_info

ROW = {"remoteAs": 65001, "localAs": 65010, "state": "Established", "pfxRcd": 2, "pfxSnt": 0}
PATH = {"bestpath": True, "nexthops": [{"ip": "10.0.0.2"}]}
ANSWERS: dict[str, t.Any] = {
    "show bgp summary json": {"ipv4Unicast": {"peers": {"10.0.0.2": ROW}}},
    "show bgp neighbors json": {"10.0.0.2": {"bgpState": "Established"}},
    "show bfd peers json": [{"peer": "10.0.0.2", "status": "up"}],
    "show bgp ipv4 unicast json": {"routes": {"203.0.113.10/32": [PATH]}},
    "show bgp ipv6 unicast json": {"routes": {"2001:db8::10/128": [PATH]}},
}


class Clock:
    """Time goes by when somebody waits."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: dict[str, t.Any], **given: t.Any
) -> tuple[dict[str, t.Any], Clock]:
    clock = Clock()

    def run(argv: t.Sequence[str], **_: t.Any) -> Result:
        answer = answers[argv[-1]]
        return answer if isinstance(answer, Result) else Result(0, json.dumps(answer), "")

    monkeypatch.setattr(bgp_session_info, "Frr", lambda _: Frr(run, clock=clock))
    with patch_module_args(given), pytest.raises(SystemExit):
        bgp_session_info.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out)), clock


def test_sessions_and_routes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    result, clock = call(monkeypatch, capsys, ANSWERS, expected=["10.0.0.2"], timeout=5)
    assert result["changed"] is False
    assert result["sessions"][0]["ipv4"] == {"received": 2, "sent": 0, "policy": False}
    assert result["sessions"][0]["bfd"] == "up"
    assert [route["prefix"] for route in result["routes"]] == ["203.0.113.10/32", "2001:db8::10/128"]
    assert result["lacking"] == []
    assert clock.time == 0, "nothing was to be waited for"


def test_it_waits_and_then_says_who_is_lacking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result, clock = call(monkeypatch, capsys, ANSWERS, expected=["10.0.0.2", "2001:0db8::1"], timeout=5)
    assert result["lacking"] == ["2001:db8::1"]
    assert 5 <= clock.time < 6


def test_without_daemons_there_is_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = dict.fromkeys(ANSWERS, Result(1, "bgpd is not running\n", ""))
    result, dummy = call(monkeypatch, capsys, answers)
    assert (result["sessions"], result["routes"], result["lacking"]) == ([], [], [])


@pytest.mark.parametrize(
    ("given", "answers", "said"),
    [
        ({"expected": ["node1"]}, ANSWERS, "expected[0] = 'node1': This is no IP address."),
        (
            {},
            {**ANSWERS, "show bgp summary json": Result(1, "% no", "")},
            "FRR did not answer 'show bgp summary': % no",
        ),
    ],
)
def test_what_is_wrong_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: dict[str, t.Any],
    answers: dict[str, t.Any],
    said: str,
) -> None:
    result, dummy = call(monkeypatch, capsys, answers, **given)
    assert said in result["msg"]
