#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: status_page
short_description: Write a cluster's report as an HTML page with a picture
version_added: "0.1.0"
description:
  - Writes a page on the controller that needs no network, script or font, in light and dark, for screen and paper.
  - The page is left alone as long as only the time differs, or warnings that come and go by themselves. It therefore
    tells when this state was first seen.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the verdict and the time on the page, not its text.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  report:
    description: A report of M(kateskit.klubster.cluster_status).
    type: dict
    required: true
  path:
    description:
      - File on the controller. By default C(klubster/status/NAME.html) in C($XDG_CACHE_HOME) or C(~/.cache).
    type: path
    default: ""
seealso:
  - module: kateskit.klubster.cluster_status
"""

EXAMPLES = r"""
---
- name: Ask the cluster how it is
  kateskit.klubster.cluster_status:
    kubeconfig: ~/.kube/klubster-home.yaml
  register: status

- name: Write the page
  kateskit.klubster.status_page:
    report: "{{ status.report }}"
    path: /srv/www/home.html
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /srv/www/home.html
"""
