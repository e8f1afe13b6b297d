# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import contextlib
import io
import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.modules import go_component

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_bundle"))
from goproxy import Site


def act(site: Site, *, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    """Run the module as Ansible does; what it returns."""
    args = {"role_dir": str(site.role), "cache_dir": str(site.request().cache.root), **arguments}
    printed = io.StringIO()
    with (
        patch_module_args({**args, "_ansible_check_mode": check, "_ansible_diff": True}),
        contextlib.redirect_stdout(printed),
        pytest.raises(SystemExit),
    ):
        go_component.main()
    return t.cast(dict[str, t.Any], json.loads(printed.getvalue()))


def test_check_then_real_twice(site: Site) -> None:
    would = act(site, name="greeting", check=True)
    assert (would["changed"], "files" in would) == (True, False)
    assert not Path(would["directory"]).exists()
    first = act(site, name="greeting")
    assert first["changed"] is True
    assert first["diff"] == {"before": {"key": None}, "after": {"key": Path(first["directory"]).name}}
    assert first["files"][0]["path"] == "bin/hello"
    for check in (True, False):
        again = act(site, name="greeting", check=check)
        assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})


def test_an_unknown_component_is_refused(site: Site) -> None:
    result = act(site, name="hello")
    assert result["failed"] is True
    assert "Choose one of: greeting, regclient" in result["msg"]


def test_refreshing_writes_the_sums_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a checksum database that knows the module it must fail, and leave the committed files alone."""
    folder = site.role / "files" / "greeting"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert act(site, name="greeting", state="refreshed", check=True)["changed"] is True
    monkeypatch.setenv("GOSUMDB", "sum.golang.org http://127.0.0.1:1")
    result = act(site, name="greeting", state="refreshed")
    assert result["failed"] is True
    assert result["msg"].startswith("greeting: ")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert catalogue.load(site.role).component("greeting").version == "1.2.3"
