# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.filter.status_table import FilterModule
from ansible_collections.kateskit.klubster.plugins.module_utils._status.collect import Unanswered
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import expectation, report_of_silence

REPORT = report_of_silence(Unanswered("refused", "refused"), expectation({"name": "home"}), "2026-11-21T08:00:00Z")
FILTER = FilterModule().filters()["status_table"]


def test_the_table_ends_with_the_page() -> None:
    assert FILTER(REPORT).startswith("Cluster home is NOT well: 1 problem")
    assert FILTER(REPORT, page="/srv/home.html").endswith("\n\nPage: /srv/home.html")


def test_width_and_colour_reach_the_renderer() -> None:
    assert max(len(line) for line in FILTER(REPORT, width=80).split("\n")) <= 80
    assert max(len(line) for line in FILTER(REPORT, width=120).split("\n")) > 80
    assert "\x1b[" in FILTER(REPORT, colour=True)


@pytest.mark.parametrize("value", [None, "text", {}, {"schema": 0}, [REPORT]])
def test_anything_else_is_refused(value: t.Any) -> None:
    error = "status_table needs a report of cluster_status with schema 1."
    with pytest.raises(AnsibleFilterError, match=f"^{re.escape(error)}$"):
        FILTER(value)
