# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# programs.sh - sourced by the scripts that link the test programs statically, after lib.sh.
#
#   run_programs NAME COMPILER LIBRARY [PROGRAM...]   links and runs the programs (without any: all that can be)
#   one_malloc PROGRAM                                 succeeds if the program has one definition of malloc, ours

# shellcheck disable=SC2154 # lib.sh sets them
test_programs=$test_root/tests/programs
# shellcheck disable=SC2154 # lib.sh sets it
echo 'int main(void) { return 0; }' >"$test_tmp/probe.c"

static_programs="contract/alloc contract/resize contract/aligned contract/refused contract/first-call
    contract/mallopt contract/perturb contract/statistics contract/trim contract/environment contract/aborts
    contract/confined misuse/misuse
    threads/handover threads/death threads/fork-storm threads/exit-while threads/late threads/first-threads
    threads/churn threads/one-sided threads/resize threads/fork-signal threads/spawn-storm memory/dead-threads
    memory/million memory/churn-large memory/mixed limits/refused-later limits/foreign-sbrk limits/map-count"

one_malloc() {
    [ "$(nm "$1" | grep -c ' [TtWw] malloc$')" -eq 1 ] && nm "$1" | grep -q ' [TtWw] vm_malloc$'
}

run_programs() {
    local name=$1 compiler=$2 library=$3 program binary
    shift 3
    # shellcheck disable=SC2086 # a word each
    [ $# -gt 0 ] || set -- $static_programs
    for program in "$@"; do
        binary=$test_tmp/${program##*/}
        # shellcheck disable=SC2086 # the compiler is a command with options
        if ! $compiler -std=gnu11 -O2 -g -fno-builtin -w -D_GNU_SOURCE -DAPI_STATIC_LINK -I"$test_programs" \
            -I"$test_root/include" "$test_programs/$program.c" "$library" -pthread -o "$binary" >"$test_tmp/log" 2>&1; then
            not_ok "$name: $program links" "$(cat "$test_tmp/log")"
            continue
        fi
        if "$binary" >"$test_tmp/log" 2>&1; then
            ok "$name: $program"
        else
            not_ok "$name: $program" "status $?" "$(grep -v '^ok ' "$test_tmp/log")"
        fi
    done
}
