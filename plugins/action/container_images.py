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

    def load(self, given: dict[str, t.Any]) -> Manifest:
        folder = str(given.pop("bundle_dir", ""))
        return contents(folder, given.get("image_archives") or [], bundle=bool(given.get("names")))

    def complete(self, arguments: dict[str, t.Any], manifest: Manifest) -> dict[str, t.Any]:
        own = own_archives(arguments.pop("image_archives", None) or [])
        return arguments | {"images": archives(manifest, arguments.pop("names", [])) + own}

    def to_send(self, compared: dict[str, t.Any]) -> list[str]:
        return list(compared["sources"])


__all__ = ("ActionModule",)
