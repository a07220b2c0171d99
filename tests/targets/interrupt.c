/* SPDX-License-Identifier: MIT */
/*
 * interrupt.c - malloc is called where an interrupt could call it, in the middle of a malloc: linked with
 * --wrap=vk_brk, the simulated kernel's break moves through here, while the arena is locked. There is no other thread that
 * could give the lock back, so that this is said, not waited for.
 */
#include <stdio.h>
#include "mixed.h"

vk_va __real_vk_brk(struct vk_mm *mm, vk_va wanted);
vk_va __wrap_vk_brk(struct vk_mm *mm, vk_va wanted);

static bool is_interrupted;

vk_va __wrap_vk_brk(struct vk_mm *mm, vk_va wanted)
{
    if (is_interrupted && wanted)
        free(malloc(100000));
    return __real_vk_brk(mm, wanted);
}

int main(void)
{
    free(malloc(1));
    puts("before");
    fflush(stdout);
    is_interrupted = true;
    for (int i = 0; i < 100; i++)
        free(malloc(100000 + (size_t)i));
    for (int i = 0; i < 100; i++)
        if (!malloc(100000))
            break;
    puts("after");
    return 0;
}
