# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# lib.sh - what the scripts of bench/ share: where the checkout is, a temporary folder, building their
# programs. Sourced, after `set -eu`. Sets root, bench and work; removes work at exit.

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # used by the scripts
root=$(dirname "$bench")
work=$(mktemp -d "${TMPDIR:-/tmp}/vmalloc-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
    echo "${0##*/}: $*" >&2
    exit 2
}

# build OUTPUT SOURCE [FLAGS...]: one program or library of this folder, as meson builds it
# (bench/meson.build).
build() {
    local output=$1 source=$2
    shift 2
    "${CC:-cc}" -std=gnu11 -O2 -fno-builtin -Wall -Wextra -Wconversion -Wshadow "$@" \
        -o "$work/$output" "$bench/$source" ||
        die "cannot compile bench/$source"
}

# library PATH: the absolute path of a library that can be preloaded, with its symbolic links followed.
library() {
    [ -e "$1" ] || die "no library $1; build it with: meson setup build && ninja -C build"
    readlink -f "$1"
}

# debian_library PATTERN: the path of an allocator installed from a Debian package, or nothing.
debian_library() {
    local path
    for path in /usr/lib/*/"$1" /usr/lib/"$1"; do
        if [ -e "$path" ] && [ "$(od -An -j4 -N1 -tu1 "$path")" = "$(od -An -j4 -N1 -tu1 "$BASH")" ]; then
            echo "$path"
            return
        fi
    done
}
