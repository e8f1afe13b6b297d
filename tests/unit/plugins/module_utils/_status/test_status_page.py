# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import status_snapshots as snapshots
from ansible_collections.kateskit.klubster.plugins.module_utils._status.keep import default_path, keep
from ansible_collections.kateskit.klubster.plugins.module_utils._status.page import render, same_state, summary
from ansible_collections.kateskit.klubster.plugins.module_utils._status.report import report_of
from status_snapshots import NAMES
from status_snapshots import named as report

VOID = {"meta", "link", "br", "img"}
HOSTILE = "web\"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'"


class Reader(HTMLParser):
    """Collects tags and attributes, and complains of tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_closed_in_itself(name: str) -> None:
    reader = read(render(report(name)))
    assert {tag for tag, _attributes in reader.tags}.isdisjoint(
        {"script", "link", "img", "iframe", "object", "base", "form"}
    )
    for tag, attributes in reader.tags:
        assert not {"src", "href", "srcset", "style", "xlink:href"} & set(attributes), tag
        assert not any(key.startswith("on") for key in attributes)
    style = re.search(r"<style>(.*?)</style>", render(report(name)), re.DOTALL)
    assert style is not None
    assert "url(" not in style.group(1)
    assert "@import" not in style.group(1)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_can_be_read_aloud(name: str) -> None:
    reader = read(render(report(name)))
    assert reader.tags[0] == ("html", {"lang": "en"})
    pictures = [attributes for tag, attributes in reader.tags if tag == "svg" and attributes.get("role") == "img"]
    assert len(pictures) == 1
    assert all(
        attributes.get("aria-hidden") or attributes.get("role") for tag, attributes in reader.tags if tag == "svg"
    )
    tables = sum(1 for tag, _attributes in reader.tags if tag == "table")
    assert tables == sum(1 for tag, _attributes in reader.tags if tag == "caption")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in reader.tags if tag == "th")


def _luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_stands_out_from_its_ground_in_light_dark_and_print() -> None:
    page = render(snapshots.report())
    themes = [dict(re.findall(r"--([a-z-]+): #([0-9a-f]{3,6});", part)) for part in re.split(r"@media ", page)[:3]]
    assert len(themes) == 3
    grounds = ("page", "card", "sunk", "lan-soft", "pod-soft", "reach-soft")
    pairs = [(ink, ground) for ink in ("ink", "dim") for ground in (*grounds, "good-soft", "bad-soft")]
    pairs += [("good", "card"), ("warn", "card"), ("bad", "card"), ("bad", "bad-soft"), ("good", "good-soft")]
    for theme in themes:
        for ink, ground in pairs:
            light, dark = sorted((_luminance(theme[ink]), _luminance(theme[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground, theme)


def test_a_hostile_name_stays_text() -> None:
    found = snapshots.snapshot()
    snapshots.find(found, "Service", "web")["metadata"]["name"] = HOSTILE
    snapshots.find(found, "Node", "agent1")["metadata"]["name"] = HOSTILE
    snapshots.find(found, "IPAddressPool", "house")["metadata"]["name"] = HOSTILE
    found["events"][0]["message"] = HOSTILE + "\x00\x1b[31m"
    page = render(report_of(found, snapshots.expected(name="</title><script>alert(3)</script>")))
    reader = read(page)
    assert "<script" not in page
    assert "\x00" not in page
    assert "script" not in {tag for tag, _attributes in reader.tags}
    assert all("onerror" not in attributes for _tag, attributes in reader.tags)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_only_the_time_makes_no_new_state() -> None:
    first = snapshots.report()
    later = {**first, "generated": "2026-11-21T09:00:00Z"}
    page = render(first)
    assert page != render(later)  # type: ignore[arg-type]
    assert same_state(page, later)  # type: ignore[arg-type]
    assert not same_state(page, snapshots.report("agent_not_ready"))
    assert not same_state("<p>something else</p>", first)


def test_a_passing_warning_makes_no_new_state() -> None:
    page = render(snapshots.report())
    found = snapshots.snapshot()
    found["events"] = []
    calm = report_of(found, snapshots.expected())
    assert page != render(calm)
    assert same_state(page, calm)
    snapshots.find(found, "Node", "agent1")["spec"]["unschedulable"] = True
    assert not same_state(page, report_of(found, snapshots.expected()))


def test_ages_do_not_stand_on_the_page() -> None:
    found = snapshots.snapshot()
    page = render(report_of(found, snapshots.expected()))
    found["now"] = "2026-11-23T09:30:00Z"
    assert same_state(page, report_of(found, snapshots.expected()))


def test_keep_writes_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "home.html"
    report_now = snapshots.report()
    assert keep(report_now, str(path), check=True).changed is True
    assert not path.exists()
    written = keep(report_now, str(path), check=False)
    assert (written.changed, written.path, written.before) == (True, str(path), {})
    assert written.after == {"verdict": "Cluster home is well", "seen": "2026-11-21T08:00:00Z"}
    before = path.stat().st_mtime_ns
    again = keep({**report_now, "generated": "2026-11-21T09:00:00Z"}, str(path), check=False)  # type: ignore[typeddict-item]
    assert (again.changed, again.before == again.after, path.stat().st_mtime_ns) == (False, True, before)
    broken = keep(snapshots.report("agent_not_ready"), str(path), check=False)
    assert (broken.changed, broken.before["verdict"]) == (True, "Cluster home is well")
    assert summary(path.read_text(encoding="utf-8"))["verdict"] == "Cluster home is not well"


@pytest.mark.parametrize(
    ("name", "file"),
    [("home", "home.html"), ("../../etc/x", "etc-x.html"), ("..", "cluster.html"), ("", "cluster.html")],
)
def test_the_page_stays_in_its_folder(name: str, file: str) -> None:
    assert default_path(name, {"XDG_CACHE_HOME": "/c"}) == Path("/c/klubster/status") / file


def test_without_a_cache_folder_the_users_own_is_used() -> None:
    assert default_path("home", {}) == Path("~/.cache/klubster/status/home.html").expanduser()
