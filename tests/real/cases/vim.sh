# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# vim, as a batch editor: substitutions, sorting, macros, undo, many buffers and windows, a large file.
weight=light
packages=vim-tiny
programs=/usr/bin/vim.tiny

job() {
    awk 'BEGIN {
        state = 11
        for (i = 0; i < 10000; i++) {
            state = (state * 16807) % 2147483647
            printf "line %d of %d: %s\n", i, state % 9973, substr("abcdefghijklmnopqrstuvwxyz", state % 20 + 1)
        }
    }' >text
    cat >script <<'END'
set nocompatible viminfo= noswapfile undolevels=1000
edit text
%s/line \(\d\+\) of \(\d\+\)/\2 of \1/g
g/^1/normal Aend
g/99 of/move 0
v/[a-m]/delete
1,500yank a
$put a
write one
undo
undo
redo
write two
earlier 100
write three
new
read text
1,100!sort -r
sort /\d\+ of /
write four
split
vsplit
edit! one
2,$join
write five
edit! two
%normal wdwp
write six
qall!
END
    vim.tiny -u NONE -i NONE -es -S script >messages 2>&1 || echo "status $?"
    wc -lc one two three four five six
    cat one two three four five six | digest
}
