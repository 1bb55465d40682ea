#!/bin/bash
# fuzz.sh [FUZZER...] - run each fuzzer (or those named) for FUZZ_SECONDS (60) with its kept corpus.
#
# New inputs are collected in build-fuzz/corpus/NAME, and what crashes in build-fuzz/crashes/NAME-...; what is worth
# keeping is copied to fuzz/corpus/NAME by hand.
set -euo pipefail
. "$(dirname "$0")/common.sh"

FUZZ_SECONDS=${FUZZ_SECONDS:-60}
INPUT_BYTES_MAX=65536

CC=$(tool clang)
CXX=${CC/clang/clang++}
export CC CXX

dir=build-fuzz
configure "$dir" -Dfuzz=true -Dtests=disabled -Dexamples=false -Dbench=false -Db_lundef=false \
    -Db_sanitize=address,undefined -Dwerror=false
if [ $# = 0 ]; then
    for source in fuzz/fuzz_*.c; do
        set -- "$@" "$(basename "$source" .c)"
    done
fi
for name in "$@"; do
    [ -f "fuzz/$name.c" ] || die "no such fuzzer: $name"
done
build "$dir" "${@/#/fuzz/}"

export ASAN_OPTIONS=detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
mkdir -p "$dir/crashes"
for name in "$@"; do
    kept=fuzz/corpus/$name found=$dir/corpus/$name
    mkdir -p "$found"
    say "== $name: the kept corpus, then $FUZZ_SECONDS seconds"
    if [ -n "$(ls -A "$kept" 2>/dev/null)" ]; then
        "$dir/fuzz/$name" -runs=0 -verbosity=0 "$kept"
    else
        mkdir -p "$kept"
    fi
    "$dir/fuzz/$name" -max_total_time="$FUZZ_SECONDS" -max_len="$INPUT_BYTES_MAX" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$dir/crashes/$name-" "$found" "$kept" </dev/null
done
say "no crash in $# fuzzers"
