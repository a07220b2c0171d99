/* SPDX-License-Identifier: MIT */
/*
 * churn.c - thousands of threads are made and joined; each allocates and frees. Neither RSS nor what
 * mallinfo2 calls in use grows with their number; nor does the number of mappings.
 */
#include "crew.h"

static void *short_life(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    struct item items[12];
    for (size_t i = 0; i < 12; i++)
        items[i] = item_new(&rng, i);
    for (size_t i = 0; i < 12; i++)
        item_end(items[i]);
    return NULL;
}

static void *no_life(void *argument)
{
    return argument;
}

static size_t count_mappings(void)
{
    char text[4096];
    size_t n_lines = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    for (ssize_t got; (got = read(fd, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < got; i++)
            n_lines += text[i] == '\n';
    close(fd);
    return n_lines;
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    api_assert_served();
    size_t n_threads = (API_UNDER_SANITIZER ? 1000 : 20000) * scale_argument(argc, argv, 1);
    size_t rss_warm = 0, in_use_warm = 0, mappings_warm = 0;
    for (size_t i = 0; i < n_threads; i += 4) {
        if (i == n_threads / 10) {
            rss_warm = rss_bytes();
            in_use_warm = api_mallinfo2().uordblks;
            mappings_warm = count_mappings();
        }
        pthread_t threads[4];
        for (size_t k = 0; k < 4; k++)
            threads[k] = crew_start(k == 3 ? no_life : short_life, (void *)(uintptr_t)(i + k));
        for (size_t k = 0; k < 4; k++)
            crew_join(threads[k]);
    }
    size_t rss = rss_bytes(), in_use = api_mallinfo2().uordblks, mappings = count_mappings();
    expect_figure(
        "churn: %zu threads; RSS %.1f then %.1f MiB, in use %zu then %zu bytes, mappings %zu then %zu\n",
        n_threads, mib(rss_warm), mib(rss), in_use_warm, in_use, mappings_warm, mappings);
    if (!API_UNDER_SANITIZER) {
        EXPECT_NOTE(rss <= rss_warm + 2 * MIB, "RSS %zu, then %zu", rss_warm, rss);
        EXPECT_NOTE(mappings <= mappings_warm + 20, "mappings %zu, then %zu", mappings_warm, mappings);
    }
    if (!api_on_glibc())
        EXPECT_NOTE(in_use <= in_use_warm + 64 * KIB, "in use %zu, then %zu", in_use_warm, in_use);
    return expect_result();
}
