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

# fuzz_one NAME: print all it said when it is over, so that those that run side by side stay apart; the dictionaries that
# libFuzzer recommends are left out.
fuzz_one() {
    local name=$1 kept=fuzz/corpus/$1 found=$dir/corpus/$1 log=$dir/crashes/$1.log status=0
    mkdir -p "$found" "$kept"
    say "== $name: the kept corpus, then $FUZZ_SECONDS seconds" >"$log"
    if [ -n "$(ls -A "$kept")" ]; then
        "$dir/fuzz/$name" -runs=0 -verbosity=0 "$kept" >>"$log" 2>&1 || status=$?
    fi
    if [ "$status" = 0 ]; then
        "$dir/fuzz/$name" -max_total_time="$FUZZ_SECONDS" -max_len="$INPUT_BYTES_MAX" -timeout=10 -rss_limit_mb=2048 \
            -print_final_stats=1 -verbosity=0 -artifact_prefix="$dir/crashes/$name-" "$found" "$kept" \
            >>"$log" 2>&1 </dev/null || status=$?
    fi
    grep -v -E '# Uses: |recommended dictionary|Recommended dictionary' "$log" || true
    return "$status"
}

# One for each processor at a time.
running=0 failed=0
for name in "$@"; do
    if [ "$running" -ge "$(nproc)" ]; then
        wait -n || failed=$((failed + 1))
        running=$((running - 1))
    fi
    fuzz_one "$name" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
done
[ "$failed" = 0 ] || die "$failed of $# fuzzers failed"
say "no crash in $# fuzzers"
