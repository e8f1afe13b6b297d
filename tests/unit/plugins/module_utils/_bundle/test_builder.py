# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""Real builds of tiny components: from a module proxy made of files, and from a local git repository."""

from __future__ import annotations

import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import errors, gomodule
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import (
    Component,
    Program,
    Tree,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result, run

sys.path.insert(0, str(Path(__file__).parent))
import goproxy
from goproxy import greeting


@pytest.fixture
def workshop(tmp_path: Path, compiled: Path) -> t.Iterator[t.Any]:
    place = goproxy.Workshop(tmp_path / "workshop", compiled)
    place.publish("example.org/greeting", "v1.2.3", goproxy.GREETING)
    place.publish("example.org/words", "v1.0.0", goproxy.WORDS)
    yield place
    place.close()


def output(program: Path) -> str:
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).strip()


def test_builds_once_and_remembers(workshop: t.Any) -> None:
    component = greeting(
        programs=(
            Program("./cmd/hello", "hello", "binary"),
            Program("", "bye", "part", "c/bye.c", ('VERSION="1"',)),
        ),
        trees=(Tree("charts/greeting", "charts/greeting"),),
    )
    workshop.fix(component)
    builder = workshop.builder("one")
    assert builder.cached(component) is None
    built = builder.build(component)
    assert [entry.path for entry in built.files] == [
        "bin/hello",
        "charts/greeting/Chart.yaml",
        "licences/greeting.txt",
        "part/bye",
    ]
    assert output(built.directory / "bin/hello") == "hello v1.2.3"
    assert output(built.directory / "part/bye") == "bye 1 /module/c/bye.c"
    assert built.h1.startswith("h1:")
    assert [entry[:2] for entry in built.modules] == [
        ("example.org/greeting", "v1.2.3"),
        ("example.org/words", "v1.0.0"),
    ]
    licences = (built.directory / "licences/greeting.txt").read_text(encoding="utf-8")
    assert "Greeting may be used by everybody." in licences
    assert "Words are free." in licences
    assert builder.cached(component) == built
    assert builder.build(component) == built
    assert list(builder.cache.work.glob("*/*")) == []  # nothing is left of the work


def test_two_builds_in_different_folders_are_the_same_bits(workshop: t.Any) -> None:
    component = greeting(
        programs=(Program("./cmd/hello", "hello", "binary"), Program("", "bye", "part", "c/bye.c", ('VERSION="1"',)))
    )
    workshop.fix(component)
    first = workshop.builder("first").build(component)
    second = workshop.builder("second/deeper").build(component)
    assert first.directory != second.directory
    assert first.files == second.files


def test_a_flipped_digit_in_go_sum_stops_the_build(workshop: t.Any) -> None:
    component = greeting()
    workshop.fix(component)
    sums = workshop.files / "greeting" / "go.sum"
    text = sums.read_text(encoding="utf-8")
    digit = re.search(r"words v1\.0\.0 h1:(.)", text)
    assert digit is not None
    other = "A" if digit[1] != "A" else "B"
    sums.write_text(text[: digit.start(1)] + other + text[digit.end(1) :], encoding="utf-8")
    with pytest.raises(errors.ChecksumMismatch, match="greeting: CHECKSUM MISMATCH") as caught:
        workshop.builder("one").build(component)
    assert caught.value.stops_all
    assert "example.org/words@v1.0.0" in str(caught.value)


def _chart_only(workshop: t.Any) -> Component:
    """A component of which only files are taken, with sums as `refresh` would write them."""
    component = greeting(programs=(), trees=(Tree("charts/greeting", "charts/greeting"),))
    found = workshop.builder("sums")
    env = found.environment(component, workshop.folder) | {"GONOSUMDB": "*", "GONOPROXY": "none", "GOTMPDIR": ""}
    gomodule.refresh(
        component,
        workshop.files / "greeting",
        run=run,
        env=env,
        source=gomodule.download(component, run=run, env=env)[0],
    )
    return component


def test_files_alone_need_no_build_and_no_modules_of_others(workshop: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    component = _chart_only(workshop)
    sums = (workshop.files / "greeting/go.sum").read_text().splitlines()
    assert [line.rsplit(" ", 1)[0] for line in sums] == [
        "example.org/greeting v1.2.3",
        "example.org/greeting v1.2.3/go.mod",
    ]
    _trusting(monkeypatch)
    built = workshop.builder("one").build(component)
    assert [entry.path for entry in built.files] == ["charts/greeting/Chart.yaml", "licences/greeting.txt"]
    assert [entry[0] for entry in built.modules] == ["example.org/greeting"]


def test_files_of_another_module_than_the_committed_one_are_not_taken(
    workshop: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    component = _chart_only(workshop)
    path = workshop.files / "greeting/go.sum"
    path.write_text(path.read_text().replace("h1:", "h1:x", 1))
    _trusting(monkeypatch)
    with pytest.raises(errors.ChecksumMismatch):
        workshop.builder("one").build(component)


def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """No checksum database knows example.org."""
    original = gomodule.environment
    monkeypatch.setattr(gomodule, "environment", lambda *a, **k: original(*a, **k) | {"GONOSUMDB": "*"})


def test_a_changed_source_stops_the_build(workshop: t.Any) -> None:
    component = greeting()
    workshop.fix(component)
    workshop.publish(
        "example.org/words", "v1.0.0", {**goproxy.WORDS, "words.go": 'package words\n\nconst Hello = "evil"\n'}
    )
    with pytest.raises(errors.ChecksumMismatch):
        workshop.builder("one").build(component)


def test_a_source_that_is_not_there_names_component_and_way_on(workshop: t.Any) -> None:
    component = greeting()
    workshop.fix(component)
    for path in (workshop.proxy / "example.org/words/@v").iterdir():
        path.unlink()
    with pytest.raises(errors.BuildError, match="greeting: ") as caught:
        workshop.builder("one").fetch(component)
    assert isinstance(caught.value, errors.DownloadFailed)
    assert "Run the same command again" in str(caught.value)


def test_a_version_without_sums_says_how_to_refresh(workshop: t.Any) -> None:
    component = greeting()
    workshop.fix(component)
    (workshop.files / "greeting" / "go.sum").unlink()
    with pytest.raises(errors.SumsOutdated, match="source_bundle_refresh=greeting"):
        workshop.builder("one").build(component)


def test_a_compile_error_shows_the_compilers_words(workshop: t.Any) -> None:
    workshop.publish(
        "example.org/greeting", "v1.2.3", {**goproxy.GREETING, "cmd/hello/main.go": "package main\n\nfoo\n"}
    )
    component = greeting()
    workshop.fix(component)
    with pytest.raises(errors.CompileFailed, match="syntax error"):
        workshop.builder("one").build(component)


def test_a_failed_build_leaves_nothing_and_the_next_repairs(workshop: t.Any) -> None:
    component = greeting()
    workshop.fix(component)

    def breaks(argv: t.Sequence[str], **options: t.Any) -> Result:
        if "build" in argv:
            return Result(1, "", "write /x: no space left on device")
        return run(argv, **options)

    with pytest.raises(errors.DiskFull):
        workshop.builder("one", breaks).build(component)
    builder = workshop.builder("one")
    assert builder.cached(component) is None
    assert builder.build(component).files


def test_a_damaged_component_is_built_again(workshop: t.Any) -> None:
    component = greeting()
    workshop.fix(component)
    builder = workshop.builder("one")
    built = builder.build(component)
    program = built.directory / "bin/hello"
    content = bytearray(program.read_bytes())
    content[1000] ^= 1
    program.write_bytes(content)
    assert builder.cached(component) == built  # sizes alone do not show it
    assert builder.cached(component, full=True) is None
    assert builder.build(component).files == built.files
    program.write_bytes(b"short")
    assert builder.cached(component) is None


TEST_KEYS: list[dict[str, t.Any]] = [
    {"version": "1.2.4"},
    {"tags": ("x",)},
    {"cgo": True},
    {"ldflags": ()},
    {"trees": (Tree("charts", "charts/x"),)},
    {"programs": (Program("./cmd/hello", "hallo", "binary"),)},
]


@pytest.mark.parametrize("change", TEST_KEYS)
def test_what_decides_the_bits_decides_the_key(workshop: t.Any, change: dict[str, t.Any]) -> None:
    builder = workshop.builder("one")
    assert builder.key(greeting(**change)) != builder.key(greeting())


def test_what_does_not_decide_the_bits_keeps_the_key(workshop: t.Any) -> None:
    builder = workshop.builder("one")
    assert builder.key(greeting(weight=5, memory=9, set="extra", licences=("X",))) == builder.key(greeting())


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return run(["git", *identity, "-C", str(folder), *arguments]).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, tagged v1.2.3."""
    folder = tmp_path / "repository"
    for name, text in goproxy.GREETING.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("require example.org/words v1.0.0\n", ""), encoding="utf-8")
    main = folder / "cmd/hello/main.go"
    main.write_text(
        'package main\n\nvar version = "none"\n\nfunc main() { println("git", version) }\n', encoding="utf-8"
    )
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "tag", "-a", "v1.2.3", "-m", "release")
    return folder


def from_git(origin: Path, **change: t.Any) -> Component:
    values = {
        "source": "git",
        "repository": f"file://{origin}",
        "tag": "v1.2.3",
        "commit": git(origin, "rev-parse", "v1.2.3^{commit}"),
    }
    return t.cast(Component, greeting(**{**values, **change}))


def test_builds_from_git_the_same_bits_twice(workshop: t.Any, repository: Path) -> None:
    component = from_git(repository)
    first = workshop.builder("first").build(component)
    second = workshop.builder("second/deeper", alone=True).build(component)
    assert output(first.directory / "bin/hello") == "git v1.2.3"
    assert first.files == second.files


def test_a_moved_tag_stops_everything(workshop: t.Any, repository: Path) -> None:
    component = from_git(repository)
    (repository / "LICENSE").write_text("Other terms.\n", encoding="utf-8")
    git(repository, "commit", "--quiet", "-a", "-m", "second")
    git(repository, "tag", "-f", "v1.2.3")
    moved = git(repository, "rev-parse", "v1.2.3")
    with pytest.raises(errors.ChecksumMismatch, match=f"is {moved}, pinned is {component.commit}"):
        workshop.builder("one").build(component)


def test_a_missing_repository_or_tag_is_a_failed_download(workshop: t.Any, repository: Path, tmp_path: Path) -> None:
    for component in (
        from_git(repository, repository=f"file://{tmp_path}/none"),
        from_git(repository, tag="v9.9.9"),
    ):
        with pytest.raises(errors.DownloadFailed, match="greeting: "):
            workshop.builder("one").build(component)
