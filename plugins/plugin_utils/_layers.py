# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def with_bundle(bundle_dir: t.Any, build: t.Callable[[Manifest], t.Any]) -> t.Any:
    """What ``build`` makes of the bundle in this folder; our errors become a filter's."""
    if not bundle_dir:
        raise AnsibleFilterError("No folder of a source bundle was given. Build one with playbooks/bundle.yml.")
    try:
        return build(Manifest.load(str(bundle_dir)))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def layer_filter(build: t.Callable[..., dict[str, t.Any]]) -> t.Callable[..., dict[str, t.Any]]:
    """A filter from a pure function: the bundle's folder becomes its manifest, Ansible's values become Python's own."""

    def filtered(bundle_dir: t.Any, **options: t.Any) -> dict[str, t.Any]:
        built: dict[str, t.Any] = with_bundle(bundle_dir, lambda bundle: build(bundle, **plain(options)))
        return built

    return filtered


__all__ = ("layer_filter", "with_bundle")
