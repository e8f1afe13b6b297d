# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import choices
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._model import schema


def test_choices_become_variables() -> None:
    first, second, third = choices.parse(
        [
            {"cni": "flannel"},
            {"cni": "cilium", "backend": "native", "service_proxy": True},
            {"cni": "kube_router", "name": "Router + IPIP", "not_run": "no image"},
        ]
    )
    assert (first.name, first.key) == ("flannel vxlan", "flannel-vxlan")
    assert first.variables == {"klubster_cni": "flannel", "klubster_cni_backend": "vxlan"}
    assert second.name == "cilium native service proxy"
    assert second.variables["klubster_cni_service_proxy"] is True
    assert (third.key, third.not_run) == ("router-ipip", "no image")


def test_every_field_stands_for_a_variable_of_the_model() -> None:
    known = {variable.name for variable in schema.VARIABLES}
    assert {variable for variable, _kind in choices.FIELDS.values()} <= known


@pytest.mark.parametrize(
    "given, variable, rule",
    [
        ([], "compare_cni_choices", "one entry at least"),
        ("flannel", "compare_cni_choices", "one entry at least"),
        (["flannel"], "compare_cni_choices[0]", "must be a dictionary"),
        ([{"backend": "vxlan"}], "compare_cni_choices[0].cni", "no pod network"),
        ([{"cni": "none"}], "compare_cni_choices[0].cni", "no pod network"),
        ([{"cni": "flanel"}], "compare_cni_choices[0].cni", "no pod network"),
        ([{"cni": ["flannel"]}], "compare_cni_choices[0].cni", "of type str"),
        ([{"cni": "flannel", "backend": "ipip"}], "compare_cni_choices[0].backend", "has it not"),
        ([{"cni": "flannel", "bakend": "vxlan"}], "compare_cni_choices[0].bakend", "no such key"),
        ([{"cni": "flannel", "mtu": True}], "compare_cni_choices[0].mtu", "of type int"),
        ([{"cni": "flannel", "mtu": "1400"}], "compare_cni_choices[0].mtu", "of type int"),
        ([{"cni": "flannel", "name": "../x"}], "compare_cni_choices[0].name", "must begin with"),
        ([{"cni": "flannel"}, {"cni": "flannel", "backend": "vxlan"}], "compare_cni_choices[1]", "would be mixed"),
    ],
)
def test_bad_input_names_variable_and_rule(given: t.Any, variable: str, rule: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        choices.parse(given)
    (problem,) = caught.value.problems
    assert problem.variable == variable
    assert rule in problem.rule
    assert problem.remedy


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        choices.parse([{"cni": "x"}, {"cni": "flannel", "a": 1, "b": 2}])
    assert len(caught.value.problems) == 3
