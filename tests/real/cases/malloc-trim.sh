# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# stress-ng calls malloc_trim and mallopt by itself: a breakpoint shows that the calls arrive at the allocator in
# effect.
weight=heavy
packages='stress-ng gdb'
programs=/usr/bin/stress-ng

job() {
    local name file
    gdb -nx -batch -ex 'set startup-with-shell off' -ex 'break main' -ex run /bin/true >probe 2>&1 || true
    grep -q 'exited normally' probe || not_here "gdb cannot trace a process here: $(tail -n 1 probe)"
    for name in malloc_trim mallopt; do
        # shellcheck disable=SC2016 # the debugger's variable
        gdb -nx -batch -ex 'set startup-with-shell off' -ex 'set breakpoint pending on' \
            -ex 'set follow-fork-mode child' -ex "break $name" -ex run -ex 'info symbol $pc' \
            --args stress-ng --malloc 1 --malloc-ops 5000 --malloc-thresh 100000 >record 2>&1 || true
        file=$(sed -nE "s/.*$name.* in section .* of (.*)/\\1/p" record)
        case $file in
        "${lib:-*/libc.so.6}" | "${lib:-/lib/}"*) echo "$name arrives at the allocator in effect" ;;
        *) fail "$name arrives at '$file': $(cat record)" ;;
        esac
    done
    stress-ng --malloc 2 --malloc-ops 20000 --malloc-thresh 65536 --verify 2>&1 |
        grep -oE '(un)?successful run completed'
}
