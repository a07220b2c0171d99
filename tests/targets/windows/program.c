/* SPDX-License-Identifier: MIT */
/* program.c - vmalloc on Windows: what mixed.c checks, threads, and memory that goes back. */
#include <windows.h>
#include <string.h>
#include "../mixed.h"

static struct vk_usage usage(void)
{
    return vk_usage(vk_flat_mm(port_kernel));
}

/* --- memory that is committed and goes back ------------------------------------------------------------- */

static DWORD state_of(const void *address)
{
    MEMORY_BASIC_INFORMATION information = {0};
    VirtualQuery(address, &information, sizeof information);
    return information.State;
}

static void check_commit(void)
{
    enum { BYTES = 4 << 20 };
    unsigned char *block = malloc(BYTES);
    memset(block, 1, BYTES);
    say(state_of(block) == MEM_COMMIT && state_of(block + BYTES - 1) == MEM_COMMIT, "a block is committed",
        0);
    free(block);
    say(state_of(block) == MEM_RESERVE, "a large block that is freed keeps addresses alone", state_of(block));
    block = malloc(BYTES);
    unsigned long n_wrong = 0;
    for (size_t i = 0; i < BYTES; i++)
        n_wrong += block[i] != 0;
    say(n_wrong == 0, "and is zero when it is committed again", n_wrong);
    free(block);
}

/* --- threads -------------------------------------------------------------------------------------------- */

enum { N_THREADS = 4, N_BLOCKS = 500, N_ROUNDS = 200 };

/* Blocks on their way from the thread that allocates to another that frees. */
static unsigned char *x_places[N_THREADS][N_BLOCKS];
static LONG x_n_wrong;

/* Puts a block in each place of its own, and frees what it finds in its neighbour's. */
static DWORD WINAPI pass_on(void *argument)
{
    const size_t self = (size_t)argument, other = (self + 1) % N_THREADS;
    for (size_t round = 0; round < N_ROUNDS; round++) {
        for (size_t i = 0; i < N_BLOCKS; i++) {
            const size_t size = 16 + (i * 37 + round) % 900;
            unsigned char *const block = malloc(size);
            if (!block) {
                InterlockedIncrement(&x_n_wrong);
                continue;
            }
            memset(block, (int)size & 0xff, size);
            free(InterlockedExchangePointer((void **)&x_places[self][i], block));
            unsigned char *const theirs = InterlockedExchangePointer((void **)&x_places[other][i], NULL);
            if (theirs && theirs[0] != theirs[15])
                InterlockedIncrement(&x_n_wrong);
            free(theirs);
        }
    }
    return 0;
}

static DWORD WINAPI allocate_a_little(void *argument)
{
    (void)argument;
    for (size_t i = 1; i < N_BLOCKS; i++)
        free(malloc(i * 8));
    return 0;
}

static void run_threads(LPTHREAD_START_ROUTINE routine, size_t n)
{
    HANDLE threads[N_THREADS];
    for (size_t i = 0; i < n; i++)
        threads[i] = CreateThread(NULL, 0, routine, (void *)i, 0, NULL);
    WaitForMultipleObjects((DWORD)n, threads, TRUE, INFINITE);
    for (size_t i = 0; i < n; i++)
        CloseHandle(threads[i]);
}

static void check_threads(void)
{
    run_threads(pass_on, N_THREADS);
    for (size_t i = 0; i < N_THREADS; i++)
        for (size_t k = 0; k < N_BLOCKS; k++)
            free(x_places[i][k]);
    say(x_n_wrong == 0, "threads free each other's blocks", (unsigned long)x_n_wrong);
    vk_check(port_kernel);

    run_threads(allocate_a_little, 1);
    const size_t resident_pages = usage().resident_pages;
    for (unsigned i = 0; i < 100; i++)
        run_threads(allocate_a_little, 1);
    say(usage().resident_pages == resident_pages, "what a thread kept serves the next one",
        (unsigned long)(usage().resident_pages - resident_pages));
}

int main(void)
{
    check_commit();
    check_threads();
    check_malloc();
    return finish();
}
