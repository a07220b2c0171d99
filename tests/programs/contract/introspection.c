/* SPDX-License-Identifier: MIT */
/*
 * introspection.c - mallopt, mallinfo, mallinfo2, malloc_stats, malloc_info, malloc_trim say and do what they
 * should. One section a process, as settings stay: `introspection SECTION`; without argument all sections,
 * one after another.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "api.h"
#include "tools.h"

extern char **environ;

enum { ERRNO_MARK = 12345 };

#define EXPECT_SUMS(info)                                                                                    \
    EXPECT_NOTE((info).arena == (info).uordblks + (info).fordblks, "arena %zu, in use %zu, free %zu",        \
                (info).arena, (info).uordblks, (info).fordblks)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void section_mallinfo(void)
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

    void *large = malloc(2 * MIB);
    REQUIRE(large != NULL);
    struct mallinfo2 mapped = mallinfo2();
    EXPECT_SUMS(mapped);
    EXPECT_NOTE(mapped.hblkhd >= small.hblkhd + 2 * MIB, "%zu, then %zu", small.hblkhd, mapped.hblkhd);
    EXPECT_NOTE(mapped.hblkhd <= small.hblkhd + 2 * MIB + 64 * KIB, "%zu, then %zu", small.hblkhd,
                mapped.hblkhd);
    EXPECT_EQ(mapped.hblks, small.hblks + 1);
    EXPECT_NOTE(mapped.uordblks <= small.uordblks + 64 * KIB,
                "mapped blocks are not in uordblks: %zu, then %zu", small.uordblks, mapped.uordblks);
    free(large);
    struct mallinfo2 unmapped = mallinfo2();
    EXPECT_EQ(unmapped.hblkhd, small.hblkhd);
    EXPECT_EQ(unmapped.hblks, small.hblks);

    if (sizeof(void *) == 8) {
        void *huge = malloc((size_t)1 << 31);
        if (huge != NULL) {
            struct mallinfo2 with_huge = mallinfo2();
            EXPECT(with_huge.hblkhd >= small.hblkhd + ((size_t)1 << 31));
            struct mallinfo cut = mallinfo();
            EXPECT_EQ(cut.hblkhd, (int)with_huge.hblkhd);
            free(huge);
        }
    }
    void *middle = malloc(50000);
    REQUIRE(middle != NULL);
    struct mallinfo2 with_middle = mallinfo2();
    EXPECT_SUMS(with_middle);
    EXPECT_NOTE(with_middle.uordblks >= unmapped.uordblks + 50000, "%zu, then %zu", unmapped.uordblks,
                with_middle.uordblks);
    free(middle);

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

    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    struct mallinfo2 end = mallinfo2();
    EXPECT_SUMS(end);
    EXPECT_NOTE(end.uordblks < small.uordblks, "%zu, then %zu", small.uordblks, end.uordblks);
    if (!api_on_glibc())
        EXPECT_NOTE(end.uordblks <= start.uordblks + 16 * KIB, "%zu, then %zu", start.uordblks, end.uordblks);
}

#pragma GCC diagnostic pop

static void section_mallopt_values(void)
{
    int fast_max = (int)(80 * sizeof(size_t) / 4);
    const struct {
        int parameter, value, result;
    } table[] = {
        {1, 0, 1},
        {1, 64, 1},
        {1, fast_max, 1},
        {1, fast_max + 1, 0},
        {1, -1, 0},
        {1, 1 << 30, 0},
        {2, 5, 1},
        {3, 5, 1},
        {4, 5, 1},
        {M_CHECK_ACTION, 0, 1},
        {M_CHECK_ACTION, 3, 1},
        {M_PERTURB, 0, 1},
        {M_ARENA_TEST, 8, 1},
        {M_ARENA_TEST, 0, 1},
        {M_ARENA_TEST, -1, 1},
        {M_ARENA_MAX, 2, 1},
        {M_ARENA_MAX, 0, 1},
        {M_ARENA_MAX, -1, 1},
        {-9, 1, 1},
        {-100, 0, 1},
        {5, 0, 1},
        {100, 1, 1},
        {0, 0, 1},
        {12345678, -1, 1},
        {M_TOP_PAD, 0, 1},
        {M_TOP_PAD, 65536, 1},
        {M_TRIM_THRESHOLD, 0, 1},
        {M_TRIM_THRESHOLD, -1, 1},
        {M_TRIM_THRESHOLD, 131072, 1},
        {M_MMAP_MAX, 0, 1},
        {M_MMAP_MAX, -1, 1},
        {M_MMAP_MAX, 65536, 1},
        {M_MMAP_THRESHOLD, 0, 1},
        {M_MMAP_THRESHOLD, 131072, 1},
        {M_MMAP_THRESHOLD, 1 << 30, 1},
        {M_MMAP_THRESHOLD, -1, 1},
        {M_MMAP_THRESHOLD, 131072, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        errno = ERRNO_MARK;
        int result = mallopt(table[i].parameter, table[i].value);
        EXPECT_NOTE(result == table[i].result, "mallopt(%d, %d) gave %d", table[i].parameter, table[i].value,
                    result);
        EXPECT_EQ(errno, ERRNO_MARK);
        void *blocks[3] = {malloc(100), malloc(50000), malloc(1000000)};
        for (size_t k = 0; k < 3; k++) {
            REQUIRE(blocks[k] != NULL);
            memset(blocks[k], 1, 100);
            free(blocks[k]);
        }
    }
    /* calloc clears whatever M_PERTURB fills with. */
    static const int fills[] = {0xA5, 0xFF, 1, 0x123};
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
        EXPECT_EQ(mallopt(M_PERTURB, fills[i]), 1);
        for (size_t size = 1; size < 1000000; size = size * 3 + 1) {
            void *first = malloc(size);
            free(first);
            unsigned char *block = calloc(1, size);
            REQUIRE(block != NULL);
            size_t usable = malloc_usable_size(block);
            EXPECT_EQ(zero_bytes(block, usable), usable);
            free(block);
        }
    }
}

/* 1 if a block of that size gets a mapping of its own just now. */
static int is_mapped(size_t size)
{
    size_t before = mallinfo2().hblks;
    void *block = malloc(size);
    REQUIRE(block != NULL);
    memset(block, 1, size < 4096 ? size : 4096);
    size_t during = mallinfo2().hblks;
    free(block);
    EXPECT_EQ(mallinfo2().hblks, before);
    return during != before;
}

static void section_threshold_default(void)
{
    if (sizeof(void *) == 4 || api_on_glibc())
        return; /* glibc would serve these from its fresh heap */
    /* The padded request, 8 more and rounded up to 16, is compared with 131072. */
    EXPECT_EQ(is_mapped(131071), 1);
    EXPECT_EQ(is_mapped(100000), 0);
}

/* The first mapped block that is freed moves the threshold, so its lower end has a process of its own. */
static void section_threshold_below(void)
{
    if (sizeof(void *) == 8)
        EXPECT_EQ(is_mapped(131048), 0);
}

static void section_threshold_above(void)
{
    if (sizeof(void *) == 8 && !api_on_glibc())
        EXPECT_EQ(is_mapped(131049), 1);
}

static void section_threshold_dynamic(void)
{
    EXPECT_EQ(is_mapped(1000000), 1);
    EXPECT_EQ(is_mapped(1000000), 0);
    EXPECT_EQ(is_mapped(900000), 0);
    EXPECT_EQ(is_mapped(3000000), 1);
    EXPECT_EQ(is_mapped(3000000), 0);
    EXPECT_EQ(is_mapped(40 * MIB), 1);
    EXPECT_EQ(is_mapped(40 * MIB), 1);
}

static void section_threshold_set(void)
{
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
    EXPECT_EQ(is_mapped(512 * KIB), 0);
    EXPECT_EQ(is_mapped(2 * MIB), 1);
    EXPECT_EQ(is_mapped(2 * MIB), 1);
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, -1), 1);
    EXPECT_EQ(is_mapped(40 * MIB), 0);
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 131072), 1);
    EXPECT_EQ(mallopt(M_MMAP_MAX, 0), 1);
    EXPECT_EQ(is_mapped(40 * MIB), 0);
    EXPECT_EQ(is_mapped(200000), 0);
}

static void section_mmap_max(void)
{
    EXPECT_EQ(mallopt(M_MMAP_MAX, 3), 1);
    void *blocks[6];
    size_t before = mallinfo2().hblks;
    for (size_t i = 0; i < 6; i++) {
        REQUIRE((blocks[i] = malloc(20 * MIB)) != NULL);
        memset(blocks[i], 1, 100);
    }
    EXPECT_EQ(mallinfo2().hblks, before + 3);
    for (size_t i = 0; i < 6; i++)
        free(blocks[i]);
    EXPECT_EQ(mallinfo2().hblks, before);
}

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

static void section_malloc_info(void)
{
    void *blocks[100];
    for (size_t i = 0; i < 100; i++)
        blocks[i] = malloc(i * 50);
    for (size_t i = 0; i < 100; i += 2)
        free(blocks[i]);
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    REQUIRE(stream != NULL);
    errno = ERRNO_MARK;
    EXPECT_EQ(malloc_info(0, stream), 0);
    EXPECT_EQ(errno, ERRNO_MARK);
    fflush(stream);
    expect_info_text(text);
    size_t before = length;
    static const int bad[] = {1, -1, 2, 1 << 30};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT_EQ(malloc_info(bad[i], stream), EINVAL);
        EXPECT_EQ(errno, ERRNO_MARK);
    }
    fflush(stream);
    EXPECT_EQ(length, before);
    fclose(stream);
    free(text);

    /* Into a pipe and unbuffered. */
    for (int buffering = _IOFBF; buffering <= _IONBF; buffering++) {
        if (buffering != _IOFBF && buffering != _IOLBF && buffering != _IONBF)
            continue;
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        FILE *writer = fdopen(ends[1], "w");
        REQUIRE(writer != NULL);
        setvbuf(writer, NULL, buffering, 256);
        EXPECT_EQ(malloc_info(0, writer), 0);
        fclose(writer);
        static char read_back[65537];
        size_t n_bytes = 0;
        for (ssize_t got; (got = read(ends[0], read_back + n_bytes, sizeof read_back - 1 - n_bytes)) > 0;)
            n_bytes += (size_t)got;
        close(ends[0]);
        read_back[n_bytes] = '\0';
        expect_info_text(read_back);
    }
    for (size_t i = 1; i < 100; i += 2)
        free(blocks[i]);
}

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

static void *cancelled_thread(void *argument)
{
    volatile int *reached = argument;
    pthread_cancel(pthread_self());
    malloc_stats();
    *reached = 1;
    pthread_testcancel();
    *reached = 2;
    return NULL;
}

static void section_malloc_stats(void)
{
    void *mapped = malloc(5 * MIB);
    REQUIRE(mapped != NULL);
    /* To the stream stderr, also when the program gave it another FILE. */
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
    fflush(stream);
    EXPECT_NOTE(length > 0, "nothing came through a FILE in stderr");
    if (text != NULL && length > 0)
        expect_stats_text(text);
    fclose(stream);
    free(text);

    /* To file descriptor 2, and not a cancellation point. */
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    int saved = dup(2);
    REQUIRE(dup2(ends[1], 2) == 2);
    malloc_stats();
    static volatile int reached;
    pthread_t thread;
    int created = pthread_create(&thread, NULL, cancelled_thread, (void *)&reached);
    void *result = NULL;
    if (created == 0)
        pthread_join(thread, &result);
    dup2(saved, 2);
    close(saved);
    close(ends[1]);
    REQUIRE(created == 0);
    EXPECT_EQ(reached, 1);
    EXPECT(result == PTHREAD_CANCELED);
    static char read_back[65537];
    size_t n_bytes = 0;
    for (ssize_t got; (got = read(ends[0], read_back + n_bytes, sizeof read_back - 1 - n_bytes)) > 0;)
        n_bytes += (size_t)got;
    close(ends[0]);
    read_back[n_bytes] = '\0';
    const char *second = strstr(read_back + 1, "Arena 0:\n");
    EXPECT_NOTE(second != NULL, "two reports wanted, got:\n%.500s", read_back);
    if (second != NULL)
        expect_stats_text(second);
    free(mapped);
}

static void section_malloc_trim(void)
{
    enum { COUNT = 100000 };
    void **blocks = table_map(COUNT * sizeof(void *));
    errno = ERRNO_MARK;
    int result = malloc_trim(0);
    EXPECT(result == 0 || result == 1);
    EXPECT_EQ(errno, ERRNO_MARK);
    size_t start = rss_bytes();
    mallopt(M_TRIM_THRESHOLD, 1 << 30); /* nothing goes back by itself at the break */
    for (size_t i = 0; i < COUNT; i++) {
        REQUIRE((blocks[i] = malloc(600)) != NULL);
        memset(blocks[i], 1, 600);
    }
    EXPECT(rss_bytes() > start + 55 * MIB);
    void *last = malloc(600); /* a live block at the end: more than the break must be looked at */
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    size_t freed = rss_bytes();
    result = malloc_trim(0);
    size_t trimmed = rss_bytes();
    EXPECT_EQ(errno, ERRNO_MARK);
    expect_figure("malloc_trim: RSS %.1f MiB at the start, %.1f after the frees, %.1f after malloc_trim\n",
                  mib(start), mib(freed), mib(trimmed));
    EXPECT_NOTE(result == 1 || freed <= start + 2 * MIB, "result %d, RSS %zu before, %zu after", result,
                freed, trimmed);
    EXPECT_NOTE(trimmed <= start + 2 * MIB, "RSS %zu at the start, %zu after malloc_trim", start, trimmed);
    free(last);
    static const size_t pads[] = {0, 1, 4096, 100000, 1 << 20, SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof pads / sizeof pads[0]; i++) {
        result = malloc_trim(pads[i]);
        EXPECT_NOTE(result == 0 || result == 1, "malloc_trim(%zu) gave %d", pads[i], result);
        void *block = malloc(1000);
        REQUIRE(block != NULL);
        free(block);
    }
}

static const struct section {
    const char *name;
    void (*run)(void);
} sections[] = {
    {"mallinfo", section_mallinfo},
    {"mallopt-values", section_mallopt_values},
    {"threshold-default", section_threshold_default},
    {"threshold-below", section_threshold_below},
    {"threshold-above", section_threshold_above},
    {"threshold-dynamic", section_threshold_dynamic},
    {"threshold-set", section_threshold_set},
    {"mmap-max", section_mmap_max},
    {"malloc-info", section_malloc_info},
    {"malloc-stats", section_malloc_stats},
    {"malloc-trim", section_malloc_trim},
};

int main(int argc, char **argv)
{
    watchdog_start(60);
    if (argc > 1) {
        api_assert_served();
        for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
            if (strcmp(argv[1], sections[i].name) == 0) {
                sections[i].run();
                return expect_result();
            }
        }
        expect_say("no section %s\n", argv[1]);
        return 2;
    }
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", sections[i].name);
        char *arguments[] = {argv[0], name, NULL};
        pid_t child;
        REQUIRE(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) == 0);
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        EXPECT_NOTE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "section %s: wait status 0x%x", name,
                    status);
    }
    return expect_result();
}
