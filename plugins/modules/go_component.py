#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: go_component
short_description: Build one component of the source bundle, or fix its sources
version_added: "0.1.0"
description:
  - Builds one component of the catalogue of the role P(kateskit.klubster.source_bundle#role) into the cache.
  - With O(state=refreshed) it writes the component's C(go.mod) and C(go.sum) anew, after a change of its version in
    the catalogue.
    Every sum comes from the checksum database then. Look at the difference before you commit it.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: partial
    details:
      - With O(state=refreshed) nothing is downloaded in check mode, so it cannot know whether the files would
        change and says they would.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  name:
    description: Name of the component in the catalogue.
    type: str
    required: true
  state:
    description: What to make sure of.
    type: str
    choices: [built, refreshed]
    default: built
  cache_dir:
    description: Folder for built components and Go's build cache. By default C(klubster) in the user's cache folder.
    type: path
  role_dir:
    description: Folder of the role with C(vars/components.yml) and C(files/).
    type: path
    required: true
  version:
    description: Version of Kubernetes for which the catalogue is read; by default its own.
    type: str
    default: ""
requirements:
  - Go 1.24 or later, for some components also gcc, libseccomp-dev and pkg-config
  - PyYAML
seealso:
  - module: kateskit.klubster.bundle_build
"""

EXAMPLES = r"""
---
- name: Build runc
  kateskit.klubster.go_component:
    name: runc
    role_dir: roles/source_bundle

- name: Fix the sources of etcd after a change of its version
  kateskit.klubster.go_component:
    name: etcd
    state: refreshed
    role_dir: roles/source_bundle
"""

RETURN = r"""
directory:
  description: Where the component lies in the cache, or where its C(go.mod) and C(go.sum) are.
  returned: success
  type: str
  sample: ~/.cache/klubster/components/70c3919c3e574008
files:
  description: The component's files with their sha256.
  returned: with O(state=built), outside check mode
  type: list
  elements: dict
  sample: [{"path": "bin/runc", "sha256": "7d8c…", "size": 12531088}]
"""

import typing as t
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue, gomodule
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.builder import Builder
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Processes
from ansible_collections.kateskit.klubster.plugins.module_utils._difference import Difference
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


def built(builder: Builder, component: catalogue.Component, *, check_mode: bool) -> dict[str, t.Any]:
    """Build the component if the cache does not have it."""
    found = builder.cached(component)
    difference = Difference()
    difference.add("key", want=builder.key(component), have=found.key if found else None)
    if not found and not check_mode:
        found = builder.build(component)
    result = {
        "changed": not difference.empty,
        "directory": str(builder.folder(component)),
        "diff": difference.as_diff(),
    }
    return {**result, "files": [asdict(entry) for entry in found.files]} if found else result


def refreshed(builder: Builder, component: catalogue.Component, *, check_mode: bool) -> dict[str, t.Any]:
    """Write go.mod and go.sum anew."""
    folder = builder.files / (component.sums or component.name)
    before = builder.committed(component)
    changed = True if check_mode else builder.refresh(component)
    after = before if check_mode else builder.committed(component)
    diff = [
        {"before_header": name, "after_header": name, "before": before[name].decode(), "after": after[name].decode()}
        for name in before
    ]
    return {"changed": changed, "directory": str(folder), "diff": diff}


def main() -> None:
    module = AnsibleModule(
        {
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["built", "refreshed"], "default": "built"},
            "cache_dir": {"type": "path"},
            "role_dir": {"type": "path", "required": True},
            "version": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    processes = Processes()
    try:
        cache = (
            catalogue.Cache(Path(module.params["cache_dir"]))
            if module.params["cache_dir"]
            else catalogue.default_cache()
        )
        content = catalogue.load(Path(module.params["role_dir"]), module.params["version"])
        tools = gomodule.toolchain(processes)
        builder = Builder(cache, content.files, tools, tools.arch, processes)
        verb = built if module.params["state"] == "built" else refreshed
        result = verb(builder, content.component(module.params["name"]), check_mode=module.check_mode)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
