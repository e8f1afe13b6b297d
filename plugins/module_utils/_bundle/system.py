# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Takes programs of the build machine's distribution, with every library they and their plugins need."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import SystemSet
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem

# "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)" or "/lib64/ld-linux-x86-64.so.2 (0x...)"
_LIBRARY = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_MISSING = re.compile(r"^\s*(\S+) => not found$", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """A package of the distribution whose files are in the bundle."""

    name: str
    version: str
    source: str


@dataclass(frozen=True)
class SystemFiles:
    """Path in the image → file on this machine, and the packages they come from."""

    files: tuple[tuple[str, Path], ...]
    packages: tuple[Package, ...]


def collect(entry: SystemSet, *, run: Runner, root: Path = Path("/")) -> SystemFiles:
    """Find the files of a set and their libraries.

    :raises InvalidInput: a package is not installed.
    """
    wanted: dict[str, Path] = {}
    for pattern in entry.files:
        found = [path for path in sorted(root.glob(pattern.lstrip("/"))) if path.is_file()]
        if not found:
            raise InvalidInput([_not_installed(entry, pattern)])
        wanted.update({str(path.relative_to(root)): path for path in found})
    output = run(["ldd", *(str(path) for path in wanted.values())]).stdout
    missing = _MISSING.findall(output)
    if missing:
        raise InvalidInput([_not_installed(entry, missing[0])])
    # The name under which the loader looks for it stays; what it points to goes in.
    wanted.update({name.lstrip("/"): Path(name).resolve() for name in sorted(set(_LIBRARY.findall(output)))})
    files = tuple((name, wanted[name]) for name in sorted(wanted))
    return SystemFiles(files, _packages([path for _name, path in files], run))


def licence(package: Package, root: Path = Path("/")) -> bytes:
    """The licence text that Debian ships with a package."""
    path = root / "usr/share/doc" / package.name / "copyright"
    try:
        return path.read_bytes()
    except OSError:
        return f"{package.name} {package.version}: see the Debian source package {package.source}\n".encode()


def missing_packages(sets: t.Sequence[SystemSet], root: Path = Path("/")) -> tuple[str, ...]:
    """Packages to install before these sets can be collected."""
    absent = [
        entry for entry in sets if any(next(root.glob(pattern.lstrip("/")), None) is None for pattern in entry.files)
    ]
    return tuple(sorted({package for entry in absent for package in entry.packages}))


def _packages(paths: t.Sequence[Path], run: Runner) -> tuple[Package, ...]:
    """Which packages own files. With a merged /usr the list of a package may still say /lib."""
    asked = {str(path) for path in paths}
    asked |= {name[len("/usr") :] for name in asked if name.startswith("/usr/lib")}
    owners = run(["dpkg-query", "-S", *sorted(asked)], check=False).stdout
    names = sorted({line.split(": ", 1)[0] for line in owners.splitlines() if ": " in line})
    shown = run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${source:Package}\n", *names]).stdout
    return tuple(Package(*line.split()) for line in sorted(set(shown.splitlines())))


def _not_installed(entry: SystemSet, what: str) -> Problem:
    packages = " ".join(entry.packages)
    return Problem(
        f"system[{entry.name}]", what, "Not found on the build machine.", f"Install it: apt-get install {packages}"
    )


__all__ = ("Package", "SystemFiles", "collect", "licence", "missing_packages")
