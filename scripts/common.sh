# shellcheck shell=bash
# common.sh - sourced by the other scripts (bash): where things are, and how to build.

# The system's own meson and python first, whatever else a PATH has in front (pyenv, conda, ...).
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
LC_ALL=C.UTF-8
export PATH LC_ALL

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# configure DIR [meson options]: set up a build directory, or change its options; nothing when it is as asked.
configure() {
    local dir=$1 where="$ROOT ${CC:-} ${CXX:-} ${CFLAGS:-} ${LDFLAGS:-}" options="${*:2}" had=''
    local stamp=$dir/.configured-as
    if [ -f "$dir/build.ninja" ] && [ -f "$stamp" ]; then
        had=$(sed -n 1p "$stamp")
    fi
    if [ "$had" != "$where" ]; then
        # New, half made, made for another compiler, or moved here with the whole tree.
        rm -rf "$dir"
        meson setup "$dir" "${@:2}"
    elif [ "$(sed -n 2p "$stamp")" != "$options" ]; then
        meson setup --reconfigure "$dir" "${@:2}"
    fi
    printf '%s\n%s\n' "$where" "$options" >"$stamp"
}

# configure_plain: build/, optimised, with debug information and assertions, and with the tests when what they need is
# there.  WERROR=false in the environment lets compiler warnings pass.
configure_plain() {
    local tests=disabled
    if pkg-config --exists cmocka && [ -e /usr/include/wslay/wslay.h ]; then
        tests=enabled
    fi
    configure build -Dwerror="${WERROR:-true}" -Dtests="$tests"
}

# build DIR [targets]: compile what changed; says nothing when nothing did.
build() {
    if ! ninja -C "$1" -n "${@:2}" 2>/dev/null | grep -q 'no work to do'; then
        ninja -C "$1" "${@:2}"
    fi
}

# tool NAME: the clang program NAME in the version the repository is kept with (14, Debian 12's), else the default.
tool() {
    local candidate
    for candidate in "$1-14" "$1"; do
        if command -v "$candidate" >/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "$1 is missing; scripts/setup.sh all installs it"
}
