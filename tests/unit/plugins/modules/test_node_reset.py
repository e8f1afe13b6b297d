# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.modules import node_reset


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        node_reset.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("word", ["", "Home", "yes"])
def test_without_the_users_word_nothing_happens(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {"cluster": "home", "confirmation": word})
    assert result["failed"]
    assert f"klubster_reset = {word!r}" in result["msg"]
    assert "-e klubster_reset=home" in result["msg"]


def test_a_machine_that_has_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = node_reset.Reset
    monkeypatch.setattr(node_reset, "Reset", lambda *given, **more: make(*given, **more, directory=tmp_path / "none"))
    for check in (True, False):
        result = run(capsys, {"cluster": "home", "confirmation": "home", "_ansible_check_mode": check})
        assert (result["changed"], result["done"]) == (False, [])
