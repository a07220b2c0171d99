// SPDX-License-Identifier: MIT
//
// operators.cc - every form of C++ operator new and delete: what it gives, and what it does without memory.
//
//   operators              the C++ library's own operators
//   operators LIBRARY      libvmalloc_cxx's: they must come from a file whose name contains LIBRARY
//   operators --static     libvmalloc_cxx's, in a static program
//
// Prints TAP. The calls are direct calls of the operators, which the compiler may not leave out. The program knows no
// vmalloc: the C++ library's own operators must pass as well, which shows that nothing is asked for but C++. They are
// excused from one case: libstdc++ 12 rounds an aligned request of SIZE_MAX bytes up to 0 bytes, and succeeds.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

namespace
{

int cases;
int failures;

void check(bool passed, const char *form, const char *what)
{
    std::printf("%s %d - %s: %s\n", passed ? "ok" : "not ok", ++cases, form, what);
    failures += passed ? 0 : 1;
}

struct thrown_by_handler {
};

int handler_calls;

void handler_that_gives_up()
{
    if (++handler_calls == 3) {
        std::set_new_handler(nullptr);
    }
}

void handler_that_throws()
{
    ++handler_calls;
    throw thrown_by_handler();
}

void *reserve;

void handler_that_frees()
{
    ++handler_calls;
    std::free(reserve);
    reserve = nullptr;
    std::set_new_handler(nullptr);
}

// One form of operator new, made to look like all others.
struct form {
    const char *name;
    void *(*allocate)(std::size_t size, std::align_val_t alignment);
    void (*release)(void *block, std::size_t size, std::align_val_t alignment);
    bool aligned;
    bool throws;
};

using std::align_val_t;
using std::nothrow;
using std::size_t;

const form forms[] = {
    {"new", [](size_t n, align_val_t) { return ::operator new(n); },
     [](void *p, size_t, align_val_t) { ::operator delete(p); }, false, true},
    {"new[]", [](size_t n, align_val_t) { return ::operator new[](n); },
     [](void *p, size_t, align_val_t) { ::operator delete[](p); }, false, true},
    {"new nothrow", [](size_t n, align_val_t) { return ::operator new(n, nothrow); },
     [](void *p, size_t, align_val_t) { ::operator delete(p, nothrow); }, false, false},
    {"new[] nothrow", [](size_t n, align_val_t) { return ::operator new[](n, nothrow); },
     [](void *p, size_t, align_val_t) { ::operator delete[](p, nothrow); }, false, false},
    {"new aligned", [](size_t n, align_val_t a) { return ::operator new(n, a); },
     [](void *p, size_t, align_val_t a) { ::operator delete(p, a); }, true, true},
    {"new[] aligned", [](size_t n, align_val_t a) { return ::operator new[](n, a); },
     [](void *p, size_t, align_val_t a) { ::operator delete[](p, a); }, true, true},
    {"new aligned nothrow", [](size_t n, align_val_t a) { return ::operator new(n, a, nothrow); },
     [](void *p, size_t, align_val_t a) { ::operator delete(p, a, nothrow); }, true, false},
    {"new[] aligned nothrow", [](size_t n, align_val_t a) { return ::operator new[](n, a, nothrow); },
     [](void *p, size_t, align_val_t a) { ::operator delete[](p, a, nothrow); }, true, false},
    // The four sized deletes, each with the operator new that it belongs to.
    {"sized delete", [](size_t n, align_val_t) { return ::operator new(n); },
     [](void *p, size_t n, align_val_t) { ::operator delete(p, n); }, false, true},
    {"sized delete[]", [](size_t n, align_val_t) { return ::operator new[](n); },
     [](void *p, size_t n, align_val_t) { ::operator delete[](p, n); }, false, true},
    {"sized aligned delete", [](size_t n, align_val_t a) { return ::operator new(n, a); },
     [](void *p, size_t n, align_val_t a) { ::operator delete(p, n, a); }, true, true},
    {"sized aligned delete[]", [](size_t n, align_val_t a) { return ::operator new[](n, a); },
     [](void *p, size_t n, align_val_t a) { ::operator delete[](p, n, a); }, true, true},
};

const align_val_t usual{16};

bool is_aligned(const void *block, size_t alignment)
{
    return reinterpret_cast<std::uintptr_t>(block) % alignment == 0;
}

void check_success(const form &f)
{
    void *a = f.allocate(0, usual);
    void *b = f.allocate(0, usual);
    check(a != nullptr && b != nullptr && a != b, f.name, "size 0 gives blocks of their own");
    f.release(a, 0, usual);
    f.release(b, 0, usual);

    bool whole = true;
    bool aligned = true;
    for (size_t shift = 0; shift <= 16; ++shift) {
        const size_t alignment = f.aligned ? size_t{1} << shift : 16;
        const size_t size = (size_t{1} << shift) + 1;
        void *block = f.allocate(size, align_val_t(alignment));
        whole = whole && block != nullptr;
        aligned = aligned && is_aligned(block, alignment);
        if (block != nullptr) {
            std::memset(block, 0x5a, size);
            f.release(block, size, align_val_t(alignment));
        }
    }
    check(whole, f.name, "sizes up to 65537");
    check(aligned, f.name, f.aligned ? "every alignment up to 65536" : "alignment 16");
    f.release(nullptr, 1, usual);
    check(true, f.name, "its delete takes NULL");
}

enum class outcome { block, null, bad_alloc, handler_exception };

outcome try_form(const form &f, size_t size, align_val_t alignment)
{
    try {
        void *block = f.allocate(size, alignment);
        if (block == nullptr) {
            return outcome::null;
        }
        f.release(block, size, alignment);
        return outcome::block;
    } catch (const std::bad_alloc &) {
        return outcome::bad_alloc;
    } catch (const thrown_by_handler &) {
        return outcome::handler_exception;
    }
}

void check_failure(const form &f, bool ours)
{
    const size_t too_much = PTRDIFF_MAX - size_t{4096};
    const outcome failed = f.throws ? outcome::bad_alloc : outcome::null;

    std::set_new_handler(nullptr);
    check(try_form(f, too_much, usual) == failed, f.name,
          f.throws ? "too much memory throws bad_alloc" : "too much memory gives NULL");
    if (ours || !f.aligned) {
        check(try_form(f, SIZE_MAX, usual) == failed, f.name, "so does SIZE_MAX");
    }

    handler_calls = 0;
    std::set_new_handler(handler_that_gives_up);
    check(try_form(f, too_much, usual) == failed && handler_calls == 3, f.name,
          "the new-handler is called until there is none");

    handler_calls = 0;
    std::set_new_handler(handler_that_throws);
    check(try_form(f, too_much, usual) == (f.throws ? outcome::handler_exception : outcome::null) &&
              handler_calls == 1,
          f.name, f.throws ? "what the new-handler throws arrives" : "what the new-handler throws is caught");
    std::set_new_handler(nullptr);

    if (f.aligned) {
        check(try_form(f, 100, align_val_t(48)) == failed, f.name, "an alignment of 48 is refused");
    }
}

// There is no room left, for want of addresses under a limit or, on a simulated kernel, of memory: the handler frees a
// reserve, and then the request is met.
void check_recovery(const form &f)
{
    const size_t reserve_bytes = size_t{256} << 20;
    const size_t wanted_bytes = size_t{128} << 20;
    rlimit before;
    unsigned long pages = 0;
    std::FILE *statm = std::fopen("/proc/self/statm", "r");
    reserve = std::malloc(reserve_bytes);
    if (statm == nullptr || std::fscanf(statm, "%lu", &pages) != 1 || reserve == nullptr ||
        getrlimit(RLIMIT_AS, &before) != 0) {
        check(false, f.name, "the test of recovery can be set up");
        return;
    }
    std::fclose(statm);
    rlimit narrow = before;
    narrow.rlim_cur = pages * static_cast<unsigned long>(sysconf(_SC_PAGESIZE)) + (16u << 20);
    setrlimit(RLIMIT_AS, &narrow);
    std::array<void *, 64> others{};
    for (auto other = others.begin();
         other != others.end() && (*other = std::malloc(wanted_bytes)) != nullptr;) {
        ++other;
    }
    handler_calls = 0;
    std::set_new_handler(handler_that_frees);
    const outcome result = try_form(f, wanted_bytes, usual);
    std::set_new_handler(nullptr);
    setrlimit(RLIMIT_AS, &before);
    for (void *other : others) {
        std::free(other);
    }
    check(result == outcome::block && handler_calls == 1, f.name,
          "succeeds once the new-handler freed memory");
    std::free(reserve);
    reserve = nullptr;
}

void check_origin(const char *library)
{
    const char *names[] = {
        "_ZdlPv",
        "_ZdaPv",
        "_ZdlPvRKSt9nothrow_t",
        "_ZdaPvRKSt9nothrow_t",
        "_ZdlPvSt11align_val_t",
        "_ZdaPvSt11align_val_t",
        "_ZdlPvSt11align_val_tRKSt9nothrow_t",
        "_ZdaPvSt11align_val_tRKSt9nothrow_t",
#ifdef __LP64__
        "_Znwm",
        "_Znam",
        "_ZnwmRKSt9nothrow_t",
        "_ZnamRKSt9nothrow_t",
        "_ZnwmSt11align_val_t",
        "_ZnamSt11align_val_t",
        "_ZnwmSt11align_val_tRKSt9nothrow_t",
        "_ZnamSt11align_val_tRKSt9nothrow_t",
        "_ZdlPvm",
        "_ZdaPvm",
        "_ZdlPvmSt11align_val_t",
        "_ZdaPvmSt11align_val_t",
#else
        "_Znwj",
        "_Znaj",
        "_ZnwjRKSt9nothrow_t",
        "_ZnajRKSt9nothrow_t",
        "_ZnwjSt11align_val_t",
        "_ZnajSt11align_val_t",
        "_ZnwjSt11align_val_tRKSt9nothrow_t",
        "_ZnajSt11align_val_tRKSt9nothrow_t",
        "_ZdlPvj",
        "_ZdaPvj",
        "_ZdlPvjSt11align_val_t",
        "_ZdaPvjSt11align_val_t",
#endif
    };
    for (const char *name : names) {
        Dl_info info;
        void *address = dlsym(RTLD_DEFAULT, name);
        const bool found = address != nullptr && dladdr(address, &info) != 0 && info.dli_fname != nullptr;
        check(found && std::strstr(info.dli_fname, library) != nullptr, name,
              "comes from the library in question");
    }
}

} // namespace

int main(int count, char **words)
{
    if (count > 1 && std::strcmp(words[1], "--static") != 0) {
        check_origin(words[1]);
    }
    for (const form &f : forms) {
        check_success(f);
        check_failure(f, count > 1);
        check_recovery(f);
    }
    std::printf("1..%d\n", cases);
    return failures == 0 ? 0 : 1;
}
