#!/bin/sh
# setup.sh [SET...] - install the Debian packages that are missing, and only those.
#
# Sets: build (the default), test, code (what the code interpreter can offer), lint, fuzz, bench; or all.  Made for
# Debian 12 and 13 and for derivatives that have the packages.  Elsewhere it names what is needed and goes on when
# pkg-config finds the libraries.
#
# Debian 12 lacks two libraries.  There, and only there, the suite of Debian 13 (trixie) is added with a pin that lets
# in four named packages (libyyjson0 libyyjson-dev libllhttp9.2 libllhttp-dev) and nothing else.
#
# Says nothing and changes nothing when everything is there.  Uses sudo when it is not run by root.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH LC_ALL=C

TRIXIE_SOURCE=/etc/apt/sources.list.d/agentcore-trixie.sources
TRIXIE_PIN=/etc/apt/preferences.d/agentcore
TRIXIE_PACKAGES='libyyjson0 libyyjson-dev libllhttp9.2 libllhttp-dev'
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# ---- what is needed ----

ID='' VERSION_ID=''
# shellcheck disable=SC1091
[ ! -r /etc/os-release ] || . /etc/os-release

# The clang tools: 14 on Debian 12, which is what the formatting is kept with; the default version elsewhere.
clang_suffix='' clang_runtime=libclang-rt-dev
if [ "$ID" = debian ] && [ "$VERSION_ID" = 12 ]; then
    clang_suffix=-14 clang_runtime=libclang-rt-14-dev
fi

# Lines of "package why".
packages_of() {
    case $1 in
    build)
        cat <<'EOF'
gcc the C compiler
g++ the C++ compiler, for the C++ example
libc6-dev headers of the C library
meson the build system
ninja-build runs what meson plans
pkg-config finds the libraries
libuv1-dev event loop
libssl-dev hashes and random numbers (OpenSSL)
zlib1g-dev WebSocket compression
libyyjson-dev JSON
libpcre2-dev patterns of the API table
libyaml-dev configuration file of agentcored
libarchive-dev layers of container images (agentcored)
libstemmer-dev stems of words, for memory (agentcored)
libseccomp-dev system calls of sandboxes (agentcored)
bubblewrap builds the sandboxes that agents run in
slirp4netns the network of sandboxes that may have one
libcurl4-openssl-dev HTTP client
libsqlite3-dev embedded store of agentcored
libpq-dev shared store of agentcored
libllhttp-dev HTTP/1.1 parser
libstemmer-dev stems of words, for memory (agentcored)
wordnet-base synonyms, for memory search (agentcored)
curl sends the first request of make run
ca-certificates certificates for https
python3 small scripts of the build and the tests
EOF
        ;;
    test)
        cat <<'EOF'
libcmocka-dev unit tests
libwslay-dev another WebSocket codec, to check ours against
python3-websockets a WebSocket client, to check our server with
postgresql the shared store, which the tests start by themselves
skopeo copies container images, to unpack what others made
umoci makes container images, to unpack what others made
docker-registry a registry, to push images to
gcc-aarch64-linux-gnu a cross compiler, for images for arm64
libc6-dev-arm64-cross the C library for arm64
qemu-user runs programs for arm64, to see that those in images do
zsh a shell, to complete the command line in
EOF
        ;;
    code)
        cat <<'EOF'
esbuild strips TypeScript of its types, in the code interpreter
nodejs runs JavaScript, in the code interpreter
python3-matplotlib figures, in the code interpreter
python3-numpy arrays, in the code interpreter
python3-pandas tables, in the code interpreter
python3-pip installs packages, in sessions with a network
EOF
        ;;
    lint)
        cat <<EOF
clang-format$clang_suffix formatting
clang-tidy$clang_suffix static analysis
EOF
        ;;
    fuzz)
        cat <<EOF
clang$clang_suffix the compiler with libFuzzer
$clang_runtime libFuzzer and the sanitizers
libwslay-dev another WebSocket codec, to fuzz ours against
EOF
        ;;
    bench)
        printf '%s\n' 'python3-venv for the Python programs measured against'
        ;;
    all)
        for set in build test code lint fuzz bench; do
            packages_of "$set"
        done
        ;;
    *)
        die "no such set: $1 (build, test, code, lint, fuzz, bench, all)"
        ;;
    esac
}

needed=$(for set in "${@:-build}"; do packages_of "$set" || exit 1; done | sort -u | awk '!seen[$1]++') || exit 1
names=$(printf '%s\n' "$needed" | cut -d' ' -f1)

# ---- systems without apt ----

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    command -v pkg-config >/dev/null || die "this is not Debian; please install what these packages hold:" $names
    if ! pkg-config --exists libuv libcrypto libssl zlib yyjson libpcre2-8 libllhttp; then
        die "this is not Debian, and pkg-config misses $(pkg-config --print-errors --exists libuv libcrypto zlib yyjson \
            libpcre2-8 libllhttp 2>&1 | grep '^No package' | tr '\n' ' '); the Debian names of all that is needed:" $names
    fi
    exit 0
fi

# ---- what is missing ----

# shellcheck disable=SC2086
missing_of() {
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null | sed -n 's/^installed //p')
    for name in $names; do
        case "
$installed
" in
        *"
$name
"*) ;;
        *) printf '%s ' "$name" ;;
        esac
    done
}

missing=$(missing_of)
[ -n "$missing" ] || exit 0

say 'these packages are missing:'
for name in $missing; do
    printf '%s\n' "$needed" | awk -v name="$name" \
        '$1 == name { $1 = ""; printf "setup:   %-20s%s\n", name, $0; exit }'
done

# ---- installing ----

if [ "$(id -u)" = 0 ]; then
    as_root() { "$@"; }
elif command -v sudo >/dev/null; then
    as_root() { sudo "$@"; }
    say 'installing them needs root rights: sudo may ask for your password'
else
    die "not root, and there is no sudo; run as root: $0 ${*:-build}"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

# Quiet unless it fails.
apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
        >"$log" 2>&1 </dev/null
}

apt_failed() {
    cat "$log" >&2
    die "apt-get $1 failed (above)"
}

updated=no
update() {
    say 'apt-get update'
    # A third-party source that is down must not stop us; what matters is whether the packages are found.
    apt update || say "apt-get update had trouble: $(grep -E '^[EW]:' "$log" | head -n 3 | tr '\n' ' ')"
    updated=yes
}

# Where this system gets Debian 12 from: "URI" of a source with suite bookworm and component main, one-line or deb822.
debian_mirror() {
    {
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
            sed -n 's/^[[:space:]]*deb[[:space:]][[:space:]]*//p' | sed 's/^\[[^]]*\][[:space:]]*//' |
            awk '$2 == "bookworm" && / main( |$)/ { print $1 }'
        for file in /etc/apt/sources.list.d/*.sources; do
            [ ! -r "$file" ] || awk '
                function done() {
                    if (types ~ / deb / && suites ~ / bookworm / && components ~ / main / && enabled !~ /no|false|0/)
                        print uri
                    types = suites = components = uri = enabled = ""
                }
                /^#/ { next }
                /^[[:space:]]*$/ { done(); next }
                {
                    field = tolower($1)
                    values = " "
                    for (i = 2; i <= NF; i++)
                        values = values $i " "
                }
                field == "types:" { types = values }
                field == "suites:" { suites = values }
                field == "components:" { components = values }
                field == "uris:" { uri = $2 }
                field == "enabled:" { enabled = tolower($2) }
                END { done() }' "$file"
        done
    } | grep -E '^(https?://|mirror).*/debian(/|\.list)?$' | grep -v snapshot | head -n 1
}

write_as_root() {
    as_root tee "$1" >/dev/null || die "cannot write $1"
    as_root chmod 644 "$1"
}

# Debian 12: let the four packages in from Debian 13.
use_trixie_pin() {
    mirror=$(debian_mirror)
    mirror=${mirror:-http://deb.debian.org/debian}
    say "Debian 12 has no libyyjson and no libllhttp: taking these from Debian 13 ($mirror), and nothing else;"
    say "  see $TRIXIE_PIN and $TRIXIE_SOURCE"
    # The pin comes first: no moment with trixie and without a pin.
    write_as_root "$TRIXIE_PIN" <<EOF
# Written by scripts/setup.sh of AgentCore for C: nothing comes from trixie but the packages named here.
Package: *
Pin: release n=trixie
Pin-Priority: -10

Package: $TRIXIE_PACKAGES
Pin: release n=trixie
Pin-Priority: 500
EOF
    write_as_root "$TRIXIE_SOURCE" <<EOF
# Written by scripts/setup.sh of AgentCore for C; the pin in $TRIXIE_PIN
# lets four packages in.  Remove both files when you no longer build it.
Types: deb
URIs: $mirror
Suites: trixie
Components: main
Signed-By: $KEYRING
EOF
    update
}

# Whether apt knows a version of the package that it may install.
available() { apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'; }

all_available() {
    for name in $missing; do
        available "$name" || return 1
    done
}

all_available || {
    if [ "$ID" = debian ] && [ "$VERSION_ID" = 12 ]; then
        case " $missing" in
        *" libyyjson-dev "* | *" libllhttp-dev "*) use_trixie_pin ;;
        esac
    fi
    [ "$updated" = yes ] || update
}

wanted='' unknown=''
for name in $missing; do
    if available "$name"; then
        wanted="$wanted $name"
    else
        unknown="$unknown $name"
    fi
done

# shellcheck disable=SC2086
if [ -n "$wanted" ]; then
    say "apt-get install$wanted"
    if ! apt install --no-install-recommends $wanted; then
        # Package lists that are older than the mirror name files that are gone.
        [ "$updated" = no ] || apt_failed install
        update
        apt install --no-install-recommends $wanted || apt_failed install
    fi
fi

if [ -n "$unknown" ]; then
    say "this system has no package named$unknown"
    if ! pkg-config --exists libuv libcrypto libssl zlib yyjson libpcre2-8 libllhttp; then
        die 'and not all of libuv, libcrypto, zlib, yyjson, libllhttp are found by pkg-config: please install them'
    fi
    say 'going on, since pkg-config finds the libraries'
fi
