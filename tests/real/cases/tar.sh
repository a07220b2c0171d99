# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# tar: archives with several compressors, sparse files, links, extraction, comparison, incremental lists.
weight=light
packages='tar gzip bzip2 xz-utils'
programs='/bin/tar /bin/gzip /bin/bzip2'

job() {
    local i
    mkdir -p tree/a/b/c tree/many
    for ((i = 0; i < 1500; i++)); do
        echo "$i: some text to pack" >"tree/many/a-file-with-a-rather-long-name-so-that-names-need-blocks-$i"
    done
    seq 1 200000 >tree/a/numbers
    ln -s ../a/numbers tree/many/link
    ln tree/a/numbers tree/a/b/hard
    truncate -s 30M tree/a/b/c/sparse
    echo end >>tree/a/b/c/sparse
    mkdir -p "tree/a/$(printf 'n%.0s' {1..120})/$(printf 'm%.0s' {1..120})"
    set -- --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX
    tar "$@" -S -cf tree.tar tree
    sha256sum tree.tar
    tar "$@" -S -I 'gzip -n' -cf tree.tgz tree
    tar "$@" -S -cjf tree.tbz tree
    tar "$@" -S -I 'xz -T2' -cf tree.txz tree
    sha256sum tree.tgz tree.tbz tree.txz
    for i in tar tgz tbz txz; do
        tar -tvf "tree.$i" | digest
        mkdir "out.$i"
        tar -C "out.$i" -xf "tree.$i"
        diff -r tree "out.$i/tree"
    done
    tar -df tree.tar 2>&1 | grep -vc 'Mod time differs' || true
    tar --format=posix "$@" --pax-option=delete=atime,delete=ctime -S -cf posix.tar tree
    tar -tf posix.tar | digest
    tar -xOf tree.tar tree/a/numbers | digest
    head -c 100000 tree.tgz | tar -tzf - 2>&1 | tail -n 2 || echo "status $?"
}
