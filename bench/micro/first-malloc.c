/* SPDX-License-Identifier: MIT */
/*
 * first-malloc.c - writes how many nanoseconds the first malloc of main took, as eight bytes.
 *
 * What an allocator does in a constructor is not in it, but in the time of the whole process; nor is the
 * clock's first reading.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int main(void)
{
    (void)now_ns();
    uint64_t start = now_ns();
    volatile char *block = malloc(64);
    uint64_t taken = now_ns() - start;
    if (block == NULL) {
        return 1;
    }
    block[0] = 1;
    free((void *)block);
    return write(STDOUT_FILENO, &taken, sizeof taken) == (ssize_t)sizeof taken ? 0 : 1;
}
