#!/bin/bash
# install.sh - build the library alone, as a release, and install it to PREFIX (/usr/local) below DESTDIR.
set -euo pipefail
. "$(dirname "$0")/common.sh"

prefix=${PREFIX:-/usr/local}
case $prefix in
/*) ;;
*) die "PREFIX must be an absolute path: $prefix" ;;
esac

configure build-install --buildtype=release -Ddebug=true --prefix="$prefix" \
    -Dtests=disabled -Dexamples=false -Dbench=false
build build-install
DESTDIR=${DESTDIR:-} meson install -C build-install --no-rebuild --quiet
# The loader learns of a new library; matters for prefixes it searches, and only root may tell it.
if [ -z "${DESTDIR:-}" ] && [ "$(id -u)" = 0 ]; then
    ldconfig
fi
say "installed to ${DESTDIR:-}$prefix"
