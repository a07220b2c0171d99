/* SPDX-License-Identifier: MIT */
/*
 * modules.c - modules MODULE: threads load and close a module with dynamic TLS again and again, touch its
 * TLS, and allocate beside it; the loader allocates and frees with its locks held meanwhile.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "api.h"
#include "tools.h"

static const char *path;

static void *load_and_close(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    for (size_t round = 0; round < 300; round++) {
        size_t size = rng_size(&rng);
        void *block = api_malloc(size);
        REQUIRE(block != NULL);
        stamp_fill(block, size, round);
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (handle == NULL) {
            expect_say("%s:%d: %s\n", __FILE__, __LINE__, dlerror());
            _exit(1);
        }
        int (*touch)(int);
        void *found = dlsym(handle, "module_touch");
        REQUIRE(found != NULL);
        memcpy(&touch, &found, sizeof found);
        EXPECT_EQ(touch((int)(round % 100)), round % 100);
        EXPECT_SAME(dlopen("/there/is/no/such/module.so", RTLD_NOW), NULL);
        EXPECT(dlerror() != NULL);
        EXPECT_EQ(dlclose(handle), 0);
        EXPECT_STAMP(block, size, round);
        api_free(block);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 2);
    watchdog_start(60);
    api_assert_served();
    path = argv[1];
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, load_and_close, (void *)i) == 0);
    load_and_close((void *)9);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return expect_result();
}
