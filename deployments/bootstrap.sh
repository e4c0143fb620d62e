#!/usr/bin/env bash
# Set up a checkout. `venv`: a local .venv from the hashed lock. `servers`: what only tests start.
# What it may not install itself it names, with the exact line to type, and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=.venv
readonly STAMP=$VENV/.bootstrapped
readonly GO_MINOR=25 # the S3 test server's go.mod asks for Go 1.25

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() { # prints the prefix that makes a command run as root; fails when there is none
    if [[ $(id -u) == 0 ]]; then
        echo env
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        echo sudo
    else
        return 1
    fi
}

# Install through the system's package manager, or print the line that would and fail.
# $1: what is missing and why; $2: Debian packages; $3: Homebrew arguments.
install_system() {
    local why=$1 debian=$2 brew=$3 root
    if command -v apt-get >/dev/null; then
        local line="apt-get update && sudo apt-get install -y --no-install-recommends $debian"
        if ! root=$(as_root); then
            say "$why is missing. Type:  sudo $line"
            exit 1
        fi
        say "$why is missing; installing $debian"
        # Word splitting of the package names is meant. stdin is closed: a package must not ask.
        # shellcheck disable=SC2086
        if ! { $root apt-get update -qq &&
            $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $debian; } </dev/null >&2; then
            say "could not install it. Type:  sudo $line"
            exit 1
        fi
    elif command -v brew >/dev/null; then
        say "$why is missing; installing $brew"
        # shellcheck disable=SC2086
        if ! brew install $brew >&2; then
            say "could not install it. Type:  brew install $brew"
            exit 1
        fi
    else
        say "$why is missing, and neither apt-get nor brew is here. Install it (Debian: $debian; Homebrew: $brew), then try again."
        exit 1
    fi
}

find_python() { # the newest well-trodden Python the lock was resolved for; a name on PATH may be a shim that does not run
    local name
    for name in python3.13 python3.12 python3.11 python3 python3.14; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

make_venv() {
    local python
    if ! python=$(find_python); then
        install_system "Python 3.11 to 3.14" "python3 python3-venv" "python@3.13"
        if ! python=$(find_python); then
            say "the Python of this system is not 3.11 to 3.14. Install one of these beside it, then try again."
            exit 1
        fi
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian splits venv from Python, one package per version.
        install_system "the venv module of $python" \
            "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" "python@3.13"
    fi
    say "creating $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
}

venv_works() { # a moved checkout or a removed Python leaves a dead environment
    [[ -x $VENV/bin/python ]] && "$VENV/bin/python" -c \
        'import os, sys; sys.exit(not os.path.samefile(sys.prefix, sys.argv[1]))' "$VENV" 2>/dev/null
}

wanted() { # what the environment depends on: its place and these files
    pwd
    cksum deployments/bootstrap.sh deployments/requirements.lock deployments/uv.lock deployments/build.lock pyproject.toml
}

pip_install() { "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1" >&2; }

set_up_venv() {
    if ! venv_works; then
        make_venv
    elif [[ -f $STAMP && "$(wanted)" == "$(cat "$STAMP")" ]]; then
        return
    fi
    say "installing the locked packages (some minutes the first time)"
    pip_install deployments/uv.lock
    # A mirror configured for pip serves uv too.
    if [[ -n ${PIP_INDEX_URL:-} && -z ${UV_DEFAULT_INDEX:-} ]]; then export UV_DEFAULT_INDEX=$PIP_INDEX_URL; fi
    export VIRTUAL_ENV=$PWD/$VENV
    # Bytecode is compiled now: imports are half of a start, and some machines forbid writing it later.
    "$VENV/bin/uv" pip sync --quiet --compile-bytecode --require-hashes \
        --build-constraints deployments/build.lock deployments/requirements.lock >&2
    # No build isolation: the build backend comes from the lock as well, nothing unhashed is fetched.
    "$VENV/bin/uv" pip install --quiet --offline --no-deps --no-build-isolation --editable . >&2
    # Ours too: where Python may not write bytecode, each process would compile them anew.
    "$VENV/bin/python" -m compileall -q dataflow lakehouse checks flows >&2
    wanted >"$STAMP"
    say "$VENV is ready"
}

have_postgres() {
    local dir
    for dir in $(tr ':' ' ' <<<"$PATH") /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        if [[ -x $dir/initdb ]]; then return; fi
    done
    return 1
}

have_mariadb() {
    local dir
    for dir in $(tr ':' ' ' <<<"$PATH") /usr/sbin /usr/libexec /opt/homebrew/opt/mariadb/bin /usr/local/opt/mariadb/bin; do
        if [[ -x $dir/mariadbd ]]; then return; fi
    done
    return 1
}

have_redis() { command -v redis-server >/dev/null; }

have_browser() { "$VENV/bin/python" -m tests.lib.servers.chromium; }

install_browser() {
    # Debian packages Chromium; Ubuntu's package is a snap that cannot open pages in /tmp, and Homebrew's
    # is unsigned. There Playwright's own build is used.
    if [[ -r /etc/os-release ]] && grep -qE '^ID=debian$' /etc/os-release; then
        install_system "Chromium (for the browser tests)" "chromium fonts-liberation" ""
    else
        say "Chromium (for the browser tests) is missing; installing Playwright's"
        local with_deps=()
        if [[ $(uname) == Linux ]] && as_root >/dev/null; then with_deps=(--with-deps); fi
        if ! "$VENV/bin/playwright" install ${with_deps[@]+"${with_deps[@]}"} --only-shell chromium >&2; then
            say "could not install it. Type:  $VENV/bin/playwright install --with-deps --only-shell chromium"
            exit 1
        fi
    fi
}

have_java() { "$VENV/bin/python" -m tests.lib.servers.spark; }

have_go() {
    local version
    version=$(PATH="$PWD/$VENV/bin:$PATH" GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return 1
    [[ $version =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= GO_MINOR))
}

set_up_servers() {
    have_postgres || install_system "PostgreSQL (for the catalogue tests)" "postgresql" "postgresql@17"
    have_mariadb || install_system "MariaDB (for the tests of the mysql source)" "mariadb-server" "mariadb"
    have_redis || install_system "Redis (for the tests of the cache)" "redis-server" "redis"
    have_browser || install_browser
    have_java || install_system "Java 17 or newer (for the tests on Spark)" "default-jre-headless" "openjdk@21"
    if ! have_go; then
        say "Go 1.$GO_MINOR or newer (builds the S3 server of the tests) is missing; installing it into $VENV"
        pip_install deployments/go.lock
    fi
    # An environment of its own: the emulator's packages would pin those of DataFlow.
    if ! "$VENV/bin/python" -c 'from tests.lib.servers.bigquery import emulator; emulator()' >&2; then
        say "could not install bqemulator (for the tests of BigQuery). Try again, or look at the message above."
        exit 1
    fi
}

case ${1:-} in
venv) set_up_venv ;;
servers) set_up_servers ;;
*)
    say "usage: bash deployments/bootstrap.sh venv|servers"
    exit 2
    ;;
esac
