# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Drives the Go tools: a component's go.mod and go.sum are written once, committed, and every build is held to them."""

from __future__ import annotations

import json
import re
import shutil
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import Component, Program
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.errors import explain
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import (
    CommandFailed,
    InvalidInput,
    Problem,
)

#: Files get this time (2020-01-01), so that two builds of the same source are the same bits.
SOURCE_DATE_EPOCH = 1577836800
MINIMUM_GO = (1, 24)
_GO_VERSION = re.compile(r"go(\d+)\.(\d+)")
_MAJOR_SUFFIX = re.compile(r"v[2-9][0-9]*|v1[0-9]+")


@dataclass(frozen=True)
class Toolchain:
    """The Go that builds, and the user's settings that are kept: proxy, checksum database, download cache."""

    version: str
    arch: str
    proxy: str
    checksum_database: str
    module_cache: Path
    #: first line of the C compiler's version; empty where there is none
    c_compiler: str = ""


def toolchain(run: Runner) -> Toolchain:
    """Look at the installed Go.

    :raises InvalidInput: none, too old, or set up so that sources would not be verified.
    """
    names = ("GOVERSION", "GOHOSTARCH", "GOPROXY", "GOSUMDB", "GOMODCACHE")
    try:
        values = json.loads(run(["go", "env", "-json", *names]).stdout)
    except CommandFailed as exc:
        if exc.rc != 127:
            raise
        problem = Problem(
            "PATH",
            "(no program go)",
            "Building the bundle needs Go.",
            "Install Go 1.24 or later, or put it on the PATH.",
        )
        raise InvalidInput([problem]) from exc
    problems: list[Problem] = []
    found = _GO_VERSION.match(values["GOVERSION"])
    if not found or (int(found[1]), int(found[2])) < MINIMUM_GO:
        wanted = ".".join(str(number) for number in MINIMUM_GO)
        problems.append(
            Problem("go", values["GOVERSION"], f"Go {wanted} or later is needed.", "Install a newer Go and run again.")
        )
    proxy = proxy_list(values["GOPROXY"])
    if not proxy:
        problems.append(
            Problem(
                "GOPROXY",
                values["GOPROXY"],
                "Sources come through a module proxy; nothing is fetched from version control directly.",
                "Name a proxy: go env -w GOPROXY=<address>.",
            )
        )
    if values["GOSUMDB"] in ("", "off"):
        problems.append(
            Problem(
                "GOSUMDB",
                values["GOSUMDB"],
                "Sources are verified against the checksum database.",
                "Switch it on again: go env -u GOSUMDB.",
            )
        )
    if problems:
        raise InvalidInput(problems)
    compiler = run(["gcc", "--version"], check=False)
    return Toolchain(
        version=values["GOVERSION"],
        arch=values["GOHOSTARCH"],
        proxy=proxy,
        checksum_database=values["GOSUMDB"],
        module_cache=Path(values["GOMODCACHE"]),
        c_compiler=compiler.stdout.splitlines()[0] if compiler.rc == 0 and compiler.stdout else "",
    )


def proxy_list(value: str) -> str:
    """GOPROXY without ``direct``: what the proxy refuses is refused, never fetched from somewhere else."""
    kept = [entry for entry in re.split(r"([,|])", value) if entry]
    entries = [entry for entry in kept if entry not in ",|" and entry not in ("direct", "off")]
    separator = "|" if "|" in kept else ","
    return separator.join(entries)


def environment(tools: Toolchain, component: Component, *, arch: str, go_cache: Path, work: Path) -> dict[str, str]:
    """The variables of a build. Nothing of the user's Go settings but proxy, database and download cache reaches it."""
    prefix = f"-ffile-prefix-map={tools.module_cache}=/module -ffile-prefix-map={work}=/build"
    return {
        "CGO_ENABLED": "1" if component.cgo else "0",
        "CGO_CFLAGS": f"-O2 -g0 {prefix}",
        "CGO_LDFLAGS": "-O2",
        "GOARCH": arch,
        "GOCACHE": str(go_cache),
        "GOTMPDIR": str(work / "tmp"),
        "GOENV": "off",
        "GOFLAGS": "",
        "GOINSECURE": "",
        "GOMODCACHE": str(tools.module_cache),
        "GONOPROXY": "none",
        "GONOSUMDB": "none",
        "GOOS": "linux",
        "GOPRIVATE": "",
        "GOPROXY": tools.proxy,
        "GOSUMDB": tools.checksum_database,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH),
        "TZ": "UTC",
    }


def refresh(component: Component, folder: Path, *, run: Runner, env: t.Mapping[str, str], source: Path) -> None:
    """Write ``go.mod`` and ``go.sum`` of a component into ``folder``, from what its own go.mod demands.

    :param source: the verified module's folder.
    """
    own = json.loads(run(["go", "mod", "edit", "-json", str(source / "go.mod")]).stdout)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("go.mod", "go.sum"):
        (folder / name).unlink(missing_ok=True)
    if not component.programs:
        _pin(component, folder, str(own["Go"]), run=run, env=env)
        return
    (folder / "go.mod").write_text(_go_mod(component, own), encoding="utf-8")
    # Listing with -mod=mod fetches what the packages need and writes down exactly that; nothing is compiled.
    _go(run, component, ["go", "-C", str(folder), "list", "-mod=mod", "-deps", *_build_flags(component)], env)


@dataclass(frozen=True)
class Module:
    """A module whose code is in a component's programs. ``directory`` is where the verified sources lie."""

    path: str
    version: str
    h1: str
    directory: Path


def fetch(component: Component, work: Path, *, run: Runner, env: t.Mapping[str, str]) -> tuple[Module, ...]:
    """Download and verify what a component needs; the modules its programs are made of.

    :param work: holds the component's go.mod and go.sum.
    """
    if not component.programs:
        return (_whole(component, work, run=run, env=env),)
    replaced = "{{if .Replace}}{{.Replace.Path}} {{.Replace.Version}}{{else}}- -{{end}}"
    line = "{{with .Module}}{{.Path}} {{.Version}} " + replaced + " {{.Dir}}{{end}}"
    argv = ["go", "-C", str(work), "list", "-mod=readonly", "-deps", "-f", line, *_build_flags(component)]
    output = _go(run, component, argv, env, fetching=True)
    sums = _sums(work)
    found: dict[tuple[str, str], Module] = {}
    for path, version, other, other_version, directory in (
        entry.split(" ", 4) for entry in output.splitlines() if entry.strip()
    ):
        name = (path, version) if other == "-" else (other, other_version)
        if name not in found:
            found[name] = Module(name[0], name[1], sums.get(name, ""), Path(directory))
    return tuple(found[name] for name in sorted(found))


def compile_programs(
    component: Component, work: Path, out: Path, *, source: Path, run: Runner, env: t.Mapping[str, str]
) -> None:
    """Compile every program of a component into ``out/<program.path>``.

    :param source: the folder of the component's own module, for its C programs.
    """
    if not component.programs:
        return
    stage = work / "out"
    stage.mkdir(parents=True, exist_ok=True)
    argv = ["go", "-C", str(work), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", f"{stage}/"]
    argv += ["-ldflags", component.link_flags, *_build_flags(component)]
    _go(run, component, argv, env)
    for program in component.programs:
        target = out / program.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if program.source:
            _compile_c(component, program, source, target, run=run, env=env)
        else:
            shutil.move(str(stage / go_output_name(component.package_path(program))), target)
        target.chmod(0o755)


def download(component: Component, *, run: Runner, env: t.Mapping[str, str]) -> tuple[Path, str]:
    """Fetch the component's own module; its folder and its h1 sum."""
    found = _downloaded(component, run=run, env=env)
    return Path(found["Dir"]), str(found["Sum"])


def _downloaded(component: Component, *, run: Runner, env: t.Mapping[str, str]) -> dict[str, t.Any]:
    """What the Go client says of the component's own module, which the checksum database has vouched for."""
    argv = ["go", "mod", "download", "-json", f"{component.module}@v{component.version}"]
    done = run(argv, check=False, env=env)
    try:
        found: dict[str, t.Any] = json.loads(done.stdout)
    except ValueError:
        found = {}
    if done.rc != 0 or "Dir" not in found:
        raise explain(component.name, found.get("Error") or done.stderr or done.stdout)
    return found


def _pin(component: Component, folder: Path, go: str, *, run: Runner, env: t.Mapping[str, str]) -> None:
    """Of a component of which only files are taken, the module alone is held to its sum: nothing of it is compiled."""
    found, name = _downloaded(component, run=run, env=env), f"{component.module} v{component.version}"
    (folder / "go.mod").write_text(_go_mod(component, {"Go": go}), encoding="utf-8")
    (folder / "go.sum").write_text(f"{name} {found['Sum']}\n{name}/go.mod {found['GoModSum']}\n", encoding="utf-8")


def _whole(component: Component, work: Path, *, run: Runner, env: t.Mapping[str, str]) -> Module:
    """The module of a component without programs, if it is the one whose sum was committed."""
    version = f"v{component.version}"
    if component.source == "git":
        return Module(component.module, version, "", work)
    directory, h1 = download(component, run=run, env=env)
    wanted = _sums(work).get((component.module, version), "")
    if h1 != wanted:
        sums = f"downloaded: {h1}\n\tgo.sum: {wanted or 'none'}"
        said = f"verifying {component.module}@{version}: checksum mismatch\n\t{sums}"
        raise explain(component.name, said, fetching=True)
    return Module(component.module, version, h1, directory)


def _sums(work: Path) -> dict[tuple[str, str], str]:
    return {(words[0], words[1]): words[2] for words in map(str.split, _lines(work / "go.sum")) if len(words) == 3}


def go_output_name(package: str) -> str:
    """The name `go build` gives a program: the last element of its path that is not a major version."""
    parts = package.split("/")
    if len(parts) > 1 and _MAJOR_SUFFIX.fullmatch(parts[-1]):
        return parts[-2]
    return parts[-1]


def _build_flags(component: Component) -> list[str]:
    tags = ["-tags", ",".join(component.tags)] if component.tags else []
    return [*tags, *(component.package_path(program) for program in component.go_programs)]


def _compile_c(
    component: Component, program: Program, source: Path, target: Path, *, run: Runner, env: t.Mapping[str, str]
) -> None:
    argv = ["gcc", "-Os", "-Wall", "-static", "-s", "-Wl,--build-id=none", f"-ffile-prefix-map={source}=/module"]
    argv += [f"-D{definition}" for definition in program.defines]
    _go(run, component, [*argv, "-o", str(target), str(source / program.source)], env)


def _go(
    run: Runner, component: Component, argv: t.Sequence[str], env: t.Mapping[str, str], *, fetching: bool = False
) -> str:
    done = run(argv, check=False, env=env)
    if done.rc != 0:
        raise explain(component.name, done.stderr or done.stdout, fetching=fetching)
    return done.stdout


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _go_mod(component: Component, own: t.Mapping[str, t.Any]) -> str:
    """A main module that requires the component and repeats what only a main module may say."""
    requires = {component.module: component.version, **dict(component.requires)}
    lines = [f"module klubster.internal/bundle/{component.name}", "", f"go {own['Go']}", ""]
    lines += [f"godebug {entry['Key']}={entry['Value']}" for entry in own.get("GoDebug") or []]
    lines += [f"require {path} v{version}" for path, version in sorted(requires.items())]
    for entry in own.get("Replace") or []:
        old, new = entry["Old"], entry["New"]
        left = " ".join(filter(None, (old["Path"], old.get("Version"))))
        if "Version" in new:
            lines.append(f"replace {left} => {new['Path']} {new['Version']}")
            continue
        # A folder of the component's repository: it is not in the module, but some are published on their own.
        for prefix, version in component.siblings:
            if old["Path"].startswith(prefix):
                lines.append(f"replace {left} => {old['Path']} v{version}")
    lines += [f"exclude {entry['Path']} {entry['Version']}" for entry in own.get("Exclude") or []]
    return "\n".join(lines) + "\n"


__all__ = (
    "MINIMUM_GO",
    "SOURCE_DATE_EPOCH",
    "Module",
    "Toolchain",
    "compile_programs",
    "download",
    "environment",
    "fetch",
    "go_output_name",
    "proxy_list",
    "refresh",
    "toolchain",
)
