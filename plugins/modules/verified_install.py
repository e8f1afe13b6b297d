#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: verified_install
short_description: Put files of the source bundle or a release in their places, verified
version_added: "0.1.0"
description:
  - Compares files of a bundle with what stands on the machine, sends only those that are missing or wrong, verifies the
    sha256 of each on the machine, and then moves it into place in one step.
  - A file that was verified before is recognised by its size, times and inode. It is read again only when
    one of them changed.
  - A file that is damaged in the bundle is found before anything is sent. One that arrives damaged is removed.
  - Nothing is removed or moved before all that has to be sent has arrived.
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
    description: Folder with a release of k3s and its list of sums. Then O(files) are of it, and not of O(bundle_dir).
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
    suboptions: &file
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
            M(kateskit.klubster.verified_download), and is not sent.
        type: path
  further:
    description: Further sets that are kept by the same call. Their files are of O(bundle_dir) or O(image_archives).
    type: list
    elements: dict
    default: []
    suboptions:
      set:
        description: Name of the set, as O(set).
        type: str
        required: true
      files:
        description: What goes where, as O(files). A set without files loses those that it had.
        type: list
        elements: dict
        required: true
        suboptions: *file
  step:
    description: Filled in on the controller, which calls the module before and after sending.
    type: str
    default: compare
    choices: [compare, place]
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
  description:
    - Files that were sent or, if the machine had fetched them itself, only put in place; in check mode, those that
      would be. Paths inside the bundle.
  returned: success
  type: list
  elements: str
  sample: [bin/kubectl]
removed:
  description: Files of the sets that were removed or, in check mode, would be.
  returned: success
  type: list
  elements: str
  sample: []
staging:
  description: Folder on the machine in which files arrive.
  returned: when something has to be sent
  type: str
  sample: /var/lib/klubster/staging/programs/tmp1234
"""

import typing as t
from dataclasses import replace
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import LAYOUTS
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node import install, selinux
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import STATE_DIRECTORY, Record, locked
from ansible_collections.kateskit.klubster.plugins.module_utils._node.staging import staged, user_id

_FILES: dict[str, t.Any] = {"type": "list", "elements": "dict", "required": True, "options": install.FILE_OPTIONS}


def main() -> None:
    module = AnsibleModule(
        {
            "set": {"type": "str", "required": True},
            "bundle_dir": {"type": "path"},
            "release_dir": {"type": "path"},
            "architecture": {"type": "str", "default": "amd64"},
            "engine": {"type": "str", "choices": sorted(LAYOUTS, reverse=True)},
            "image_archives": {"type": "list", "elements": "dict", "default": []},
            "files": _FILES,
            "further": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"set": {"type": "str", "required": True}, "files": _FILES},
            },
            "step": {"type": "str", "default": "compare", "choices": ["compare", "place"]},
            "staging": {"type": "path"},
            "staging_owner": {"type": "str", "default": ""},
        },
        required_if=[("step", "place", ["staging"])],
        supports_check_mode=True,
    )
    given = module.params
    arriving: Path | None = None
    try:
        wanted = _parse(given)
        if module.check_mode:
            found = _compare(wanted, Record.load())
            install.check_space(_missing(found), _staging(given))
        else:
            with locked():
                record = Record.load()
                if given["engine"]:
                    layout = LAYOUTS[given["engine"]]
                    record.note_data(layout.data, layout.incidental)
                found = _compare(wanted, record)
                arriving = _settle(given, found, record)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    missing = [item.source for item in _missing(found)]
    removed = [path for comparison in found.values() for path in comparison.surplus]
    changed = not all(comparison.empty for comparison in found.values())
    module.exit_json(
        changed=changed,
        missing=missing,
        removed=removed,
        staging=given["staging"] or (str(arriving) if arriving else ""),
        diff={"before": {"missing": missing, "removed": []}, "after": {"missing": [], "removed": removed}}
        if changed
        else {},
    )


def _parse(given: t.Mapping[str, t.Any]) -> dict[str, list[install.WantedInstall]]:
    """Set → its files.

    :raises InstallError: a set is named twice, or an entry cannot be used.
    """
    wanted: dict[str, list[install.WantedInstall]] = {}
    for entry in (given, *given["further"]):
        if entry["set"] in wanted:
            raise install.InstallError(f"The set {entry['set']!r} is named twice. Give all its files in one place.")
        wanted[entry["set"]] = install.parse(entry["files"])
    return wanted


def _compare(wanted: t.Mapping[str, list[install.WantedInstall]], record: Record) -> dict[str, install.Comparison]:
    return {name: install.compare(files, name, record) for name, files in wanted.items()}


def _missing(found: t.Mapping[str, install.Comparison]) -> list[install.WantedInstall]:
    return [item for comparison in found.values() for item in comparison.missing]


def _staging(given: t.Mapping[str, t.Any]) -> Path:
    return STATE_DIRECTORY / "staging" / str(given["set"])


def _settle(given: t.Mapping[str, t.Any], found: t.Mapping[str, install.Comparison], record: Record) -> Path | None:
    """All that is to be done, or, as long as something has to be sent, the folder where that shall arrive.

    :raises KlubsterError: there is no room, or a file has not arrived as it shall be.
    """
    missing = _missing(found)
    arrived = install.fetched([item for item in missing if item.sums])
    sent = [item.source for item in missing if not item.sums]
    if given["step"] == "compare":
        install.check_space(missing, _staging(given))
        if sent:
            # What was read is noted; the call that places what arrives does the rest, and tells of it.
            for name, comparison in found.items():
                install.settle(replace(comparison, wrong_mode=(), surplus=()), name, record)
            return install.prepare_staging(_staging(given), user_id(given["staging_owner"]))
    else:
        arrived |= staged(Path(given["staging"]), sent)
    for name, comparison in found.items():
        install.settle(comparison, name, record)
    for name, comparison in found.items():
        install.place(arrived, comparison.missing, name, record)
        selinux.relabel([item.path for item in comparison.missing], run)
    if given["staging"]:
        install.remove_staging(Path(given["staging"]))
    return None


if __name__ == "__main__":
    main()
