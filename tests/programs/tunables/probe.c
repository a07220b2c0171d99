/* SPDX-License-Identifier: MIT */
/*
 * probe.c - shows what settings do: `probe [PARAMETER=VALUE...] WHAT` calls mallopt for each parameter, and
 * prints one number:
 *   arena    bytes by which the first arena grows as small blocks need more: the top pad
 *   kept     bytes of the arenas after 8 MiB in middle blocks were allocated and freed: the trim threshold
 *   smallest the smallest size, as a power of two, that gets a mapping, 0 if none does: the mmap threshold
 *   mapped   how many of six blocks of 40 MiB have a mapping of their own: the most mappings
 *   secure   whether the kernel says that the process has raised rights
 */
#include <malloc.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "expect.h"

static size_t arena(void)
{
    const size_t before = mallinfo2().arena;
    while (mallinfo2().arena == before)
        REQUIRE(malloc(100) != NULL);
    return mallinfo2().arena - before;
}

static size_t kept(void)
{
    enum { N = 160 };
    void *blocks[N];
    for (size_t i = 0; i < N; i++)
        REQUIRE((blocks[i] = malloc(52000)) != NULL);
    for (size_t i = 0; i < N; i++)
        free(blocks[N - 1 - i]);
    return mallinfo2().arena;
}

static size_t smallest(void)
{
    for (size_t size = 2048; size <= (size_t)64 << 20; size *= 2) {
        const size_t before = mallinfo2().hblks;
        void *const block = malloc(size);
        REQUIRE(block != NULL);
        if (mallinfo2().hblks != before)
            return size;
    }
    return 0;
}

static size_t mapped(void)
{
    for (size_t i = 0; i < 6; i++)
        REQUIRE(malloc((size_t)40 << 20) != NULL);
    return mallinfo2().hblks;
}

static size_t secure(void)
{
    return getauxval(AT_SECURE);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t (*run)(void);
    } probes[] = {
        {"arena", arena}, {"kept", kept}, {"smallest", smallest}, {"mapped", mapped}, {"secure", secure},
    };
    for (int i = 1; i < argc - 1; i++) {
        int parameter, value;
        REQUIRE(sscanf(argv[i], "%d=%d", &parameter, &value) == 2);
        REQUIRE(mallopt(parameter, value) == 1);
    }
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++)
        if (argc > 1 && strcmp(argv[argc - 1], probes[i].name) == 0) {
            expect_figure("%zu\n", probes[i].run());
            return 0;
        }
    expect_say("usage: probe [PARAMETER=VALUE...] arena|kept|smallest|mapped|secure\n");
    return 2;
}
