# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# gcc compiles the library's own sources: the object files are the same byte by byte.
weight=light
packages='gcc libc6-dev binutils'
programs='/usr/bin/gcc /usr/lib/gcc/*/*/cc1 /usr/bin/as /usr/bin/ld /usr/bin/ar'

job() {
    local source object
    for source in "$root"/src/*/*.c; do
        [ "$(basename "$source")" != bare.c ] || continue # stands in for others on bare targets
        object=$(basename "$(dirname "$source")")-$(basename "$source" .c).o
        gcc -std=gnu11 -O2 -g -Wall -fPIC -fvisibility=hidden -ffile-prefix-map="$PWD"=. -frandom-seed=1 \
            -DVM_LIBC_NAMES -I"$root/include" -I"$root/src" -c "$source" -o "$object"
    done
    sha256sum -- *.o
    ar rcD all.a -- *.o
    ld -r -o all.o --whole-archive all.a
    sha256sum all.a all.o
    nm --defined-only all.o | sort -k 3 | digest
    cat >prime.c <<'END'
#include <stdio.h>
int main(void) {
    for (int n = 2, found = 0; found < 20; n++) {
        int divisor = 2;
        while (divisor * divisor <= n && n % divisor != 0) {
            divisor++;
        }
        if (divisor * divisor > n) {
            found++;
            printf("%d ", n);
        }
    }
    return 7;
}
END
    gcc -O3 -flto -save-temps=obj prime.c -o prime
    ./prime || echo "status $?"
    gcc -O2 -c nothing-there.c 2>&1 || echo "status $?"
    echo 'int main(void) { return undeclared; }' | gcc -x c -c -o wrong.o - 2>&1 || echo "status $?"
}
