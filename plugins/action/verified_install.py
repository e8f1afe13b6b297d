# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import contents, of_bundle, with_sums
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain
from ansible_collections.kateskit.klubster.plugins.plugin_utils._sending import SendingAction


class ActionModule(SendingAction):
    """Sends files of a release, the bundle and the user; documented with the module of the same name."""

    module = "kateskit.klubster.verified_install"

    def complete(self, given: dict[str, t.Any]) -> tuple[Manifest, dict[str, t.Any]]:
        release, arch = str(given.pop("release_dir", "")), str(given.pop("architecture", "amd64"))
        own, folder = given.pop("image_archives", None) or [], str(given.pop("bundle_dir", ""))
        of_release = _files(given) if release else []
        bundle = contents(folder, own, bundle=of_bundle(_all_files(given)[len(of_release) :]))
        first = whole = bundle
        # Of files that the machine has fetched itself, the controller knows neither content nor sums.
        if not all(entry.get("sums") for entry in of_release):
            first = _release.load(release, arch)
            whole = replace(bundle, files=(*first.files, *bundle.files))
        arguments = _with_sums(first, given)
        if "further" in given:
            arguments["further"] = [_with_sums(bundle, entry) for entry in given["further"] or []]
        return whole, arguments

    def to_send(self, compared: dict[str, t.Any]) -> list[str]:
        fetched = {entry["source"] for entry in _all_files(plain(dict(self._task.args))) if entry.get("sums")}
        return [source for source in compared["missing"] if source not in fetched]


def _files(of_set: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    return of_set.get("files") or []


def _all_files(given: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Those of ``files``, then those of further sets."""
    return [entry for of_set in (given, *(given.get("further") or ())) for entry in _files(of_set)]


def _with_sums(manifest: Manifest, of_set: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A set whose files were forgotten stays as it is: the module refuses it, as without files it would be emptied."""
    return {**of_set, "files": with_sums(manifest, of_set["files"])} if of_set.get("files") else dict(of_set)


__all__ = ("ActionModule",)
