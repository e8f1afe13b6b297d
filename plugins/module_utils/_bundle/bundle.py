# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Makes a bundle as wanted: looks what is there, builds what is missing, assembles, and tells how it goes."""

from __future__ import annotations

import fcntl
import os
import shutil
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import (
    assembly,
    catalogue,
    gomodule,
    progress,
    sbom,
    schedule,
    system,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.builder import Builder, Built
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.errors import disk_full_of
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Processes
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem

#: MiB of disk that a second of building leaves in the caches, measured over the whole catalogue
_DISK_PER_SECOND = 11
_DISK_LEAST = 600
_LINKER = "regclient"
_SECCOMP = Path("/usr/include/seccomp.h")
_FETCHES = 4


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    :param role_dir: the role's folder with catalogue and sums.
    :param jobs: builds at the same time; 0 leaves it to the machine.
    :param full: compare every sha256 instead of sizes and times.
    :param version: of Kubernetes, where it is not the catalogue's own.
    """

    cache: catalogue.Cache
    role_dir: Path
    sets: tuple[str, ...] = ("cluster",)
    jobs: int = 0
    full: bool = False
    version: str = ""


@dataclass(frozen=True)
class State:
    """What is there, what is missing."""

    plan: assembly.Plan
    complete: bool
    #: why it is not
    reason: str
    built: dict[str, Built]
    missing: tuple[catalogue.Component, ...]

    @property
    def key(self) -> str:
        return self.plan.key

    @property
    def directory(self) -> Path:
        return self.plan.directory


def inspect(request: Request, run: Runner) -> State:
    """Look at the machine and the cache; changes nothing.

    :raises InvalidInput: Go is missing, too old or set up badly; a set does not exist.
    """
    content = catalogue.load(request.role_dir, request.version)
    known = sorted({component.set for component in content.components})
    unknown = [name for name in request.sets if name not in known]
    if unknown or not request.sets:
        problem = Problem(
            "source_bundle_sets", list(request.sets), f"Sets of the catalogue: {', '.join(known)}.", "Name these."
        )
        raise InvalidInput([problem])
    tools = gomodule.toolchain(run)
    builder = Builder(request.cache, content.files, tools, tools.arch, run)
    key = catalogue.bundle_key(request.role_dir, tools.arch, request.version)
    plan = assembly.Plan(content, builder, content.of_sets(request.sets), key)
    complete, reason = assembly.complete(plan, full=request.full)
    built: dict[str, Built] = {}
    missing: tuple[catalogue.Component, ...] = ()
    if not complete:
        for component in plan.components:
            found = builder.cached(component, full=request.full)
            if found:
                built[component.name] = found
        missing = tuple(component for component in plan.components if component.name not in built)
    return State(plan, complete, reason, built, missing)


def check(state: State) -> None:
    """Refuse what would fail later, before anything starts.

    :raises InvalidInput: with every problem found.
    """
    sbom.require_library()
    problems: list[Problem] = []
    wanted = {name for image in state.plan.images for name in image.system}
    packages = system.missing_packages([one for one in state.plan.catalogue.system if one.name in wanted])
    if packages:
        names = " ".join(packages)
        problems.append(
            Problem("packages", names, "Images take programs from them.", f"Install them: apt-get install {names}")
        )
    tools = state.plan.builder.tools
    if not tools.c_compiler and any(component.needs_c for component in state.missing):
        problems.append(Problem("PATH", "(no program gcc)", "Some components are C.", "apt-get install gcc libc6-dev"))
    if any("seccomp" in component.tags for component in state.missing):
        if not _SECCOMP.exists():
            rule = "runc needs the headers and the static library of libseccomp."
            problems.append(Problem("packages", "libseccomp-dev", rule, "apt-get install libseccomp-dev"))
        if shutil.which("pkg-config") is None:
            rule = "Go finds libseccomp by it."
            problems.append(Problem("PATH", "(no program pkg-config)", rule, "apt-get install pkg-config"))
    problems += _disk_problems(state)
    if problems:
        raise InvalidInput(problems)


def ensure(request: Request, processes: Processes, emit: t.Callable[[str], None]) -> State:
    """Make the bundle. Components that are built stay built, whatever happens to the others.

    :raises KlubsterError: what failed, why, and how to go on.
    """
    with _lock(request, emit):
        state = inspect(request, processes)  # another run may have made it meanwhile
        if state.complete:
            return state
        check(state)
        weights = {component.name: float(component.weight) for component in state.missing}
        weights["images"] = 12.0
        shown = progress.Progress(weights, emit)
        has = schedule.capacity(request.jobs)
        shown.say(f"bundle {state.key}: {state.reason}; {len(state.missing)} to build, {has.jobs} at the same time")
        with progress.Ticker(shown):
            if state.missing:
                _fetch_all(state, processes, shown)
            built = {**state.built, **_build_all(state, has, processes, shown)}
            shown.start("images")
            regctl = built[_LINKER].directory / "tool" / "regctl"
            with disk_full_of("images"):
                assembly.assemble(state.plan, built, regctl=regctl, full=request.full)
            shown.end("images")
        shown.say(f"complete: {state.directory}")
        return State(state.plan, True, "", built, state.missing)


def _fetch_all(state: State, processes: Processes, shown: progress.Progress) -> None:
    """Download everything first: what cannot be had shows in the first minute, not in the twentieth."""

    def work(component: catalogue.Component) -> None:
        state.plan.builder.fetch(component)

    has = schedule.Capacity(jobs=_FETCHES, memory=1 << 20)
    schedule.run_all(state.missing, work, has, stop=processes.stop)
    shown.say("all sources are here and verified")


def _build_all(
    state: State, has: schedule.Capacity, processes: Processes, shown: progress.Progress
) -> dict[str, Built]:
    def work(component: catalogue.Component) -> Built:
        shown.start(component.name)
        try:
            made = state.plan.builder.build(component)
        except BaseException:
            shown.end(component.name, "FAILED")
            raise
        shown.end(component.name)
        return made

    return schedule.run_all(state.missing, work, has, stop=processes.stop)


def _disk_problems(state: State) -> list[Problem]:
    """Room in the cache for what has to be built."""
    need = _DISK_LEAST + sum(_DISK_PER_SECOND * component.weight for component in state.missing)
    found = []
    for name, folder in (
        ("cache", state.plan.builder.cache.root),
        ("GOMODCACHE", state.plan.builder.tools.module_cache),
    ):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(existing).free >> 20
        share = need if name == "cache" else need // 3
        if free < share:
            rule = f"{folder} has {free} MiB free, this build may need {share} MiB."
            found.append(Problem(name, str(folder), rule, "Make room, or put the folder on another disk."))
    return found


@contextmanager
def _lock(request: Request, emit: t.Callable[[str], None]) -> t.Iterator[None]:
    request.cache.root.mkdir(parents=True, exist_ok=True)
    handle = os.open(request.cache.root / "bundle.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            emit("Another run builds a bundle in this cache; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


__all__ = ("Request", "State", "check", "ensure", "inspect")
