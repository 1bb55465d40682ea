#!/bin/bash
# lint.sh - compiler warnings as errors, clang-tidy, formatting, include arrows, scripts.  Runs all, then says what
# was wrong.
#
# Version 14 of the clang tools (Debian 12's) is the judge.  Others lay out a few lines differently and know other
# checks; what they say is shown and fails nothing.
set -euo pipefail
. "$(dirname "$0")/common.sh"

COLUMNS_MAX=120
clang_format=$(tool clang-format)
clang_tidy=$(tool clang-tidy)
failures=''

# part NAME COMMAND...: run one check and remember whether it failed.
part() {
    local name=$1 begin=$SECONDS
    shift
    say "== $name"
    if ! "$@"; then
        failures="$failures${failures:+, }$name"
    fi
    say "   ($((SECONDS - begin)) s)"
}

c_files() { find src guest include tests examples fuzz bench -name '*.[ch]' -o -name '*.cpp' | sort; }

compile() {
    WERROR=true
    configure_plain && build build
}

tidy() {
    # Only what the build compiles is known to clang-tidy; headers are seen through it.
    local files verdict=()
    "$clang_tidy" --version | grep -q ' 14\.' || verdict=('--warnings-as-errors=-*')
    files=$(/usr/bin/env python3 - build/compile_commands.json <<'EOF'
import json, os, sys

for path in sorted({os.path.normpath(os.path.join(c["directory"], c["file"])) for c in json.load(open(sys.argv[1]))}):
    print(path)
EOF
    )
    say "$files" | xargs -P "$(nproc)" -n 1 \
        "$clang_tidy" -p build --quiet "${verdict[@]}" --extra-arg=-Wno-unknown-warning-option 2>&1 |
        { grep -v -E '^[0-9]+ warnings? (generated|treated)|^Suppressed |^Use -header-filter' || true; }
    return "${PIPESTATUS[1]}"
}

format() {
    if "$clang_format" --version | grep -q ' 14\.'; then
        c_files | xargs "$clang_format" --dry-run -Werror
    else
        c_files | xargs "$clang_format" --dry-run 2>&1 | grep -c warning: | sed 's/$/ remarks of another version/' || true
    fi
}

columns() {
    local long
    long=$(c_files | xargs grep -nE "^.{$((COLUMNS_MAX + 1)),}" || true)
    [ -z "$long" ] && return
    say "$long" | sed "s/^\([^:]*:[0-9]*\):.*/\1: longer than $COLUMNS_MAX columns/"
    return 1
}

scripts_parse() {
    local file first result=0
    for file in scripts/* .ci/* bench/*; do
        [ -f "$file" ] || continue
        IFS= read -r first <"$file" || true
        case $first in
        '#!/bin/sh') sh -n "$file" || result=1 ;;
        *bash*) bash -n "$file" || result=1 ;;
        *python3*)
            /usr/bin/env python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$file" ||
                result=1
            ;;
        esac
    done
    return "$result"
}

part 'warnings' compile
part 'include arrows' scripts/check-arrows
part 'formatting' format
part 'line length' columns
part 'scripts' scripts_parse
part 'clang-tidy' tidy

[ -z "$failures" ] || die "not well: $failures"
say 'lint: all well'
