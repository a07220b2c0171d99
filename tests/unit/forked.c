/* SPDX-License-Identifier: MIT */
/*
 * forked.c - a handler forks while the call that it interrupted waits for a lock. The thread that held it is not in the child,
 * and what it was changing is frozen there: the call must go on without it. See front/fork.c.
 */
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/atomic.h"
#include "crew.h"
#include "front/front.h"
#include "heap/perturb.h"
#include "pool/quick.h"
#include "slab/sizeclass.h"

enum { MIDDLE = 100 * VM_KIB, N_BLOCKS = 200, SIZE = 5000 };

static void *blocks[N_BLOCKS];
static struct heap *heap;         /* of the main thread, in the parent */
static struct heap before;        /* it, as it was */
static struct arena arena_before; /* the same of the first arena */

static struct arena *arena(void)
{
    return vm_pool_arena(0);
}

/* --- a lock that another thread holds until the fork is over -------------------------------------------------------------------- */

static struct lock *held;
static uint32_t x_is_held, x_may_end;

static void *hold(void *argument)
{
    crew_free(crew_alloc(1)); /* a second thread that allocates: forks are expected */
    vm_lock_acquire(held);
    before = *heap;
    arena_before = *arena();
    vm_store_release(&x_is_held, 1);
    while (!vm_load_acquire(&x_may_end))
        usleep(200);
    vm_lock_release(held);
    return argument;
}

static volatile sig_atomic_t n_forks, is_child;
static pid_t child;

static void on_alarm(int number)
{
    (void)number;
    n_forks = n_forks + 1;
    child = fork();
    is_child = child == 0;
    if (is_child)
        alarm(30);
    else
        vm_store_release(&x_may_end, 1);
}

/* Has the call wait for the lock and be interrupted; it returns in both processes. The child's looks at what came of it, and
   ends. */
static void interrupt(struct lock *lock, void (*call)(void), void (*look)(void))
{
    pthread_t thread;
    struct sigaction action = {.sa_handler = on_alarm}, old;
    const struct itimerval once = {.it_value = {.tv_usec = 20000}};
    vm_quick_flush(); /* a middle block from there takes no lock */
    heap = vm_heap_self;
    held = lock;
    n_forks = 0;
    x_is_held = x_may_end = 0;
    UNIT_REQUIRE(pthread_create(&thread, NULL, hold, NULL) == 0);
    while (!vm_load_acquire(&x_is_held))
        usleep(200);
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &once, NULL);
    call();
    if (is_child) {
        look();
        vm_check_all();
        _exit(0);
    }
    UNIT_REQUIRE(n_forks == 1); /* else it did not wait */
    sigaction(SIGALRM, &old, NULL);
    pthread_join(thread, NULL);
    int status = -1;
    UNIT_REQUIRE(waitpid(child, &status, 0) == child);
    UNIT_REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    vm_check_all();
}

/* Everything works, with memory that is not the frozen one's. */
static void look_at_work(void)
{
    void *more[N_BLOCKS];
    for (unsigned size = 16; size < 100000; size *= 2) {
        for (size_t i = 0; i < N_BLOCKS; i++) {
            UNIT_REQUIRE((more[i] = crew_alloc(size)));
            memset(more[i], (int)(i + 1), size);
        }
        for (size_t i = 0; i < N_BLOCKS; i++) {
            UNIT_REQUIRE(unit_is_filled(more[i], size, (unsigned char)(i + 1)));
            crew_free(more[i]);
        }
    }
}

/* --- arenas ------------------------------------------------------------------------------------------------------------------ */

static void *middle;

static bool is_in_arena(const void *block)
{
    return (const char *)block >= arena()->base && (const char *)block < arena()->break_end;
}

static void look_at_arena(void)
{
    UNIT_REQUIRE(vm_load_relaxed(&arena()->x_is_frozen));
    UNIT_REQUIRE(memcmp(&arena()->place, &arena_before.place, sizeof arena_before.place) == 0);
    UNIT_REQUIRE(memcmp(&arena()->counts, &arena_before.counts, sizeof arena_before.counts) == 0);
    UNIT_REQUIRE(arena()->break_end == arena_before.break_end);
    look_at_work();
    UNIT_REQUIRE(memcmp(&arena()->counts, &arena_before.counts, sizeof arena_before.counts) == 0);
}

static void take_middle(void)
{
    middle = memset(crew_alloc(MIDDLE), 1, MIDDLE);
}

static void look_at_taken(void)
{
    UNIT_REQUIRE(middle && !is_in_arena(middle));
    look_at_arena();
}

/* There would be room for it where it is. */
static void grow_middle(void)
{
    middle = vm_realloc(VM_OPAQUE(middle), MIDDLE + MIDDLE / 4);
}

static void look_at_grown(void)
{
    UNIT_REQUIRE(middle && !is_in_arena(middle));
    UNIT_REQUIRE(unit_is_filled(middle, MIDDLE, 1));
    look_at_arena();
}

static void free_middle(void)
{
    crew_free(middle);
    vm_quick_flush(); /* it may wait there */
}

static void trim(void)
{
    vm_malloc_trim(0);
}

static void purge(void)
{
    vm_pool_trim(0);
}

static void review(void)
{
    vm_pool_review(0);
}

static void ask(void)
{
    UNIT_REQUIRE(vm_pool_totals().n_arenas > 0);
}

static void arenas(void **state)
{
    (void)state;
    crew_free(crew_alloc(1));
    interrupt(&arena()->lock, take_middle, look_at_taken);
    crew_free(crew_alloc(MIDDLE));
    vm_quick_flush();
    interrupt(&arena()->lock, grow_middle, look_at_grown);
    crew_free(middle); /* it may be a mapping by now */
    take_middle();
    interrupt(&arena()->lock, free_middle, look_at_arena);
    interrupt(&arena()->lock, trim, look_at_arena);
    interrupt(&arena()->lock, purge, look_at_arena);
    interrupt(&arena()->lock, review, look_at_arena);
    interrupt(&arena()->lock, ask, look_at_arena);
}

/* --- heaps ------------------------------------------------------------------------------------------------------------------- */

/* The thread has another heap, and the old one is as it was. */
static void look_at_heap(void)
{
    UNIT_REQUIRE(vm_load_relaxed(&heap->x_state) == HEAP_FROZEN);
    look_at_work();
    UNIT_REQUIRE(vm_heap_self != heap && vm_load_relaxed(&vm_heap_self->x_state) == HEAP_LIVE);
    UNIT_REQUIRE(memcmp(heap->current, before.current, sizeof before.current) == 0);
    UNIT_REQUIRE(memcmp(heap->slabs, before.slabs, sizeof before.slabs) == 0);
    UNIT_REQUIRE(memcmp(heap->retired, before.retired, sizeof before.retired) == 0);
    UNIT_REQUIRE(heap->n_listed == before.n_listed && heap->n_retired == before.n_retired);
}

static void take_blocks(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        blocks[i] = memset(crew_alloc(SIZE), (int)(i + 1), SIZE);
}

static void free_blocks(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        crew_free(blocks[i]);
}

static void look_at_blocks(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        UNIT_REQUIRE(unit_is_filled(blocks[i], SIZE, (unsigned char)(i + 1)));
    UNIT_REQUIRE(crew_slab_of(blocks[N_BLOCKS - 1])->x_heap == vm_heap_self && vm_heap_self != heap);
    free_blocks(); /* those of the frozen heap, too */
    look_at_heap();
}

/* A block of a slab that is LISTED, and that another thread freed into. */
static void *listed;

static void find_listed(void)
{
    const unsigned class_index = vm_class_of(SIZE);
    for (size_t i = 0; i < N_BLOCKS; i++)
        if (crew_slab_of(blocks[i])->x_state == SLAB_LISTED)
            listed = blocks[i];
    UNIT_REQUIRE(listed && vm_heap_self->current[class_index] != crew_slab_of(listed));
    vm_store_relaxed(&crew_slab_of(listed)->x_fast_heap, NULL); /* as vm_remote_mark does */
}

static void free_listed(void)
{
    crew_free(listed);
}

static void look_at_listed(void)
{
    const struct slab *const slab = crew_slab_of(listed);
    size_t index;
    UNIT_REQUIRE(vm_slab_index(slab, listed, &index));
    UNIT_REQUIRE(vm_slab_remote(slab)[index >> VM_WORD_SHIFT] & vm_slab_bit(index));
    look_at_heap();
}

/* The last block of a slab, of which it would become a retired one. */
static void free_rest(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        if (blocks[i] != listed)
            crew_free(blocks[i]);
}

static void perturb(void)
{
    vm_heap_set_perturb(1);
    vm_heap_set_perturb(0);
}

static void figures(void)
{
    UNIT_REQUIRE(vm_mallinfo2().arena > 0);
}

static void take_spare(void)
{
    void *const block = vm_heap_alloc_spare(vm_class_of(SIZE));
    if (block)
        crew_free(block);
}

static void take_plain(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        UNIT_REQUIRE((blocks[i] = vm_heap_alloc_plain(vm_class_of(SIZE))));
}

static void heaps(void **state)
{
    (void)state;
    crew_free(crew_alloc(1));
    interrupt(&vm_heap_self->lock, take_blocks, look_at_blocks);
    find_listed();
    interrupt(&vm_heap_self->lock, free_listed, look_at_listed);
    interrupt(&vm_heap_self->lock, free_rest, look_at_heap);
    interrupt(&vm_heap_self->lock, take_plain, look_at_heap);
    free_blocks();
    void (*const calls[])(void) = {vm_thread_settle, trim, perturb, vm_check_all, figures, take_spare};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        interrupt(&vm_heap_self->lock, calls[i], look_at_heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas),
        cmocka_unit_test(heaps),
    };
    return cmocka_run_group_tests_name("forked", tests, NULL, NULL);
}
