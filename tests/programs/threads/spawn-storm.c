/* SPDX-License-Identifier: MIT */
/* spawn-storm.c - vfork, posix_spawn, system and popen again and again while other threads allocate. */
#include <spawn.h>
#include <sys/wait.h>

#include "crew.h"

extern char **environ;

static int stop;

static void *allocate(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    struct item items[200] = {{.block = NULL}};
    for (uint64_t id = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); id++) {
        struct item *item = &items[rng_between(&rng, 0, 199)];
        if (item->block != NULL)
            item_end(*item);
        *item = item_new(&rng, id);
    }
    for (size_t i = 0; i < 200; i++)
        if (items[i].block != NULL)
            item_end(items[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    api_assert_served();
    volatile size_t scale = scale_argument(argc, argv, 1);
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        threads[i] = crew_start(allocate, (void *)(i + 1));
    char name[] = "true";
    char *arguments[] = {name, NULL};
    for (size_t round = 0; round < 60 * scale; round++) {
        int status = 0;
        pid_t child;
        switch (round % 4) {
        case 0:
            REQUIRE(posix_spawnp(&child, "true", NULL, NULL, arguments, environ) == 0);
            REQUIRE(waitpid(child, &status, 0) == child);
            EXPECT_EQ(status, 0);
            break;
        case 1:
            child = vfork();
            if (child == 0) {
                execvp(name, arguments);
                _exit(127);
            }
            REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
            EXPECT_EQ(status, 0);
            break;
        case 2:
            EXPECT_EQ(system("exit 3"), 3 << 8);
            break;
        default: {
            FILE *stream = popen("echo one two", "r");
            REQUIRE(stream != NULL);
            char *line = NULL;
            size_t room = 0;
            EXPECT_EQ(getline(&line, &room, stream), 8);
            EXPECT(line != NULL && strcmp(line, "one two\n") == 0);
            free(line);
            EXPECT_EQ(pclose(stream), 0);
            break;
        }
        }
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 3; i++)
        crew_join(threads[i]);
    return expect_result();
}
