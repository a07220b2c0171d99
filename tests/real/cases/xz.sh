# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# xz with two threads, both ways: the compressed file is the same byte by byte.
weight=light
packages=xz-utils
programs=/usr/bin/xz

job() {
    awk 'BEGIN {
        state = 3
        for (i = 0; i < 200000; i++) {
            state = (state * 16807) % 2147483647
            printf "%d line %x of %s\n", i, state % 5000, substr("abcdefghijklmnopqrstuvwxyz", state % 20 + 1)
        }
    }' >text
    wc -c <text
    xz -T2 -1 --block-size=1MiB -k -c text >text.xz
    sha256sum text.xz
    xz -T2 -d -c text.xz | cmp - text
    xz -T2 -6 --block-size=3MiB -k -c text | tee text6.xz | digest
    xz -T1 -d -c text6.xz | cmp - text
    xz --robot -l text.xz text6.xz
    xz -t text.xz text6.xz
    dd if=/dev/zero of=text.xz bs=1 seek=200000 count=16 conv=notrunc status=none
    xz -T2 -d -c text.xz 2>message >part || echo "status $?"
    cat message
}
