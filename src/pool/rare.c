/* SPDX-License-Identifier: MIT */
/* rare.c - what few processes ask of the pool: apart from pool.c, so that its code is not mapped in those that do not (see
   src/meson.build). Owns nothing. */
#include "kernel/kernel.h"
#include "pool/dirty.h"
#include "pool/pool.h"
#include "pool/quick.h"

bool vm_pool_trim(size_t pad)
{
    bool done = vm_quick_flush();
    struct arena *arena;
    for (size_t index = 0; (arena = vm_pool_arena(index)); index++) {
        done |= vm_arena_trim(arena, arena->kind == ARENA_PROCESS_BREAK ? pad : 0);
        done |= vm_arena_purge(arena, 0) > 0;
    }
    return done;
}

void vm_pool_count_asleep(const struct span *span, bool is_asleep)
{
    const uint32_t n_pages = (uint32_t)(span->bytes >> vm_kernel.page_shift);
    vm_fetch_add_relaxed(&vm_pool_arena(span->arena_index)->x_n_asleep, is_asleep ? n_pages : 0U - n_pages);
}

size_t vm_pool_live_bytes_of_all(void)
{
    size_t n_pages = 0;
    const struct arena *arena;
    for (size_t index = 0; (arena = vm_pool_arena(index)); index++)
        n_pages += vm_dirty_live(arena);
    return vm_pages_to_bytes(n_pages);
}

void vm_pool_check(void)
{
    struct arena *arena;
    for (size_t index = 0; (arena = vm_pool_arena(index)); index++)
        vm_arena_check(arena);
}
