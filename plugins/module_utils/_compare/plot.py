# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A report as a picture. matplotlib is needed on the controller, by nothing else."""

from __future__ import annotations

import importlib
import io
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._compare.paths import PATHS
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.report import METRICS, Report, Result
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.table import number
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

REMEDY = (
    "The plot needs the Python library matplotlib on the controller, where ansible-playbook runs: install it there "
    "(python3 -m pip install matplotlib), then draw the page again without measuring: "
    "playbooks/compare_cni.yml --tags report."
)
# Okabe and Ito's colours, which the colour-blind tell apart; hatches say it once more on paper.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_HATCHES = ("", "//", "..", "xx", "\\\\", "++", "--", "oo")
_PANELS = ("throughput", "round_trip_p50", "connect_p50")
_BETTER = {"throughput": "more is better"}
_TAIL = {"round_trip_p50": "round_trip_p99", "connect_p50": "connect_p99"}


class NoPlot(KlubsterError):
    """There is nothing to draw with."""


def library(load: t.Callable[[str], t.Any] = importlib.import_module) -> t.Any:
    """The parts of matplotlib that need no screen.

    :raises NoPlot: it is not there.
    """
    try:
        load("matplotlib.backends.backend_agg")
        return load("matplotlib.figure")
    except ImportError as exc:
        raise NoPlot(REMEDY) from exc


def draw(report: Report) -> bytes:
    """A PNG; nothing when nothing was measured.

    :raises NoPlot: without matplotlib.
    """
    figures = library()
    measured = [choice for choice in report["choices"] if choice["state"] == "measured"]
    if not measured:
        return b""
    height = 1.6 + len(_PANELS) * (1.2 + len(PATHS) * 0.24 * (len(measured) + 0.8))
    figure = figures.Figure(figsize=(11, height), layout="constrained")
    axes = figure.subplots(len(_PANELS), 1)
    for axis, metric in zip(axes, _PANELS):
        _panel(axis, metric, measured)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(measured)), frameon=False)
    target = io.BytesIO()
    # Without the time and the version, the same numbers make the same file.
    figure.savefig(target, format="png", dpi=110, metadata={"Software": None})
    return target.getvalue()


def _panel(axis: t.Any, metric: str, measured: t.Sequence[Result]) -> None:
    _key, title, unit, _divisor = METRICS[metric]
    wide = 0.8 / len(measured)
    limit = 0.0
    for index, choice in enumerate(measured):
        values = [choice["paths"].get(path, {}).get(metric) for path in PATHS]
        places = [row - 0.4 + wide * (index + 0.5) for row in range(len(PATHS))]
        there = [(place, value) for place, value in zip(places, values) if value is not None]
        axis.barh(
            [place for place, _value in there],
            [value["median"] for _place, value in there],
            height=wide * 0.9,
            xerr=[
                [value["median"] - value["low"] for _place, value in there],
                [value["high"] - value["median"] for _place, value in there],
            ],
            error_kw={"ecolor": "#222222", "capsize": 2, "elinewidth": 1},
            color=_COLOURS[index % len(_COLOURS)],
            hatch=_HATCHES[index % len(_HATCHES)],
            edgecolor="white",
            linewidth=0.5,
            label=choice["name"],
        )
        for place, path, value in zip(places, PATHS, values):
            tail = choice["paths"].get(path, {}).get(_TAIL.get(metric, ""))
            told = "not measured" if value is None else f"{number(value['median'])} {unit}"
            if value is not None and value["ratio"] is not None:
                told += f" ({number(value['ratio'])}x)"
            if tail is not None:
                told += f", p99 {number(tail['median'])}"
            end = 0.0 if value is None else value["high"]
            limit = max(limit, end)
            axis.annotate(told, (end, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)
    axis.set_yticks(range(len(PATHS)), list(PATHS.values()))
    axis.invert_yaxis()
    # Room for the words behind the longest bar.
    axis.set_xlim(0, (limit or 1.0) * 1.32)
    axis.set_xlabel(unit)
    axis.set_title(f"{title} ({_BETTER.get(metric, 'less is better')})", loc="left", fontsize=11)
    axis.grid(axis="x", color="#dddddd", linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="y", length=0)


__all__ = ("REMEDY", "NoPlot", "draw", "library")
