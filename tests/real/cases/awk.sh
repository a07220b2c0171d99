# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# awk, both mawk and gawk: arrays of many short strings, splitting, concatenation, formats, sorting in gawk.
weight=light
packages='mawk gawk'
programs='/usr/bin/mawk /usr/bin/gawk'

job() {
    local awk
    cat >program.awk <<'PROGRAM'
function random(n) { state = (state * 16807) % 2147483647; return state % n }
BEGIN {
    state = 42
    for (i = 1; i <= 150000; i++) {
        key = "k" random(20000)
        count[key]++
        last[key] = last[key] sprintf("%d,", i)
        if (random(10) == 0) delete last["k" random(20000)]
    }
    total = keys = 0
    for (key in count) { keys++; total += count[key] }
    for (key in last) { parts += split(last[key], piece, ","); length_sum += length(last[key]) }
    print keys, total, parts, length_sum
    for (i = 0; i < 2000; i++) text = text sprintf("%x %s %08.3f;", i * 7919, substr("abcdefghijkl", i % 12 + 1), i / 7)
    n = split(text, field, /[ ;]+/)
    gsub(/[a-e]+/, "<&>", text)
    print n, length(text), toupper(substr(text, 1000, 60))
    for (i = 1; i <= n; i++) print field[i] | "sort | cksum"
    close("sort | cksum")
}
{ words += NF; lines[$1] = lines[$1] " " NR; $3 = "changed"; out += length($0) }
END {
    for (word in lines) different++
    print NR, words, different, out
    exit 4
}
PROGRAM
    seq 1 60000 | sed 's/\(.\)\(.*\)/\2\1 \1 word\2 more text & here/' >lines.txt
    for awk in mawk gawk; do
        "$awk" -f program.awk lines.txt || echo "$awk: status $?"
    done
    gawk 'BEGIN { for (i = 0; i < 50000; i++) a[i * 7919 % 50021] = i "x"; n = asort(a, b); print n, b[1], b[n], b[777]
        PROCINFO["sorted_in"] = "@ind_num_desc"; for (i in a) { print i, a[i]; if (++k == 5) break } }'
    mawk 'BEGIN { print substr("x"' 2>&1 || echo "status $?"
}
