# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a release of k3s consists of: versions, names by architecture, places, and the files of a folder."""

from __future__ import annotations

import functools
import re
import typing as t
from dataclasses import dataclass
from urllib.parse import quote

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._node import checksums
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import check_urls, shown

RELEASES = "https://github.com/k3s-io/k3s/releases/download"
#: forms of the image archive, the smallest first
IMAGE_FORMS = ("tar.zst", "tar.gz", "tar")

_VERSION = re.compile(
    r"v?(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)\.(?P<patch>0|[1-9]\d*)"
    r"(?:-(?P<stage>alpha|beta|rc)(?P<round>[1-9]\d*))?\+k3s(?P<build>[1-9]\d*)",
    re.ASCII,
)
_STAGES = ("alpha", "beta", "rc", "")
_MARKS = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = ("tag", "dashed_tag", "file")


class Release(t.NamedTuple):
    """A version of k3s; ``build`` is the number behind ``+k3s``."""

    major: int
    minor: int
    patch: int = 0
    build: int = 1

    @property
    def minor_text(self) -> str:
        return f"{self.major}.{self.minor}"


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


__all__ = (
    "AMD64",
    "ARCHITECTURES",
    "ARM64",
    "ARMHF",
    "IMAGE_FORMS",
    "RELEASES",
    "Architecture",
    "K3sVersion",
    "architecture",
    "places",
    "release_files",
    "version_of_output",
)
