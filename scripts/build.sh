#!/bin/bash
# build.sh [TARGET...] - everything (or the targets, as ninja names them) into build/.
set -euo pipefail
. "$(dirname "$0")/common.sh"

configure_plain
build build "$@"
