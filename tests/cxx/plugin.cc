// SPDX-License-Identifier: MIT
//
// plugin.cc - a C++ library that a C program opens at run time, into a scope of its own (see plugin-host.c).
#include <cstddef>
#include <cstdint>
#include <new>

// 1 if a hopeless new throws a bad_alloc that can be caught here, and a hopeless nothrow new gives NULL.
extern "C" __attribute__((visibility("default"))) int plugin_survives(void)
{
    volatile std::size_t too_much = PTRDIFF_MAX - std::size_t{4096};
    bool caught = false;
    try {
        ::operator delete(::operator new(too_much));
    } catch (const std::bad_alloc &) {
        caught = true;
    }
    return caught && ::operator new(too_much, std::nothrow) == nullptr ? 1 : 0;
}
