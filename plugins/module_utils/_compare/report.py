# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From single samples to a report that can be compared: medians, spreads, and ratios to the host's own network."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._compare.figures import Summary, ratio, summary
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.paths import PATHS, base_of

SCHEMA = 1
State = t.Literal["measured", "failed", "not run"]
#: metric -> (key of the sample, what it is called, unit, divisor to that unit)
METRICS: dict[str, tuple[str, str, str, float]] = {
    "throughput": ("bits_per_second", "Throughput", "Gbit/s", 1e9),
    "round_trip_p50": ("round_trip_p50", "Round trip, half of all (p50)", "µs", 1.0),
    "round_trip_p99": ("round_trip_p99", "Round trip, 99 of 100 (p99)", "µs", 1.0),
    "connect_p50": ("connect_p50", "New connection, half of all (p50)", "µs", 1.0),
    "connect_p99": ("connect_p99", "New connection, 99 of 100 (p99)", "µs", 1.0),
    "sender_cpu": ("sender_cpu", "Processor of the sender's iperf3", "% of a core", 1.0),
    "receiver_cpu": ("receiver_cpu", "Processor of the receiver's iperf3", "% of a core", 1.0),
}


class Value(t.TypedDict):
    median: float
    low: float
    high: float
    count: int
    #: of the medians, to the host's own network between the same two machines
    ratio: float | None


class Program(t.TypedDict):
    #: per cent of one core over the whole load
    cpu_percent: float | None
    memory_bytes: int


class Result(t.TypedDict):
    """One choice."""

    name: str
    state: State
    #: why it has no numbers
    reason: str
    #: path -> metric -> value; None: not measured, and ``missing`` says why
    paths: dict[str, dict[str, Value | None]]
    missing: dict[str, str]
    #: None: not known
    policy: bool | None
    policy_reason: str
    #: machine -> program -> what it took
    cost: dict[str, dict[str, Program]]
    machines: dict[str, str]
    #: how much was measured, by the names of the role's variables without their prefix
    amounts: dict[str, int]
    #: when
    measured: str
    #: as they were measured
    samples: list[dict[str, t.Any]]


class Report(t.TypedDict):
    schema: int
    cluster: str
    choices: list[Result]


def without_numbers(name: str, state: State, reason: str) -> Result:
    """A choice that has none; never zeros."""
    return {
        "name": name,
        "state": state,
        "reason": reason,
        "paths": {},
        "missing": {},
        "policy": None,
        "policy_reason": "",
        "cost": {},
        "machines": {},
        "amounts": {},
        "measured": "",
        "samples": [],
    }


def result(
    name: str,
    layout: t.Mapping[str, t.Any],
    *,
    samples: t.Sequence[t.Mapping[str, t.Any]],
    reached: t.Mapping[str, bool],
    costs: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]],
    measured: str,
) -> Result:
    """A choice that was measured.

    :param samples: each with path, round and what network_load returned.
    :param reached: whether the far pod was reached ``before`` a rule forbade it, and ``after``.
    :param costs: machine -> looks at its programs before and after all loads.
    """
    missing = dict(layout["missing"])
    paths: dict[str, dict[str, Value | None]] = {}
    for path in PATHS:
        of_path = [sample for sample in samples if sample["path"] == path]
        errors = [str(sample["error"]) for sample in of_path if sample.get("error")]
        if errors and path not in missing:
            missing[path] = f"{len(errors)} of {len(of_path)} rounds: {errors[0]}"
        paths[path] = dict.fromkeys(METRICS)
    found = {path: {metric: _summary(samples, path, metric) for metric in METRICS} for path in PATHS}
    for path, metrics in found.items():
        for metric, one in metrics.items():
            if one is not None:
                paths[path][metric] = {**one, "ratio": ratio(one, found[base_of(path)][metric])}
    honoured, why = _policy(reached)
    return {
        **without_numbers(name, "measured", ""),
        "paths": paths,
        "missing": missing,
        "policy": honoured,
        "policy_reason": why,
        "cost": {machine: _cost(*looks) for machine, looks in costs.items() if len(looks) == 2},
        "machines": {
            "near": layout["near"]["name"],
            "far": layout["far"]["name"],
            "outside": layout["client"],
        },
        "amounts": dict(layout["amounts"]),
        "measured": measured,
        "samples": [dict(sample) for sample in samples],
    }


def _summary(samples: t.Sequence[t.Mapping[str, t.Any]], path: str, metric: str) -> Summary | None:
    key, _title, _unit, divisor = METRICS[metric]
    values = [sample.get(key) for sample in samples if sample["path"] == path]
    return summary(None if value is None else value / divisor for value in values)


def _policy(reached: t.Mapping[str, bool]) -> tuple[bool | None, str]:
    if "before" not in reached or "after" not in reached:
        return None, "not tried"
    if not reached["before"]:
        return None, "the pod was not reached before a rule forbade it, either"
    return not reached["after"], ""


def _cost(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> dict[str, Program]:
    seconds = after["at"] - before["at"]
    programs: dict[str, Program] = {}
    for name, spent in after["cpu_seconds"].items():
        more = spent - before["cpu_seconds"].get(name, spent)
        # Less than before: it was started anew meanwhile.
        known = seconds > 0 and more >= 0 and name in before["cpu_seconds"]
        programs[name] = {"cpu_percent": 100 * more / seconds if known else None, "memory_bytes": after["memory"][name]}
    return programs


def report(cluster: str, choices: t.Sequence[Result]) -> Report:
    return {"schema": SCHEMA, "cluster": cluster, "choices": list(choices)}


__all__ = ("METRICS", "SCHEMA", "Program", "Report", "Result", "State", "Value", "report", "result", "without_numbers")
