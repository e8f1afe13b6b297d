# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Builds one component into the cache: by content, once, complete or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
import typing as t
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import gitsource, gomodule, licences
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import Cache, Component
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.errors import disk_full_of
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of, write_atomically

#: Raised when the way of building changes, so that results of the old way are not taken.
RECIPE = 2
RECORD = "component.json"
# What a component yields does not depend on these.
_NOT_IN_KEY = ("weight", "memory", "set", "licences", "sums")


@dataclass(frozen=True)
class BuiltFile:
    """One file of a built component, with its path inside the component's folder."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Built:
    """A component in the cache."""

    name: str
    key: str
    directory: Path
    h1: str
    go: str
    seconds: float
    files: tuple[BuiltFile, ...]
    #: the modules in its programs: path, version, h1
    modules: tuple[tuple[str, str, str], ...] = ()

    def file(self, path: str) -> BuiltFile:
        return next(entry for entry in self.files if entry.path == path)


@dataclass(frozen=True)
class Builder:
    """Everything that building needs to know of the machine."""

    cache: Cache
    files: Path
    tools: gomodule.Toolchain
    arch: str
    run: Runner

    def key(self, component: Component) -> str:
        """16 digits over all that decides the bits."""
        recipe: dict[str, t.Any] = asdict(component)
        for field in _NOT_IN_KEY:
            del recipe[field]
        recipe.update(recipe=RECIPE, go=self.tools.version, arch=self.arch)
        if component.needs_c:
            recipe["cc"] = self.tools.c_compiler
        digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
        for content in self.committed(component).values():
            digest.update(content)
        return digest.hexdigest()[:16]

    def folder(self, component: Component) -> Path:
        return self.cache.components / self.key(component)

    def cached(self, component: Component, *, full: bool = False) -> Built | None:
        """The component as built before, or None.

        :param full: compare every sha256; a damaged component is thrown away.
        """
        folder = self.folder(component)
        found = read_record(folder)
        if found and full and any(sha256_of(folder / entry.path) != entry.sha256 for entry in found.files):
            shutil.rmtree(folder)
            return None
        return found

    def environment(self, component: Component, work: Path) -> dict[str, str]:
        return gomodule.environment(self.tools, component, arch=self.arch, go_cache=self.cache.go_build, work=work)

    def fetch(self, component: Component) -> None:
        """Download and verify the component's sources."""
        with self._working(component) as work:
            self._sources(component, work)

    def build(self, component: Component) -> Built:
        """Build the component, or take it from the cache."""
        folder = self.folder(component)
        with self._working(component) as work:
            found = read_record(folder)
            if found:
                return found
            started = time.monotonic()
            env = self.environment(component, work)
            stage = work / "stage"
            root, modules = self._sources(component, work)
            own = next(module for module in modules if module.path == component.module)
            gomodule.compile_programs(component, root, stage, source=own.directory, run=self.run, env=env)
            for tree in component.trees:
                _copy(own.directory / tree.origin, stage / tree.path)
            licences.write(stage / "licences" / f"{component.name}.txt", modules)
            record = {
                "name": component.name,
                "key": folder.name,
                "h1": own.h1,
                "go": self.tools.version,
                "modules": [[module.path, module.version, module.h1] for module in modules],
                "seconds": round(time.monotonic() - started, 1),
                "files": [
                    {"path": path.relative_to(stage).as_posix(), "sha256": sha256_of(path), "size": path.stat().st_size}
                    for path in sorted(stage.rglob("*"))
                    if path.is_file()
                ],
            }
            (stage / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists():
                shutil.rmtree(folder)
            stage.replace(folder)
        built = read_record(folder)
        if built is None:
            raise AssertionError(f"{folder} has no record although it was just written")
        return built

    def refresh(self, component: Component) -> bool:
        """Write the component's go.mod and go.sum anew; whether they changed."""
        if component.source == "git":
            return False  # the commit fixes its go.mod and go.sum
        folder = self._sums(component)
        before = self.committed(component)
        with self._working(component) as work:
            env = self.environment(component, work)
            source, _h1 = gomodule.download(component, run=self.run, env=env)
            gomodule.refresh(component, work, run=self.run, env=env, source=source)
            folder.mkdir(parents=True, exist_ok=True)
            for name in before:
                write_atomically(folder / name, (work / name).read_bytes())
        return before != self.committed(component)

    def committed(self, component: Component) -> dict[str, bytes]:
        """The component's go.mod and go.sum as they are; empty where there is none."""
        folder = self._sums(component)
        paths = (folder / "go.mod", folder / "go.sum")
        return {path.name: path.read_bytes() if path.exists() else b"" for path in paths}

    def _sums(self, component: Component) -> Path:
        return self.files / (component.sums or component.name)

    def _sources(self, component: Component, work: Path) -> tuple[Path, tuple[gomodule.Module, ...]]:
        """Fetch and verify all sources: the folder to build in, and the modules."""
        root = work
        if component.source == "git":
            root = work / "source"
            gitsource.checkout(component, root, run=self.run)
        modules = gomodule.fetch(component, root, run=self.run, env=self.environment(component, work))
        return root, modules

    @contextmanager
    def _working(self, component: Component) -> t.Iterator[Path]:
        """A folder of the component's own, with its go.mod and go.sum; one process at a time."""
        work = self.cache.work / component.name
        with disk_full_of(component.name):
            self.cache.work.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.cache.work / f"{component.name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                shutil.rmtree(work, ignore_errors=True)
                (work / "tmp").mkdir(parents=True, exist_ok=True)
                for name, content in self.committed(component).items():
                    if content:
                        (work / name).write_bytes(content)
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
                os.close(lock)


def read_record(folder: Path) -> Built | None:
    """What a folder of the components' cache holds; None if it is not there or not whole."""
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files = tuple(BuiltFile(entry["path"], entry["sha256"], entry["size"]) for entry in data["files"])
        whole = all((folder / entry.path).stat().st_size == entry.size for entry in files)
    except (OSError, ValueError, KeyError):
        return None
    if not whole:
        return None
    modules = tuple((path, version, h1) for path, version, h1 in data["modules"])
    return Built(data["name"], data["key"], folder, data["h1"], data["go"], data["seconds"], files, modules)


def _copy(origin: Path, target: Path) -> None:
    """Copy a file or folder of a module; the download cache is read-only, the copy is not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if origin.is_file():
        shutil.copyfile(origin, target)
        target.chmod(0o644)
        return
    for path in sorted(origin.rglob("*")):
        if path.is_file():
            _copy(path, target / path.relative_to(origin))


__all__ = ("RECIPE", "RECORD", "Builder", "Built", "BuiltFile", "read_record")
