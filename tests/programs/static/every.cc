// SPDX-License-Identifier: MIT
// every.cc - a C++ program that is linked statically with the library: every malloc name beside operator new and
// delete in all forms, containers, threads, thread_local objects, and exceptions, bad_alloc among them.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "expect.h"

extern "C" {
size_t vm_malloc_usable_size(void *block);
void *vm_malloc(size_t size);
void vm_free(void *block);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);
void cfree(void *block);
}

namespace
{

struct alignas(128) Aligned {
    char bytes[200];
};

struct LateFree {
    std::vector<char> *vector = new std::vector<char>(1000);
    ~LateFree()
    {
        delete vector;
        std::free(std::malloc(100));
    }
};
thread_local LateFree late_free;

void check_names()
{
    void *blocks[] = {std::malloc(10),
                      std::calloc(10, 10),
                      std::realloc(nullptr, 10),
                      reallocarray(nullptr, 3, 5),
                      memalign(64, 10),
                      aligned_alloc(64, 10),
                      valloc(10),
                      pvalloc(10),
                      vm_malloc(10)};
    for (void *&block : blocks) {
        REQUIRE(block != nullptr);
        EXPECT(vm_malloc_usable_size(block) >= 10);
        EXPECT(malloc_usable_size(block) == vm_malloc_usable_size(block));
        block = std::realloc(block, 100);
        REQUIRE(block != nullptr);
    }
    free_sized(blocks[0], 100);
    free_aligned_sized(blocks[1], 64, 100);
    cfree(blocks[2]);
    vm_free(blocks[3]);
    for (size_t i = 4; i < sizeof blocks / sizeof blocks[0]; i++)
        std::free(blocks[i]);
    void *result = nullptr;
    EXPECT(posix_memalign(&result, 64, 100) == 0);
    std::free(result);
    EXPECT(mallopt(M_TOP_PAD, 131072) == 1);
    struct mallinfo2 info = mallinfo2();
    EXPECT(info.arena == info.uordblks + info.fordblks);
    int trimmed = malloc_trim(0);
    EXPECT(trimmed == 0 || trimmed == 1);
    FILE *stream = std::fopen("/dev/null", "w");
    REQUIRE(stream != nullptr);
    EXPECT(malloc_info(0, stream) == 0);
    std::fclose(stream);
}

void check_operators()
{
    char *one = new char;
    EXPECT(vm_malloc_usable_size(one) >= 1);
    delete one;
    char *many = new char[1000];
    EXPECT(vm_malloc_usable_size(many) >= 1000);
    std::memset(many, 1, 1000);
    delete[] many;
    Aligned *aligned = new Aligned;
    EXPECT(reinterpret_cast<uintptr_t>(aligned) % 128 == 0);
    EXPECT(vm_malloc_usable_size(aligned) >= sizeof(Aligned));
    delete aligned;
    Aligned *array = new Aligned[5];
    EXPECT(reinterpret_cast<uintptr_t>(array) % 128 == 0);
    delete[] array;
    delete new (std::nothrow) int;
    ::operator delete(::operator new(100), static_cast<size_t>(7)); // the size is not trusted
    ::operator delete(::operator new(0));
    volatile size_t too_large = static_cast<size_t>(PTRDIFF_MAX) - 100;
    EXPECT(::operator new(too_large, std::nothrow) == nullptr);
    EXPECT(::operator new[](too_large, std::align_val_t(64), std::nothrow) == nullptr);
    bool caught = false;
    try {
        char *block = static_cast<char *>(::operator new(too_large));
        EXPECT(block == nullptr);
    } catch (const std::bad_alloc &) {
        caught = true;
    }
    EXPECT(caught);
}

void check_library()
{
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < 5000; i++)
        map[std::to_string(i % 300) + " is a long enough string not to be small"].push_back(i);
    size_t n_ints = 0;
    for (const auto &[name, ints] : map)
        n_ints += ints.size() + (name.empty() ? 1 : 0);
    EXPECT(n_ints == 5000);
    for (int i = 0; i < 100; i++) {
        try {
            throw std::runtime_error(std::string(static_cast<size_t>(i) * 10, 'x'));
        } catch (const std::exception &error) {
            EXPECT(std::strlen(error.what()) == static_cast<size_t>(i) * 10);
        }
    }
    auto shared = std::make_shared<std::string>(10000, 'y');
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([shared, i] {
            late_free.vector->resize(static_cast<size_t>(i + 1) * 5000);
            std::vector<std::string> strings;
            for (int k = 0; k < 2000; k++)
                strings.push_back(shared->substr(0, static_cast<size_t>(k)));
            EXPECT(strings.back().size() == 1999);
        });
    for (std::thread &thread : threads)
        thread.join();
}

} // namespace

int main()
{
    check_names();
    check_operators();
    check_library();
    return expect_result();
}
