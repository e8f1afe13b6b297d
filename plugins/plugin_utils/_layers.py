# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.manifests import Bundle
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.upstream import FetchedManifests
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def with_manifests(bundle_dir: t.Any, fetched_dir: t.Any, build: t.Callable[[Bundle], t.Any]) -> t.Any:
    """What ``build`` makes of the bundle in this folder; our errors become a filter's.

    :param fetched_dir: folder with upstream's own manifests, instead of a bundle; None where there is a bundle.
    """
    if fetched_dir is None and not bundle_dir:
        raise AnsibleFilterError("No folder of a source bundle was given. Build one with playbooks/bundle.yml.")
    try:
        if fetched_dir is not None:
            return build(FetchedManifests(Path(str(fetched_dir))))
        return build(Manifest.load(str(bundle_dir)))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def layer_filter(build: t.Callable[..., dict[str, t.Any]]) -> t.Callable[..., dict[str, t.Any]]:
    """A filter from a pure function: the bundle's folder becomes its manifest, Ansible's values become Python's own."""

    def filtered(bundle_dir: t.Any, *, manifests_dir: t.Any = "", **options: t.Any) -> dict[str, t.Any]:
        built: dict[str, t.Any] = with_manifests(
            bundle_dir, manifests_dir or None, lambda bundle: build(bundle, **plain(options))
        )
        return built

    return filtered


__all__ = ("layer_filter", "with_manifests")
