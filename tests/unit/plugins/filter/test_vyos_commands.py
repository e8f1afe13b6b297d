# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.filter.vyos_commands import FilterModule

vyos_commands = FilterModule().filters()["vyos_commands"]
MODEL = {"prefix_lists": {"services": [{"prefix": "203.0.113.0/24", "ge": 32}]}}
RUNNING = """\
set policy prefix-list services rule 10 action 'permit'
set policy prefix-list services rule 10 prefix '203.0.113.0/24'
set policy prefix-list stray rule 10 action 'permit'
set policy prefix-list theirs rule 10 action 'permit'
set service ssh port '22'
"""


def test_what_differs_is_said() -> None:
    found = vyos_commands(MODEL, running=RUNNING, version="1.5", foreign={"prefix_lists": ["theirs"]})
    assert found == ["delete policy prefix-list stray", "set policy prefix-list services rule 10 ge 32"]


@pytest.mark.parametrize("version", ["1.3", 1.4, ""])
def test_another_version_is_refused(version: object) -> None:
    with pytest.raises(AnsibleFilterError, match=re.escape("It is one of 1.4, 1.5")):
        vyos_commands(MODEL, version=version)


def test_mistakes_are_named_with_their_variable() -> None:
    with pytest.raises(AnsibleFilterError, match=r"router\.bgp\.asn = 0: The number of an autonomous system"):
        vyos_commands({"bgp": {"asn": 0}})


def test_what_the_router_printed_instead_is_told() -> None:
    with pytest.raises(AnsibleFilterError, match="no 'set' command"):
        vyos_commands(MODEL, running="% Invalid input")
