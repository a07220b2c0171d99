/* SPDX-License-Identifier: MIT */
/*
 * maps.c - the report against /proc/self/smaps. KERNEL A9: arena 0 is the [heap] line; all that the library maps
 * besides, large blocks, private arenas and metadata, is in the unnamed anonymous mappings: between any two states of
 * the process both grow by the same bytes, exactly. What is resident of them is what the report explains: at least the
 * live bytes, which this test wrote to, and at most everything but the clean free pages.
 */
#include <sys/prctl.h>

#include "report.h"

/* Bytes of the mappings of one kind. */
struct mapped {
    size_t bytes, resident_bytes;
};

/* The process as the kernel has it, and as the report says it is. */
struct state {
    struct mapped heap, anonymous;
    api_mallinfo2_struct info;
    size_t arena_bytes, heap_bytes, large_bytes, metadata_bytes, reserved_bytes, static_bytes;
    size_t heap_live_bytes, heap_cached_bytes; /* of arena 0: in use; free, but with contents */
};

enum { N_SMALL = 20000, N_LARGE = 12, N_PRIVATE = 60 };

/* The test's own data, most of which is in an unnamed mapping, too. */
static struct {
    struct report json;
    char smaps[1 << 20];
    void *small[N_SMALL], *large[N_LARGE], *private[N_PRIVATE];
} own;

static void read_smaps(void)
{
    int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    size_t n_bytes = 0;
    for (ssize_t got; (got = read(fd, own.smaps + n_bytes, sizeof own.smaps - 1 - n_bytes)) > 0;)
        n_bytes += (size_t)got;
    close(fd);
    REQUIRE(n_bytes < sizeof own.smaps - 1);
    own.smaps[n_bytes] = '\0';
}

/* Adds up [heap] and what has no name: lines "START-END PERMISSIONS OFFSET DEVICE INODE   NAME". */
static void read_maps(struct state *state)
{
    read_smaps();
    struct mapped *now = NULL;
    for (char *line = own.smaps, *next; *line; line = next) {
        next = strchr(line, '\n');
        REQUIRE(next != NULL);
        *next++ = '\0';
        unsigned long start, end, inode;
        int n_parsed = 0;
        if (sscanf(line, "%lx-%lx %*s %*x %*s %lu %n", &start, &end, &inode, &n_parsed) == 3) {
            const char *name = line + n_parsed;
            now = strcmp(name, "[heap]") == 0 ? &state->heap : *name == '\0' ? &state->anonymous : NULL;
            if (now != NULL)
                now->bytes += end - start;
        } else if (now != NULL && strncmp(line, "Rss:", 4) == 0) {
            now->resident_bytes += strtoull(line + 4, NULL, 10) * KIB;
        }
    }
}

static struct state look(void)
{
    struct state state = {0};
    state.info = api_mallinfo2();
    report_take_ours(&own.json, VM_STATS_JSON);
    read_maps(&state);
    const char *arena = report_after(own.json.text, "\"arenas\": [");
    REQUIRE(strstr(arena, "process break") != NULL);
    state.arena_bytes = report_number(own.json.text, "\"arena_bytes\":");
    state.large_bytes = report_number(own.json.text, "\"large_bytes\":");
    state.metadata_bytes = report_number(own.json.text, "\"metadata_bytes\":");
    state.reserved_bytes = report_number(own.json.text, "\"reserved_bytes\":");
    state.static_bytes = report_number(own.json.text, "\"static_bytes\":");
    state.heap_bytes = report_number(arena, "\"system_bytes\":");
    state.heap_live_bytes = report_number(arena, "\"in_use_bytes\":");
    state.heap_cached_bytes = report_number(arena, "\"slab_free_bytes\":") +
                              report_number(arena, "\"slab_remainder_bytes\":") +
                              report_number(arena, "\"dirty_page_bytes\":");
    EXPECT_EQ(report_number(arena, "\"foreign_bytes\":"), 0);
    return state;
}

/* Everything of the library in unnamed mappings, but the tables in its own data, which never change. */
static size_t explained_bytes(const struct state *state)
{
    return state->arena_bytes - state->heap_bytes + state->large_bytes + state->metadata_bytes +
           state->reserved_bytes;
}

/* `written` bytes of large blocks and private arenas were written to. */
static void compare(const struct state *start, const char *what, size_t written)
{
    enum { TOLERANCE = 256 * 1024 };
    const struct state now = look();
    EXPECT_NOTE(now.heap.bytes == now.heap_bytes, "%s: [heap] is %zu bytes, arena 0 %zu", what,
                now.heap.bytes, now.heap_bytes);
    EXPECT_NOTE(now.anonymous.bytes - start->anonymous.bytes ==
                    explained_bytes(&now) - explained_bytes(start),
                "%s: mappings %zu, then %zu bytes; explained %zu, then %zu", what, start->anonymous.bytes,
                now.anonymous.bytes, explained_bytes(start), explained_bytes(&now));
    EXPECT_EQ(now.info.hblkhd, now.large_bytes);
    EXPECT_EQ(now.info.arena, now.arena_bytes);
    const size_t heap_most = now.heap_live_bytes + now.heap_cached_bytes;
    EXPECT_NOTE(now.heap.resident_bytes <= heap_most &&
                    now.heap.resident_bytes + TOLERANCE >= now.heap_live_bytes,
                "%s: %zu bytes of [heap] are resident, %zu live and %zu cached", what,
                now.heap.resident_bytes, now.heap_live_bytes, now.heap_cached_bytes);
    const size_t resident = now.anonymous.resident_bytes - start->anonymous.resident_bytes;
    EXPECT_NOTE(resident + TOLERANCE >= written && resident <= written + now.metadata_bytes + TOLERANCE,
                "%s: %zu more bytes of mappings are resident, %zu written to, %zu metadata", what, resident,
                written, now.metadata_bytes);
    expect_figure("%-24s [heap] %7.2f MiB, %7.2f resident; others %7.2f, %7.2f resident; metadata %.2f\n",
                  what, mib(now.heap.bytes), mib(now.heap.resident_bytes), mib(now.anonymous.bytes),
                  mib(now.anonymous.resident_bytes), mib(now.metadata_bytes));
}

static void *filled(size_t n_bytes)
{
    void *block = api_malloc(n_bytes);
    REQUIRE(block != NULL);
    memset(block, 1, n_bytes);
    return block;
}

static void fill_small(void)
{
    struct rng rng = {3};
    for (size_t i = 0; i < N_SMALL; i++)
        own.small[i] = filled(rng_between(&rng, 1, 2000));
}

int main(void)
{
    watchdog_start(60);
    api_assert_served();
    api_mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* whatever the environment says */
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);     /* the kernel would make more resident than was touched */
    report_open(&own.json);
    const struct state start = look();
    EXPECT_EQ(start.heap.bytes, start.heap_bytes);
    /* What else is unnamed and anonymous here: data of the C library and the loader, and the library's own. */
    EXPECT_NOTE(start.anonymous.bytes - explained_bytes(&start) - start.static_bytes - sizeof own < 512 * KIB,
                "%zu bytes of unnamed mappings, %zu explained, %zu in the library's tables",
                start.anonymous.bytes, explained_bytes(&start), start.static_bytes);
    fill_small();
    compare(&start, "small blocks", 0);
    for (size_t i = 0; i < N_LARGE; i++)
        own.large[i] = filled((i + 1) * 300 * KIB);
    size_t large_bytes = N_LARGE * (N_LARGE + 1) / 2 * 300 * KIB;
    compare(&start, "and large ones", large_bytes);
    for (size_t i = 0; i < N_SMALL; i += 2)
        api_free(own.small[i]);
    compare(&start, "half the small ones freed", large_bytes);
    char *end = (char *)(((uintptr_t)sbrk(0) + 64 * KIB) & ~(uintptr_t)(64 * KIB - 1));
    REQUIRE(mmap(end, 64 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == end);
    struct state obstructed = start; /* with the mapping that is the test's */
    obstructed.anonymous.bytes += 64 * KIB;
    for (size_t i = 0; i < N_PRIVATE; i++)
        own.private[i] = filled(100000);
    EXPECT(look().reserved_bytes > 0);
    const struct state now = look();
    size_t private_bytes = now.info.uordblks - now.heap_live_bytes; /* of these blocks, whole pages each */
    compare(&obstructed, "the break obstructed", large_bytes + private_bytes);
    for (size_t i = 0; i < N_LARGE; i++)
        api_free(own.large[i]);
    compare(&obstructed, "large ones freed", private_bytes);
    for (size_t i = 0; i < N_SMALL; i++)
        api_free(i % 2 ? own.small[i] : NULL);
    for (size_t i = 0; i < N_PRIVATE; i++)
        api_free(own.private[i]);
    api_malloc_trim(0);
    compare(&obstructed, "all freed and trimmed", 0);
    return expect_result();
}
