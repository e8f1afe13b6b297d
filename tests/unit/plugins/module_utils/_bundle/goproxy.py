# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""A module proxy made of files, so that real Go builds run without a network."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
import zipfile
from pathlib import Path

import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import bundle, catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.builder import Builder
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import Cache, Component, Program
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.gomodule import Toolchain
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Processes
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner, run

GREETING = {
    "go.mod": "module example.org/greeting\n\ngo 1.24\n\nrequire example.org/words v1.0.0\n",
    "LICENSE": "Greeting may be used by everybody.\n",
    "charts/greeting/Chart.yaml": "name: greeting\n",
    "cmd/hello/main.go": (
        'package main\n\nimport "example.org/words"\n\nvar version = "none"\n\n'
        "func main() { println(words.Hello, version) }\n"
    ),
    "c/bye.c": '#include <stdio.h>\nint main(void) { puts("bye " VERSION " " __FILE__); return 0; }\n',
}
WORDS = {
    "go.mod": "module example.org/words\n\ngo 1.24\n",
    "words.go": 'package words\n\nconst Hello = "hello"\n',
    "LICENSE": "Words are free.\n",
}


class Workshop:
    """A proxy folder, a catalogue's files folder, and builders with caches of their own."""

    def __init__(self, folder: Path, compiled: Path) -> None:
        self.folder = folder
        #: Go's build cache of all builders that need no own one
        self.compiled = compiled
        self.proxy = folder / "proxy"
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        values = json.loads(run(["go", "env", "-json", "GOVERSION", "GOHOSTARCH"]).stdout)
        self.version, self.arch = values["GOVERSION"], values["GOHOSTARCH"]

    def publish(self, path: str, version: str, content: t.Mapping[str, str]) -> None:
        """Put a module on the proxy."""
        target = self.proxy / path / "@v"
        target.mkdir(parents=True, exist_ok=True)
        (target / "list").write_text(f"{version}\n", encoding="utf-8")
        (target / f"{version}.info").write_text(json.dumps({"Version": version}), encoding="utf-8")
        (target / f"{version}.mod").write_text(content["go.mod"], encoding="utf-8")
        with zipfile.ZipFile(target / f"{version}.zip", "w") as archive:
            for name in sorted(content):
                archive.writestr(f"{path}@{version}/{name}", content[name])

    def builder(self, name: str, runner: Runner = run, *, alone: bool = False) -> Builder:
        """A builder with folders of its own; with ``alone`` Go's build cache is its own too."""
        place = self.folder / name
        cache = Cache(place / "cache")
        if not alone and not cache.root.exists():
            cache.root.mkdir(parents=True)
            cache.go_build.symlink_to(self.compiled)
        tools = Toolchain(self.version, self.arch, f"file://{self.proxy}", "sum.golang.org", place / "modules", "gcc")
        return Builder(cache, self.files, tools, self.arch, runner)

    def fix(self, component: Component) -> None:
        """Write go.mod and go.sum as `refresh` would, but without a checksum database, which knows no example.org."""
        folder = self.files / component.name
        folder.mkdir(parents=True)
        requires = f"require {component.module} v{component.version}\n"
        (folder / "go.mod").write_text(f"module klubster.internal/x\n\ngo 1.24\n\n{requires}", encoding="utf-8")
        modules = self.folder / "fixing"
        env = self.builder("fixing").environment(component, modules) | {"GONOSUMDB": "*", "GOTMPDIR": ""}
        packages = [component.package_path(program) for program in component.go_programs]
        run(["go", "-C", str(folder), "list", "-mod=mod", "-deps", *packages], env=env)

    def close_modules(self) -> None:
        """Forget every downloaded module."""
        for name in ("modules", "fixing/modules"):
            if (self.folder / name).exists():
                subprocess.run(["chmod", "-R", "u+w", str(self.folder / name)], check=True)
                shutil.rmtree(self.folder / name)

    def close(self) -> None:
        """The module cache is read-only; make it possible to remove it."""
        subprocess.run(["chmod", "-R", "u+w", str(self.folder)], check=True)
        shutil.rmtree(self.folder)


def greeting(**change: t.Any) -> Component:
    values: dict[str, t.Any] = {
        "name": "greeting",
        "set": "cluster",
        "source": "module",
        "module": "example.org/greeting",
        "version": "1.2.3",
        "programs": (Program("./cmd/hello", "hello", "binary"),),
        "licences": ("MIT",),
        "ldflags": ("-X main.version=v{version}",),
    }
    return Component(**{**values, **change})


# Stands for regctl: it puts what it is given into the archive one after the other.
ASSEMBLER = """package main

import (
    "crypto/sha256"
    "fmt"
    "io"
    "os"
    "path/filepath"
    "strings"
)

func main() {
    words := os.Args[1:]
    folder := ""
    for _, word := range words {
        if strings.HasPrefix(word, "ocidir://") {
            folder = filepath.Dir(strings.TrimPrefix(word, "ocidir://"))
        }
    }
    parts := filepath.Join(folder, "parts")
    if words[0] == "image" {
        content, err := os.ReadFile(parts)
        if err != nil || os.WriteFile(words[len(words)-1], append([]byte(words[3]), content...), 0o644) != nil {
            os.Exit(1)
        }
        return
    }
    content, _ := io.ReadAll(os.Stdin)
    stream, err := os.OpenFile(parts, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
    if err != nil {
        os.Exit(1)
    }
    stream.Write(content)
    fmt.Printf("sha256:%x\\n", sha256.Sum256(content))
}
"""
MINI: dict[str, t.Any] = {
    "registry": "r.internal",
    "components": [
        {
            "name": "greeting",
            "set": "cluster",
            "source": "module",
            "module": "example.org/greeting",
            "version": "1.2.3",
            "licences": ["MIT"],
            "ldflags": ["-X main.version={version}"],
            "weight": 1,
            "programs": [{"package": "./cmd/hello"}],
            "trees": [{"from": "charts/greeting", "to": "charts/greeting"}],
        },
        {
            "name": "regclient",
            "set": "cluster",
            "source": "module",
            "module": "example.org/regclient",
            "version": "0.1.0",
            "licences": ["MIT"],
            "weight": 1,
            "programs": [{"package": "./regctl", "kind": "tool"}],
        },
    ],
    "images": [{"name": "hello", "component": "greeting", "tag": "v{version}", "files": {"hello": "bin/hello"}}],
}


class Site:
    """A role folder, a proxy and the user's Go settings that lead there."""

    def __init__(self, folder: Path, compiled: Path) -> None:
        self.workshop = Workshop(folder / "workshop", compiled)
        self.workshop.publish("example.org/greeting", "v1.2.3", GREETING)
        self.workshop.publish("example.org/words", "v1.0.0", WORDS)
        content = {"go.mod": "module example.org/regclient\n\ngo 1.24\n", "regctl/main.go": ASSEMBLER}
        self.workshop.publish("example.org/regclient", "v0.1.0", content)
        self.folder, self.compiled = folder, compiled
        self.role = folder / "role"
        (self.role / "vars").mkdir(parents=True)
        self.write(MINI)
        for component in catalogue.load(self.role).components:
            self.workshop.fix(component)
        shutil.move(self.workshop.files, self.role / "files")
        self.lines: list[str] = []

    def write(self, content: dict[str, t.Any]) -> None:
        text = yaml.safe_dump({"__source_bundle_catalogue": content})
        (self.role / "vars" / "components.yml").write_text(text, encoding="utf-8")

    def request(self, cache: str = "cache", **options: t.Any) -> bundle.Request:
        place = catalogue.Cache(self.folder / cache)
        if not place.root.exists():
            place.root.mkdir(parents=True)
            place.go_build.symlink_to(self.compiled)
        return bundle.Request(cache=place, role_dir=self.role, **options)

    def ensure(self, cache: str = "cache", **options: t.Any) -> bundle.State:
        self.lines.clear()
        return bundle.ensure(self.request(cache, **options), Processes(), self.lines.append)

    def inspect(self, **options: t.Any) -> bundle.State:
        return bundle.inspect(self.request(**options), Processes())
