/* SPDX-License-Identifier: MIT */
/* model.c - see model.h. */
#include "model.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vmalloc/vmalloc.h"

enum { ERRNO_BEFORE = 4711 };

void model_fail(const struct model *model, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("# step %u, %s: ", model->n_steps, model->doing);
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
    _exit(1);
}

static uint64_t random_word(struct model *model)
{
    uint64_t z = model->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

size_t model_below(struct model *model, size_t bound)
{
    return (size_t)(random_word(model) % bound);
}

void model_init(struct model *model, uint64_t seed)
{
    *model =
        (struct model){.random = seed, .n_target = 100, .live_bytes_max = (size_t)48 << 20, .doing = "start"};
}

/* --- contents: a word for every eight bytes, different from block to block and from place to place ------ */

static uint64_t word_at(uint64_t stamp, size_t index)
{
    return stamp + index * 0x9e3779b97f4a7c15;
}

static void write_stamp(const struct model_block *block)
{
    const size_t n_words = block->usable / sizeof(uint64_t);
    uint64_t *const words = (uint64_t *)(void *)block->start;
    for (size_t i = 0; i < n_words; i++)
        words[i] = word_at(block->stamp, i);
    const uint64_t last = word_at(block->stamp, n_words);
    memcpy(block->start + n_words * sizeof(uint64_t), &last, block->usable % sizeof(uint64_t));
}

/* The first `bytes` are as written. */
static void compare(const struct model *model, const struct model_block *block, size_t bytes)
{
    const size_t n_words = bytes / sizeof(uint64_t);
    const uint64_t *const words = (const uint64_t *)(const void *)block->start;
    uint64_t difference = 0;
    for (size_t i = 0; i < n_words; i++)
        difference |= words[i] ^ word_at(block->stamp, i);
    const uint64_t last = word_at(block->stamp, n_words);
    if (!difference &&
        memcmp(block->start + n_words * sizeof(uint64_t), &last, bytes % sizeof(uint64_t)) == 0)
        return;
    for (size_t i = 0; i < bytes; i++) {
        const uint64_t word = word_at(block->stamp, i / sizeof(uint64_t));
        unsigned char expected[sizeof word];
        memcpy(expected, &word, sizeof word);
        if (block->start[i] != expected[i % sizeof word])
            model_fail(model, "byte %zu of the block of %zu bytes (usable %zu) at %p is %#x instead of %#x",
                       i, block->size, block->usable, (void *)block->start, block->start[i],
                       expected[i % sizeof word]);
    }
}

void model_compare(struct model *model)
{
    for (size_t i = 0; i < model->n_blocks; i++)
        compare(model, &model->block[i], model->block[i].usable);
}

/* --- the sorted list ------------------------------------------------------------------------------------ */

void model_enter(struct model *model, const struct model_block *block)
{
    size_t low = 0, high = model->n_blocks;
    if (model->n_blocks == MODEL_BLOCKS_MAX)
        model_fail(model, "more blocks than the model has room for");
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (model->block[middle].start < block->start)
            low = middle + 1;
        else
            high = middle;
    }
    const struct model_block *const before = low > 0 ? &model->block[low - 1] : NULL;
    const struct model_block *const behind = low < model->n_blocks ? &model->block[low] : NULL;
    if (before && before->start + before->usable > block->start)
        model_fail(model, "the block of %zu bytes at %p overlaps the live one of %zu at %p", block->usable,
                   (void *)block->start, before->usable, (void *)before->start);
    if (behind && block->start + block->usable > behind->start)
        model_fail(model, "the block of %zu bytes at %p overlaps the live one of %zu at %p", block->usable,
                   (void *)block->start, behind->usable, (void *)behind->start);
    memmove(&model->block[low + 1], &model->block[low], (model->n_blocks - low) * sizeof *block);
    model->block[low] = *block;
    model->n_blocks++;
    model->live_bytes += block->usable;
}

static struct model_block leave(struct model *model, size_t index)
{
    const struct model_block block = model->block[index];
    model->n_blocks--;
    memmove(&model->block[index], &model->block[index + 1], (model->n_blocks - index) * sizeof block);
    model->live_bytes -= block.usable;
    return block;
}

/* --- operations ----------------------------------------------------------------------------------------- */

/* A size that is as likely to be small as programs' are, but also at all the edges. */
static size_t random_size(struct model *model)
{
    static const size_t edges[] = {32,    128,   256,   1024,  1152,   4096,  8192,
                                   16384, 28672, 32768, 65536, 131072, 262144};
    size_t size;
    switch (model_below(model, 20)) {
    case 0:
        return model_below(model, 3);
    case 1:
    case 2:
        return edges[model_below(model, sizeof edges / sizeof *edges)] + model_below(model, 35) - 17;
    case 3:
    case 4:
    case 5:
        size = 32768;
        break;
    case 6:
        size = 200000;
        break;
    case 7:
        size = model_below(model, 4) ? 100000 : 3 << 20;
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        size = 1024;
        break;
    default:
        size = 200;
        break;
    }
    return 1 + model_below(model, size);
}

/* Keeps the sum of all blocks in bounds. */
static size_t bounded_size(struct model *model)
{
    const size_t size = random_size(model);
    return model->live_bytes + size > model->live_bytes_max ? 1 + size % 100 : size;
}

/* No block: whether that may be. */
static void accept_refusal(struct model *model, size_t size, size_t alignment)
{
    if (!model->may_refuse || errno != ENOMEM)
        model_fail(model, "no block of %zu bytes aligned to %zu, errno %d", size, alignment, errno);
    model->n_refused++;
    errno = ERRNO_BEFORE;
}

/* A new block: enters it, after looking at what can be said of it, and fills it. */
static void accept_block(struct model *model, void *start, size_t size, size_t alignment)
{
    if (!start) {
        accept_refusal(model, size, alignment);
        return;
    }
    if (errno != ERRNO_BEFORE)
        model_fail(model, "errno is %d after success", errno);
    if ((uintptr_t)start & (alignment - 1))
        model_fail(model, "the block at %p is not aligned to %zu", start, alignment);
    struct model_block block = {.start = start, .size = size, .usable = vm_malloc_usable_size(start)};
    if (block.usable < size)
        model_fail(model, "%zu bytes are usable of a block of %zu", block.usable, size);
    block.stamp = (model->n_stamps++ * 2 + 1) * 0xd1342543de82ef95 + (uintptr_t)model;
    model_enter(model, &block);
    write_stamp(&block);
}

static void do_malloc(struct model *model)
{
    model->doing = "malloc";
    const size_t size = bounded_size(model);
    accept_block(model, vm_malloc(size), size, VM_ALIGNMENT);
}

static void do_calloc(struct model *model)
{
    model->doing = "calloc";
    const size_t size = bounded_size(model), count = 1 + model_below(model, 8);
    unsigned char *const start = vm_calloc(count, size / count);
    const size_t usable = vm_malloc_usable_size(start);
    if (start && usable && (start[0] || memcmp(start, start + 1, usable - 1) != 0))
        model_fail(model, "the %zu bytes at %p are not all zero", usable, (void *)start);
    accept_block(model, start, size / count * count, VM_ALIGNMENT);
}

static void do_aligned(struct model *model)
{
    model->doing = "the memalign family";
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = bounded_size(model);
    size_t alignment = (size_t)8 << model_below(model, model_below(model, 8) ? 11 : 19);
    void *start = NULL;
    switch (model_below(model, 5)) {
    case 0:
        start = vm_memalign(alignment - model_below(model, 3), size); /* rounds up */
        break;
    case 1:
        start = vm_aligned_alloc(alignment, size);
        break;
    case 2:
        alignment = page;
        start = vm_valloc(size);
        break;
    case 3:
        alignment = page;
        start = vm_pvalloc(size);
        break;
    default:
        if ((errno = vm_posix_memalign(&start, alignment, size)) == 0)
            errno = ERRNO_BEFORE;
        break;
    }
    accept_block(model, start, size, alignment > VM_ALIGNMENT ? alignment : VM_ALIGNMENT);
}

static void do_realloc(struct model *model, size_t index)
{
    model->doing = "realloc";
    const struct model_block old = leave(model, index);
    compare(model, &old, old.usable);
    size_t size = bounded_size(model);
    switch (model_below(model, 6)) { /* often by a bit, or doubling */
    case 0:
        size = old.size + model_below(model, 40);
        break;
    case 1:
        size = old.size - model_below(model, old.size / 2 + 1);
        break;
    case 2:
        size = old.size < (1 << 20) ? 2 * old.size : old.size;
        break;
    default:
        break;
    }
    size += size == 0;
    struct model_block moved = old;
    if (model_below(model, 4) == 0) {
        const size_t count = 1 + model_below(model, 5);
        size = (size + count - 1) / count * count;
        moved.start = vm_reallocarray(old.start, count, size / count);
    } else {
        moved.start = vm_realloc(old.start, size);
    }
    if (!moved.start) {
        if (size <= old.usable)
            model_fail(model, "realloc from %zu down to %zu bytes failed", old.size, size);
        compare(model, &old, old.usable);
        accept_refusal(model, size, VM_ALIGNMENT);
        model_enter(model, &old);
        return;
    }
    compare(model, &moved, size < old.usable ? size : old.usable);
    accept_block(model, moved.start, size, VM_ALIGNMENT);
}

/* What cannot be had is refused, and nothing is touched by it. */
static void do_impossible(struct model *model, size_t index)
{
    model->doing = "an impossible request";
    volatile size_t size =
        (size_t)PTRDIFF_MAX + (model_below(model, 2) ? model_below(model, 1 << 20) + 1 : PTRDIFF_MAX);
    unsigned char *const block = model->n_blocks ? model->block[index].start : NULL;
    void *result;
    switch (model_below(model, 5)) {
    case 0:
        result = vm_malloc(size);
        break;
    case 1:
        result = vm_calloc(2 + model_below(model, 10), size);
        break;
    case 2:
        result = vm_realloc(block, size);
        break;
    case 3:
        result = vm_reallocarray(block, size, 3);
        break;
    default:
        result = vm_memalign(64, size);
        break;
    }
    if (result || errno != ENOMEM)
        model_fail(model, "%p and errno %d", result, errno);
    if (block)
        compare(model, &model->block[index], model->block[index].usable);
    errno = ERRNO_BEFORE;
}

static void release(struct model *model, const struct model_block *block)
{
    compare(model, block, block->usable);
    switch (model_below(model, 8)) {
    case 0:
        vm_free_sized(block->start, block->size);
        break;
    case 1:
        vm_cfree(block->start);
        break;
    case 2:
        if (vm_realloc(block->start, 0))
            model_fail(model, "realloc to 0 bytes returned something");
        break;
    default:
        vm_free(block->start);
        break;
    }
    if (errno != ERRNO_BEFORE)
        model_fail(model, "errno is %d after a free", errno);
}

static void do_free(struct model *model, size_t index)
{
    model->doing = "free";
    const struct model_block block = leave(model, index);
    if (model->hand_over && model_below(model, 3) == 0 && model->hand_over(model, &block))
        return;
    release(model, &block);
}

static void do_usable_size(struct model *model, size_t index)
{
    model->doing = "malloc_usable_size";
    const struct model_block *const block = &model->block[index];
    const size_t usable = vm_malloc_usable_size(block->start);
    if (usable != block->usable)
        model_fail(model, "%zu bytes are usable that were %zu", usable, block->usable);
}

static void do_tune(struct model *model)
{
    static const int thresholds[] = {0, 3000, 20000, 65536, 131072, 131072, 131072, 1 << 20};
    static const int trims[] = {0, 4096, 131072, 131072, 8 << 20, -1};
    static const int pads[] = {0, 1, 100000, 131072, 131072, 1 << 20};
    static const int maxima[] = {0, 5, 65536, 65536};
    model->doing = "mallopt";
    int done = 0;
    switch (model_below(model, 4)) {
    case 0:
        done = vm_mallopt(VM_M_MMAP_THRESHOLD, thresholds[model_below(model, 8)]);
        break;
    case 1:
        done = vm_mallopt(VM_M_TRIM_THRESHOLD, trims[model_below(model, 6)]);
        break;
    case 2:
        done = vm_mallopt(VM_M_TOP_PAD, pads[model_below(model, 6)]);
        break;
    default:
        done = vm_mallopt(VM_M_MMAP_MAX, maxima[model_below(model, 4)]);
        break;
    }
    if (done != 1)
        model_fail(model, "returned %d", done);
}

static void take_what_comes(struct model *model)
{
    struct model_block block;
    model->doing = "taking over";
    if (model->n_blocks == MODEL_BLOCKS_MAX || !model->take_over(model, &block))
        return;
    compare(model, &block, block.usable);
    model_enter(model, &block);
}

static void alter(struct model *model, size_t dice, size_t index)
{
    if (dice < 50)
        do_realloc(model, index);
    else if (dice < 60)
        do_usable_size(model, index);
    else if (dice < 63)
        do_impossible(model, index);
    else if (dice < 65)
        vm_malloc_trim(model_below(model, 1 << 20));
    else if (dice < 67 && model->is_tuning)
        do_tune(model);
    else
        compare(model, &model->block[index], model->block[index].usable);
}

void model_step(struct model *model)
{
    static const size_t targets[] = {0, 10, 100, 500, 1500, MODEL_BLOCKS_MAX - 100};
    model->n_steps++;
    errno = ERRNO_BEFORE;
    if (model->n_steps % 700 == 1)
        model->n_target = targets[model_below(model, sizeof targets / sizeof *targets)];
    if (model->take_over && model_below(model, 4) == 0)
        take_what_comes(model);
    const size_t dice = model_below(model, 100);
    const bool is_rising = model->n_blocks < model->n_target;
    const size_t index = model->n_blocks ? model_below(model, model->n_blocks) : 0;
    if (model->n_blocks && dice < 25) {
        alter(model, model_below(model, 100), index);
    } else if (model->n_blocks == 0 ||
               (dice < (is_rising ? 80 : 45) && model->n_blocks < MODEL_BLOCKS_MAX - 1)) {
        const size_t kind = model_below(model, 10);
        if (kind < 6)
            do_malloc(model);
        else if (kind < 8)
            do_calloc(model);
        else
            do_aligned(model);
    } else {
        do_free(model, index);
    }
}

void model_free_all(struct model *model)
{
    model->doing = "freeing all";
    errno = ERRNO_BEFORE;
    while (model->n_blocks) {
        const struct model_block block = leave(model, model_below(model, model->n_blocks));
        release(model, &block);
    }
}

bool model_run_case(unsigned number, const char *name, void (*act)(uint64_t seed, unsigned n_steps),
                    uint64_t seed, unsigned n_steps)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        act(seed, n_steps);
        fflush(NULL);
        _exit(0);
    }
    int status = -1;
    const bool is_ok =
        child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!is_ok)
        printf("# wait status %#x; again: with the arguments %u %llu\n", (unsigned)status, n_steps,
               (unsigned long long)seed);
    printf("%s %u - %s, %u steps, seed %llu\n", is_ok ? "ok" : "not ok", number, name, n_steps,
           (unsigned long long)seed);
    fflush(stdout);
    return is_ok;
}
