/* SPDX-License-Identifier: MIT */
/*
 * fork-signal-threads.c - contract 7.b, 7.c with other threads running: a timer signal interrupts malloc, free
 * and realloc of one thread anywhere, and its handler forks, by turns with fork, _Fork and vfork, while three
 * other threads allocate and free each other's blocks. By turns the child ends at once, or returns from the
 * handler into the interrupted call and finishes its work: whatever another thread was changing is not there
 * any more, what this thread was changing goes on. Glibc promises this only for processes of one thread.
 */
#include <errno.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "threads/crew.h"

extern pid_t _Fork(void) __attribute__((weak));

enum { N_OTHERS = 3, N_SLOTS = 150, N_FORKS = 120 };

static struct item slots[N_SLOTS];  /* of the interrupted thread */
static struct item *board[N_SLOTS]; /* of the others */
static volatile sig_atomic_t n_forks, in_child;
static int stop, rest;

static void *allocate(void *seed)
{
    struct rng rng = {.state = (uintptr_t)seed};
    for (uint64_t id = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); id++) {
        while (__atomic_load_n(&rest, __ATOMIC_RELAXED))
            usleep(200);
        struct item *item = api_malloc(sizeof *item);
        REQUIRE(item != NULL);
        *item = item_new(&rng, id);
        item = __atomic_exchange_n(&board[rng_between(&rng, 0, N_SLOTS - 1)], item, __ATOMIC_ACQ_REL);
        if (item != NULL) {
            item_end(*item);
            api_free(item);
        }
    }
    return NULL;
}

static void on_timer(int number)
{
    (void)number;
    if (in_child || n_forks >= N_FORKS)
        return;
    int kept_errno = errno, way = (int)n_forks;
    n_forks = n_forks + 1;
    /* Not in a function of its own: vfork's child must not return. */
    pid_t child = way % 4 == 3 ? vfork() : way % 4 == 2 && _Fork != NULL ? _Fork() : fork();
    if (child == 0) {
        if (way % 4 == 3 || way % 3 == 0)
            _exit(0);
        in_child = 1;
        alarm(30);
        return; /* into the interrupted call */
    }
    __atomic_store_n(&rest, 1, __ATOMIC_RELAXED);
    int status = 0;
    while (waitpid(child, &status, 0) != child)
        if (errno != EINTR)
            _exit(4);
    if (status != 0) {
        expect_say("fork number %d: the child's wait status is 0x%x\n", way, (unsigned)status);
        _exit(1);
    }
    __atomic_store_n(&rest, 0, __ATOMIC_RELAXED);
    errno = kept_errno;
}

static void one_step(struct rng *rng, uint64_t id)
{
    struct item *item = &slots[rng_between(rng, 0, N_SLOTS - 1)];
    if (item->block != NULL)
        item_end(*item);
    *item = item_new(rng, id);
    size_t n_bytes = rng_size(rng);
    if (id % 3 == 0) {
        item->block = api_realloc(item->block, n_bytes);
        REQUIRE(item->block != NULL);
        stamp_fill(item->block, n_bytes, id);
        item->n_bytes = n_bytes;
    }
}

static void free_all(void)
{
    for (size_t i = 0; i < N_SLOTS; i++) {
        if (slots[i].block != NULL)
            item_end(slots[i]);
        slots[i].block = NULL;
        struct item *item = __atomic_exchange_n(&board[i], NULL, __ATOMIC_ACQ_REL);
        if (item != NULL) {
            item_end(*item);
            api_free(item);
        }
    }
}

int main(void)
{
    api_assert_served();
    if (api_on_glibc())
        SKIP("glibc's fork waits for a lock that the interrupted call holds");
    sigset_t timer_signal;
    sigemptyset(&timer_signal);
    sigaddset(&timer_signal, SIGVTALRM);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &timer_signal, NULL) == 0);
    pthread_t threads[N_OTHERS];
    for (uintptr_t i = 0; i < N_OTHERS; i++)
        threads[i] = crew_start(allocate, (void *)i);
    REQUIRE(pthread_sigmask(SIG_UNBLOCK, &timer_signal, NULL) == 0);
    watchdog_start(100);
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    sigaction(SIGVTALRM, &action, NULL);
    struct itimerval every = {.it_interval = {.tv_usec = 1500}, .it_value = {.tv_usec = 1500}};
    REQUIRE(setitimer(ITIMER_VIRTUAL, &every, NULL) == 0);
    struct rng rng = {.state = 3};
    uint64_t id = 0;
    while (n_forks < N_FORKS && !in_child)
        one_step(&rng, id++);
    if (in_child) {
        for (size_t i = 0; i < 300; i++)
            one_step(&rng, id++);
        free_all();
        _exit(expect_result());
    }
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){.it_value = {.tv_usec = 0}}, NULL);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < N_OTHERS; i++)
        crew_join(threads[i]);
    free_all();
    expect_figure("fork-signal-threads: %d forks, %llu steps\n", (int)n_forks, (unsigned long long)id);
    return expect_result();
}
