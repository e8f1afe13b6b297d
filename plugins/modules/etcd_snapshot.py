#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_snapshot
short_description: Keep etcd's data in a file
version_added: "0.1.0"
description:
  - Runs on a server of a cluster by kubeadm. The file is what C(etcdutl snapshot restore) takes; its sha256, which
    etcd puts at its end, is compared before the file gets its name.
  - Files of this module beyond O(keep) are removed, the oldest first.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each run makes another file.
  platform:
    support: full
    platforms: posix
options:
  directory:
    description: Folder for the file. It gets mode V(0700), the file V(0600); it holds every secret of the cluster.
    type: path
    default: /var/lib/klubster/snapshots
  name:
    description: How the file's name begins; the time and C(.db) follow.
    type: str
    required: true
  state:
    description: V(compared) keeps no file; it only does what O(bound_for) says.
    type: str
    choices: [kept, compared]
    default: kept
  bound_for:
    description:
      - Version of etcd to which this member goes. Where that is from 3.5 before 3.5.26 to 3.6, the list of members in
        its file, which 3.6 believes, is compared with the one that it works with. Where they differ the module fails.
    type: str
    default: ""
  keep:
    description: How many files stay in the folder.
    type: int
    default: 5
  url:
    description: Where etcd is asked on this server.
    type: str
    default: https://127.0.0.1:2379
seealso:
  - module: kateskit.klubster.etcd_member
"""

EXAMPLES = r"""
---
- name: Keep etcd's data before something is done to it
  kateskit.klubster.etcd_snapshot:
    name: home-1.34.1
"""

RETURN = r"""
path:
  description: The file.
  returned: success, outside check mode
  type: str
  sample: /var/lib/klubster/snapshots/home-1.34.1-20260101T120000Z.db
size:
  description: Its size in bytes.
  returned: success, outside check mode
  type: int
  sample: 5238816
removed:
  description: Older files that were removed.
  returned: success, outside check mode
  type: list
  elements: str
  sample: []
"""

import tempfile
import time
import typing as t
from dataclasses import replace
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import upgrade
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.bolt import read_bucket
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import Etcd, lists_agree
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError


def check_step(service: Etcd, wanted: str, file: t.Callable[[], Path]) -> None:
    """Refuse a version to which this member cannot go.

    :raises InvalidInput: with how its lists of members differ, if it is that.
    """
    installed = service.version()
    problem = upgrade.etcd_problem(installed, wanted)
    if problem is None:
        return
    if upgrade.etcd_problem(installed, wanted, agreed=True):
        raise InvalidInput([problem])
    differs = lists_agree(service.members(), read_bucket(file().read_bytes(), b"members"))
    if differs:
        told = upgrade.etcd_problem(installed, wanted, agreed=False) or problem
        raise InvalidInput([replace(told, rule=f"{told.rule} {differs}.")])


def compare(service: Etcd, name: str, wanted: str) -> dict[str, t.Any]:
    """Only see whether this member may go to a version."""
    with tempfile.TemporaryDirectory(prefix=f"klubster-{name}-") as folder:

        def fetched() -> Path:
            path = Path(folder) / "data.db"
            service.snapshot(path)
            return path

        check_step(service, wanted, fetched)
    return {"changed": False}


def perform(service: Etcd, directory: Path, name: str, *, keep: int, stamp: str, wanted: str = "") -> dict[str, t.Any]:
    """The module without its shell."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    path = directory / f"{name}-{stamp}.db"
    partial = directory / f".{path.name}.part"
    size = service.snapshot(partial)
    partial.replace(path)
    if wanted:
        check_step(service, wanted, lambda: path)
    files = sorted(directory.glob("*.db"), key=lambda file: file.stat().st_mtime)
    surplus = files[:-keep] if keep else []
    for file in surplus:
        file.unlink()
    return {"changed": True, "path": str(path), "size": size, "removed": [str(file) for file in surplus]}


def work(given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the options ask for."""
    service = Etcd(given["url"], KUBEADM.etcd_certificates)
    if given["state"] == "compared":
        return compare(service, given["name"], given["bound_for"])
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder = Path(given["directory"])
    return perform(service, folder, given["name"], keep=given["keep"], stamp=stamp, wanted=given["bound_for"])


def main() -> None:
    module = AnsibleModule(
        {
            "directory": {"type": "path", "default": "/var/lib/klubster/snapshots"},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["kept", "compared"], "default": "kept"},
            "bound_for": {"type": "str", "default": ""},
            "keep": {"type": "int", "default": 5},
            "url": {"type": "str", "default": "https://127.0.0.1:2379"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        result = {"changed": given["state"] == "kept"} if module.check_mode else work(given)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
