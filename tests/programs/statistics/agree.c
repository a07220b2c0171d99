/* SPDX-License-Identifier: MIT */
/*
 * agree.c - mallinfo2, malloc_stats, malloc_info and our own report say the same, to the byte, of a quiet process:
 * fresh, with blocks of all sizes, with half of them freed, after threads that died, with more than one arena, after
 * malloc_trim. With the argument "json" or "xml" it prints one such report a state, for readers with a parser.
 */
#include <pthread.h>

#include "report.h"

static struct report stats, info, words, json;
static const char *wanted = "";

/* What one arena's part of the XML says. */
struct arena_numbers {
    size_t n_pieces, piece_bytes; /* sums of the lines under <sizes> */
    size_t n_rest, rest_bytes, system_bytes, system_bytes_max;
};

static void add_lines(struct arena_numbers *numbers, const char *at)
{
    for (; *at == ' '; at = report_after(at, "\n")) {
        numbers->piece_bytes += report_number(at, " total=\"");
        numbers->n_pieces += report_number(at, " count=\"");
        EXPECT(report_number(at, " from=\"") <= report_number(at, " to=\""));
        EXPECT(report_number(at, " count=\"") * report_number(at, " from=\"") <=
               report_number(at, " total=\""));
        EXPECT(report_number(at, " count=\"") * report_number(at, " to=\"") >=
               report_number(at, " total=\""));
    }
}

static struct arena_numbers read_arena(const char *heap)
{
    struct arena_numbers numbers = {0};
    add_lines(&numbers, report_after(heap, "<sizes>\n"));
    EXPECT_EQ(report_number(heap, "<total type=\"fast\" count=\""), 0);
    numbers.n_rest = report_number(heap, "<total type=\"rest\" count=\"");
    numbers.rest_bytes = report_number(report_after(heap, "<total type=\"rest\" count="), " size=\"");
    numbers.system_bytes = report_number(heap, "<system type=\"current\" size=\"");
    numbers.system_bytes_max = report_number(heap, "<system type=\"max\" size=\"");
    EXPECT_EQ(report_number(heap, "<aspace type=\"total\" size=\""), numbers.system_bytes);
    EXPECT_EQ(report_number(heap, "<aspace type=\"mprotect\" size=\""), numbers.system_bytes);
    return numbers;
}

/* The arenas in malloc_info and malloc_stats, one by one. Returns how many there are. */
static size_t compare_arenas(const api_mallinfo2_struct *quiet)
{
    size_t n_arenas = 0, system_bytes = 0, rest_bytes = 0, n_rest = 0;
    for (const char *heap = info.text;; n_arenas++) {
        char head[40];
        snprintf(head, sizeof head, "<heap nr=\"%zu\">\n", n_arenas);
        if (strstr(heap, head) == NULL)
            break;
        heap = report_after(heap, head);
        const struct arena_numbers numbers = read_arena(heap);
        EXPECT_EQ(numbers.piece_bytes, numbers.rest_bytes);
        EXPECT_EQ(numbers.n_pieces, numbers.n_rest);
        EXPECT(numbers.system_bytes_max >= numbers.system_bytes);
        const char *end = strstr(heap, "</heap>\n"), *subheaps = strstr(heap, "type=\"subheaps\"");
        EXPECT_EQ(subheaps != NULL && subheaps<end, n_arenas> 0);

        snprintf(head, sizeof head, "Arena %zu:\n", n_arenas);
        const char *arena = report_after(stats.text, head);
        EXPECT_EQ(report_number(arena, "system bytes     ="), numbers.system_bytes);
        EXPECT_EQ(report_number(arena, "in use bytes     ="), numbers.system_bytes - numbers.rest_bytes);
        system_bytes += numbers.system_bytes;
        rest_bytes += numbers.rest_bytes;
        n_rest += numbers.n_rest;
    }
    EXPECT_EQ(system_bytes, quiet->arena);
    EXPECT_EQ(rest_bytes, quiet->fordblks);
    EXPECT_EQ(n_rest, quiet->ordblks);
    return n_arenas;
}

static void compare_totals(const api_mallinfo2_struct *quiet)
{
    const char *totals = info.text;
    for (const char *next = totals; (next = strstr(next, "</heap>\n")) != NULL; totals = next)
        next += strlen("</heap>\n");
    EXPECT_EQ(report_number(totals, "type=\"fast\" count=\""), 0);
    EXPECT_EQ(report_number(totals, "type=\"rest\" count=\""), quiet->ordblks);
    EXPECT_EQ(report_number(report_after(totals, "type=\"rest\""), " size=\""), quiet->fordblks);
    EXPECT_EQ(report_number(totals, "type=\"mmap\" count=\""), quiet->hblks);
    EXPECT_EQ(report_number(report_after(totals, "type=\"mmap\""), " size=\""), quiet->hblkhd);
    EXPECT_EQ(report_number(totals, "<system type=\"current\" size=\""), quiet->arena);

    totals = report_after(stats.text, "Total (incl. mmap):\n");
    EXPECT_EQ(report_number(totals, "system bytes     ="), (uint32_t)(quiet->arena + quiet->hblkhd));
    EXPECT_EQ(report_number(totals, "in use bytes     ="), (uint32_t)(quiet->uordblks + quiet->hblkhd));
    EXPECT(report_number(totals, "max mmap regions =") >= quiet->hblks);
    EXPECT(report_number(totals, "max mmap bytes   =") >= quiet->hblkhd);
}

static void compare_ours(const api_mallinfo2_struct *quiet)
{
    const char *total = report_after(json.text, "\"total\": {");
    EXPECT_EQ(report_number(total, "\"arena_bytes\":"), quiet->arena);
    EXPECT_EQ(report_number(total, "\"in_use_bytes\":"), quiet->uordblks);
    EXPECT_EQ(report_number(total, "\"free_bytes\":"), quiet->fordblks);
    EXPECT_EQ(report_number(total, "\"free_pieces\":"), quiet->ordblks);
    EXPECT_EQ(report_number(total, "\"top_free_bytes\":"), quiet->keepcost);
    EXPECT_EQ(report_number(total, "\"large_bytes\":"), quiet->hblkhd);
    EXPECT_EQ(report_number(report_after(json.text, "\"large\": {"), "\"blocks\":"), quiet->hblks);

    size_t n_bytes = strlen(stats.text), n_words = strlen(words.text);
    EXPECT(n_words > n_bytes && strcmp(words.text + n_words - n_bytes, stats.text) == 0);
    EXPECT_EQ(report_number(words.text, "\n  arenas "), quiet->arena);
    EXPECT_EQ(report_number(words.text, "\n  large blocks "), quiet->hblkhd);
    EXPECT_EQ(report_number(words.text, "\n  all accessible mappings "),
              quiet->arena + quiet->hblkhd + report_number(words.text, "\n  metadata "));
    EXPECT_EQ(report_number(words.text, "\n  live blocks in slabs ") +
                  report_number(words.text, "\n  live middle blocks "),
              quiet->uordblks);
    EXPECT_EQ(report_number(words.text, "\n  free blocks in slabs ") +
                  report_number(words.text, "\n  remainders of slabs ") +
                  report_number(words.text, "\n  free middle blocks ") +
                  report_number(words.text, "\n  dirty free pages ") +
                  report_number(words.text, "\n  clean free pages "),
              quiet->fordblks);
    EXPECT_EQ(report_number(words.text, "\n  unseen "), 0);
}

/* Returns the number of arenas. */
static size_t compare(const char *state)
{
    api_mallinfo2_struct quiet = api_mallinfo2();
    report_take_stats(&stats);
    report_take_info(&info);
    report_take_ours(&words, VM_STATS_TEXT);
    report_take_ours(&json, VM_STATS_JSON);
    api_mallinfo2_struct again = api_mallinfo2();
    EXPECT_NOTE(memcmp(&quiet, &again, sizeof quiet) == 0, "reporting changes the figures: %s", state);
    EXPECT_EQ(quiet.arena, quiet.uordblks + quiet.fordblks);
    EXPECT_EQ(quiet.smblks + quiet.fsmblks + quiet.usmblks, 0);
    size_t n_arenas = compare_arenas(&quiet);
    compare_totals(&quiet);
    compare_ours(&quiet);
    if (expect_failures)
        expect_say("in the state: %s\n", state);
    if (strcmp(wanted, "json") == 0)
        REQUIRE(write(1, json.text, strlen(json.text)) > 0);
    if (strcmp(wanted, "xml") == 0)
        REQUIRE(write(1, info.text, strlen(info.text)) > 0);
    return n_arenas;
}

/* --- states --------------------------------------------------------------------------------------------- */

enum { N_BLOCKS = 4000 };
static void *blocks[N_BLOCKS];

static void fill(struct rng *rng)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        if (blocks[i] == NULL)
            REQUIRE((blocks[i] = api_malloc(rng_size(rng))) != NULL);
}

static void empty(size_t step)
{
    for (size_t i = 0; i < N_BLOCKS; i += step) {
        api_free(blocks[i]);
        blocks[i] = NULL;
    }
}

/* Frees others' blocks, leaves its own behind. */
static void *mingle(void *argument)
{
    size_t first = *(size_t *)argument;
    struct rng rng = {first + 7};
    for (size_t i = first; i < N_BLOCKS; i += 4) {
        api_free(blocks[i]);
        REQUIRE((blocks[i] = api_malloc(rng_size(&rng))) != NULL);
    }
    return NULL;
}

static void in_threads(void)
{
    static size_t firsts[4] = {0, 1, 2, 3};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, mingle, &firsts[i]) == 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* A mapping above the break, which thereby can grow by little more: the next arenas are private. */
static void obstruct_break(void)
{
    char *end = (char *)(((uintptr_t)sbrk(0) + 64 * KIB) & ~(uintptr_t)(64 * KIB - 1));
    REQUIRE(mmap(end, 64 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == end);
}

/* malloc_stats cuts what does not fit into 32 bits, the others do not. */
static void more_than_4_gib(void)
{
    enum { N_HUGE = 3 };
    void *huge[N_HUGE];
    for (size_t i = 0; i < N_HUGE; i++)
        huge[i] = sizeof(void *) == 8 ? api_malloc((size_t)3 << 29)
                                      : NULL; /* NULL on a machine that has not got it */
    compare("4.5 GiB in large blocks");
    for (size_t i = 0; i < N_HUGE; i++)
        api_free(huge[i]);
}

int main(int argc, char **argv)
{
    watchdog_start(60);
    api_assert_served();
    api_mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* whatever the environment says */
    if (argc > 1)
        wanted = argv[1];
    report_open(&stats);
    report_open(&info);
    report_open(&words);
    report_open(&json);
    static struct rng rng = {1};
    EXPECT_EQ(compare("fresh"), 1);
    EXPECT_EQ(vm_malloc_stats_print(json.stream, (enum vm_stats_format)0), EINVAL);
    EXPECT_EQ(vm_malloc_stats_print(json.stream, (enum vm_stats_format)3), EINVAL);
    fill(&rng);
    compare("blocks of all sizes");
    empty(2);
    compare("half of them freed");
    fill(&rng);
    in_threads();
    compare("threads came and went");
    empty(3);
    compare("and a third of what they left is freed");
    obstruct_break();
    enum { N_MORE = 400 };
    static void *more[N_MORE];
    for (size_t i = 0; i < N_MORE; i++)
        REQUIRE((more[i] = api_malloc(100000)) != NULL);
    const size_t n_arenas = compare("the break cannot grow");
    EXPECT(n_arenas > 1 || getenv("VMALLOC_BACKEND") != NULL); /* a simulated break is in nobody's way */
    for (size_t i = 0; i < N_MORE; i++)
        api_free(more[i]);
    empty(1);
    compare("all freed");
    more_than_4_gib();
    api_malloc_trim(0);
    compare("trimmed");
    return expect_result();
}
