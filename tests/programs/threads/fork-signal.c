/* SPDX-License-Identifier: MIT */
/*
 * fork-signal.c - in a process of one thread a timer signal interrupts malloc and free anywhere, and its
 * handler forks. By turns the child ends at once, or returns from the handler and finishes the interrupted
 * work with all content checked. The same with _Fork and vfork, whose children end at once. No lock may be
 * waited for, ever.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "crew.h"

enum { N_SLOTS = 200 };

static struct item slots[N_SLOTS];
static volatile sig_atomic_t n_forks, in_child;
static pid_t (*plain_fork)(void); /* _Fork, where libc has it */

static void reap(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) != child)
        if (errno != EINTR) {
            expect_say("waitpid failed\n");
            _exit(1);
        }
    if (status != 0) {
        expect_say("child of fork number %d: wait status 0x%x\n", (int)n_forks, (unsigned)status);
        _exit(1);
    }
}

static void on_timer(int number)
{
    (void)number;
    if (in_child)
        return;
    int kept_errno = errno;
    int way = (int)n_forks % 4;
    n_forks = n_forks + 1;
    pid_t child = way == 2 && plain_fork != NULL ? plain_fork() : way == 3 ? vfork() : fork();
    if (child < 0) {
        expect_say("fork failed\n");
        _exit(1);
    }
    if (child == 0) {
        if (way != 1)
            _exit(0);
        in_child = 1;
        alarm(20);
        return; /* into the interrupted malloc */
    }
    reap(child);
    errno = kept_errno;
}

static void one_step(struct rng *rng, uint64_t id)
{
    struct item *item = &slots[rng_between(rng, 0, N_SLOTS - 1)];
    if (item->block != NULL)
        item_end(*item);
    *item = item_new(rng, id);
    if (id % 5 == 0) {
        size_t n_bytes = rng_size(rng);
        void *moved = api_realloc(item->block, n_bytes);
        REQUIRE(moved != NULL);
        stamp_fill(moved, n_bytes, id);
        *item = (struct item){.block = moved, .n_bytes = n_bytes, .id = id};
    }
}

static void check_all(void)
{
    for (size_t i = 0; i < N_SLOTS; i++) {
        if (slots[i].block != NULL)
            item_end(slots[i]);
        slots[i].block = NULL;
    }
}

int main(int argc, char **argv)
{
    api_assert_served();
    size_t wanted = 300 * scale_argument(argc, argv, 1);
    void *found = dlsym(RTLD_DEFAULT, "_Fork");
    memcpy(&plain_fork, &found, sizeof found);

    /* The watchdog has a timer and a signal of its own; SIGALRM is the signal of the test. */
    timer_t dog;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    signal(SIGUSR2, watchdog_bite);
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &dog) == 0);
    struct itimerspec dog_time = {.it_value = {.tv_sec = 240}};
    REQUIRE(timer_settime(dog, 0, &dog_time, NULL) == 0);

    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {.it_interval = {.tv_usec = 173}, .it_value = {.tv_usec = 173}};
    REQUIRE(setitimer(ITIMER_REAL, &every, NULL) == 0);
    struct rng rng = {.state = 17};
    uint64_t id = 0;
    while ((size_t)n_forks < wanted && !in_child)
        one_step(&rng, id++);
    if (in_child) {
        for (size_t i = 0; i < 300; i++)
            one_step(&rng, id++);
        check_all();
        _exit(expect_result());
    }
    struct itimerval never = {.it_value = {.tv_usec = 0}};
    setitimer(ITIMER_REAL, &never, NULL);
    check_all();
    expect_figure("fork-signal: %d forks in the handler, %llu steps\n", (int)n_forks, (unsigned long long)id);
    return expect_result();
}
