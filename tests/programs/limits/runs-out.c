/* SPDX-License-Identifier: MIT */
/*
 * runs-out.c - runs-out BYTES: under a limit of about that many bytes, takes blocks of one size until there
 * are no more. Every refusal is NULL with ENOMEM, nothing dies, what is live stays whole; after freeing some
 * the program goes on, and after freeing all it gets as much as before in blocks of any other size.
 */
#include <sys/mman.h>

#include "api.h"
#include "tools.h"

struct link {
    struct link *next;
    size_t n_bytes, id;
};

static struct link *head;
static size_t n_blocks;

/* Takes blocks until NULL or `most` bytes; returns the sum of the sizes. */
static size_t take_all(size_t size, size_t most)
{
    size_t n_bytes = 0;
    while (n_bytes < most) {
        errno = 0;
        struct link *link = n_blocks % 3 == 0 ? api_calloc(1, size) : api_malloc(size);
        if (link == NULL) {
            EXPECT_EQ(errno, ENOMEM);
            break;
        }
        *link = (struct link){.next = head, .n_bytes = size, .id = n_blocks++};
        stamp_fill(link + 1, size - sizeof *link, link->id);
        head = link;
        n_bytes += size;
    }
    return n_bytes;
}

/* Frees every `nth` block; returns the sum of the sizes. */
static size_t give_back(size_t nth)
{
    size_t n_bytes = 0, count = 0;
    struct link **at = &head;
    while (*at != NULL) {
        struct link *link = *at;
        EXPECT_STAMP(link + 1, link->n_bytes - sizeof *link, link->id);
        if (count++ % nth == 0) {
            *at = link->next;
            n_bytes += link->n_bytes;
            errno = 4321;
            api_free(link);
            EXPECT_EQ(errno, 4321);
        } else {
            at = &link->next;
        }
    }
    return n_bytes;
}

/* With all memory taken, every function says so and leaves what it was given alone. */
static void expect_refusals(void)
{
    unsigned char *block = (unsigned char *)head;
    if (block == NULL)
        return;
    size_t kept = head->n_bytes;
    static const size_t sizes[] = {100 * 1024 * 1024, (size_t)1 << 30};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        errno = 0;
        EXPECT_SAME(api_malloc(size), NULL);
        EXPECT_EQ(errno, ENOMEM);
        errno = 0;
        EXPECT_SAME(api_calloc(size, 1), NULL);
        EXPECT_EQ(errno, ENOMEM);
        errno = 0;
        EXPECT_SAME(api_realloc(block, size), NULL);
        EXPECT_EQ(errno, ENOMEM);
        errno = 0;
        EXPECT_SAME(api_reallocarray(block, size, 1), NULL);
        EXPECT_EQ(errno, ENOMEM);
        errno = 0;
        EXPECT_SAME(api_memalign(4096, size), NULL);
        EXPECT_EQ(errno, ENOMEM);
        errno = 0;
        EXPECT_SAME(api_pvalloc(size), NULL);
        EXPECT_EQ(errno, ENOMEM);
        void *result = block;
        EXPECT_EQ(api_posix_memalign(&result, 64, size), ENOMEM);
        EXPECT_SAME(result, block);
    }
    EXPECT(api_malloc_usable_size(block) >= kept);
    EXPECT_STAMP(head + 1, head->n_bytes - sizeof *head, head->id);
    /* Shrinking needs nothing. */
    if (kept > 64) {
        head = api_realloc(head, kept / 2);
        REQUIRE(head != NULL);
        head->n_bytes = kept / 2;
        EXPECT_STAMP(head + 1, head->n_bytes - sizeof *head, head->id);
    }
}

/* With all memory taken, a block that is freed, wherever among the others, can be had again. */
static void expect_freed_again(void)
{
    struct link *before = head;
    for (size_t i = 0; before != NULL && before->next != NULL && i < 100; i++) {
        struct link *const freed = before->next, *const after = freed->next;
        const size_t size = freed->n_bytes;
        api_free(freed);
        struct link *const taken = api_malloc(size);
        EXPECT_NOTE(taken != NULL, "a block of %zu, freed at the end of memory, is not to be had again",
                    size);
        if (taken == NULL) {
            before->next = after;
            return;
        }
        *taken = (struct link){.next = after, .n_bytes = size, .id = n_blocks++};
        stamp_fill(taken + 1, size - sizeof *taken, taken->id);
        before->next = taken;
        before = taken;
    }
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 2);
    watchdog_start(120);
    api_assert_served();
    size_t limit = (size_t)strtoull(argv[1], NULL, 10);
    static const size_t sizes[] = {40, 1000, 5000, 30000, 50000, 130000, 1000000, 64, 3000000, 200};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i], most = 4 * limit;
        size_t taken = take_all(size, most);
        EXPECT_NOTE(taken < most, "blocks of %zu: there is no limit; took %zu", size, taken);
        expect_refusals();
        expect_freed_again();
        size_t freed = give_back(2);
        size_t again = take_all(size, most);
        size_t third = give_back(3);
        size_t middle = take_all(size, third / 2);
        expect_figure(
            "runs-out: limit %.1f MiB, blocks of %zu: %.1f MiB until NULL, %.1f freed, %.1f taken again\n",
            mib(limit), size, mib(taken), mib(freed), mib(again));
        /* A fifth may go to the program itself, the allocator's tables and the limit's granularity. */
        EXPECT_NOTE(taken >= limit / 10 * 6, "blocks of %zu: only %zu of %zu", size, taken, limit);
        EXPECT_NOTE(again + size > freed / 10 * 9, "blocks of %zu: %zu freed, %zu again", size, freed, again);
        EXPECT_NOTE(middle + size > third / 2, "blocks of %zu: %zu freed, then only %zu", size, third,
                    middle);
        give_back(1);
        EXPECT_SAME(head, NULL);
    }
    return expect_result();
}
