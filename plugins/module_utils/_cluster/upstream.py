# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Upstream's own manifests for those who build no bundle: where each release keeps its file, and the file's sum.

The sums are those of the files in the Go modules of the same releases: the bundle is built from them, and the checksum
database knows them. tests/bundle compares.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import local_path, metallb
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import check_urls

HOST = "https://raw.githubusercontent.com"
VARIABLE = "klubster_layers_mirrors"


@dataclass(frozen=True)
class Upstream:
    """A manifest of a release.

    :param component: its name in the bundle's catalogue, where the same version stands.
    """

    component: str
    version: str
    repository: str
    path: str
    sha256: str
    #: whether a bundle has it as well
    bundled: bool = True

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def place(self) -> str:
        """Below the folder of what was fetched."""
        return f"{self.component}-{self.version}/{self.name}"

    def urls(self, mirrors: t.Sequence[str] = ()) -> list[str]:
        """:param mirrors: what stands there instead of the official host; what follows is the same.
        :raises InvalidInput: a mirror is no URL.
        """
        check_urls(mirrors or [HOST], VARIABLE)
        return [f"{base.rstrip('/')}/{self.repository}/v{self.version}/{self.path}" for base in mirrors or [HOST]]


METALLB = Upstream(
    "metallb",
    "0.15.2",
    "metallb/metallb",
    f"config/manifests/{metallb.MANIFEST}",
    "a1b04c376fb39c93265f551fe23716a3ae6e09b790edb3bf257d3fc784c35a18",
)
METALLB_FRR = Upstream(
    "metallb",
    "0.15.2",
    "metallb/metallb",
    f"config/manifests/{metallb.MANIFEST_FRR}",
    "64cae8e2bb5a7e7cb3d8d27894c6ae6db3d677e7b8504f88b2f0dea67d0b89d5",
    bundled=False,
)
LOCAL_PATH = Upstream(
    "local_path_provisioner",
    "0.0.30",
    "rancher/local-path-provisioner",
    f"deploy/{local_path.MANIFEST}",
    "fe682186b00400fe7e2b72bae16f63e47a56a6dcc677938c6642139ef670045e",
)
ALL = (METALLB, METALLB_FRR, LOCAL_PATH)


def needed(plan: t.Mapping[str, t.Any]) -> list[Upstream]:
    """What has to be fetched for a plan."""
    if plan["layers"]["source"] != "release":
        return []
    balancer = plan["load_balancer"]
    wanted = {
        METALLB: balancer["provider"] == "metallb" and balancer["speaker"] != "frr",
        METALLB_FRR: balancer["provider"] == "metallb" and balancer["speaker"] == "frr",
        LOCAL_PATH: plan["storage"]["local_path"]["enabled"],
    }
    return [one for one in ALL if wanted[one]]


@dataclass(frozen=True)
class Fetched:
    """A manifest that was fetched; it is looked at only when somebody reads it."""

    upstream: Upstream
    folder: Path

    @property
    def name(self) -> str:
        return self.upstream.name

    @property
    def path(self) -> Path:
        """:raises DefinitionError: it is not there, or not what it was."""
        path = self.folder / self.upstream.place
        if not path.is_file() or sha256_of(path) != self.upstream.sha256:
            raise DefinitionError(
                f"{path} is not there, or not the file of {self.upstream.component} {self.upstream.version}. "
                "playbooks/site.yml fetches it before everything else: run it without --tags and --skip-tags."
            )
        return path


@dataclass(frozen=True)
class FetchedManifests:
    """In the place of a bundle. It has no images: machines pull what the manifests name."""

    folder: Path

    def of_kind(self, kind: str) -> tuple[Fetched, ...]:
        return tuple(Fetched(one, self.folder) for one in ALL) if kind == "manifest" else ()

    def image(self, _name: str) -> None:
        return None


__all__ = (
    "ALL",
    "HOST",
    "LOCAL_PATH",
    "METALLB",
    "METALLB_FRR",
    "VARIABLE",
    "Fetched",
    "FetchedManifests",
    "Upstream",
    "needed",
)
