#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_build
short_description: Build the source bundle
version_added: "0.1.0"
description:
  - Builds all components of the catalogue from source, makes image archives of them, and puts everything a cluster
    needs into
    one folder, with a manifest, a bill of materials and the licences.
  - Sources come through the Go module proxy and are verified against the committed C(go.sum) files. Components of
    the source
    kind C(git) are verified against their pinned commit.
  - It runs on the controller and prints a line whenever a component starts or ends, and at least every 30 seconds.
  - Components that are built stay in the cache. A run that failed or was interrupted goes on where it was when it
    is run again.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  sets:
    description: Sets of the catalogue to build.
    type: list
    elements: str
    default: [cluster]
  cache_dir:
    description: >-
      Folder for built components, bundles and Go's build cache. By default C(klubster) in the user's cache
      folder.
    type: path
  role_dir:
    description: >-
      Folder of the role with C(vars/components.yml) and C(files/). By default the collection's
      C(source_bundle).
    type: path
  jobs:
    description: How many components are built at the same time. With V(0) processors and memory decide.
    type: int
    default: 0
  version:
    description: >-
      Version of Kubernetes of which the bundle is built, one of those that the catalogue knows; by default its own.
    type: str
    default: ""
  verify:
    description:
      - How an existing bundle is checked. V(quick) compares sizes and times of all files, V(full) their sha256.
      - With V(full) a damaged file is built again.
    type: str
    choices: [quick, full]
    default: quick
requirements:
  - Go 1.24 or later and gcc, libseccomp-dev, pkg-config and iptables on the controller
  - cyclonedx-python-lib
seealso:
  - module: kateskit.klubster.go_component
"""

EXAMPLES = r"""
---
- name: Build what a cluster needs
  kateskit.klubster.bundle_build:
  register: bundle

- name: Check every file of the bundle, and repair it
  kateskit.klubster.bundle_build:
    verify: full
"""

RETURN = r"""
directory:
  description: The bundle's folder.
  returned: success
  type: str
  sample: ~/.cache/klubster/bundles/7310c7982083bee3
key:
  description: The bundle's name, computed from catalogue, sums and architecture.
  returned: success
  type: str
  sample: 7310c7982083bee3
built:
  description: Components that were built, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [runc]
reason:
  description: Why the bundle was not complete. Empty if it was.
  returned: success
  type: str
  sample: "changed: runc"
"""

__all__ = ("DOCUMENTATION", "EXAMPLES", "RETURN")
