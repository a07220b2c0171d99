/* SPDX-License-Identifier: MIT */
/*
 * tiny.c - a machine with nothing but an array (check B23): linked statically with the allocator and the simulated
 * kernel, it serves 1,000 mixed requests, runs out, and is empty again after all was freed and trimmed. Argument: "64K",
 * an array of 64 KiB with pages of 1 KiB, or "8M", 8 MiB with pages of 4 KiB. Output by write(2) alone. From "begin" on
 * the real kernel is asked for no memory; run-backend watches that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vmalloc/kernel.h"
#include "vmalloc/sim.h"
#include "vmalloc/vmalloc.h"

enum { KIB = 1024, N_REQUESTS = 1000, N_LIVE = 40, N_UNTIL_EMPTY = 1000000 };

static _Alignas(4 * KIB) char memory[8192 * KIB];
static size_t memory_bytes;
static struct vk_kernel *kernel;
static struct vm_kernel_backend backend;
static int result = -1;

extern char **environ;

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(3);
}

static void say_number(size_t number, const char *what)
{
    char text[24], *at = text + sizeof text;
    *--at = 0;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    say(at);
    say(what);
}

static void require(int condition, const char *what)
{
    if (condition)
        return;
    say("not true: ");
    say(what);
    say("\n");
    _exit(1);
}

/* Long before main: the C library allocates first. TINY says which machine it is. */
void vm_kernel_before_start(void)
{
    const char *const size = getenv("TINY");
    const size_t page_bytes = size && strcmp(size, "64K") == 0 ? KIB : 4 * KIB;
    memory_bytes = page_bytes == KIB ? 64 * KIB : sizeof memory;
    const struct vk_region region = {.start = memory, .bytes = memory_bytes, .contents = VK_CONTENTS_ZERO};
    result = vk_create(&(struct vk_config){.page_bytes = page_bytes}, &region, &kernel);
    if (result == 0 && (result = vm_sim_backend(&backend, kernel)) == 0)
        result = (int)vm_kernel_install(&backend);
}

static uint32_t random_below(uint32_t bound)
{
    static uint64_t seed = 23;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % bound;
}

static struct block {
    unsigned char *start;
    size_t bytes;
    unsigned char filling;
} blocks[N_LIVE];

static void require_filled(const struct block *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        require(block->start[i] == block->filling, "contents stay");
}

static void drop(struct block *block)
{
    require_filled(block, block->bytes);
    free(block->start);
    *block = (struct block){0};
}

static void take(struct block *block, void *start, size_t bytes, size_t alignment)
{
    const size_t offset = (size_t)((char *)start - memory);
    require(start != NULL, "there is memory");
    require(offset < memory_bytes && bytes <= memory_bytes - offset, "a block is inside");
    require(((uintptr_t)start & (alignment - 1)) == 0, "a block is aligned");
    *block = (struct block){start, bytes, (unsigned char)random_below(256)};
    memset(start, block->filling, bytes);
}

static size_t random_size(void)
{
    return 1 + random_below(random_below(8) ? 200 : random_below(8) ? 1500 : 4000);
}

static void request(struct block *block)
{
    const size_t bytes = random_size(), alignment = (size_t)16 << random_below(5);
    switch (random_below(4)) {
    case 0:
        take(block, malloc(bytes), bytes, 16);
        break;
    case 1:
        take(block, aligned_alloc(alignment, bytes), bytes, alignment);
        break;
    case 2: {
        unsigned char *const start = calloc(1, bytes);
        for (size_t i = 0; start && i < bytes; i++)
            require(start[i] == 0, "calloc clears");
        take(block, start, bytes, 16);
        break;
    }
    default: {
        take(block, malloc(bytes), bytes, 16);
        const size_t more = random_size();
        struct block old = *block;
        old.start = realloc(block->start, more);
        require(old.start != NULL, "there is memory to resize");
        require_filled(&old, bytes < more ? bytes : more);
        take(block, old.start, more, 16);
    }
    }
}

static void mixed_requests(void)
{
    for (unsigned i = 0; i < N_REQUESTS; i++) {
        struct block *const block = &blocks[random_below(N_LIVE)];
        if (block->start)
            drop(block);
        request(block);
    }
    for (unsigned i = 0; i < N_LIVE; i++)
        if (blocks[i].start)
            drop(&blocks[i]);
}

/* Blocks of a size until there is none, chained through their first words. Returns how many bytes they had. */
static size_t use_up(size_t bytes)
{
    void **last = NULL, **block;
    size_t n = 0;
    errno = 0;
    while (n < N_UNTIL_EMPTY && (block = malloc(bytes)) != NULL) {
        *block = last;
        last = block;
        n++;
    }
    require(n < N_UNTIL_EMPTY && errno == ENOMEM, "it runs out");
    for (; last; last = block) {
        block = *last;
        free(last);
    }
    return n * bytes;
}

int main(void)
{
    say("begin\n");
    require(result == 0, "there is a machine");
    struct vk_mm *const mm = vk_flat_mm(kernel);
    vm_malloc_trim(0);
    const uint64_t digest = vk_digest(kernel);
    const size_t page_bytes = vk_page_bytes(kernel);
    say_number(vk_usage(mm).total_pages * page_bytes, " bytes before the first request\n");
    mixed_requests();
    vk_check(kernel);
    say_number(use_up(48), " bytes in blocks of 48\n");
    say_number(use_up(1000), " bytes in blocks of 1000\n");
    say_number(use_up(5000), " bytes in blocks of 5000\n");
    require(malloc(memory_bytes) == NULL, "what is too large is refused");
    mixed_requests();
    vm_malloc_trim(0);
    vk_check(kernel);
    require(vk_digest(kernel) == digest, "nothing is left");
    say("end\n");
    return 0;
}
