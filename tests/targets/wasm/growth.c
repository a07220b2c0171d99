/* SPDX-License-Identifier: MIT */
/* growth.c - 20 MiB of small blocks: each time that the memory grows, how long it is then. */
#include <stdio.h>
#include "../mixed.h"

enum { MIB = 1 << 20 };

static size_t memory_bytes(void)
{
    return __builtin_wasm_memory_size(0) * 65536;
}

int main(void)
{
    enum { BLOCK = 112, ASKED_MAX = 20 * MIB };
    void **first = NULL;
    size_t asked = 0, last = memory_bytes();
    unsigned long n_too_long = 0;
    for (void **block; asked < ASKED_MAX && (block = malloc(BLOCK)) != NULL; first = block) {
        *block = first;
        asked += BLOCK;
        if (memory_bytes() == last)
            continue;
        last = memory_bytes();
        printf("# %lu KiB in small blocks: memory of %lu KiB\n", (unsigned long)asked / 1024,
               (unsigned long)last / 1024);
        n_too_long += last > asked + asked / 4 + 4 * MIB;
    }
    say(asked >= ASKED_MAX && n_too_long == 0, "it grows little by little for small blocks", n_too_long);
    return finish();
}
