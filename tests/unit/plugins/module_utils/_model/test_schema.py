# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import (
    BY_NAME,
    VARIABLES,
    WRONG,
    Variable,
    meta_text,
    typed,
)
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[5]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_site_meta_is_what_the_table_says() -> None:
    text = (ROOT / "playbooks" / "site.meta.yml").read_text(encoding="utf-8")
    assert text == meta_text(), "Run .config/write_site_meta.py."


def test_site_meta_holds_every_variable_with_its_type_and_default() -> None:
    options = yaml.safe_load(meta_text())["argument_specs"]["site"]["options"]
    assert list(options) == [variable.name for variable in VARIABLES]
    for variable in VARIABLES:
        option = options[variable.name]
        assert option["type"] == variable.type
        assert option.get("default") == variable.default
        assert option.get("choices", []) == list(variable.choices)
        assert option.get("required", False) == variable.required


def test_the_architecture_page_names_every_variable() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shortened = {
        "klubster_api_port": "`_port`",
        "klubster_api_address": "`_address`",
        "klubster_api_vrrp_id": "`_vrrp_id`",
    }
    for name in BY_NAME:
        assert f"`{name}`" in page or shortened.get(name, "-") in page, name


def test_every_default_fits_its_own_variable() -> None:
    for variable in VARIABLES:
        if variable.default is not None:
            assert typed(variable, variable.default, variable.name, _fail) is not WRONG


def _fail(where: str, value: t.Any, rule: str, remedy: str) -> None:
    pytest.fail(f"{where} = {value!r}: {rule} {remedy}")


@given(st.sampled_from(VARIABLES), ANYTHING)
def test_any_value_is_typed_or_complained_about(variable: Variable, value: t.Any) -> None:
    complaints: list[str] = []

    def complain(where: str, found: t.Any, rule: str, remedy: str) -> None:
        assert rule
        assert remedy
        complaints.append(where)

    result = typed(variable, value, variable.name, complain)
    if result is WRONG:
        assert complaints == [variable.name]
    else:
        wanted = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict}[variable.type]
        assert isinstance(result, wanted)
        assert isinstance(result, bool) == (variable.type == "bool")
    assert all(where.startswith(variable.name) for where in complaints)


def test_a_structure_is_filled_up_with_defaults() -> None:
    filled = typed(BY_NAME["klubster_storage"], {"local_path": {"path": "/srv"}}, "klubster_storage", _fail)
    assert filled == {
        "local_path": {"enabled": True, "path": "/srv", "class_name": "local-path", "default_class": True}
    }
    pools = typed(BY_NAME["klubster_pools"], [{"name": "a", "addresses": ["x"]}], "klubster_pools", _fail)
    assert pools == [
        {
            "name": "a",
            "addresses": ["x"],
            "auto_assign": True,
            "avoid_buggy_ips": False,
            "interfaces": [],
            "announce": None,
            "priority": None,
            "namespaces": [],
            "namespace_selectors": [],
            "service_selectors": [],
        }
    ]
