# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import load, network
from ansible_collections.kateskit.klubster.plugins.modules import network_load

UID = "0b6d6f4e-6a2f-4a55-8d53-3a3a6a1f0a11"


def call(capsys: pytest.CaptureFixture[str], **given: t.Any) -> dict[str, t.Any]:
    with patch_module_args(given), pytest.raises(SystemExit):
        network_load.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[t.Any]:
    """What the module had done."""
    heard: list[t.Any] = []

    def keep(name: str, answer: t.Any) -> None:
        def replaced(*given: t.Any, **named: t.Any) -> t.Any:
            heard.append((name, given[1:] if name != "reach" else given, named))
            return answer

        monkeypatch.setattr(load, name, replaced)

    keep("serve", None)
    keep("stop", True)
    keep("load", load.Sample(bits_per_second=1e9))
    keep("reach", False)
    monkeypatch.setattr(load, "cost", lambda: load.Cost({"flanneld": 1.0}, {"flanneld": 2}, 3.0))
    monkeypatch.setattr(network, "network_of", lambda uid: uid)
    monkeypatch.setattr(network, "inside", lambda where: heard.append(("inside", where)) or contextlib.nullcontext())
    return heard


def test_serve_and_stop(capsys: pytest.CaptureFixture[str], done: list[t.Any]) -> None:
    assert call(capsys, work="serve", name="far", address="10.0.0.1", lifetime=60)["changed"] is True
    assert done == [("serve", ("far", load.Target("10.0.0.1", 5201, ""), 60), {})]
    assert call(capsys, work="stop", name="far")["changed"] is True


def test_load(capsys: pytest.CaptureFixture[str], done: list[t.Any]) -> None:
    result = call(capsys, work="load", pod=UID, address="10.0.0.1", seconds=2)
    assert result["changed"] is False
    assert result["sample"]["bits_per_second"] == 1e9
    assert done[0][1] == (load.Target("10.0.0.1", 5201, UID), load.Amount(2, 2000, 100, 30))


def test_reach_asks_from_the_pod(capsys: pytest.CaptureFixture[str], done: list[t.Any]) -> None:
    assert call(capsys, work="reach", pod=UID, address="10.0.0.1", wanted=False, timeout=9)["reached"] is False
    assert done[0] == ("inside", UID)
    assert done[1][2] == {"wanted": False, "timeout": 9}


def test_cost(capsys: pytest.CaptureFixture[str], done: list[t.Any]) -> None:
    assert call(capsys, work="cost")["cost"] == {"cpu_seconds": {"flanneld": 1.0}, "memory": {"flanneld": 2}, "at": 3.0}


@pytest.mark.parametrize("work", ["serve", "stop", "load", "reach"])
def test_check_mode_does_nothing(capsys: pytest.CaptureFixture[str], done: list[t.Any], work: str) -> None:
    result = call(capsys, work=work, name="far", address="10.0.0.1", _ansible_check_mode=True)
    assert result["changed"] is (work in ("serve", "stop"))
    assert done == []


def test_bad_input_is_refused_before_anything(capsys: pytest.CaptureFixture[str], done: list[t.Any]) -> None:
    result = call(capsys, work="load", address="agent1", seconds=900)
    assert result["failed"] is True
    assert "address = 'agent1'" in result["msg"]
    assert "between 1 and 60" in result["msg"]
    assert done == []
