# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import page, paths, plot, report, table

Made = t.Callable[..., report.Result]
PNG = b"\x89PNG\r\n\x1a\nnot really"
HOSTILE = "<script>alert(1)</script>\x1b[31m"


def test_median_spread_and_ratio(made: Made) -> None:
    found = made()
    rate = found["paths"]["pod_other"]["throughput"]
    assert rate is not None
    assert rate["median"] == pytest.approx(9.1)
    assert (rate["low"], rate["high"], rate["count"]) == (pytest.approx(8.736), pytest.approx(9.464), 3)
    assert rate["ratio"] == pytest.approx(9.1 / 21)
    host = found["paths"]["host"]["throughput"]
    assert host is not None and host["ratio"] == 1.0


def test_outside_is_compared_with_outside(made: Made) -> None:
    value = made()["paths"]["outside"]["round_trip_p50"]
    assert value is not None
    assert value["ratio"] == pytest.approx(63 / 44)


def test_what_was_not_measured_is_null_and_says_why(made: Made) -> None:
    found = made(lose=("host", "outside"))
    assert found["paths"]["host"] == dict.fromkeys(report.METRICS)
    assert found["missing"]["host"] == "3 of 3 rounds: nobody <there>"
    other = found["paths"]["pod_other"]["throughput"]
    assert other is not None and other["ratio"] is None, "without a base there is no ratio"
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    "reached, kept",
    [
        ({"before": True, "after": False}, True),
        ({"before": True, "after": True}, False),
        ({"before": False, "after": False}, None),
        ({}, None),
    ],
)
def test_policy(plan: dict[str, t.Any], amounts: dict[str, int], reached: dict[str, bool], kept: bool | None) -> None:
    layout = paths.layout(plan, "", amounts)
    found = report.result("x", layout, samples=[], reached=reached, costs={}, measured="")
    assert found["policy"] is kept
    assert bool(found["policy_reason"]) is (kept is None)


def test_cost_over_the_load(made: Made) -> None:
    took = made()["cost"]["agent1"]
    assert took["flanneld"] == {"cpu_percent": pytest.approx(1.0), "memory_bytes": 31 << 20}
    assert took["kube-proxy"]["cpu_percent"] == pytest.approx(0.2)


@pytest.mark.parametrize("before", [{}, {"flanneld": 9.0}])
def test_a_program_that_began_anew_has_no_share(
    plan: dict[str, t.Any], amounts: dict[str, int], before: dict[str, float]
) -> None:
    looks = [
        {"cpu_seconds": before, "memory": {}, "at": 1.0},
        {"cpu_seconds": {"flanneld": 0.5}, "memory": {"flanneld": 7}, "at": 2.0},
    ]
    layout = paths.layout(plan, "", amounts)
    found = report.result("x", layout, samples=[], reached={}, costs={"a": looks}, measured="")
    assert found["cost"]["a"]["flanneld"] == {"cpu_percent": None, "memory_bytes": 7}


@pytest.fixture
def whole(made: Made) -> report.Report:
    return report.report(
        "lab",
        [
            made(),
            made("flannel host-gw", 1.6, lose=("outside",)),
            report.without_numbers("calico vxlan", "not run", HOSTILE),
            report.without_numbers("kube_router", "failed", "The cluster was not made"),
        ],
    )


def test_the_table_has_medians_ratios_and_reasons(whole: report.Report) -> None:
    text = table.render(whole)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "Throughput, Gbit/s" in lines
    assert "pod to pod, other node 9.10 (0.43x) 14.6 (0.69x)" in lines
    assert "outside to LoadBalancer 11.0 (0.55x) -" in lines
    assert "kube_router failed The cluster was not made" in lines
    assert "flannel host-gw outside to LoadBalancer 3 of 3 rounds: nobody <there>" in lines
    assert "flannel vxlan agent1 flanneld 1.00 31" in lines
    assert "\x1b" not in text
    assert not any(" 0 (" in line or "0.00 (" in line for line in lines)


def test_a_table_without_numbers_tells_only_reasons() -> None:
    text = table.render(report.report("lab", [report.without_numbers("calico", "not run", "no chart")]))
    assert "calico  not run here  no chart" in text
    assert "Throughput" not in text


@pytest.mark.parametrize("value, text", [(1234.5, "1234"), (99.96, "100.0"), (12.34, "12.3"), (0.034, "0.03")])
def test_numbers(value: float, text: str) -> None:
    assert table.number(value) == text


def test_the_page_holds_its_plot_and_fetches_nothing(whole: report.Report) -> None:
    text = page.render(whole, PNG)
    assert "data:image/png;base64,iVBORw0KGgp" in text
    assert "default-src 'none'" in text
    for foreign in ("http:", "https:", "//cdn", "<script", "<link", "\x1b", 'src="/'):
        assert foreign not in text, foreign
    assert "&lt;script&gt;alert(1)" in text
    assert "9.10 [8.74-9.46] (0.43x)" in text
    assert "nobody &lt;there&gt;" in text


def test_a_page_without_plot_says_why(whole: report.Report) -> None:
    text = page.render(whole, b"", plot.REMEDY)
    assert "<img" not in text
    assert "python3 -m pip install matplotlib" in text


def test_nothing_measured_is_a_page_too() -> None:
    text = page.render(report.report(HOSTILE, [report.without_numbers("calico", "not run", "no chart")]), b"")
    assert "Nothing was measured" in text
    assert "<script" not in text


def test_without_the_library_the_remedy_is_told() -> None:
    def lacking(name: str) -> t.Any:
        raise ImportError(name)

    with pytest.raises(plot.NoPlot, match="--tags report"):
        plot.library(lacking)


def test_the_plot_is_a_picture(whole: report.Report) -> None:
    pytest.importorskip("matplotlib")
    assert plot.draw(whole).startswith(b"\x89PNG")
    assert plot.draw(report.report("lab", [])) == b""
