# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.memory import MemoryBackend
from ansible_collections.kateskit.klubster.plugins.modules import lab as module

DEFINITION: dict[str, t.Any] = {
    "name": "lab",
    "backend": "memory",
    "segments": {"lan": {"network": "10.77.0.0/24"}},
    "machines": {"one": {"addresses": {"lan": "10.77.0.11"}}, "two": {"addresses": {"lan": "10.77.0.12"}}},
}


class Lab:
    """Calls the module's verbs on one backend."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()

    def __call__(self, state: str, *machines: str, check: bool = False) -> dict[str, t.Any]:
        params = {"state": state, "machines": list(machines), "orderly": False}
        return module.perform(self.backend, parse_lab(DEFINITION), params, check=check)


def test_every_state_in_check_mode_and_for_real_and_again() -> None:
    lab = Lab()
    steps: list[tuple[str, tuple[str, ...], list[str]]] = [
        ("up", (), ["one", "two"]),
        ("off", ("one",), ["one"]),
        ("on", ("one",), ["one"]),
        ("down", (), ["one", "two"]),
    ]
    for state, machines, touched in steps:
        predicted = lab(state, *machines, check=True)
        done = lab(state, *machines)
        assert (predicted["changed"], done["changed"]) == (True, True), state
        assert predicted["machines"] == done["machines"] == touched
        assert predicted["diff"] == done["diff"]
        assert done["diff"]["before"] != done["diff"]["after"]
        again = lab(state, *machines)
        assert again["changed"] is False, state
        assert again["diff"]["before"] == again["diff"]["after"]


def test_down_tells_what_is_left() -> None:
    lab = Lab()
    lab("up")
    assert lab("down")["leftovers"] == []


def test_unknown_machines_are_refused() -> None:
    lab = Lab()
    lab("up")
    with pytest.raises(InvalidInput, match="machines = 'three': lab lab has no such machine"):
        lab("off", "three")


def run_module(capsys: pytest.CaptureFixture[str], **args: t.Any) -> dict[str, t.Any]:
    with patch_module_args(args), pytest.raises(SystemExit):
        module.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_the_module_reads_the_definition(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lab.yml"
    path.write_text(json.dumps(DEFINITION))
    result = run_module(capsys, definition=str(path), name="other")
    assert (result["changed"], result["name"], result["namespace"]) == (True, "other", "/run/netns/klab-other")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "cannot be read: "),
        ("name: lab", "2 problems in the input; nothing was changed."),
        ("", "lab definition = None: it must be a mapping."),
    ],
)
def test_the_module_explains_a_bad_definition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "lab.yml"
    path.write_text(text)
    result = run_module(capsys, definition=str(path))
    assert result["failed"] is True
    assert message in result["msg"]


def test_the_module_explains_a_missing_definition(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_module(capsys, definition=str(tmp_path / "none.yml"))
    assert "none.yml cannot be read" in result["msg"]
