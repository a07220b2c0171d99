/* SPDX-License-Identifier: MIT */
/*
 * plug-in.c - a module that makes and frees blocks in each way that lets them cross between allocators: by malloc as
 * it is bound here, and by functions of the C library that allocate. It also allocates in its constructor and its
 * destructor, and, with -DWITH_RESOLVER, while the loader relocates it. Built alone with that, and linked with
 * libvmalloc.so without: thread-local variables of libraries that the same dlopen brings in have no values yet then.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static void *from_constructor;

#ifdef WITH_RESOLVER
static void *from_resolver;

static int answer(void)
{
    return 42;
}

__attribute__((used)) static int (*resolve(void))(void)
{
    from_resolver = malloc(300);
    return answer;
}

__attribute__((ifunc("resolve"))) static int resolved(void);

__attribute__((constructor)) static void check_resolver(void)
{
    if (from_resolver == NULL || resolved() != 42)
        abort();
    free(from_resolver);
}
#endif

__attribute__((constructor)) static void start(void)
{
    from_constructor = malloc(3000);
    if (from_constructor == NULL)
        abort();
    memset(from_constructor, 1, 3000);
}

__attribute__((destructor)) static void end(void)
{
    free(from_constructor);
}

EXPORT void *plug_malloc(size_t n_bytes)
{
    return malloc(n_bytes);
}

EXPORT void plug_free(void *block)
{
    free(block);
}

EXPORT char *plug_strdup(const char *text)
{
    return strdup(text);
}

/* A line from a stream: getline makes the block and resizes it. */
EXPORT char *plug_getline(void)
{
    char *line = NULL;
    size_t room = 0;
    FILE *stream = fopen("/proc/self/status", "r");
    if (stream == NULL || getline(&line, &room, stream) <= 0)
        abort();
    fclose(stream);
    return line;
}

EXPORT void *plug_malloc_address(void)
{
    void *(*function)(size_t) = malloc;
    void *address;
    memcpy(&address, &function, sizeof address);
    return address;
}
