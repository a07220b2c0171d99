# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - the lines of a test script. Source it; each call is one counted test and one line of TAP on stdout.
#
#   ok NAME                    passed
#   not_ok NAME [LINE...]      failed; the lines are printed as diagnostics, the first 60
#   skip NAME WHY              could not be run here
#   check NAME COMMAND...      passed if the command succeeds; else its output becomes the diagnostics
#   refuse NAME COMMAND...     passed if the command fails with status 1..125 (neither success nor a crash)
#   equal NAME WANTED GOT      passed if the two texts are the same
#   done_testing               last line of each script: prints the plan, ends with status 0 or 1
#
# A script that ends before done_testing counts as one more failure. test_root is the checkout; test_tmp is an own
# folder, removed at the end.

test_root=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
test_count=0
test_failures=0
test_finished=no
test_tmp=$(mktemp -d "${TMPDIR:-/tmp}/vmalloc-test.XXXXXX")

test_end() {
    local status=$?
    rm -rf "$test_tmp"
    if [ "$test_finished" = no ]; then
        not_ok "the script reaches its end" "it ended early with status $status"
        echo "1..$test_count"
        [ "$status" -ne 0 ] || exit 1
    fi
}
trap test_end EXIT

ok() {
    test_count=$((test_count + 1))
    echo "ok $test_count - $1"
}

not_ok() {
    test_count=$((test_count + 1))
    test_failures=$((test_failures + 1))
    echo "not ok $test_count - $1"
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/# /' | head -n 60
}

skip() {
    test_count=$((test_count + 1))
    echo "ok $test_count - $1 # SKIP $2"
}

check() {
    local name=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    if [ "$status" -eq 0 ]; then
        ok "$name"
    else
        not_ok "$name" "status $status of: $*" "$output"
    fi
}

refuse() {
    local name=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    if [ "$status" -ge 1 ] && [ "$status" -le 125 ]; then
        ok "$name"
    else
        not_ok "$name" "status $status, wanted 1..125, of: $*" "$output"
    fi
}

equal() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "wanted: $2" "got:    $3"
    fi
}

done_testing() {
    test_finished=yes
    echo "1..$test_count"
    [ "$test_failures" -eq 0 ] || exit 1
    exit 0
}

# copy_checkout FOLDER: the project's files as a fresh clone would have them, with what is not committed yet.
copy_checkout() {
    mkdir -p "$1"
    if git -C "$test_root" rev-parse --git-dir >/dev/null 2>&1; then
        (cd "$test_root" && git ls-files -z --cached --others --exclude-standard |
            while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
            tar --null -T - -cf -) | tar -xf - -C "$1"
    else
        tar -C "$test_root" --exclude='./build*' --exclude=./.git -cf - . | tar -xf - -C "$1"
    fi
}
