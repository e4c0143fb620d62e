#!/usr/bin/env bash
# Build the image `dataflow:latest`, by Docker where its engine runs, else by buildah from a base that debootstrap makes:
# then neither an engine nor a registry is needed. What has been built from the same files is kept.
#   bash deployments/image.sh build|check
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly IMAGE=localhost/dataflow:latest
readonly BASE=localhost/dataflow-base:bookworm
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/dataflow-image
readonly LARGEST_MB=1300

say() { printf 'image: %s\n' "$*" >&2; }

have_docker() { command -v docker >/dev/null && docker version >/dev/null 2>&1; }

install_tools() {
    local tool missing=0
    for tool in buildah podman runc debootstrap; do command -v "$tool" >/dev/null || missing=1; done
    if [[ $missing == 0 ]]; then return; fi
    local line="apt-get install -y --no-install-recommends buildah podman runc debootstrap"
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        say "there is no Docker engine, and buildah, podman, runc or debootstrap is missing. Type:  sudo $line"
        exit 1
    fi
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive $line -qq </dev/null >&2
}

make_base() { # a Debian with Python, 130 MB
    if buildah inspect --type image "$BASE" >/dev/null 2>&1; then return; fi
    if [[ ! -f $CACHE/bookworm.tar ]]; then
        say "making the base with debootstrap (some minutes, once)"
        mkdir -p "$CACHE"
        local root
        root=$(mktemp -d "$CACHE/root.XXXXXX")
        debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" >&2
        rm -rf "$root"/usr/share/{doc,man,locale,info}/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
        tar -C "$root" -cf "$CACHE/bookworm.tar.partial" . && mv "$CACHE/bookworm.tar.partial" "$CACHE/bookworm.tar"
        rm -rf "$root"
    fi
    podman import --quiet "$CACHE/bookworm.tar" "$BASE" >&2
}

content() { # the image's content: all that .dockerignore lets a build see, and how it is built
    git ls-files -z --cached --others --exclude-standard -- .dockerignore LICENSE README.md pyproject.toml \
        checks dataflow flows lakehouse deployments | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

build() {
    if have_docker; then
        docker build --file deployments/Dockerfile --tag "$IMAGE" --label "content=$1" .
        return
    fi
    install_tools
    make_base
    local mounts=()
    # A proxy with an authority of its own: its certificate is read while building, and is not in the image.
    if [[ -f ${SSL_CERT_FILE:-} ]]; then mounts=(--volume "$SSL_CERT_FILE:/etc/ssl/certs/ca-certificates.crt:ro"); fi
    buildah bud --isolation chroot --format docker --layers --build-arg "BASE=$BASE" --label "content=$1" \
        ${mounts[@]+"${mounts[@]}"} --file deployments/Dockerfile --tag "$IMAGE" . >&2
}

engine() { if have_docker; then docker "$@"; else podman --cgroup-manager cgroupfs --runtime runc "$@"; fi; }

run() { # as production runs it: nothing but /data and /tmp can be written
    engine run --rm --read-only --network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 "$IMAGE" "$@"
}

current() { [[ "$(engine inspect --type image --format '{{index .Config.Labels "content"}}' "$IMAGE" 2>/dev/null)" == "$1" ]]; }

check() { # what a unit test of the Dockerfile cannot see
    local size
    size=$(($(engine inspect --type image --format '{{.Size}}' "$IMAGE") / 1000000))
    ((size < LARGEST_MB)) || { say "the image has $size MB, more than $LARGEST_MB"; exit 1; }
    # The probes of doctor and a whole run; as a user who is not root, over a root that is read-only.
    run bash -ec 'test "$(id -u)" = 10001
        if touch /opt/dataflow/x 2>/dev/null; then echo "the root can be written"; exit 1; fi
        if python -c "import pytest" 2>/dev/null; then echo "a package of development is in the image"; exit 1; fi
        python -c "import json; assert len(json.load(open(\"/opt/dataflow/sbom.cdx.json\"))[\"components\"]) > 200"
        dataflow demo --records 500 >/dev/null
        dataflow doctor' >&2
    say "$size MB; doctor and a whole run pass as user 10001 over a read-only root"
}

renew() { # build, and leave nothing of the former image behind, which has a gigabyte
    local former
    former=$(engine inspect --type image --format '{{.Id}}' "$IMAGE" 2>/dev/null) || former=
    build "$1"
    if [[ -n $former && $former != "$(engine inspect --type image --format '{{.Id}}' "$IMAGE")" ]]; then
        engine rmi "$former" >/dev/null 2>&1 || true
    fi
}

wanted=$(content)
case ${1:-} in
build) current "$wanted" || renew "$wanted" ;;
check)
    if ! current "$wanted" || [[ ! -f $CACHE/checked-$wanted ]]; then
        current "$wanted" || renew "$wanted"
        check
        mkdir -p "$CACHE" && rm -f "$CACHE"/checked-* && touch "$CACHE/checked-$wanted"
    fi
    ;;
*)
    say "usage: bash deployments/image.sh build|check"
    exit 2
    ;;
esac
