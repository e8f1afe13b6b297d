# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.kateskit.klubster.plugins.action import bundle_build

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_bundle"))
import goproxy
from goproxy import Site


class Screen:
    """Takes the place of Ansible's display."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    found = Screen()
    monkeypatch.setattr(bundle_build, "_DISPLAY", found)
    return found


def act(site: Site, *, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    request = site.request()
    args = {"role_dir": str(site.role), "cache_dir": str(request.cache.root), **arguments}
    task = SimpleNamespace(args=args, check_mode=check, diff=True, async_val=0, action="bundle_build", _uuid="")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), has_pipelining=True, force_persistence=False)
    action = bundle_build.ActionModule(
        task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
    )
    return t.cast(dict[str, t.Any], action.run(task_vars={}))


def test_check_then_real_twice(site: Site, screen: Screen) -> None:
    would = act(site, check=True)
    assert (would["changed"], would["built"]) == (True, ["greeting", "regclient"])
    assert set(would["diff"]["after"]["components"]) == {"greeting", "regclient"}
    assert not Path(would["directory"]).exists()
    assert screen.lines == []
    first = act(site)
    assert (first["changed"], first["built"]) == (True, ["greeting", "regclient"])
    assert Path(first["directory"], "manifest.json").is_file()
    assert any("greeting ..." in line for line in screen.lines)
    again = act(site, check=True)
    assert (again["changed"], again["built"], "diff" in again) == (False, [], False)
    screen.lines.clear()
    assert act(site)["changed"] is False
    assert screen.lines == []


def test_a_failure_is_told_by_component(site: Site, screen: Screen) -> None:
    changed = {**goproxy.WORDS, "words.go": 'package words\n\nconst Hello = "evil"\n'}
    site.workshop.publish("example.org/words", "v1.0.0", changed)
    result = act(site)
    assert result["failed"] is True
    assert result["msg"].startswith("greeting: CHECKSUM MISMATCH")


def test_bad_arguments_are_refused(site: Site) -> None:
    assert "Sets of the catalogue: cluster" in act(site, sets=["all"])["msg"]
