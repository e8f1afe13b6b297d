# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import archives, contents, own_archives
from ansible_collections.kateskit.klubster.plugins.plugin_utils._sending import SendingAction


class ActionModule(SendingAction):
    """Sends archives of images; documented with the module of the same name."""

    module = "kateskit.klubster.container_images"

    def complete(self, given: dict[str, t.Any]) -> tuple[Manifest, dict[str, t.Any]]:
        own, names = given.pop("image_archives", None) or [], given.pop("names", None) or []
        manifest = contents(str(given.pop("bundle_dir", "")), own, bundle=bool(names))
        return manifest, given | {"images": archives(manifest, names) + own_archives(own)}

    def to_send(self, compared: dict[str, t.Any]) -> list[str]:
        return list(compared["sources"])


__all__ = ("ActionModule",)
