# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.iperf import Throughput, Unmeasured, parse

# As iperf3 3.12 prints it, without the intervals that nobody reads.
GOOD: dict[str, t.Any] = {
    "start": {"version": "iperf 3.12", "test_start": {"protocol": "TCP", "omit": 1, "duration": 5}},
    "intervals": [],
    "end": {
        "sum_sent": {"seconds": 5.0, "bytes": 12_500_000_000, "bits_per_second": 2.0e10, "retransmits": 12},
        "sum_received": {"seconds": 5.0, "bytes": 12_400_000_000, "bits_per_second": 1.98e10},
        "cpu_utilization_percent": {"host_total": 31.5, "host_user": 1.0, "remote_total": 44.25},
    },
}


def without(*path: str) -> str:
    found = json.loads(json.dumps(GOOD))
    inner = found
    for word in path[:-1]:
        inner = inner[word]
    del inner[path[-1]]
    return json.dumps(found)


def test_the_rate_is_the_receivers() -> None:
    assert parse(json.dumps(GOOD)) == Throughput(1.98e10, 31.5, 44.25, 12)


def test_processor_and_retransmits_may_be_missing() -> None:
    found = json.loads(without("end", "cpu_utilization_percent"))
    del found["end"]["sum_sent"]
    assert parse(json.dumps(found)) == Throughput(1.98e10, 0.0, 0.0, None)


@pytest.mark.parametrize(
    "text, said",
    [
        ('{"start": {}, "error": "unable to connect to server: Connection refused"}', "Connection refused"),
        ("", "no whole JSON: nothing"),
        (json.dumps(GOOD)[:200], "no whole JSON"),
        ("iperf3: error - unknown option", "no whole JSON: iperf3: error"),
        ("[]", "unknown form"),
        ('{"start": {}, "intervals": [], "end": {}}', "cut short"),
        (without("end", "sum_received", "bits_per_second"), "cut short"),
        ('{"end": {"sum_received": {"bits_per_second": 0}}}', "carried nothing"),
        ('{"end": {"sum_received": {"bits_per_second": null}}}', "cut short"),
        ('{"end": {"sum_received": {"bits_per_second": 1}, "cpu_utilization_percent": []}}', ""),
    ],
)
def test_what_is_no_number_is_told(text: str, said: str) -> None:
    if not said:
        assert parse(text).bits_per_second == 1
        return
    with pytest.raises(Unmeasured, match=said):
        parse(text)


def test_a_program_that_is_no_json_is_shown_shortly(tmp_path: Path) -> None:
    with pytest.raises(Unmeasured) as caught:
        parse("x" * 5000)
    assert len(str(caught.value)) < 260
