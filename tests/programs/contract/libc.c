/* SPDX-License-Identifier: MIT */
/*
 * libc.c - functions of the C library that allocate for the caller, or free what the caller allocated: their
 * blocks are the allocator's. A block of another heap would end the process in malloc_usable_size or free.
 */
#include <dirent.h>
#include <glob.h>
#include <locale.h>
#include <mcheck.h>
#include <netdb.h>
#include <obstack.h>
#include <pthread.h>
#include <regex.h>
#include <search.h>
#include <wchar.h>

#include "case.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

/* What a function of the C library returned is a block of ours, of so many bytes at least. */
static void expect_ours(void *block, size_t at_least)
{
    REQUIRE(block != NULL);
    EXPECT_NOTE(malloc_usable_size(block) >= at_least, "usable %zu, wanted %zu", malloc_usable_size(block),
                at_least);
    block = realloc(block, at_least + 5000);
    REQUIRE(block != NULL);
    free(block);
}

CASE(strings, "0.25 1.24.b", "strdup, asprintf, getcwd, realpath and their kin give blocks of malloc")
{
    expect_ours(strdup("a string"), 9);
    expect_ours(strndup("a string", 3), 4);
    expect_ours(wcsdup(L"wide"), 5 * sizeof(wchar_t));
    char *text = NULL;
    EXPECT_EQ(asprintf(&text, "%s %d", "number", 7), 8);
    expect_ours(text, 9);
    expect_ours(getcwd(NULL, 0), 2);
    expect_ours(get_current_dir_name(), 2);
    expect_ours(realpath("/proc/..", NULL), 2);
}

CASE(streams, "1.24.b", "getline, open_memstream, setvbuf, popen work on blocks of malloc")
{
    FILE *stream = fopen("/proc/self/maps", "r");
    REQUIRE(stream != NULL);
    char *line = malloc(1);
    size_t length = 1;
    size_t n_lines = 0;
    while (getline(&line, &length, stream) > 0)
        n_lines++;
    EXPECT(n_lines > 5);
    EXPECT(malloc_usable_size(line) >= length);
    fclose(stream);
    expect_ours(line, 10);
    char *text = NULL;
    stream = open_memstream(&text, &length);
    REQUIRE(stream != NULL);
    for (int i = 0; i < 20000; i++)
        fprintf(stream, "%d ", i);
    fclose(stream);
    EXPECT_EQ(strlen(text), length);
    expect_ours(text, length);
    stream = popen("echo through a pipe", "r");
    REQUIRE(stream != NULL);
    char read_back[64] = "";
    EXPECT(fgets(read_back, sizeof read_back, stream) != NULL);
    EXPECT_EQ(strcmp(read_back, "through a pipe\n"), 0);
    EXPECT_EQ(pclose(stream), 0);
}

CASE(obstacks, "1.24.b", "obstacks grow and are freed through malloc and free")
{
    struct obstack stack;
    REQUIRE(obstack_begin(&stack, 500) == 1);
    unsigned char *first = obstack_alloc(&stack, 100);
    memset(first, 1, 100);
    for (int i = 0; i < 10000; i++) {
        unsigned char *block = obstack_alloc(&stack, i % 200 + 1);
        memset(block, i & 255, (size_t)(i % 200 + 1));
        obstack_1grow(&stack, 'x');
        obstack_blank(&stack, 10);
        char *grown = obstack_finish(&stack);
        EXPECT_EQ(grown[0], 'x');
    }
    EXPECT(first[0] == 1 && first[99] == 1);
    obstack_free(&stack, first);
    first = obstack_alloc(&stack, 4000);
    memset(first, 2, 4000);
    obstack_free(&stack, NULL);
}

static int order_numbers(const void *left, const void *right)
{
    unsigned a, b;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return a < b ? -1 : a > b;
}

CASE(searches, "1.24.b", "regcomp, glob, scandir, tsearch, hcreate, qsort allocate and free")
{
    for (int round = 0; round < 20; round++) {
        regex_t regex;
        REQUIRE(regcomp(&regex, "^(a|b[0-9]+)*(.*)x{3,7}\\1", REG_EXTENDED) == 0);
        regmatch_t matches[3];
        EXPECT_EQ(regexec(&regex, "ab12ab3 something xxxx", 3, matches, 0), REG_NOMATCH);
        regfree(&regex);
        glob_t found;
        REQUIRE(glob("/proc/self/*", 0, NULL, &found) == 0);
        EXPECT(found.gl_pathc > 10);
        globfree(&found);
        struct dirent **names;
        int n_names = scandir("/proc/self", &names, NULL, alphasort);
        REQUIRE(n_names > 10);
        for (int i = 0; i < n_names; i++)
            expect_ours(names[i], 12);
        expect_ours(names, 10 * sizeof *names);
    }
    REQUIRE(hcreate(1000) != 0);
    EXPECT(hsearch((ENTRY){.key = (char *)"key", .data = NULL}, ENTER) != NULL);
    hdestroy();
    unsigned *numbers = malloc(300000 * sizeof *numbers); /* qsort takes a buffer of that size */
    REQUIRE(numbers != NULL);
    struct rng rng = {.state = 5};
    for (size_t i = 0; i < 300000; i++)
        numbers[i] = (unsigned)rng_next(&rng);
    qsort(numbers, 300000, sizeof *numbers, order_numbers);
    for (size_t i = 1; i < 300000; i++)
        EXPECT(numbers[i - 1] <= numbers[i]);
    free(numbers);
}

CASE(environment_functions, "1.24.b", "setenv, newlocale, getaddrinfo allocate and free")
{
    for (int i = 0; i < 2000; i++) {
        char name[32];
        snprintf(name, sizeof name, "VARIABLE_%d", i % 300);
        REQUIRE(setenv(name, "a value that is replaced again and again", 1) == 0);
        if (i % 3 == 0)
            unsetenv(name);
    }
    EXPECT(setlocale(LC_ALL, "C") != NULL);
    locale_t locale = newlocale(LC_ALL_MASK, "C", NULL);
    EXPECT(locale != NULL);
    freelocale(duplocale(locale));
    freelocale(locale);
    struct addrinfo *addresses = NULL;
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    REQUIRE(getaddrinfo("127.0.0.1", "80", &hints, &addresses) == 0);
    freeaddrinfo(addresses);
}

CASE(mcheck_inert, "1.23.b", "mcheck refuses, mprobe says disabled, mtrace does nothing")
{
    free(malloc(10));
    EXPECT_EQ(mcheck(NULL), -1);
    void *block = malloc(100);
    EXPECT_EQ(mprobe(block), MCHECK_DISABLED);
    mtrace();
    free(block);
    muntrace();
}

static void *(*thread_alloc)(size_t) = malloc;

static void *allocating_thread(void *argument)
{
    (void)argument;
    void *volatile block = NULL;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_cancel(pthread_self());
    for (size_t size = 1; size < 10 * MIB; size *= 3) {
        block = thread_alloc(size);
        block = realloc(block, size * 2);
        free(block);
        free(calloc(1, size));
        free(memalign(64, size));
    }
    mallinfo2();
    malloc_trim(0);
    mallopt(M_MXFAST, 64);
    return argument; /* never at a cancellation point before */
}

CASE(no_cancellation, "1.28 7.h", "no allocating function is a cancellation point")
{
    pthread_t thread;
    static int mark;
    REQUIRE(pthread_create(&thread, NULL, allocating_thread, &mark) == 0);
    void *result = NULL;
    pthread_join(thread, &result);
    EXPECT_SAME(result, &mark);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
