# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time!

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  image_archives:
    description:
      - Archives of images of the user's own on the controller, as RV(kateskit.klubster.cluster_plan#module:archives).
        Only the controller reads it.
    type: list
    elements: dict
    default: []
"""
