#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the controller's Python environment in the cache folder, keyed by its requirements, and links .venv to it.
# Usage: .config/environment.sh; prints nothing when all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/klubster"

# ansible-core 2.21 needs Python 3.12. Shims on the PATH may name versions that do not run, hence the trial.
find_python() {
    local candidate
    for candidate in ${KLUBSTER_PYTHON:-} python3.14 python3.13 python3.12 python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[234]*/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    echo "No Python 3.12 or later was found (looked on the PATH and in pyenv). Install one, or name it: KLUBSTER_PYTHON=/path/to/python3" >&2
    return 1
}

python="$(find_python)"
key="$({ cat .config/requirements.txt .config/uv.txt; "$python" -VV; echo "$python"; } | sha256sum | cut -c1-16)"
venv="$cache/venvs/$key"
if [ ! -e "$venv/.complete" ]; then
    echo "Making the Python environment in $venv" >&2
    mkdir -p "$cache/venvs"
    exec 9>"$cache/venvs/$key.lock"
    flock 9
    if [ ! -e "$venv/.complete" ]; then
        rm -rf "$venv"
        "$python" -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r .config/uv.txt
        # Bytecode is compiled now: a run that writes none would otherwise pay for it every time.
        "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes --compile-bytecode -r .config/requirements.txt
        touch "$venv/.complete"
    fi
fi
ln -sfn "$venv" .venv
mkdir -p .ansible/collections/ansible_collections/kateskit
ln -sfn ../../../.. .ansible/collections/ansible_collections/kateskit/klubster
