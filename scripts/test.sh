#!/bin/bash
# test.sh [plain|asan|tsan] - build and run the tests.  The last line is "N passed, N failed", counting test cases.
#
#   plain  build/       everything
#   asan   build-asan/  everything, under the address and undefined-behaviour sanitizers
#   tsan   build-tsan/  what runs threads (suite "threads"), under the thread sanitizer
#
# WERROR=false in the environment lets compiler warnings pass; AC_LONG_TESTS=1 has some tests do more of the same.
set -euo pipefail
. "$(dirname "$0")/common.sh"

kind=${1:-plain}
AC_LONG_TESTS=${AC_LONG_TESTS:-0}
case $kind in
plain)
    dir=build
    configure_plain
    set -- --no-suite none --timeout-multiplier "$((AC_LONG_TESTS == 1 ? 4 : 1))"
    ;;
asan)
    dir=build-asan
    configure "$dir" -Dwerror="${WERROR:-true}" -Dtests=enabled -Db_sanitize=address,undefined -Dbench=false
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    set -- --no-suite install --timeout-multiplier 3
    ;;
tsan)
    dir=build-tsan
    configure "$dir" -Dwerror="${WERROR:-true}" -Dtests=enabled -Db_sanitize=thread -Dbench=false
    export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1
    set -- --suite threads --timeout-multiplier 5
    ;;
*) die "no such kind of run: $kind (plain, asan, tsan)" ;;
esac

build "$dir"

result=0
rm -f "$dir"/meson-logs/testlog.json
meson test -C "$dir" --no-rebuild --print-errorlogs "$@" </dev/null || result=$?
say ''
/usr/bin/env python3 scripts/count-tests "$dir/meson-logs/testlog.json" || result=1
exit "$result"
