# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# stress-ng: four processes that allocate, resize and free up to 256 MiB at random, and verify what they
# wrote.
weight=heavy
packages=stress-ng
programs=/usr/bin/stress-ng

# The lines about what passed and how it ended, without times and process numbers.
outcome() {
    sed -nE 's/.*(passed|failed|skipped): ([0-9]+)(:? .*)?$/\1: \2\3/p; s/.*((un)?successful run completed).*/\1/p'
}

job() {
    stress-ng --malloc 4 --malloc-bytes 256M --verify --timeout 20s 2>&1 | tee log | outcome
    ! grep -E 'fail|error' log | grep -vE 'failed: 0' || fail "$(cat log)"
    stress-ng --malloc 2 --malloc-bytes 64M --malloc-pthreads 4 --malloc-touch --verify --timeout 5s 2>&1 |
        outcome
}
