#!/bin/bash
# conformance.sh [ARGUMENT of tests/conformance/run.py ...] - drive build/agentcored with real AWS clients: boto3, the
# Python package bedrock-agentcore, and the AWS SDK for JavaScript.  The last line is "N passed, N failed", counting
# tests.
#
# The clients are installed into build/conformance-venv (PyPI) and build/conformance-node (npm), in the versions that
# tests/conformance names, and installed again when these change.  The same Python packages go into
# build/conformance-vendored, which agents that are deployed bring with them.  Where PostgreSQL is installed, the tests
# run on it as well, beside a server of their own.
#
# Exit code: 0 all well; 1 something failed; 3 nothing failed, but clients could not be installed, so that not
# everything was tested (what was not is said).
# AGENTCORED in the environment: the program to test, instead of a built one; CONFORMANCE_EXAMPLES: where the programs
# of examples/ are, if not in the examples/ beside it.
set -euo pipefail
. "$(dirname "$0")/common.sh"

NODE_MAJOR_MIN=20
venv=build/conformance-venv
node=build/conformance-node
vendored=build/conformance-vendored
sources=tests/conformance

# same STAMP FILE: whether what is installed was made from this file.
same() { [ -f "$1" ] && cmp -s "$1" "$2"; }

install_python() {
    same "$venv/.made-from" "$sources/requirements.txt" && return
    say "conformance: installing boto3 into $venv"
    rm -rf "$venv"
    if ! /usr/bin/env python3 -m venv "$venv"; then
        say 'conformance: NOT RUN: python3 cannot make a virtual environment (the package python3-venv)'
        return 1
    fi
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --timeout 20 --retries 1 \
        -r "$sources/requirements.txt"; then
        rm -rf "$venv"
        say 'conformance: NOT RUN: boto3 cannot be installed; is the Python package index reachable?'
        return 1
    fi
    cp "$sources/requirements.txt" "$venv/.made-from"
}

# install_strands: beside boto3, not in what agents bring.
install_strands() {
    same "$venv/.strands-made-from" "$sources/requirements-strands.txt" && return
    say "conformance: installing strands-agents into $venv"
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --timeout 20 --retries 1 \
        -r "$sources/requirements.txt" -r "$sources/requirements-strands.txt"; then
        say 'conformance: NOT RUN: strands-agents cannot be installed'
        return 1
    fi
    cp "$sources/requirements-strands.txt" "$venv/.strands-made-from"
}

# install_vendored: what an agent imports, as `pip install --target` puts it into a directory to be zipped.
install_vendored() {
    same "$vendored/.made-from" "$sources/requirements.txt" && return
    say "conformance: installing the packages of Python agents into $vendored"
    rm -rf "$vendored" "$vendored.zip"
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --timeout 20 --retries 1 \
        --target "$vendored" -r "$sources/requirements.txt"; then
        rm -rf "$vendored"
        say 'conformance: NOT RUN: the packages of Python agents cannot be installed'
        return 1
    fi
    cp "$sources/requirements.txt" "$vendored/.made-from"
}

node_major() { node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'; }

install_node() {
    local major
    major=$(node_major)
    if [ "${major:-0}" -lt "$NODE_MAJOR_MIN" ]; then
        say "conformance: the JavaScript client is NOT TESTED: it needs Node $NODE_MAJOR_MIN, here is ${major:-none}"
        return 1
    fi
    same "$node/.made-from" "$sources/js/package.json" && return
    say "conformance: installing the AWS SDK for JavaScript into $node"
    rm -rf "$node"
    mkdir -p "$node"
    cp "$sources/js/package.json" "$node/"
    if ! command -v npm >/dev/null; then
        say 'conformance: the JavaScript client is NOT TESTED: there is no npm'
        return 1
    fi
    if ! (cd "$node" && npm install --silent --no-audit --no-fund --ignore-scripts --fetch-retries 1 \
        --fetch-timeout 20000); then
        say 'conformance: the JavaScript client is NOT TESTED: npm cannot install it; is the registry reachable?'
        return 1
    fi
    cp "$sources/js/package.json" "$node/.made-from"
}

# Programs of examples/ that are deployed, or that call what is.
programs=(async_tasks_agent context_agent minimal_agent streaming_agent sync_agent websocket_agent
    invoke_agent invoke_streaming oauth_websocket presigned_url websocket_client)

if [ -z "${AGENTCORED:-}" ]; then
    configure_plain
    if grep -q '^build examples/cpp_agent:' build/build.ninja; then
        programs+=(cpp_agent)
    fi
    build build agentcored agentcore guest/agentcore-init guest/agentcore-code "${programs[@]/#/examples/}"
    AGENTCORED=$ROOT/build/agentcored
fi
export AGENTCORED
[ -x "$AGENTCORED" ] || die "there is no program $AGENTCORED"

mkdir -p build
install_python || exit 3
all=yes
install_strands || all=no
if install_vendored; then
    export CONFORMANCE_VENDORED=$ROOT/$vendored
else
    all=no
fi
if install_node; then
    set -- --node "$node" "$@"
else
    all=no
fi

result=0
/usr/bin/env python3 tests/daemon/with_postgres.py \
    "$venv/bin/python" -W ignore "$sources/run.py" "$@" </dev/null || result=$?
if [ "$result" = 0 ] && [ "$all" = no ]; then
    result=3
fi
exit "$result"
