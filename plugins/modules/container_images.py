#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: container_images
short_description: Put archives of images into containerd
version_added: "0.1.0"
description:
  - Sends the archives of images that containerd does not have, or has from another archive, verifies their sha256
    on the machine, imports them and removes the archives.
  - Images are pinned, so that kubelet does not remove them when the disk fills up; no registry could bring them back.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._image_archives
attributes:
  check_mode:
    support: full
    details:
      - Where containerd does not run yet, all images count as missing.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  bundle_dir:
    description: Folder of the bundle on the controller.
    type: path
  names:
    description: Images by their names in the bundle.
    type: list
    elements: str
    default: []
  images:
    description: Filled in on the controller from the bundle's manifest and O(image_archives).
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: Path inside the bundle.
        type: str
        required: true
      reference:
        description: Reference of the image, for an archive of the bundle.
        type: str
        default: ""
      holds:
        description: References of the images in an archive of the user's own, and what each stands for.
        type: dict
        default: {}
      sha256:
        description: Of the archive.
        type: str
        required: true
      size:
        description: Of the archive, in bytes.
        type: int
        required: true
  ctr:
    description: Path of containerd's client on the machine.
    type: path
    default: /usr/local/bin/ctr
  root:
    description: Where containerd keeps images.
    type: path
    default: /var/lib/containerd
  step:
    description: Filled in on the controller, which calls the module before and after sending.
    type: str
    default: compare
    choices: [compare, place]
  staging:
    description: Filled in on the controller. The folder in which files have arrived.
    type: path
  staging_owner:
    description: Filled in on the controller.
    type: str
    default: ""
"""

EXAMPLES = r"""
---
- name: Import two images of the bundle
  kateskit.klubster.container_images:
    bundle_dir: ~/.cache/klubster/bundles/0123456789abcdef
    names: [pause, coredns]
"""

RETURN = r"""
missing:
  description: References of the images whose archives were imported or, in check mode, would be.
  returned: success
  type: list
  elements: str
  sample: ["bundle.klubster.internal/pause:3.10.1"]
staging:
  description: Folder on the machine in which archives arrive.
  returned: success
  type: str
  sample: /var/lib/klubster/staging/images/tmp1234
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node import images
from ansible_collections.kateskit.klubster.plugins.module_utils._node.install import prepare_staging, remove_staging
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import STATE_DIRECTORY, Record, locked
from ansible_collections.kateskit.klubster.plugins.module_utils._node.staging import staged, user_id


def main() -> None:
    module = AnsibleModule(
        {
            "bundle_dir": {"type": "path"},
            "names": {"type": "list", "elements": "str", "default": []},
            "image_archives": {"type": "list", "elements": "dict", "default": []},
            "images": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": images.ARCHIVE_OPTIONS,
            },
            "ctr": {"type": "path", "default": "/usr/local/bin/ctr"},
            "root": {"type": "path", "default": "/var/lib/containerd"},
            "step": {"type": "str", "default": "compare", "choices": ["compare", "place"]},
            "staging": {"type": "path"},
            "staging_owner": {"type": "str", "default": ""},
        },
        required_if=[("step", "place", ["staging"])],
        supports_check_mode=True,
    )
    given = module.params
    staging, arriving = STATE_DIRECTORY / "staging" / "images", None
    try:
        wanted = [images.WantedImage(**entry) for entry in given["images"]]
        if module.check_mode:
            missing = images.compare(wanted, images.present(run, given["ctr"]) or (), Record.load())
            images.check_space(missing, staging, Path(given["root"]))
        else:
            with locked():
                record = Record.load()
                missing = images.compare(wanted, images.listed(run, given["ctr"]), record)
                if given["step"] == "place":
                    images.load(
                        staged(Path(given["staging"]), [item.source for item in wanted]),
                        missing,
                        record,
                        run,
                        given["ctr"],
                    )
                    remove_staging(Path(given["staging"]))
                elif missing:
                    images.check_space(missing, staging, Path(given["root"]))
                    arriving = prepare_staging(staging, user_id(given["staging_owner"]))
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    references = [name for item in missing for name in item.images]
    module.exit_json(
        changed=bool(missing),
        missing=references,
        sources=[item.source for item in missing],
        staging=given["staging"] or (str(arriving) if arriving else ""),
        diff={"before": {"missing": references}, "after": {"missing": []}} if references else {},
    )


if __name__ == "__main__":
    main()
