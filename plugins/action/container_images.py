# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.plugin_utils._sending import SendingAction


class ActionModule(SendingAction):
    """Sends image archives of the bundle; documented with the module of the same name."""

    module = "kateskit.klubster.container_images"

    def complete(self, arguments: dict[str, t.Any], manifest: Manifest) -> dict[str, t.Any]:
        images = []
        for name in arguments.pop("names", []):
            image = manifest.image(str(name))
            source = str(image.path.relative_to(manifest.directory))
            images.append({"source": source, "reference": image.reference, "sha256": image.sha256, "size": image.size})
        return arguments | {"images": images}

    def to_send(self, compared: dict[str, t.Any]) -> list[str]:
        return list(compared["sources"])


__all__ = ("ActionModule",)
