# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# sort with threads, with a buffer that is too small, and in other orders.
weight=light
packages=coreutils
programs=/usr/bin/sort

job() {
    awk 'BEGIN {
        state = 7
        for (i = 0; i < 250000; i++) {
            state = (state * 16807) % 2147483647
            printf "%d %s %x\n", state % 100000, substr("the quick brown fox jumps", state % 20 + 1, 5), state
        }
    }' >lines.txt
    sort --parallel=4 lines.txt | digest
    sort --parallel=4 -S 4M -T . lines.txt | digest
    sort --parallel=2 -n -k 1,1 -k 3,3r lines.txt | digest
    sort --parallel=8 -u -k 2,2 lines.txt | digest
    sort --parallel=4 -R --random-source=lines.txt -S 8M -T . lines.txt | digest
    sort --parallel=4 lines.txt -o sorted.txt
    sort -c sorted.txt
    sort -m sorted.txt sorted.txt | uniq -c | digest
    sort -c lines.txt 2>&1 || echo "status $?"
}
