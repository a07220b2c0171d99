/* SPDX-License-Identifier: MIT */
/* statistics.c - mallinfo, mallinfo2, malloc_stats, malloc_info: true figures in glibc's formats. */
#include <pthread.h>

#define CASES_NEED_DEFAULTS
#include "case.h"

#define EXPECT_SUMS(info)                                                                                    \
    EXPECT_NOTE((info).arena == (info).uordblks + (info).fordblks, "arena %zu, in use %zu, free %zu",        \
                (info).arena, (info).uordblks, (info).fordblks)

/* ---- mallinfo ---- */

CASE(mallinfo_small, "0.12 4.3.a 4.3.b 4.3.f 4.3.h",
     "small blocks are in uordblks; arena = uordblks + fordblks")
{
    enum { COUNT = 1000, EACH = 100 };
    static void *blocks[COUNT];
    errno = ERRNO_MARK;
    struct mallinfo2 start = mallinfo2();
    EXPECT_EQ(errno, ERRNO_MARK);
    EXPECT_SUMS(start);
    EXPECT_EQ(start.usmblks, 0);
    for (size_t i = 0; i < COUNT; i++)
        REQUIRE((blocks[i] = malloc(EACH)) != NULL);
    struct mallinfo2 small = mallinfo2();
    EXPECT_SUMS(small);
    EXPECT_NOTE(small.uordblks >= start.uordblks + COUNT * EACH, "%zu, then %zu", start.uordblks,
                small.uordblks);
    EXPECT(small.ordblks >= 1);
    EXPECT(small.arena > 0);
    void *middle = malloc(50000);
    struct mallinfo2 with_middle = mallinfo2();
    EXPECT_SUMS(with_middle);
    EXPECT_NOTE(with_middle.uordblks >= small.uordblks + 50000, "%zu, then %zu", small.uordblks,
                with_middle.uordblks);
    free(middle);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    struct mallinfo2 end = mallinfo2();
    EXPECT_SUMS(end);
    EXPECT_NOTE(end.uordblks < small.uordblks, "%zu, then %zu", small.uordblks, end.uordblks);
}

CASE(mallinfo_all_freed, "4.3.i", "what is freed is not in use any more, in caches neither")
{
    enum { COUNT = 1000 };
    static void *blocks[COUNT];
    free(malloc(100));
    struct mallinfo2 start = mallinfo2();
    for (size_t size = 16; size <= 4096; size *= 2) {
        for (size_t i = 0; i < COUNT; i++)
            REQUIRE((blocks[i] = malloc(size)) != NULL);
        for (size_t i = 0; i < COUNT; i++)
            free(blocks[i]);
    }
    struct mallinfo2 end = mallinfo2();
    EXPECT_NOTE(end.uordblks <= start.uordblks + 1024, "in use %zu, then %zu", start.uordblks, end.uordblks);
    EXPECT_EQ(end.smblks, 0);
    EXPECT_EQ(end.fsmblks, 0);
}

CASE(mallinfo_mapped, "0.12 4.3.c", "mapped blocks are in hblks and hblkhd, not in uordblks")
{
    free(malloc(100));
    struct mallinfo2 before = mallinfo2();
    void *large = malloc(2 * MIB);
    REQUIRE(large != NULL);
    struct mallinfo2 mapped = mallinfo2();
    EXPECT_SUMS(mapped);
    EXPECT_NOTE(mapped.hblkhd >= before.hblkhd + 2 * MIB, "%zu, then %zu", before.hblkhd, mapped.hblkhd);
    EXPECT_NOTE(mapped.hblkhd <= before.hblkhd + 2 * MIB + 64 * KIB, "%zu, then %zu", before.hblkhd,
                mapped.hblkhd);
    EXPECT_EQ(mapped.hblkhd % 4096, 0);
    EXPECT_EQ(mapped.hblks, before.hblks + 1);
    EXPECT_EQ(mapped.uordblks, before.uordblks);
    EXPECT_EQ(mapped.arena, before.arena);
    free(large);
    struct mallinfo2 after = mallinfo2();
    EXPECT_EQ(after.hblkhd, before.hblkhd);
    EXPECT_EQ(after.hblks, before.hblks);
}

CASE(mallinfo_2gib, "1.14.a 4.3.d", "a block of 2 GiB raises hblkhd of mallinfo2 by as much")
{
    if (sizeof(void *) == 4)
        SKIP("no room for it in a 32-bit process");
    size_t before = mallinfo2().hblkhd;
    void *huge = malloc((size_t)1 << 31);
    if (huge == NULL)
        SKIP("no 2 GiB of address space here");
    EXPECT(mallinfo2().hblkhd >= before + ((size_t)1 << 31));
    free(huge);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

CASE(mallinfo_cut, "1.14.b", "each field of mallinfo is that of mallinfo2 cut to int")
{
    void *volatile small = malloc(100);
    void *volatile huge = sizeof(void *) == 8 ? malloc(((size_t)1 << 31) + 5000) : NULL;
    struct mallinfo2 full = mallinfo2();
    errno = ERRNO_MARK;
    struct mallinfo cut = mallinfo();
    EXPECT_EQ(errno, ERRNO_MARK);
    EXPECT_EQ(cut.arena, (int)full.arena);
    EXPECT_EQ(cut.ordblks, (int)full.ordblks);
    EXPECT_EQ(cut.smblks, (int)full.smblks);
    EXPECT_EQ(cut.hblks, (int)full.hblks);
    EXPECT_EQ(cut.hblkhd, (int)full.hblkhd);
    EXPECT_EQ(cut.usmblks, (int)full.usmblks);
    EXPECT_EQ(cut.fsmblks, (int)full.fsmblks);
    EXPECT_EQ(cut.uordblks, (int)full.uordblks);
    EXPECT_EQ(cut.fordblks, (int)full.fordblks);
    EXPECT_EQ(cut.keepcost, (int)full.keepcost);
    EXPECT_EQ(sizeof cut, 10 * sizeof(int));
    EXPECT_EQ(sizeof full, 10 * sizeof(size_t));
    free(huge);
    free(small);
}

#pragma GCC diagnostic pop

static void *small_thread(void *argument)
{
    for (size_t i = 1; i < 100; i++)
        free(malloc(i * 10));
    return argument;
}

CASE(mallinfo_threads, "4.3.g 8.j", "threads that were created and joined leave nothing in use")
{
    enum { N_THREADS = 2000 };
    size_t before = 0;
    for (size_t i = 0; i <= N_THREADS; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, small_thread, NULL) == 0);
        pthread_join(thread, NULL);
        if (i == 20)
            before = mallinfo2().uordblks;
    }
    size_t after = mallinfo2().uordblks;
    EXPECT_NOTE(after <= before + N_THREADS / 2, "in use %zu, then %zu", before, after);
}

CASE(mallinfo_keepcost, "4.3.e", "keepcost is what lies free at the break, and is free memory")
{
    EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, -1), 1);
    void *blocks[30];
    for (size_t i = 0; i < 30; i++)
        REQUIRE((blocks[i] = malloc(100000)) != NULL);
    for (size_t i = 30; i-- > 0;)
        free(blocks[i]);
    struct mallinfo2 info = mallinfo2();
    EXPECT_NOTE(info.keepcost >= 2 * MIB && info.keepcost <= info.fordblks, "keepcost %zu, free %zu",
                info.keepcost, info.fordblks);
}

/* ---- malloc_info ---- */

static int is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A small checker of XML without text, comments and entities: 0 if well-formed, else the line number. */
static int xml_wrong_line(const char *text)
{
    enum { DEPTH_MAX = 16 };
    struct {
        const char *name;
        size_t length;
    } open_tags[DEPTH_MAX];
    int depth = 0, line = 1, n_roots = 0;
    for (const char *at = text; *at != '\0';) {
        if (*at == '\n')
            line++;
        if (*at == ' ' || *at == '\n') {
            at++;
            continue;
        }
        if (*at++ != '<')
            return line;
        int closing = *at == '/';
        if (closing)
            at++;
        const char *name = at;
        if (!is_name_start(*at))
            return line;
        while (is_name_start(*at) || (*at >= '0' && *at <= '9'))
            at++;
        size_t length = (size_t)(at - name);
        while (*at == ' ') {
            at++;
            if (*at == '/' || *at == '>')
                break;
            if (!is_name_start(*at) || closing)
                return line;
            while (is_name_start(*at))
                at++;
            if (at[0] != '=' || at[1] != '"')
                return line;
            for (at += 2; *at != '"'; at++)
                if (*at == '\0' || *at == '<' || *at == '\n')
                    return line;
            at++;
        }
        int empty = *at == '/';
        if (empty)
            at++;
        if (*at++ != '>' || (empty && closing))
            return line;
        if (closing) {
            if (depth == 0 || open_tags[depth - 1].length != length ||
                memcmp(open_tags[depth - 1].name, name, length) != 0)
                return line;
            depth--;
        } else if (!empty) {
            if (depth == 0)
                n_roots++;
            if (depth == DEPTH_MAX)
                return line;
            open_tags[depth].name = name;
            open_tags[depth++].length = length;
        }
    }
    return depth == 0 && n_roots == 1 ? 0 : line;
}

static void expect_info_text(const char *text)
{
    EXPECT_NOTE(xml_wrong_line(text) == 0, "line %d is not well-formed:\n%.300s", xml_wrong_line(text), text);
    static const char head[] = "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n";
    EXPECT_NOTE(strncmp(text, head, sizeof head - 1) == 0, "it begins %.60s", text);
    static const char *const parts[] = {
        "</sizes>\n",
        "<total type=\"fast\" count=\"",
        "<total type=\"rest\" count=\"",
        "<system type=\"current\" size=\"",
        "<system type=\"max\" size=\"",
        "<aspace type=\"total\" size=\"",
        "<aspace type=\"mprotect\" size=\"",
        "</heap>\n",
        "<total type=\"fast\" count=\"",
        "<total type=\"rest\" count=\"",
        "<total type=\"mmap\" count=\"",
        "<system type=\"current\" size=\"",
        "<system type=\"max\" size=\"",
        "<aspace type=\"total\" size=\"",
        "<aspace type=\"mprotect\" size=\"",
        "</malloc>\n",
    };
    const char *at = text;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && at != NULL; i++) {
        if (i == 8) /* the totals come after the last arena */
            for (const char *heap = strstr(at, "</heap>\n"); heap != NULL; heap = strstr(at, "</heap>\n"))
                at = heap + 8;
        const char *found = strstr(at, parts[i]);
        EXPECT_NOTE(found != NULL, "part %zu of malloc_info is missing: %s", i, parts[i]);
        at = found;
        if (at != NULL)
            at += strlen(parts[i]);
    }
    EXPECT(at != NULL && *at == '\0');
}

/* What a pipe holds; closes its reading end. */
static const char *read_pipe(int end)
{
    static char text[65537];
    size_t n_bytes = 0;
    for (ssize_t got; (got = read(end, text + n_bytes, sizeof text - 1 - n_bytes)) > 0;)
        n_bytes += (size_t)got;
    close(end);
    text[n_bytes] = '\0';
    return text;
}

/* The report as text, to be freed. */
static char *info_text(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    REQUIRE(stream != NULL);
    errno = ERRNO_MARK;
    EXPECT_EQ(malloc_info(0, stream), 0);
    EXPECT_EQ(errno, ERRNO_MARK);
    fclose(stream);
    REQUIRE(text != NULL);
    return text;
}

/* So that something is free and something in use. */
static void make_holes(void)
{
    void *blocks[100];
    for (size_t i = 0; i < 100; i++)
        REQUIRE((blocks[i] = malloc(i * 50)) != NULL);
    for (size_t i = 0; i < 100; i += 2)
        free(blocks[i]);
}

CASE(info_format, "1.16 4.2.a 4.2.c 0.14 10.5",
     "malloc_info writes glibc's elements in glibc's order, well-formed")
{
    make_holes();
    char *text = info_text();
    expect_info_text(text);
    free(text);
}

/* The figure in the last line that begins with `start`. */
static size_t last_figure(const char *text, const char *start)
{
    const char *last = NULL;
    for (const char *at = text; (at = strstr(at, start)) != NULL; at++)
        last = at;
    REQUIRE(last != NULL);
    const char *size = strstr(last, "size=\"");
    REQUIRE(size != NULL);
    return (size_t)strtoull(size + 6, NULL, 10);
}

CASE(info_agrees, "4.2.d 4.3.a", "malloc_info's totals are those of mallinfo2")
{
    make_holes();
    void *large = malloc(5 * MIB);
    char *text = info_text();
    struct mallinfo2 info = mallinfo2();
    /* The stream's buffer lives during the one and is freed before the other. */
    EXPECT_EQ(last_figure(text, "<total type=\"mmap\""), info.hblkhd);
    EXPECT_EQ(last_figure(text, "<system type=\"current\""), info.arena);
    size_t used = last_figure(text, "<system type=\"current\"") - last_figure(text, "<total type=\"fast\"") -
                  last_figure(text, "<total type=\"rest\"");
    EXPECT_NOTE(used <= info.uordblks + 32 * KIB && used + 32 * KIB >= info.uordblks, "%zu and %zu", used,
                info.uordblks);
    EXPECT(last_figure(text, "<system type=\"max\"") >= last_figure(text, "<system type=\"current\""));
    free(text);
    free(large);
}

CASE(info_options, "0.10 1.16 4.2.b", "malloc_info with options returns EINVAL itself and writes nothing")
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    REQUIRE(stream != NULL);
    static const int bad[] = {1, -1, 2, 1 << 30};
    errno = ERRNO_MARK;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT_EQ(malloc_info(bad[i], stream), EINVAL);
    EXPECT_EQ(errno, ERRNO_MARK);
    fflush(stream);
    EXPECT_EQ(length, 0);
    fclose(stream);
    free(text);
}

CASE(info_streams, "0.14 4.2.e 10.5", "into a pipe: buffered by line, by block, not at all")
{
    make_holes();
    static const int bufferings[] = {_IOFBF, _IOLBF, _IONBF};
    for (size_t i = 0; i < 3; i++) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        FILE *writer = fdopen(ends[1], "w");
        REQUIRE(writer != NULL);
        if (bufferings[i] != _IOFBF) /* that one allocates its buffer itself, in the midst of the report */
            setvbuf(writer, NULL, bufferings[i], 256);
        EXPECT_EQ(malloc_info(0, writer), 0);
        fclose(writer);
        expect_info_text(read_pipe(ends[0]));
    }
}

static volatile int stop;

static void *busy_thread(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    void *blocks[50] = {0};
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        size_t i = rng_between(&rng, 0, 49);
        free(blocks[i]);
        blocks[i] = malloc(rng_size(&rng));
    }
    for (size_t i = 0; i < 50; i++)
        free(blocks[i]);
    return NULL;
}

CASE(reports_while_busy, "4.2.e 4.3.a 0.14 10.5",
     "reports beside threads that allocate are whole and plausible")
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, busy_thread, (void *)(uintptr_t)(i + 1)) == 0);
    for (size_t round = 0; round < 50; round++) {
        char *text = info_text();
        expect_info_text(text);
        free(text);
        struct mallinfo2 info = mallinfo2();
        EXPECT_SUMS(info);
        EXPECT_NOTE(info.arena < 2048 * MIB && info.fordblks <= info.arena, "arena %zu, free %zu", info.arena,
                    info.fordblks);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* ---- malloc_stats ---- */

/* At `at`, the label and " =" with the equals sign in column 18, and a number. Gives the next line or NULL.
 */
static const char *stats_line(const char *at, const char *label)
{
    char head[40];
    snprintf(head, sizeof head, "%-16s = ", label);
    if (at == NULL || strncmp(at, head, strlen(head)) != 0)
        return NULL;
    at += strlen(head);
    const char *end = strchr(at, '\n');
    if (end == NULL || end - at < 10)
        return NULL;
    while (*at == ' ')
        at++;
    for (; at < end; at++)
        if (*at < '0' || *at > '9')
            return NULL;
    return end + 1;
}

static void expect_stats_text(const char *text)
{
    const char *at = text;
    int n_arenas = 0;
    if (strncmp(at, "Backend ", 8) == 0) /* there is a region to be told of */
        at = strchr(at, '\n') + 1;
    for (;;) {
        char head[40];
        snprintf(head, sizeof head, "Arena %d:\n", n_arenas);
        if (strncmp(at, head, strlen(head)) != 0)
            break;
        at = stats_line(stats_line(at + strlen(head), "system bytes"), "in use bytes");
        EXPECT_NOTE(at != NULL, "arena %d of malloc_stats:\n%.300s", n_arenas, text);
        if (at == NULL)
            return;
        n_arenas++;
    }
    EXPECT(n_arenas >= 1);
    EXPECT_NOTE(strncmp(at, "Total (incl. mmap):\n", 20) == 0, "malloc_stats:\n%.300s", text);
    at = stats_line(stats_line(at + 20, "system bytes"), "in use bytes");
    at = stats_line(stats_line(at, "max mmap regions"), "max mmap bytes");
    EXPECT_NOTE(at != NULL && *at == '\0', "malloc_stats:\n%.400s", text);
}

/* malloc_stats into a FILE in the place of stderr; the text is to be freed. */
static char *stats_text(void)
{
    FILE *real_stderr = stderr;
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    REQUIRE(stream != NULL);
    stderr = stream;
    errno = ERRNO_MARK;
    malloc_stats();
    int after = errno;
    stderr = real_stderr;
    EXPECT_EQ(after, ERRNO_MARK);
    fclose(stream);
    REQUIRE(text != NULL);
    EXPECT_NOTE(length > 0, "nothing came through a FILE in stderr");
    return text;
}

CASE(stats_format, "1.15 4.1.a 4.1.c 0.13 10.5", "malloc_stats writes glibc's text to the stream stderr")
{
    void *mapped = malloc(5 * MIB);
    char *text = stats_text();
    expect_stats_text(text);
    free(text);
    free(mapped);
}

static size_t stats_figure(const char *text, const char *label)
{
    const char *at = strstr(text, "Total (incl. mmap):");
    REQUIRE(at != NULL && (at = strstr(at, label)) != NULL && (at = strchr(at, '=')) != NULL);
    return (size_t)strtoull(at + 1, NULL, 10);
}

CASE(stats_figures, "4.1.d", "totals contain what is mapped, the peak stays when it is freed")
{
    free(malloc(100));
    void *mapped[3] = {malloc(5 * MIB), malloc(6 * MIB), malloc(7 * MIB)};
    char *text = stats_text();
    EXPECT(stats_figure(text, "system bytes") >= 18 * MIB);
    EXPECT(stats_figure(text, "in use bytes") >= 18 * MIB);
    EXPECT_EQ(stats_figure(text, "max mmap regions"), 3);
    EXPECT(stats_figure(text, "max mmap bytes") >= 18 * MIB);
    free(text);
    for (size_t i = 0; i < 3; i++)
        free(mapped[i]);
    text = stats_text();
    EXPECT(stats_figure(text, "system bytes") < 2 * MIB);
    EXPECT(stats_figure(text, "in use bytes") < MIB);
    EXPECT_EQ(stats_figure(text, "max mmap regions"), 3);
    EXPECT(stats_figure(text, "max mmap bytes") >= 18 * MIB);
    free(text);
}

CASE(stats_cut, "0.13 4.1.b", "byte columns are cut to 32 bits, but for the last line")
{
    void *huge = sizeof(void *) == 8 ? malloc((size_t)4096 * MIB + 77 * MIB) : NULL;
    if (huge == NULL)
        SKIP("no 4 GiB of address space here");
    char *text = stats_text();
    size_t system = stats_figure(text, "system bytes"), peak = stats_figure(text, "max mmap bytes");
    EXPECT_NOTE(system >= 77 * MIB && system < 90 * MIB, "system bytes %zu", system);
    EXPECT_NOTE(peak >= (size_t)4096 * MIB, "max mmap bytes %zu", peak);
    free(text);
    free(huge);
}

/* What comes out at file descriptor 2. */
static const char *stats_at_descriptor(int buffering)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    int saved = dup(2);
    REQUIRE(saved >= 0 && dup2(ends[1], 2) == 2);
    setvbuf(stderr, NULL, buffering, 256);
    malloc_stats();
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    close(ends[1]);
    return read_pipe(ends[0]);
}

CASE(stats_unbuffered, "4.1.c 10.5", "into a pipe at file descriptor 2, unbuffered")
{
    free(malloc(100));
    expect_stats_text(stats_at_descriptor(_IONBF));
}

CASE(stats_buffered, "4.1.c 10.5", "into a pipe at file descriptor 2, buffered")
{
    free(malloc(100));
    expect_stats_text(stats_at_descriptor(_IOFBF));
}

CASE(stats_closed, "4.1.c", "with standard error closed nothing happens")
{
    int saved = dup(2);
    close(2);
    malloc_stats();
    EXPECT(dup2(saved, 2) == 2);
    free(malloc(100));
}

CASE(stats_of_nothing, "4.1.a 0.24", "before the first malloc there is an arena 0 in the report already")
{
    expect_stats_text(stats_at_descriptor(_IONBF));
}

static volatile int reached;

static void *cancelled_thread(void *argument)
{
    pthread_cancel(pthread_self());
    malloc_stats();
    reached = 1;
    pthread_testcancel();
    reached = 2;
    return argument;
}

CASE(stats_not_cancelled, "0.13 4.1.e 10.5", "malloc_stats is no cancellation point: a pending one waits")
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    int saved = dup(2);
    REQUIRE(dup2(ends[1], 2) == 2);
    pthread_t thread;
    int created = pthread_create(&thread, NULL, cancelled_thread, NULL);
    void *result = NULL;
    if (created == 0)
        pthread_join(thread, &result);
    dup2(saved, 2);
    close(saved);
    close(ends[1]);
    REQUIRE(created == 0);
    EXPECT_EQ(reached, 1);
    EXPECT(result == PTHREAD_CANCELED);
    expect_stats_text(read_pipe(ends[0]));
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
