/* SPDX-License-Identifier: MIT */
/*
 * bare.c - the simulated kernel in a program that has nothing but an array and write(2): random calls with
 * the checker, to exhaustion and back. Prints a digest, which is the same for every build and place of the
 * array. From "begin" on it asks the real kernel for no memory; run-freestanding watches that.
 */
#include <string.h>
#include <unistd.h>
#include "vmalloc/sim.h"

enum { KIB = 1024, READ_WRITE = VK_PROT_READ | VK_PROT_WRITE };

static _Alignas(64 * KIB) char memory[8 * 1024 * KIB];

static void say(const char *text, size_t length)
{
    if (write(1, text, length) < 0)
        _exit(3);
}

static void require(int condition, const char *what)
{
    if (condition)
        return;
    say("not true: ", 10);
    say(what, strlen(what));
    say("\n", 1);
    _exit(1);
}

static void say_digest(uint64_t digest)
{
    char text[17];
    for (int i = 15; i >= 0; i--, digest >>= 4)
        text[i] = "0123456789abcdef"[digest & 15];
    text[16] = '\n';
    say(text, sizeof text);
}

static uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % bound;
}

static int is_inside(vk_va at, size_t bytes)
{
    return at >= (vk_va)memory && at + bytes <= (vk_va)memory + sizeof memory;
}

static void random_calls(struct vk_kernel *kernel, uint64_t seed)
{
    struct vk_mm *const mm = vk_flat_mm(kernel);
    const struct vk_usage usage = vk_usage(mm);
    const size_t page = vk_page_bytes(kernel);
    for (unsigned i = 0; i < 3000; i++) {
        const vk_va at = usage.low + random_below(&seed, (uint32_t)((usage.high - usage.low) / page)) * page;
        const struct vk_map wanted = {
            .hint = at, .bytes = (1 + random_below(&seed, 40)) * page, .prot = READ_WRITE};
        vk_va place;
        switch (random_below(&seed, 5)) {
        case 0:
        case 1:
            if (vk_map(mm, &wanted, &place))
                break;
            require(is_inside(place, wanted.bytes), "a mapping is inside");
            for (size_t k = 0; k < wanted.bytes; k += 64)
                require(((char *)place)[k] == 0, "new memory is zero");
            memset((void *)place, 0x55, wanted.bytes);
            break;
        case 2:
            vk_unmap(mm, at, wanted.bytes);
            break;
        case 3:
            vk_protect(mm, at, page, VK_PROT_READ);
            break;
        default:
            place = vk_brk(mm, usage.low + random_below(&seed, (uint32_t)(8 * page)));
            require(is_inside(place, 0), "the break is inside");
        }
        if (i % 16 == 0)
            vk_check(kernel);
    }
}

static void run(size_t bytes, size_t page_bytes)
{
    const struct vk_region region = {.start = memory, .bytes = bytes};
    struct vk_kernel *kernel;
    require(vk_create(&(struct vk_config){.page_bytes = page_bytes}, &region, &kernel) == 0,
            "there is a machine");
    struct vk_mm *const mm = vk_flat_mm(kernel);
    const struct vk_usage usage = vk_usage(mm);
    const uint64_t digest = vk_digest(kernel);
    random_calls(kernel, bytes);
    say_digest(vk_digest(kernel));

    vk_va at;
    while (vk_map(mm, &(struct vk_map){.bytes = page_bytes, .prot = READ_WRITE}, &at) == 0)
        ;
    require(vk_map(mm, &(struct vk_map){.bytes = 1}, &at) == VK_ENOMEM, "it runs out");
    vk_check(kernel);
    vk_brk(mm, usage.low);
    require(vk_unmap(mm, usage.low, usage.high - usage.low) == 0, "all is freed");
    vk_check(kernel);
    require(vk_digest(kernel) == digest, "nothing is left");
}

int main(void)
{
    say("begin\n", 6);
    run(sizeof memory, 4 * KIB);
    run(sizeof memory, 64 * KIB);
    run(1024 * KIB, 16 * KIB);
    run(64 * KIB, 1 * KIB);
    say("end\n", 4);
    return 0;
}
