#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: verified_download
short_description: Fetch a file whose sha256 is known
version_added: "0.1.0"
description:
  - Fetches one file by HTTP or HTTPS from the first mirror that gives it, verifies its sha256, and then moves it into
    place in one step. Nothing else is ever found at O(dest).
  - What has arrived stays in C(<dest>.partial) when a run is cut short or all mirrors fail. The next run goes on from
    there.
  - A file that is there with the right sum is not fetched.
  - Proxies are taken from the environment (E(http_proxy), E(https_proxy), E(no_proxy)).
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: full
    details:
      - A list of sums is fetched in check mode too, as it decides whether the file is right. It is not kept.
  diff_mode:
    support: full
    details:
      - Shows sums, mode and owner, not content.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  url:
    description:
      - Where the file is, by C(http://) or C(https://). Several are mirrors, tried in this order.
      - A user and password in a URL are sent as basic authentication. They and the query are never shown.
    type: list
    elements: str
    required: true
  dest:
    description: Absolute path of the file. Its folder is created if need be.
    type: path
    required: true
  sha256:
    description: The sum of the file.
    type: str
  sha256_list:
    description:
      - Where a list of sums in the format of C(sha256sum) is. Several are mirrors, tried in this order.
      - A sum that comes from the same place as the file proves only that it arrived whole. Use HTTPS for it.
    type: list
    elements: str
  sha256_name:
    description: Name of the file in the list. By default the last part of the first O(url).
    type: str
  sha256_list_dest:
    description:
      - Absolute path where the list is kept. A list that is there and names the file is used and not fetched again, so
        choose a path for each version.
    type: path
  mode:
    description: Octal permission bits, in quotes.
    type: str
    default: "0644"
  owner:
    description: User by name or number. By default that of the file before it, else that of the running user.
    type: str
  group:
    description: Group by name or number. By default that of the file before it, else that of the running user.
    type: str
  headers:
    description:
      - Headers for every request, for example for authorization. Every mirror gets them.
      - After a redirect to another server they are not sent.
    type: dict
    default: {}
  ca_file:
    description: File with PEM certificates that are trusted besides those of the system.
    type: path
  stall_timeout:
    description: Seconds without progress, after which a connection is given up.
    type: float
    default: 60
  timeout:
    description: Seconds for the whole download from all mirrors.
    type: float
    default: 3600
seealso:
  - module: kateskit.klubster.verified_install
"""

EXAMPLES = r"""
---
- name: Fetch a program whose sum is known
  kateskit.klubster.verified_download:
    url:
      - https://mirror.example.org/tools/tool-1.2.3
      - https://tools.example.com/download/tool-1.2.3
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    dest: /usr/local/bin/tool
    mode: "0755"

- name: Fetch a program whose sum is published beside it
  kateskit.klubster.verified_download:
    url:
      - https://tools.example.com/download/v1.2.3/tool-arm64
    sha256_list:
      - https://tools.example.com/download/v1.2.3/sha256sum-arm64.txt
    sha256_list_dest: /var/cache/example/v1.2.3/sha256sum-arm64.txt
    dest: /var/cache/example/v1.2.3/tool-arm64
    mode: "0755"
"""

RETURN = r"""
dest:
  description: Path of the file.
  returned: success
  type: str
  sample: /usr/local/bin/tool
sha256:
  description: Sum of the file.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
url:
  description: The mirror that gave the file, without user, password and query. Empty when nothing was fetched.
  returned: success
  type: str
  sample: https://tools.example.com/download/tool-1.2.3
received:
  description: Bytes of the file that servers sent.
  returned: success
  type: int
  sample: 73400320
resumed_from:
  description: Bytes of the file that an earlier run had left.
  returned: success
  type: int
  sample: 0
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node import desired_download
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import secrets_in


def main() -> None:
    module = AnsibleModule(
        {
            "url": {"type": "list", "elements": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "sha256": {"type": "str"},
            "sha256_list": {"type": "list", "elements": "str"},
            "sha256_name": {"type": "str"},
            "sha256_list_dest": {"type": "path"},
            "mode": {"type": "str", "default": "0644"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "headers": {"type": "dict", "default": {}, "no_log": True},
            "ca_file": {"type": "path"},
            "stall_timeout": {"type": "float", "default": 60},
            "timeout": {"type": "float", "default": 3600},
        },
        mutually_exclusive=[("sha256", "sha256_list")],
        required_one_of=[("sha256", "sha256_list")],
        required_by={"sha256_name": "sha256_list", "sha256_list_dest": "sha256_list"},
        supports_check_mode=True,
    )
    for url in [*module.params["url"], *(module.params["sha256_list"] or [])]:
        module.no_log_values.update(secrets_in(url))
    try:
        wanted = desired_download.parse(module.params)
        plan = desired_download.compare(wanted)
        fetched = None if module.check_mode else desired_download.apply(wanted, plan)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(
        changed=not plan.difference.empty,
        dest=str(Path(wanted.dest)),
        sha256=plan.sha256,
        url=fetched.url if fetched else "",
        received=fetched.received if fetched else 0,
        resumed_from=fetched.resumed_from if fetched else 0,
        diff={} if plan.difference.empty else plan.difference.as_diff(),
    )


if __name__ == "__main__":
    main()
