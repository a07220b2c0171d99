# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# files.sh - for the lint scripts: the files of a tree, a checkout or a plain folder.

# list_files TREE [PATTERN...]: paths relative to TREE, one a line. In a checkout: tracked, or new and not ignored.
# In a folder: all but build*/ and .git/.
list_files() {
    local tree=$1
    shift
    if [ "$(git -C "$tree" rev-parse --show-toplevel 2>/dev/null)" = "$(cd "$tree" && pwd -P)" ]; then
        git -C "$tree" ls-files --cached --others --exclude-standard -- "$@"
    else
        local path pattern
        (cd "$tree" && find . \( -path './build*' -o -path ./.git \) -prune -o \( -type f -o -type l \) -print) | sed 's|^\./||' | sort | while IFS= read -r path; do
            [ $# -gt 0 ] || echo "$path"
            for pattern in "$@"; do
                # shellcheck disable=SC2053 # a pattern, not a text
                [[ $path != $pattern ]] || { echo "$path" && break; }
            done
        done
    fi | while IFS= read -r path; do
        [ ! -f "$tree/$path" ] || echo "$path"
    done
}
