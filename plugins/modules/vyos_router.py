#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: vyos_router
short_description: Make a router with VyOS what a model describes
version_added: "0.1.0"
description:
  - Compares the configuration of VyOS with a model of a router and commits what differs, in the parts that the model
    has, with C(commit-confirm). A part that the model leaves out is not looked at.
  - The configuration and the sessions are looked at again. Where something is missing, the old configuration is put
    back, and the module fails.
  - What was committed stays when O(state=confirmed) follows, best over a new connection. Otherwise the router goes
    back to what is saved; VyOS 1.4 restarts for that. With O(api) each request is a new connection, so the module
    confirms and saves by itself.
  - Needs the connection P(ansible.netcommon.network_cli#connection) with C(ansible_network_os=vyos.vyos.vyos), or, with
    O(api), none to the router but the one that the API takes.
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
      - The difference is one of commands, without passwords.
  idempotent:
    support: full
  platform:
    support: full
    platforms: vyos
options:
  state:
    description:
      - V(present) makes the router what O(router) says, until it is confirmed or the time is over.
      - V(confirmed) keeps what was committed, and saves it.
      - V(gathered) changes nothing and returns what the router is, in the words of the model.
      - V(looked) changes nothing and returns what M(kateskit.klubster.cluster_status) wants to know of it.
    type: str
    default: present
    choices: [present, confirmed, gathered, looked]
  router:
    description:
      - The model, as O(kateskit.klubster.frr_config#module:router) takes it.
      - Required for O(state=present).
    type: dict
  passwords:
    description: Passwords of neighbours and peer groups, by their names.
    type: dict
    default: {}
  foreign:
    description: By part, names in it that belong to somebody else and stay as they are.
    type: dict
    default: {}
  version:
    description: Whose words the router takes. Without it the router is asked.
    type: str
    choices: ["1.4", "1.5"]
  sessions:
    description:
      - Which BGP sessions have to be up afterwards, else the change is taken back.
      - V(others) are those that were up and whose own settings did not change.
      - V(all) are all that the model has and that are not shut down.
    type: str
    default: others
    choices: [others, all, none]
  timeout:
    description: Seconds that these sessions have to come up.
    type: int
    default: 30
  confirm_minutes:
    description: Minutes after which the router undoes what is not confirmed.
    type: int
    default: 5
  api:
    description:
      - Goes by the HTTP API of VyOS, from the machine that the task runs on.
      - Versions before the second quarter of 2025 have no C(commit-confirm) there. They get a plain commit, which this
        module takes back when something is missing afterwards, and saves when nothing is.
        Nobody takes it back where it cut the router off from this machine.
      - What others did not save cannot be seen this way, so the configuration is saved before each change. What of
        O(router) itself runs and is not saved is seen in the file that the router starts with, and saved.
    type: dict
    suboptions:
      host:
        description: Name or address. The certificate has to be for it.
        type: str
        required: true
      port:
        description: Port of C(service https).
        type: int
        default: 443
      key:
        description: Key of C(service https api keys). Either it or O(api.key_file) is needed.
        type: str
      key_file:
        description: File of mode 0600 with nothing but the key.
        type: path
      ca_file:
        description: PEM certificates to believe, for a router that signed its own. Without it those of the machine.
        type: path
      validate_certs:
        description: Whether the certificate is looked at. V(false) gives the key to whoever answers.
        type: bool
        default: true
      timeout:
        description:
          - Seconds for an answer, and so for a commit. A connection has 10 of them at most, and what only reads 60.
          - With O(state=present), O(timeout) and a minute more have to be over before O(confirm_minutes) are.
        type: int
        default: 120
seealso:
  - module: kateskit.klubster.frr_config
  - plugin: kateskit.klubster.vyos_commands
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Make the router what the model says, for five minutes
  kateskit.klubster.vyos_router:
    router: "{{ router_model }}"
    passwords: "{{ router_passwords }}"
  register: __made

- name: Keep it
  kateskit.klubster.vyos_router:
    state: confirmed
  when: __made.pending

- name: Read a router by its API
  kateskit.klubster.vyos_router:
    state: gathered
    api:
      host: router2.example.com
      key: "{{ vault_router2_key }}"
      ca_file: /etc/ssl/routers.pem
  delegate_to: localhost
"""

RETURN = r"""
commands:
  description: What was typed or, in check mode, would be, without passwords.
  returned: O(state=present)
  type: list
  elements: str
  sample: [set protocols bgp neighbor 192.0.2.3 remote-as 65020]
pending:
  description: Whether it has to be confirmed; V(false) with O(api).
  returned: O(state=present)
  type: bool
sessions_reset:
  description: Neighbours whose sessions ended by the change.
  returned: O(state=present)
  type: list
  elements: str
  sample: []
gathered:
  description: The configuration as O(router) takes it, without passwords.
  returned: O(state=gathered)
  type: dict
  sample: {bgp: {asn: 65010, router_id: 10.10.0.2}}
with_password:
  description: Names of neighbours and peer groups that have a password.
  returned: O(state=gathered)
  type: list
  elements: str
  sample: [nodes]
look:
  description: As RV(kateskit.klubster.router_info#module:look), without what the kernel saw.
  returned: O(state=looked)
  type: dict
  sample: {frr: runs, addresses: [10.10.0.2/24], with_password: [nodes]}
strange:
  description: What in our parts the model has no words for.
  returned: O(state=gathered)
  type: list
  elements: str
  sample: [protocols bgp parameters always-compare-med]
"""

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.connection import Connection
from ansible.module_utils.connection import ConnectionError as NotAnswered
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._router import (
    frr_apply,
    vyos,
    vyos_api,
    vyos_cli,
    vyos_https,
    vyos_paths,
    vyos_session,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.look import as_data
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import dump, parse
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_session import VyosError, Way


class NetworkCli:
    """The command line by network_cli, in the process that keeps the connection."""

    def __init__(self, connection: t.Any) -> None:
        self._connection = connection

    def ask(self, command: str, *, prompt: str = "", answer: str = "") -> str:
        more = {"prompt": prompt, "answer": answer} if prompt else {}
        try:
            return str(self._connection.get(command=command, **more))
        except NotAnswered as exc:
            raise VyosError(f"The router did not take {command!r}: {str(exc).strip()}") from exc

    def type(self, commands: t.Sequence[str]) -> None:
        try:
            self._connection.run_commands(commands=list(commands), check_rc=True)
        except NotAnswered as exc:
            raise VyosError(f"The router did not take a command: {str(exc).strip()}") from exc


_API: dict[str, t.Any] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 443},
    "key": {"type": "str", "no_log": True},
    # The path is no secret.
    "key_file": {"type": "path", "no_log": False},
    "ca_file": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 120},
}


def _way(module: AnsibleModule) -> Way:
    given = module.params["api"]
    if given is None:
        return vyos_cli.CommandLine(NetworkCli(_connection(module)))
    settings = vyos_https.parse(given)
    # One that was read from a file is hidden like one that was given.
    module.no_log_values.add(settings.key)
    return vyos_api.Api(vyos_https.Https(settings), patience=settings.timeout)


def _connection(module: AnsibleModule) -> t.Any:
    socket = getattr(module, "_socket_path", None)
    if not socket:
        raise VyosError(
            "The router is reached by ansible_connection: ansible.netcommon.network_cli. Set it, or give api to go by"
            " the router's HTTP API."
        )
    return Connection(socket)


def _gathered(way: Way, version: t.Optional[vyos.Version]) -> dict[str, t.Any]:
    shown = vyos_session.look(way, version)
    found = vyos.gather(shown.paths, shown.version)
    router = parse(found.data, found.passwords)[0]
    return {
        "changed": False,
        "gathered": dump(router),
        "with_password": sorted(found.passwords),
        "strange": [vyos_paths.join(path) for path in found.strange],
    }


def _made(way: Way, given: t.Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    subject = parse(given["router"], given["passwords"], given["foreign"], root="router")
    if given["api"]:
        names = ("api.timeout", "timeout", "confirm_minutes")
        vyos_https.refuse_times(given["api"]["timeout"], given["timeout"], given["confirm_minutes"], names)
    planned = vyos_session.compared(way, subject, given["version"])
    done = vyos_session.Done()
    if planned.changed and not check:
        done = vyos_session.Change(
            planned,
            subject,
            way,
            watched=given["sessions"],
            timeout=given["timeout"],
            minutes=given["confirm_minutes"],
        ).apply()
    if done.pending and given["api"]:
        # Looks at the change came over new connections already. Others need not be waited for meanwhile.
        vyos_session.confirm(way)
        done = dataclasses.replace(done, pending=False)
    shown = list(planned.difference.shown())
    return {
        "changed": planned.changed,
        "commands": shown,
        "pending": done.pending,
        "sessions_reset": list(done.reset),
        "diff": {"before": "", "after": "".join(f"{line}\n" for line in shown)},
    }


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "default": "present", "choices": ["present", "confirmed", "gathered", "looked"]},
            "router": {"type": "dict"},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "foreign": {"type": "dict", "default": {}},
            "version": {"type": "str", "choices": list(vyos.VERSIONS)},
            "sessions": {"type": "str", "default": "others", "choices": list(frr_apply.WATCHED)},
            "timeout": {"type": "int", "default": 30},
            "confirm_minutes": {"type": "int", "default": 5},
            "api": {"type": "dict", "options": _API},
        },
        required_if=[("state", "present", ["router"])],
        supports_check_mode=True,
    )
    try:
        way = _way(module)
        if module.params["state"] == "gathered":
            result = _gathered(way, module.params["version"])
        elif module.params["state"] == "looked":
            result = {"changed": False, "look": as_data(vyos_session.looked(way, module.params["version"]))}
        elif module.params["state"] == "confirmed":
            if not module.check_mode:
                vyos_session.confirm(way)
            result = {"changed": True}
        else:
            result = _made(way, module.params, check=module.check_mode)
    except (KlubsterError, NotAnswered, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
