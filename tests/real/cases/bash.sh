# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# bash: arrays, string operations, functions, substitutions, here documents, coprocesses, many subshells.
weight=light
packages=bash
programs=/bin/bash

job() {
    cat >program.sh <<'END'
declare -A count
declare -a list
state=5
random() { state=$(((state * 16807) % 2147483647)); REPLY=$((state % $1)); }
for ((i = 0; i < 20000; i++)); do
    random 3000
    key=k$REPLY
    count[$key]=$((${count[$key]-0} + 1))
    list[i % 500 * 3]+=$key,
done
total=0
for key in "${!count[@]}"; do total=$((total + count[$key])); done
echo "${#count[@]} $total ${#list[@]} ${#list[999]}"
all="${list[*]}"
printf '%s\n' "${all//k1/[one]}" | cksum
echo "${all:100:50}" "${all##*k}" "${#all}"
fib() { if (($1 < 2)); then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi; }
fib 11
for ((i = 0; i < 300; i++)); do text=$(printf '%s-%d' "$text" "$i"); done
echo "${#text} ${text: -20}"
if [[ $text =~ -([0-9]+)-150-([0-9]+) ]]; then echo "${BASH_REMATCH[@]:1}"; fi
coproc upper { while read -r line; do echo "${line^^}"; done; }
for word in alpha beta gamma; do echo "$word" >&"${upper[1]}"; read -r answer <&"${upper[0]}"; echo "$answer"; done
eval "exec ${upper[1]}>&-"
wait
cat <<HERE | cksum
$(for ((i = 0; i < 2000; i++)); do echo "line $i ${list[i % 500 * 3]:0:30}"; done)
HERE
mapfile -t lines < <(for ((i = 0; i < 20000; i++)); do echo "$((i * 7919 % 20011))"; done)
echo "${#lines[@]} ${lines[12345]}"
trap 'echo "trapped"; exit 6' USR1
kill -USR1 $$
END
    bash program.sh || echo "status $?"
    bash -c 'echo ${unfinished' 2>&1 | sed 's/^.*: line/line/' || true
}
