# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a release of k3s consists of: versions, names by architecture, places, and the files of a folder."""

from __future__ import annotations

import functools
import re
import struct
import typing as t
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of
from ansible_collections.kateskit.klubster.plugins.module_utils._node import checksums
from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import check_urls, shown

RELEASES = "https://github.com/k3s-io/k3s/releases/download"
#: forms of the image archive, the smallest first
IMAGE_FORMS = ("tar.zst", "tar.gz", "tar")

Step = t.Literal["none", "patch", "minor", "skip", "downgrade"]

_VERSION = re.compile(
    r"v?(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)\.(?P<patch>0|[1-9]\d*)"
    r"(?:-(?P<stage>alpha|beta|rc)(?P<round>[1-9]\d*))?\+k3s(?P<build>[1-9]\d*)",
    re.ASCII,
)
_STAGES = ("alpha", "beta", "rc", "")
_MARKS = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = ("tag", "dashed_tag", "file")


@functools.total_ordering
@dataclass(frozen=True)
class K3sVersion:
    """A release, such as v1.34.2+k3s1 or v1.35.0-rc2+k3s1. A release candidate comes before its release."""

    major: int
    minor: int
    patch: int
    stage: str = ""
    round: int = 0
    build: int = 1

    @classmethod
    def parse(cls, text: t.Any, variable: str = "version") -> K3sVersion:
        """A complete version, with or without a leading v.

        :raises InvalidInput: names what to write instead.
        """
        found = _VERSION.fullmatch(text) if isinstance(text, str) else None
        if not found:
            raise InvalidInput([Problem(variable, text, "is not a version of k3s.", _version_remedy(text))])
        return cls(
            int(found["major"]),
            int(found["minor"]),
            int(found["patch"]),
            found["stage"] or "",
            int(found["round"] or 0),
            int(found["build"]),
        )

    def __lt__(self, other: K3sVersion) -> bool:
        return self._order < other._order

    def __str__(self) -> str:
        return f"v{self.kubernetes}+k3s{self.build}"

    @property
    def kubernetes(self) -> str:
        """The version of Kubernetes in it, without a leading v."""
        stage = f"-{self.stage}{self.round}" if self.stage else ""
        return f"{self.major}.{self.minor}.{self.patch}{stage}"

    @property
    def line(self) -> str:
        """Its minor release, such as 1.34."""
        return f"{self.major}.{self.minor}"

    @property
    def _order(self) -> tuple[int, int, int, int, int, int]:
        return self.major, self.minor, self.patch, _STAGES.index(self.stage), self.round, self.build


def _version_remedy(text: t.Any) -> str:
    if isinstance(text, str):
        mended = re.sub(r"[-_ ]k3s|%2Bk3s", "+k3s", text.strip(), flags=re.IGNORECASE)
        for candidate in (mended, f"{mended}+k3s1"):
            if _VERSION.fullmatch(candidate):
                return f"Write 'v{candidate.lstrip('v')}'."
    return "Write a whole version in quotes, like 'v1.34.2+k3s1'; names of channels are not resolved here."


def version_of_output(text: str) -> K3sVersion:
    """The version in what ``k3s --version`` prints.

    :raises InvalidInput: it printed something else.
    """
    words = text.split("\n", 1)[0].split()
    if words[:2] != ["k3s", "version"] or len(words) < 3:
        raise InvalidInput(
            [Problem("k3s --version", text[:80], "does not say 'k3s version …'.", "Is this program k3s?")]
        )
    return K3sVersion.parse(words[2], "k3s --version")


def step(installed: K3sVersion, wanted: K3sVersion) -> Step:
    """What it means to go from one version to the other. Kubernetes knows no way back and no skipped minor release."""
    if wanted == installed:
        return "none"
    if wanted < installed:
        return "downgrade"
    if (wanted.major, wanted.minor) == (installed.major, installed.minor):
        return "patch"
    follows = wanted.major == installed.major and wanted.minor == installed.minor + 1
    return "minor" if follows else "skip"


def check_step(installed: K3sVersion, wanted: K3sVersion, variable: str = "version") -> Step:
    """The step, if it is one that can be taken.

    :raises InvalidInput: a downgrade, or a minor release is skipped.
    """
    found = step(installed, wanted)
    if found == "downgrade":
        raise InvalidInput(
            [
                Problem(
                    variable,
                    str(wanted),
                    f"is older than the installed {installed}.",
                    "Kubernetes cannot go back; restore a snapshot that was taken with the older version.",
                )
            ]
        )
    if found == "skip":
        following = f"{installed.major}.{installed.minor + 1}"
        raise InvalidInput(
            [
                Problem(
                    variable,
                    str(wanted),
                    f"is more than one minor release after the installed {installed}.",
                    f"Go to a release of {following} first.",
                )
            ]
        )
    return found


def within_skew(server: K3sVersion, agent: K3sVersion) -> bool:
    """Whether an agent may run with a server: never a newer minor release, and at most three older."""
    return server.major == agent.major and 0 <= server.minor - agent.minor <= 3


@dataclass(frozen=True)
class Architecture:
    """The three names under which a release knows an architecture, and its number in the head of an ELF file."""

    name: str
    binary: str
    suffix: str
    elf: int

    @property
    def sums(self) -> str:
        return f"sha256sum-{self.suffix}.txt"

    def images(self, form: str) -> str:
        return f"k3s-airgap-images-{self.suffix}.{form}"


AMD64 = Architecture("amd64", "k3s", "amd64", 62)
ARM64 = Architecture("arm64", "k3s-arm64", "arm64", 183)
# The list of sums and the images of armhf are called arm.
ARMHF = Architecture("armhf", "k3s-armhf", "arm", 40)
ARCHITECTURES: dict[str, Architecture] = {entry.name: entry for entry in (AMD64, ARM64, ARMHF)}

_MACHINES: dict[str, Architecture] = {
    "x86_64": AMD64,
    "x86-64": AMD64,
    "amd64": AMD64,
    "aarch64": ARM64,
    "arm64": ARM64,
    "armhf": ARMHF,
    "arm": ARMHF,
    "armv7l": ARMHF,
    "armv7hl": ARMHF,
    # 32-bit programs on a 64-bit processor
    "armv8l": ARMHF,
}


def architecture(machine: str, variable: str = "architecture") -> Architecture:
    """By what ``uname -m`` says, or by the distribution's name for it.

    :raises InvalidInput: there is no release for it.
    """
    found = _MACHINES.get(machine.strip().lower())
    if found is None:
        # k3s-io/k3s issue 13273: the program for armhf starts on no armv6, though the installer takes it.
        older = " armhf needs ARMv7 or later." if machine.lower().startswith("arm") else ""
        raise InvalidInput(
            [
                Problem(
                    variable,
                    machine,
                    f"has no release of k3s; there are {', '.join(ARCHITECTURES)}.{older}",
                    "Give a build of your own for it, or use another machine.",
                )
            ]
        )
    return found


def places(version: K3sVersion, file: str, mirrors: t.Sequence[str] = (), variable: str = "mirrors") -> list[str]:
    """URLs of a file, one for each mirror, or the official one.

    :param mirrors: what stands before ``/<tag>/<file>``; or a pattern with ``{file}`` and ``{tag}`` (v1.34.2%2Bk3s1) or
        ``{dashed_tag}`` (v1.34.2-k3s1).
    :raises InvalidInput: a mirror is no URL, or has a placeholder that is not known.
    """
    values = {
        "tag": quote(str(version), safe=""),
        "dashed_tag": str(version).replace("+", "-"),
        "file": quote(file, safe=""),
    }
    urls, problems = [], []
    for position, mirror in enumerate(mirrors or (RELEASES,)):
        marks = _MARKS.findall(mirror)
        pattern = mirror if marks else mirror.rstrip("/") + "/{tag}/{file}"
        if set(marks) - set(_PLACEHOLDERS) or "{file}" not in pattern:
            problems.append(
                Problem(
                    f"{variable}[{position}]",
                    shown(mirror),
                    "has a placeholder that is not known, or lacks {file}.",
                    "Use {file} with {tag} or {dashed_tag}, or none at all.",
                )
            )
            continue
        urls.append(_MARKS.sub(lambda found: values[found[1]], pattern))
    if problems:
        raise InvalidInput(problems)
    check_urls(urls, variable)
    return urls


def release_files(
    version: K3sVersion,
    arch: Architecture,
    *,
    mirrors: t.Sequence[str] = (),
    images: str | None = None,
    sums: t.Mapping[str, str] | None = None,
    variable: str = "mirrors",
) -> list[dict[str, t.Any]]:
    """What has to be fetched, in the words of the module ``verified_download``.

    :param images: form of the image archive, or None when images are pulled.
    :param sums: name -> sha256, where they are pinned; the published list is then not needed.
    :raises InvalidInput: a mirror or form that is not known, or a pinned sum that is none.
    """
    wanted = [("binary", arch.binary, "0755")]
    if images is not None:
        if images not in IMAGE_FORMS:
            forms = ", ".join(IMAGE_FORMS)
            raise InvalidInput([Problem("images", images, "is no form of the archive.", f"Use one of {forms}.")])
        wanted.append(("images", arch.images(images), "0644"))
    pinned = sums or {}
    wrong = [name for _kind, name, _mode in wanted if name in pinned and not checksums.is_sha256(str(pinned[name]))]
    if wrong:
        raise InvalidInput(
            [
                Problem(f"sha256 of {name}", pinned[name], "is not 64 hexadecimal digits.", "Copy the published sum.")
                for name in wrong
            ]
        )
    files = []
    for kind, name, mode in wanted:
        entry = {"kind": kind, "name": name, "mode": mode, "url": places(version, name, mirrors, variable)}
        if name in pinned:
            entry["sha256"] = pinned[name].lower()
        else:
            entry["sha256_list"] = places(version, arch.sums, mirrors, variable)
            entry["sha256_name"] = name
            entry["sha256_list_name"] = arch.sums
        files.append(entry)
    return files


def airgap_files(
    folder: Path,
    arch: Architecture,
    version: K3sVersion | None = None,
    *,
    images: bool = True,
    variable: str = "airgap_dir",
) -> list[dict[str, t.Any]]:
    """The verified files of a folder that was filled where there is internet.

    Looked for in ``<folder>/<version>`` where that exists, else in ``folder``: the program, the list of sums, and the
    first of the image archive's forms. Other files are left alone.

    :param images: whether the archive must be there; it is taken when it is, in any case.
    :raises InvalidInput: names everything that is missing, not listed, damaged or for another architecture.
    """
    if version is not None and (folder / str(version)).is_dir():
        folder = folder / str(version)
    if not folder.is_dir():
        raise InvalidInput([Problem(variable, str(folder), "is no folder on this machine.", "Give the right path.")])
    present = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    archives = [arch.images(form) for form in IMAGE_FORMS]
    archive = next((name for name in archives if name in present), None)
    problems = [_missing(variable, folder, name, present) for name in (arch.binary, arch.sums) if name not in present]
    if images and archive is None:
        problems.append(_missing(variable, folder, " or ".join(archives), present))
    if problems:
        raise InvalidInput(problems)
    try:
        listed = checksums.parse((folder / arch.sums).read_bytes(), str(folder / arch.sums))
    except checksums.ChecksumListError as exc:
        remedy = "Fetch the list of sums of this release again."
        raise InvalidInput(
            [Problem(variable, str(folder), f"has a list of sums that is no use: {exc}", remedy)]
        ) from exc
    files = []
    for kind, name, mode in (("binary", arch.binary, "0755"), ("images", archive, "0644")):
        if name is None:
            continue
        problem = _unlike(variable, folder, name, listed, arch.sums) or (
            wrong_program(folder / name, arch, variable) if kind == "binary" else None
        )
        if problem:
            problems.append(problem)
            continue
        path = folder / name
        size = path.stat().st_size
        files.append(
            {"kind": kind, "name": name, "mode": mode, "path": str(path), "sha256": listed[name], "size": size}
        )
    if problems:
        raise InvalidInput(problems)
    return files


def _missing(variable: str, folder: Path, name: str, present: t.Sequence[str]) -> Problem:
    there = (", ".join(present[:8]) + (", …" if len(present) > 8 else "")) or "nothing"
    return Problem(variable, str(folder), f"has no {name}; there is {there}.", "Put it there, as the release names it.")


def _unlike(variable: str, folder: Path, name: str, listed: t.Mapping[str, str], sums: str) -> Problem | None:
    if name not in listed:
        return Problem(
            variable, str(folder), f"has a {sums} that does not name {name}.", "Fetch the list of the same release."
        )
    found = sha256_of(folder / name)
    if found != listed[name]:
        return Problem(
            variable,
            str(folder / name),
            f"has the sha256 {found}, but {sums} says {listed[name]}.",
            "It is damaged or of another release: copy it and the list of sums again.",
        )
    return None


def own_build(
    path: Path, sha256: str | None = None, arch: Architecture | None = None, variable: str = "binary"
) -> dict[str, t.Any]:
    """A program that the user built; its sum is computed, and compared where one is given.

    :param arch: of the machine, to find a program that cannot run there; None leaves that out.
    :raises InvalidInput: it is not there, is no program, is for another architecture, or is not what the sum says.
    """
    if not path.is_file():
        raise InvalidInput(
            [Problem(variable, str(path), "is no file on this machine.", "Give the path of your build.")]
        )
    if sha256 is not None and not checksums.is_sha256(sha256):
        raise InvalidInput(
            [Problem(f"{variable}_sha256", sha256, "is not 64 hexadecimal digits.", "Take it from sha256sum.")]
        )
    problem = wrong_program(path, arch, variable)
    if problem:
        raise InvalidInput([problem])
    found = sha256_of(path)
    if sha256 is not None and found != sha256.lower():
        raise InvalidInput(
            [
                Problem(
                    variable,
                    str(path),
                    f"has the sha256 {found}, but {sha256.lower()} was given.",
                    "Give the sum of this build, or this sum's build.",
                )
            ]
        )
    size = path.stat().st_size
    return {"kind": "binary", "name": "k3s", "mode": "0755", "path": str(path), "sha256": found, "size": size}


def wrong_program(path: Path, arch: Architecture | None, variable: str) -> Problem | None:
    """Why a file cannot be started on a machine, by its first bytes; a script runs everywhere."""
    with path.open("rb") as stream:
        head = stream.read(20)
    if head.startswith(b"#!"):
        return None
    if len(head) < 20 or not head.startswith(b"\x7fELF"):
        return Problem(variable, str(path), "is no program.", "Give the program itself, not an archive or a page.")
    machine = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])[0]
    if arch is None or machine == arch.elf:
        return None
    known = {entry.elf: entry.name for entry in ARCHITECTURES.values()}
    return Problem(
        variable,
        str(path),
        f"is a program for {known.get(machine, f'ELF machine {machine}')}, the machine is {arch.name}.",
        f"Give the one for {arch.name}.",
    )


__all__ = (
    "AMD64",
    "ARCHITECTURES",
    "ARM64",
    "ARMHF",
    "IMAGE_FORMS",
    "RELEASES",
    "Architecture",
    "K3sVersion",
    "Step",
    "airgap_files",
    "architecture",
    "check_step",
    "own_build",
    "places",
    "release_files",
    "step",
    "version_of_output",
    "within_skew",
    "wrong_program",
)
