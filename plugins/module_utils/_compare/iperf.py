# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What iperf3 says in JSON."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


class Unmeasured(KlubsterError):
    """A load gave no number; the text says why."""


@dataclass(frozen=True)
class Throughput:
    """One run of iperf3 as its receiver saw it."""

    bits_per_second: float
    #: processor time of each side's iperf3, in per cent of one core
    sender_cpu: float
    receiver_cpu: float
    retransmits: int | None


def parse(text: str) -> Throughput:
    """The receiver's rate: what the sender still holds in its buffers has not arrived.

    :raises Unmeasured: iperf3 tells of an error, was cut short, or says nothing of the end.
    """
    try:
        said = json.loads(text)
    except ValueError as exc:
        shown = " ".join(text.split())[:200]
        raise Unmeasured(f"iperf3 printed no whole JSON: {shown or 'nothing'}") from exc
    if not isinstance(said, dict):
        raise Unmeasured("iperf3 printed JSON of an unknown form.")
    if said.get("error"):
        raise Unmeasured(f"iperf3: {said['error']}")
    try:
        end = said["end"]
        rate = float(end["sum_received"]["bits_per_second"])
        cpu = end.get("cpu_utilization_percent") or {}
        sender, receiver = float(cpu.get("host_total", 0)), float(cpu.get("remote_total", 0))
        again: t.Any = end.get("sum_sent", {}).get("retransmits")
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise Unmeasured("iperf3 ended without a result: it was cut short.") from exc
    if rate <= 0:
        raise Unmeasured("iperf3 carried nothing.")
    return Throughput(rate, sender, receiver, int(again) if isinstance(again, int) else None)


__all__ = ("Throughput", "Unmeasured", "parse")
