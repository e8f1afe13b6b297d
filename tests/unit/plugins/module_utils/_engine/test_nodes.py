# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.nodes import may_be_of

READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}], "conditions": [READY]}, True),
        ({"addresses": [{"type": "InternalIP", "address": "192.0.2.2"}], "conditions": [READY]}, False),
        ({"addresses": [{"type": "Hostname", "address": "192.0.2.2"}]}, True),
        ({"conditions": [READY]}, False),
        ({}, True),
    ],
)
def test_a_node_of_the_same_name_may_be_another_machines(status: dict[str, t.Any], expected: bool) -> None:
    assert may_be_of({"metadata": {}, "status": status}, "192.0.2.1") is expected
    assert not may_be_of({}, "192.0.2.1")
