/* SPDX-License-Identifier: MIT */
/*
 * fits.c - fits BYTES [THREADS]: needs that many bytes at a time, in blocks of all kinds, several times over,
 * in one thread or shared among several. Run under a limit that is somewhat larger, it must not notice the
 * limit.
 */
#include <pthread.h>

#include "api.h"
#include "tools.h"

enum { N_ROUNDS = 4 };

/* The blocks hold their own list: a table of the test's would need memory under the same limit. */
struct link {
    struct link *next;
    uint32_t n_bytes, id;
};

struct job {
    size_t n_bytes, self;
};

static size_t next_size(struct rng *rng, size_t round)
{
    size_t size = round == 1   ? rng_between(rng, 1, 1024)
                  : round == 2 ? rng_between(rng, 20000, 300000)
                               : rng_size(rng);
    return size < sizeof(struct link) ? sizeof(struct link) : size;
}

static void *work(void *argument)
{
    const struct job *job = argument;
    for (size_t round = 0; round < N_ROUNDS; round++) {
        struct rng rng = {.state = round * 100 + job->self};
        struct link *head = NULL;
        size_t n_bytes = 0;
        for (uint32_t id = 0;; id++) {
            size_t size = next_size(&rng, round);
            if (n_bytes + size > job->n_bytes)
                break;
            struct link *link = id % 4 == 0 ? api_calloc(1, size) : api_malloc(size);
            EXPECT_NOTE(link != NULL, "thread %zu, round %zu: errno %d for %zu bytes with %zu of %zu in use",
                        job->self, round, errno, size, n_bytes, job->n_bytes);
            if (link == NULL)
                break;
            *link = (struct link){.next = head, .n_bytes = (uint32_t)size, .id = id};
            stamp_fill(link + 1, size - sizeof *link, id);
            head = link;
            n_bytes += size;
        }
        while (head != NULL) {
            struct link *link = head;
            head = link->next;
            EXPECT_STAMP(link + 1, link->n_bytes - sizeof *link, link->id);
            api_free(link);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    REQUIRE(argc >= 2);
    watchdog_start(120);
    api_assert_served();
    size_t n_bytes = (size_t)strtoull(argv[1], NULL, 10);
    size_t n_threads = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 1;
    static struct job jobs[64];
    REQUIRE(n_threads >= 1 && n_threads <= 64);
    for (size_t i = 0; i < n_threads; i++)
        jobs[i] = (struct job){.n_bytes = n_bytes / n_threads, .self = i};
    if (n_threads == 1) {
        work(&jobs[0]);
        return expect_result();
    }
    pthread_t threads[64];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setstacksize(&attributes, 128 * KIB) == 0);
    for (size_t i = 0; i < n_threads; i++) {
        int result = pthread_create(&threads[i], &attributes, work, &jobs[i]);
        if (result != 0) {
            expect_say("%s:%d: pthread_create number %zu: %s\n", __FILE__, __LINE__, i, strerror(result));
            return 1;
        }
    }
    for (size_t i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    return expect_result();
}
