#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: verified_install
short_description: Put files of the source bundle in their places, verified
version_added: "0.1.0"
description:
  - Compares files of a bundle with what stands on the machine, sends only those that are missing or wrong, verifies the
    sha256 of each on the machine, and then moves it into place in one step.
  - A file that was verified before is recognised by its size, times and inode. It is read again only when
    one of them changed.
  - A file that is damaged in the bundle is found before anything is sent. One that arrives damaged is removed.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._image_archives
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Names files, not their content.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  set:
    description: Name of the set. Files that left it are removed.
    type: str
    required: true
  bundle_dir:
    description: Folder of the bundle on the controller.
    type: path
  release_dir:
    description: Instead of O(bundle_dir), a folder with a release of k3s and its list of sums.
    type: path
  architecture:
    description: For O(release_dir), whose files are taken.
    type: str
    default: amd64
  engine:
    description: The engine whose folders the files go to; what the machine had of them before is noted first.
    type: str
    choices: [kubeadm, k3s]
  files:
    description: What goes where. Size and sha256 come from the bundle's manifest.
    type: list
    elements: dict
    required: true
    suboptions:
      source:
        description: Path inside the bundle.
        type: str
        required: true
      path:
        description: Absolute path on the machine.
        type: str
        required: true
      mode:
        description: Octal permission bits, in quotes.
        type: str
        default: "0755"
      sha256:
        description: Filled in on the controller.
        type: str
      size:
        description: Filled in on the controller.
        type: int
      sums:
        description:
          - Absolute path of a list of sums on the machine. The file was fetched beside it by
            M(kateskit.klubster.verified_download), and is not sent. Given for all files or for none.
        type: path
  step:
    description: Filled in on the controller, which calls the module before and after sending.
    type: str
    default: compare
    choices: [compare, place, fetched]
  staging:
    description: Filled in on the controller. The folder in which files have arrived.
    type: path
  staging_owner:
    description: Filled in on the controller. The login user, which must be able to write to the place of arrival.
    type: str
    default: ""
"""

EXAMPLES = r"""
---
- name: Install two programs of the bundle
  kateskit.klubster.verified_install:
    set: example
    bundle_dir: ~/.cache/klubster/bundles/0123456789abcdef
    files:
      - source: bin/kubectl
        path: /usr/local/bin/kubectl
      - source: bin/helm
        path: /usr/local/bin/helm
"""

RETURN = r"""
missing:
  description: Files that were sent or, in check mode, would be; paths inside the bundle.
  returned: success
  type: list
  elements: str
  sample: [bin/kubectl]
removed:
  description: Files of the set that were removed or, in check mode, would be.
  returned: success
  type: list
  elements: str
  sample: []
staging:
  description: Folder on the machine in which files arrive.
  returned: when something is missing
  type: str
  sample: /var/lib/klubster/staging/programs/tmp1234
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import LAYOUTS
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node import install, selinux
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import STATE_DIRECTORY, Record, locked
from ansible_collections.kateskit.klubster.plugins.module_utils._node.staging import staged, user_id


def main() -> None:
    module = AnsibleModule(
        {
            "set": {"type": "str", "required": True},
            "bundle_dir": {"type": "path"},
            "release_dir": {"type": "path"},
            "architecture": {"type": "str", "default": "amd64"},
            "engine": {"type": "str", "choices": sorted(LAYOUTS, reverse=True)},
            "image_archives": {"type": "list", "elements": "dict", "default": []},
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": install.FILE_OPTIONS,
            },
            "step": {"type": "str", "default": "compare", "choices": ["compare", "place", "fetched"]},
            "staging": {"type": "path"},
            "staging_owner": {"type": "str", "default": ""},
        },
        required_if=[("step", "place", ["staging"])],
        supports_check_mode=True,
    )
    given = module.params
    staging, arriving = STATE_DIRECTORY / "staging" / given["set"], None
    try:
        wanted = install.parse(given["files"])
        if module.check_mode:
            comparison = install.compare(wanted, given["set"], Record.load())
            install.check_space(comparison.missing, staging)
        else:
            with locked():
                record = Record.load()
                if given["engine"]:
                    layout = LAYOUTS[given["engine"]]
                    record.note_data(layout.data, layout.incidental)
                comparison = install.compare(wanted, given["set"], record)
                if given["step"] == "place":
                    arrival = Path(given["staging"])
                    arrived = staged(arrival, [item.source for item in wanted])
                    install.place(arrived, comparison.missing, given["set"], record)
                    install.remove_staging(arrival)
                    selinux.relabel([item.path for item in comparison.missing], run)
                elif given["step"] == "fetched":
                    arrived = install.fetched(comparison.missing)
                    install.settle(comparison, given["set"], record)
                    install.place(arrived, comparison.missing, given["set"], record)
                    selinux.relabel([item.path for item in comparison.missing], run)
                else:
                    install.check_space(comparison.missing, staging)
                    install.settle(comparison, given["set"], record)
                    if comparison.missing:
                        arriving = install.prepare_staging(staging, user_id(given["staging_owner"]))
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    missing = [item.source for item in comparison.missing]
    after = {"missing": [], "removed": list(comparison.surplus)}
    module.exit_json(
        changed=not comparison.empty,
        missing=missing,
        removed=list(comparison.surplus),
        staging=given["staging"] or (str(arriving) if arriving else ""),
        diff={"before": {"missing": missing, "removed": []}, "after": after} if not comparison.empty else {},
    )


if __name__ == "__main__":
    main()
