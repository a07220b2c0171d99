# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# e2fsck -tt reports the memory that it uses, by mallinfo2 of whatever malloc there is: of an idle one it would be 0k.
# On a file system in a plain file.
weight=light
packages=e2fsprogs
programs='/sbin/e2fsck /sbin/mke2fs'

job() {
    dd if=/dev/zero of=image bs=1M count=64 status=none
    mke2fs -q -F -U 12345678-1234-1234-1234-123456789012 -E hash_seed=12345678-1234-1234-1234-123456789012 image
    for number in $(seq 200); do
        echo "mkdir folder$number"
        echo "write /etc/hostname folder$number/file"
    done >commands
    debugfs -w -f commands image >/dev/null 2>&1 || true
    e2fsck -fn -tt image >report 2>&1 || echo "status $?"
    grep '^image:' report
    # Memory used: ARENA/MAPPED (IN USE/FREE), in KiB
    sed -n 's/.*Memory used: \([0-9]*\)k\/\([0-9]*\)k (\([0-9]*\)k\/\([0-9]*\)k).*/\1 \2 \3 \4/p' report |
        awk '{
            n++
            if ($1 + $2 < 100) print "hardly any memory: " $0
            if ($1 - $3 - $4 > 2 || $1 - $3 - $4 < -2) print "does not add up: " $0
        }
        END { print n " reports of memory" }'
    yes damaged | dd of=image bs=1k seek=300 count=8 conv=notrunc iflag=fullblock status=none 2>/dev/null || true
    e2fsck -fy image >report 2>&1 || echo "status $?"
    e2fsck -fn image 2>/dev/null
}
