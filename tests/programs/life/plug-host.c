/* SPDX-License-Identifier: MIT */
/*
 * plug-host.c - plug-host PLUG-IN local|deep|apart WHAT: opens plug-in.c's module, with RTLD_DEEPBIND (deep) or in a
 * loader namespace of its own (apart), and lets blocks cross. What is expected of each combination stands in run-life,
 * which runs it.
 *   whose         prints whose malloc the plug-in is bound to: "vmalloc", "libc" or "other"
 *   inside        the plug-in makes and frees blocks by its own malloc
 *   out, in       its block is freed here; a block from here is freed there
 *   strdup-in     strdup is called there, freed there;   strdup-out, freed here
 *   getline-in    getline likewise;                       getline-out
 *   beside        200 threads allocate here and there by turns, and no byte of one is the other's
 *   storm         opens and closes it 500 times from three threads, blocks of all kinds alive
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tools.h"

static const char *path;
static int mode;
static bool is_apart;

static struct {
    void *(*malloc)(size_t);
    void (*free)(void *);
    char *(*strdup)(const char *);
    char *(*getline)(void);
    void *(*malloc_address)(void);
} plug;

static void find(void *handle, const char *name, void *where)
{
    void *found = dlsym(handle, name);
    REQUIRE(found != NULL);
    memcpy(where, &found, sizeof found);
}

static void *open_plug(void)
{
    void *handle = is_apart ? dlmopen(LM_ID_NEWLM, path, mode) : dlopen(path, mode);
    if (handle == NULL) {
        expect_say("%s\n", dlerror());
        _exit(1);
    }
    return handle;
}

static void find_all(void *handle)
{
    find(handle, "plug_malloc", &plug.malloc);
    find(handle, "plug_free", &plug.free);
    find(handle, "plug_strdup", &plug.strdup);
    find(handle, "plug_getline", &plug.getline);
    find(handle, "plug_malloc_address", &plug.malloc_address);
}

static void print_whose(void)
{
    Dl_info info;
    REQUIRE(dladdr(plug.malloc_address(), &info) != 0);
    const char *name = strrchr(info.dli_fname, '/');
    name = name == NULL ? info.dli_fname : name + 1;
    expect_figure("%s\n", strncmp(name, "libvmalloc.so", 13) == 0 ? "vmalloc"
                          : strncmp(name, "libc.so", 7) == 0      ? "libc"
                                                                  : "other");
}

static void *storm(void *seed)
{
    struct rng rng = {.state = (uintptr_t)seed};
    for (size_t round = 0; round < 500; round++) {
        size_t n_bytes = rng_size(&rng);
        void *block = malloc(n_bytes), *handle = open_plug(), *(*make)(size_t);
        void (*end)(void *);
        find(handle, "plug_malloc", &make);
        find(handle, "plug_free", &end);
        stamp_fill(block, n_bytes, round);
        end(make(n_bytes));
        REQUIRE(dlclose(handle) == 0);
        EXPECT_STAMP(block, n_bytes, round);
        free(block);
    }
    return NULL;
}

static void storms(void)
{
    pthread_t threads[2];
    for (uintptr_t i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, storm, (void *)i) == 0);
    storm((void *)7);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void *allocate_beside(void *argument)
{
    enum { COUNT = 60 };
    bool is_there = (uintptr_t)argument % 2 != 0;
    struct rng rng = {.state = (uintptr_t)argument};
    char *blocks[COUNT];
    size_t sizes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = rng_size(&rng);
        blocks[i] = is_there ? plug.malloc(sizes[i]) : malloc(sizes[i]);
        REQUIRE(blocks[i] != NULL);
        stamp_fill(blocks[i], sizes[i], rng.state);
    }
    for (size_t i = COUNT; i-- > 0;) {
        struct rng again = {.state = (uintptr_t)argument};
        for (size_t k = 0; k <= i; k++)
            rng_size(&again); /* its state is the stamp */
        EXPECT_STAMP(blocks[i], sizes[i], again.state);
        (is_there ? plug.free : free)(blocks[i]);
    }
    return NULL;
}

static void beside(void)
{
    enum { N_TOGETHER = 4 };
    for (uintptr_t number = 0; number < 200; number += N_TOGETHER) {
        pthread_t threads[N_TOGETHER];
        for (uintptr_t i = 0; i < N_TOGETHER; i++)
            REQUIRE(pthread_create(&threads[i], NULL, allocate_beside, (void *)(number + i)) == 0);
        allocate_beside((void *)(number / N_TOGETHER));
        for (size_t i = 0; i < N_TOGETHER; i++)
            pthread_join(threads[i], NULL);
    }
}

static void cross(const char *what)
{
    free(malloc(100)); /* both heaps are there */
    plug.free(plug.malloc(100));
    if (strcmp(what, "inside") == 0)
        for (size_t n_bytes = 1; n_bytes < 4000000; n_bytes = n_bytes * 3 + 1)
            plug.free(plug.malloc(n_bytes));
    else if (strcmp(what, "beside") == 0)
        beside();
    else if (strcmp(what, "out") == 0)
        free(plug.malloc(100));
    else if (strcmp(what, "in") == 0)
        plug.free(malloc(100));
    else if (strcmp(what, "strdup-in") == 0)
        plug.free(plug.strdup("a text"));
    else if (strcmp(what, "strdup-out") == 0)
        free(plug.strdup("a text"));
    else if (strcmp(what, "getline-in") == 0)
        plug.free(plug.getline());
    else if (strcmp(what, "getline-out") == 0)
        free(plug.getline());
    else
        REQUIRE(!"a known word");
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 4);
    watchdog_start(60);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* some combinations end in an abort */
    path = argv[1];
    is_apart = strcmp(argv[2], "apart") == 0;
    mode = RTLD_LAZY | RTLD_LOCAL | (strcmp(argv[2], "deep") == 0 ? RTLD_DEEPBIND : 0);
    if (strcmp(argv[3], "storm") == 0) {
        storms();
        return expect_result();
    }
    void *handle = open_plug();
    find_all(handle);
    if (strcmp(argv[3], "whose") == 0)
        print_whose();
    else
        cross(argv[3]);
    EXPECT_EQ(dlclose(handle), 0);
    return expect_result();
}
