# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time!

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  sets:
    description: Sets of objects, in the order in which they are to be applied and waited for.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the set; small letters, digits and dashes.
        type: str
        required: true
      state:
        description: V(absent) removes all objects of the set and waits until they are gone.
        type: str
        choices: [present, absent]
        default: present
      definitions:
        description: The objects.
        type: list
        elements: dict
        default: []
      generated_secrets:
        description: Secrets with one random value each, made when there is none and never changed.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the Secret.
            type: str
            required: true
          namespace:
            description: Its namespace.
            type: str
            required: true
          key:
            description: Key of the value.
            type: str
            required: true
          length:
            description: Random bytes in the value.
            type: int
            default: 32
      given_secrets:
        description: Secrets with one value each, which stands in O(secret_values).
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the Secret.
            type: str
            required: true
          namespace:
            description: Its namespace.
            type: str
            required: true
          type:
            description: Its type.
            type: str
            default: Opaque
          key:
            description: Key of the value.
            type: str
            required: true
          value:
            description: Name of the value in O(secret_values).
            type: str
            required: true
      wait_for:
        description:
          - Objects that must be ready as well, and answer where they are a webhook's.
          - A definition of kinds that somebody else brings is waited for before the set's own objects of its group.
        type: list
        elements: dict
        default: []
        suboptions:
          api_version:
            description: API group and version.
            type: str
            required: true
          kind:
            description: Kind.
            type: str
            required: true
          name:
            description: Name. Without it, all objects of the kind, and at least one.
            type: str
          namespace:
            description: Namespace.
            type: str
          labels:
            description: Without a name, labels of the objects, such as V(app=web).
            type: str
      wait_own:
        description: Whether the set's own objects have to be ready, too, and not only those of O(sets[].wait_for).
        type: bool
        default: true
      fixed:
        description:
          - Properties that cannot change in a living cluster. They are remembered when the set is first applied;
            another value is refused from then on.
        type: dict
        default: {}
      fixed_remedy:
        description: What to do when one of them has to change after all. It ends the error message.
        type: str
        default: ""
  secret_values:
    description:
      - Values of Secrets by their names, a mapping or better its JSON. They are in no output.
      - As one text, because Ansible hides every value of an answer that contains a secret.
    type: raw
"""
