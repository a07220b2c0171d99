/* SPDX-License-Identifier: MIT */
/* mixed.c - see mixed.h. Every random number is the same in each run and on each target. */
#include "mixed.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static unsigned n_failed;

void say(bool is_true, const char *what, unsigned long detail)
{
    n_failed += !is_true;
    printf("%s - %s", is_true ? "ok" : "not ok", what);
    printf(is_true ? "\n" : " (%lu)\n", detail);
    fflush(stdout); /* a program that dies has said what it found */
}

int finish(void)
{
    puts("end");
    fflush(stdout);
    return n_failed ? 1 : 0;
}

static uint32_t random_below(uint32_t bound)
{
    static uint64_t seed = 1;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % bound;
}

static bool is_aligned(const void *block, size_t alignment)
{
    return ((uintptr_t)block & (alignment - 1)) == 0;
}

static void check_alignment(void)
{
    unsigned long n_wrong = 0;
    for (size_t size = 0; size < 3000; size += 7) {
        void *const block = malloc(size);
        n_wrong += !block || !is_aligned(block, VM_ALIGNMENT);
        free(block);
    }
    say(n_wrong == 0, "blocks of each size are aligned to 16", n_wrong);
    for (size_t alignment = sizeof(void *); alignment <= 8192; alignment *= 2) {
        for (size_t size = 1; size < 9000; size = size * 3 + 1) {
            void *block = NULL;
            n_wrong += posix_memalign(&block, alignment, size) != 0 || !is_aligned(block, alignment);
            memset(block, 1, size);
            free(block);
        }
    }
    say(n_wrong == 0, "aligned blocks are", n_wrong);
    void *block;
    say(posix_memalign(&block, 24, 1) == EINVAL, "an alignment that is none is refused", 0);
}

static void check_corners(void)
{
    volatile size_t most = SIZE_MAX; /* so that the compiler does not know better */
    errno = 0;
    say(!malloc(most / 2 + 1) && errno == ENOMEM, "half of all addresses are too much", (unsigned long)errno);
    errno = 0;
    say(!calloc(most / 4, 8) && errno == ENOMEM, "a product that overflows is refused", (unsigned long)errno);
    char *const block = realloc(NULL, 100);
    say(block != NULL, "realloc of nothing allocates", 0);
    say(realloc(block, 0) == NULL, "realloc to nothing frees", 0);
    free(NULL);
    void *const one = malloc(0), *const other = malloc(0);
    say(one && other && one != other, "blocks of size 0 are distinct", 0);
    free(one);
    free(other);
}

/* --- random operations against a model ------------------------------------------------------------------ */

enum { N_SLOTS = 200, N_STEPS = 20000 };

static struct slot {
    unsigned char *block;
    size_t size;
    unsigned char mark;
} slots[N_SLOTS];

static bool is_filled(const unsigned char *block, size_t size, unsigned char mark)
{
    size_t i = 0;
    while (i < size && block[i] == mark)
        i++;
    return i == size;
}

static size_t random_size(void)
{
    const uint32_t kind = random_below(100);
    return kind < 80 ? random_below(300) : kind < 98 ? random_below(2000) : random_below(10000);
}

static void fill(struct slot *slot, void *block, size_t size)
{
    slot->block = block;
    slot->size = size;
    slot->mark = (unsigned char)(1 + random_below(255));
    memset(block, slot->mark, size);
}

static unsigned long take(struct slot *slot)
{
    const size_t size = random_size(), alignment = (size_t)sizeof(void *) << random_below(7);
    void *block = NULL;
    switch (random_below(4)) {
    case 0:
        block = calloc(1, size);
        if (!block || !is_filled(block, size, 0))
            return 1;
        break;
    case 1:
        if (posix_memalign(&block, alignment, size) || !is_aligned(block, alignment))
            return 1;
        break;
    default:
        block = malloc(size);
    }
    if (!block)
        return 1;
    fill(slot, block, size);
    return 0;
}

static unsigned long resize(struct slot *slot)
{
    const size_t size = 1 + random_size();
    unsigned char *const block = realloc(slot->block, size);
    if (!block)
        return 1;
    const unsigned long n_wrong = !is_filled(block, size < slot->size ? size : slot->size, slot->mark);
    fill(slot, block, size);
    return n_wrong;
}

static unsigned long give(struct slot *slot)
{
    const unsigned long n_wrong = !is_filled(slot->block, slot->size, slot->mark);
    free(slot->block);
    slot->block = NULL;
    return n_wrong;
}

static void check_model(void)
{
    unsigned long n_wrong = 0;
    for (unsigned i = 0; i < N_STEPS; i++) {
        struct slot *const slot = &slots[random_below(N_SLOTS)];
        if (!slot->block)
            n_wrong += take(slot);
        else
            n_wrong += random_below(4) == 0 ? resize(slot) : give(slot);
    }
    for (unsigned i = 0; i < N_SLOTS; i++)
        if (slots[i].block)
            n_wrong += give(&slots[i]);
    say(n_wrong == 0, "20,000 random operations keep what was written", n_wrong);
    vk_check(port_kernel);
}

/* --- the end of memory ---------------------------------------------------------------------------------- */

struct link {
    struct link *next;
    size_t number;
};

/* Blocks until NULL, in a chain through themselves. */
static struct link *take_all(size_t bytes)
{
    struct link *first = NULL;
    errno = 0;
    for (struct link *link; (link = malloc(bytes)) != NULL; first = link) {
        memset(link, 0x55, bytes);
        *link = (struct link){first, first ? first->number + 1 : 1};
    }
    return first;
}

static unsigned long give_all(struct link *first)
{
    unsigned long n = 0;
    for (struct link *link = first; link; n++) {
        struct link *const next = link->next;
        if (next && link->number != next->number + 1)
            say(false, "blocks keep what was written", n);
        free(link);
        link = next;
    }
    return n;
}

unsigned long count_until_null(size_t bytes)
{
    struct link *const first = take_all(bytes);
    if (errno != ENOMEM)
        say(false, "the end of memory is NULL and ENOMEM", (unsigned long)errno);
    return give_all(first);
}

static void check_exhaustion(size_t bytes)
{
    char what[80];
    const unsigned long n = count_until_null(bytes), again = count_until_null(bytes);
    snprintf(what, sizeof what,
             "%lu blocks of %lu bytes until ENOMEM, and as many the next time, or 2 %% fewer", n,
             (unsigned long)bytes);
    say(n > 0 && again >= n - n / 50, what, again);
}

/* Without memory: what frees and what needs nothing goes on, and what is freed can be had. */
static void check_at_the_end(void)
{
    struct link *first = take_all(1000);
    struct link *const kept = first->next;
    free(first);
    first = malloc(1000);
    say(first != NULL, "what was freed at the end of memory can be had again", 0);
    free(first);
    say(give_all(kept) > 0, "all can be freed at the end of memory", 0);
}

static void check_growth(void)
{
    unsigned char *block = malloc(1);
    size_t size = 1, next = 2;
    block[0] = 0x5a;
    for (void *grown; (grown = realloc(block, next)) != NULL; next += next / 2 + 1) {
        block = grown;
        memset(block + size, 0x5a, next - size);
        size = next;
    }
    say(errno == ENOMEM && size > 10000, "realloc grows a block until memory ends", (unsigned long)size);
    say(is_filled(block, size, 0x5a), "it keeps what was written, and the last one stays",
        (unsigned long)size);
    free(block);
}

static void round_of_all(void)
{
    static const size_t sizes[] = {24, 200, 1000, 5000, 40000, 150000};
    check_model();
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_exhaustion(sizes[i]);
    check_at_the_end();
    check_growth();
    check_model();
}

void check_malloc(void)
{
    check_alignment();
    check_corners();
    /* Set, it stays: else a block with a mapping, when it is freed, may move it, and with it who serves the next one. */
    say(vm_mallopt(VM_M_MMAP_THRESHOLD, 128 * 1024) == 1, "mallopt", 0);
    /* Two before, as the second one finds the first one's arenas, and may need a record more. */
    round_of_all();
    round_of_all();
    vm_malloc_trim(0);
    const uint64_t digest = vk_digest(port_kernel);
    const size_t n_in_use = vm_mallinfo2().uordblks;
    round_of_all();
    vm_malloc_trim(0);
    vk_check(port_kernel);
    say(vm_mallinfo2().uordblks == n_in_use, "all that was freed is free",
        (unsigned long)vm_mallinfo2().uordblks);
    say(vk_digest(port_kernel) == digest, "the kernel below is as it was a round before", 0);
}
