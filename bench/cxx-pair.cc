// SPDX-License-Identifier: MIT
//
// cxx-pair.cc - one pair of allocation and release, again and again; what bench/cxx-operators counts.
//
//   cxx-pair LOOP ITERATIONS    LOOP: malloc (malloc and free), new (new and sized delete of an object), new-aligned
//   cxx-pair --peak             after one pair, prints the peak resident set of the process in KiB
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace
{

struct object {
    char bytes[64];
};

// What comes from here the compiler cannot see through, so that no pair is left out.
template <typename pointer>
pointer opaque(pointer block)
{
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

void loop_malloc(long iterations)
{
    for (long i = 0; i < iterations; i++) {
        std::free(opaque(std::malloc(sizeof(object))));
    }
}

void loop_new(long iterations)
{
    for (long i = 0; i < iterations; i++) {
        ::operator delete(opaque(::operator new(sizeof(object))), sizeof(object));
    }
}

void loop_new_aligned(long iterations)
{
    for (long i = 0; i < iterations; i++) {
        const std::align_val_t alignment{64};
        ::operator delete(opaque(::operator new(sizeof(object), alignment)), sizeof(object), alignment);
    }
}

int print_peak()
{
    loop_new(1);
    std::FILE *status = std::fopen("/proc/self/status", "r");
    char line[200];
    long kibibytes = -1;
    while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr) {
        std::sscanf(line, "VmHWM: %ld", &kibibytes);
    }
    std::printf("%ld\n", kibibytes);
    return kibibytes > 0 ? 0 : 1;
}

} // namespace

int main(int count, char **words)
{
    if (count == 2 && std::strcmp(words[1], "--peak") == 0) {
        return print_peak();
    }
    if (count != 3) {
        return 2;
    }
    const long iterations = std::atol(words[2]);
    if (std::strcmp(words[1], "malloc") == 0) {
        loop_malloc(iterations);
    } else if (std::strcmp(words[1], "new") == 0) {
        loop_new(iterations);
    } else if (std::strcmp(words[1], "new-aligned") == 0) {
        loop_new_aligned(iterations);
    } else {
        return 2;
    }
    return 0;
}
