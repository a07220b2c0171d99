/* SPDX-License-Identifier: MIT */
/*
 * replay.c - random sequences of operations against the model, one thread. Usage: replay [STEPS [SEED...]].
 * The whole heap is checked after each of the first steps and after every 64th from then on.
 */
#include <stdio.h>
#include <stdlib.h>
#include "front/front.h"
#include "kernel/kernel.h"
#include "model.h"
#include "vmalloc/vmalloc.h"

enum { CHECK_EACH_UNTIL = 1500, CHECK_EVERY = 64, COMPARE_EVERY = 2048 };

static struct model model;

/* The figures of the allocator are those of the model, to the byte. */
static void compare_figures(void)
{
    const struct vm_mallinfo2 info = vm_mallinfo2();
    model.doing = "mallinfo2";
    if (info.uordblks + info.hblkhd != model.live_bytes)
        model_fail(&model, "%zu bytes in the arenas and %zu in mappings are in use, but %zu are live",
                   info.uordblks, info.hblkhd, model.live_bytes);
    if (info.arena != info.uordblks + info.fordblks)
        model_fail(&model, "arena %zu, uordblks %zu, fordblks %zu", info.arena, info.uordblks, info.fordblks);
}

static void replay(uint64_t seed, unsigned n_steps)
{
    model_init(&model, seed);
    model.is_tuning = true;
    model.may_refuse = vm_kernel.memory_bytes != 0; /* bounded */
    for (unsigned step = 1; step <= n_steps; step++) {
        model_step(&model);
        if (step <= CHECK_EACH_UNTIL || step % CHECK_EVERY == 0) {
            vm_check_all();
            compare_figures();
        }
        if (step % COMPARE_EVERY == 0)
            model_compare(&model);
    }
    model_compare(&model);
    model_free_all(&model);
    vm_check_all();
    compare_figures();
    vm_malloc_trim(0);
    vm_check_all();
    model.doing = "the end";
    if (vm_mallinfo2().uordblks != 0 || vm_mallinfo2().hblkhd != 0)
        model_fail(&model, "something is in use that nobody has");
}

int main(int argc, char **argv)
{
    static const uint64_t seeds[] = {20240601, 1, 77, 4242424242, 31415926535};
    enum { N_SEEDS = sizeof seeds / sizeof *seeds };
    const unsigned n_steps = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 30000;
    const unsigned n_cases = argc > 2 ? (unsigned)(argc - 2) : N_SEEDS;
    bool is_ok = true;
    printf("1..%u\n", n_cases);
    for (unsigned i = 0; i < n_cases; i++)
        is_ok &= model_run_case(i + 1, "replay", replay, argc > 2 ? strtoull(argv[i + 2], NULL, 0) : seeds[i],
                                n_steps);
    return is_ok ? 0 : 1;
}
