# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# man formats a page in a sandbox: its seccomp filter ends a process that makes a system call which is not on the list
# that glibc's malloc is part of.
weight=light
packages='man-db groff-base'
programs=/usr/bin/man

job() {
    {
        printf '.TH PAGE 1\n.SH NAME\npage \\- a long page\n'
        for ((i = 0; i < 300; i++)); do
            printf '.SH SECTION %d\n.TP\n.B \\-\\-option%d\n' "$i" "$i"
            for ((j = 0; j < 10; j++)); do
                printf 'Words of \\fBsection\\fP %d, number \\fI%d\\fP, in a line.\n' "$i" "$j"
            done
        done
    } >page.1
    gzip -k page.1
    export MAN_DISABLE_SECCOMP='' MANWIDTH=80
    unset MAN_DISABLE_SECCOMP
    man -l page.1 | tee shown | digest
    wc -l <shown
    man -l page.1.gz | cmp - shown
    man -T -l page.1 2>/dev/null | head -c 10 || true
    man -d -l page.1 2>&1 >/dev/null | grep -q 'loading seccomp filter (permissive: 0)' && echo "in the sandbox"
    man -l nothing.1 2>&1 || echo "status $?"
}
