# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# A core file tells what the allocator said: gdb finds the message of a double free in the core, in vm_abort_message, as
# it finds the C library's in __abort_msg.
weight=light
packages='gdb gcc libc6-dev'
programs=/usr/bin/gdb

job() {
    cat >twice.c <<'END'
#include <stdlib.h>

int main(void) {
    char *volatile block = malloc(40);
    free(block);
    free(block);
    return 0;
}
END
    gcc -g -O0 -fno-builtin -w twice.c -o twice
    gdb -nx -batch -ex 'set startup-with-shell off' -ex 'break main' -ex run ./twice >probe 2>&1 || true
    grep -q '^Breakpoint 1, main' probe || not_here "gdb cannot trace a process here: $(tail -n 1 probe)"
    gdb -nx -batch -ex 'set startup-with-shell off' -ex run -ex "generate-core-file $PWD/core" ./twice 2>&1 |
        grep -oE '^(Program received signal SIGABRT|Saved corefile)'
    # The C library's is a pointer to a length and the text.
    local place='*(char **)&__abort_msg + 4'
    [ -z "$lib" ] || place='(char *)&vm_abort_message'
    gdb -nx -batch -ex "x/s $place" ./twice core >found 2>&1 || true
    grep -oE 'free\(\): double free detected' found || fail "$(cat found)"
    gdb -nx -batch -ex backtrace ./twice core 2>&1 | grep -oE 'main \(\) at .*twice.c:6' | sed 's/at .*twice/at twice/'
}
