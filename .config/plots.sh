#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts what draws plots into a folder of its own in the cache and prints that folder, for PYTHONPATH. It is 130 MB,
# and one command needs it. Usage: .config/plots.sh, after .config/environment.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/klubster"
key="$({ cat .config/requirements-plots.txt; readlink -f .venv; } | sha256sum | cut -c1-16)"
folder="$cache/venvs/plots-$key"
if [ ! -e "$folder/.complete" ]; then
    mkdir -p "$cache/venvs"
    exec 9>"$cache/venvs/plots-$key.lock"
    flock 9
    if [ ! -e "$folder/.complete" ]; then
        rm -rf "$folder"
        .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes --compile-bytecode \
            --target "$folder" -r .config/requirements-plots.txt
        touch "$folder/.complete"
    fi
fi
echo "$folder"
