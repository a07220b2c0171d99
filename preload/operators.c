/* SPDX-License-Identifier: MIT */
/*
 * operators.c - C++ operator new and delete, all forms, in C under their mangled names, on top of malloc and free.
 *
 * Success is one call of malloc. Failure belongs to the C++ library, which alone can throw and catch:
 *  - shared library (VM_CXX_SHARED): a form that gets no memory goes on in the C++ library's own form of the same
 *    name, which calls the new-handlers, throws std::bad_alloc, or catches and returns NULL;
 *  - archive: there is no other form of the same name to go on in. The throwing forms loop over the new-handlers
 *    here; the nothrow forms are left to the C++ library, whose own call ours inside a try block.
 * Exceptions pass through these frames: compile with -fexceptions. Uses: malloc, aligned_alloc, free. No state.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT, dladdr */
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define VM_CXX_API __attribute__((visibility("default")))

/* size_t is unsigned long (m) on 64-bit Linux and unsigned int (j) on 32-bit. */
#ifdef __LP64__
#define VM_WITH_SIZE(before, after) before##m##after
#else
#define VM_WITH_SIZE(before, after) before##j##after
#endif
#define VM_STRING_OF(name) #name
#define VM_STRING(name) VM_STRING_OF(name)

#define VM_NEW VM_WITH_SIZE(_Znw, )
#define VM_NEW_ARRAY VM_WITH_SIZE(_Zna, )
#define VM_NEW_ALIGNED VM_WITH_SIZE(_Znw, St11align_val_t)
#define VM_NEW_ARRAY_ALIGNED VM_WITH_SIZE(_Zna, St11align_val_t)
#define VM_NEW_NOTHROW VM_WITH_SIZE(_Znw, RKSt9nothrow_t)
#define VM_NEW_ARRAY_NOTHROW VM_WITH_SIZE(_Zna, RKSt9nothrow_t)
#define VM_NEW_ALIGNED_NOTHROW VM_WITH_SIZE(_Znw, St11align_val_tRKSt9nothrow_t)
#define VM_NEW_ARRAY_ALIGNED_NOTHROW VM_WITH_SIZE(_Zna, St11align_val_tRKSt9nothrow_t)

static inline void *allocate(size_t size)
{
    return malloc(size != 0 ? size : 1);
}

/* NULL also for an alignment that is not a power of two: C++ wants bad_alloc for it. */
static inline void *allocate_aligned(size_t size, size_t alignment)
{
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
        return NULL;
    }
    return aligned_alloc(alignment < sizeof(void *) ? sizeof(void *) : alignment, size != 0 ? size : 1);
}

#ifdef VM_CXX_SHARED

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

/* A C++ library's own form; the union turns what dlsym returns into the function that it is. */
union own_form {
    void *address;
    void *(*plain)(size_t size);
    void *(*aligned)(size_t size, size_t alignment);
    void *(*nothrow)(size_t size, const void *tag);
    void *(*aligned_nothrow)(size_t size, size_t alignment, const void *tag);
};

/*
 * The C++ library's form `name`: the next one in the global scope or, where a plug-in brought the C++ library into
 * a scope of its own, the one that the module of the code at `caller` sees. Its address is NULL if there is none.
 */
static union own_form find_own_form(const char *name, const void *caller)
{
    union own_form form = {.address = dlsym(RTLD_NEXT, name)};
    Dl_info info;
    if (form.address != NULL || dladdr(caller, &info) == 0 || info.dli_fname == NULL) {
        return form;
    }
    void *module = dlopen(info.dli_fname, RTLD_NOLOAD | RTLD_LAZY);
    if (module == NULL) {
        return form;
    }
    form.address = dlsym(module, name);
    dlclose(module);
    Dl_info own, ours;
    if (form.address != NULL && dladdr(form.address, &own) != 0 &&
        dladdr((const void *)(uintptr_t)find_own_form, &ours) != 0 && own.dli_fbase == ours.dli_fbase) {
        form.address = NULL; /* the plug-in is linked with this library: that is where we come from */
    }
    return form;
}

/* A form that must throw, in a process in which nothing can. */
__attribute__((noreturn, cold)) static void die(void)
{
    static const char message[] =
        "vmalloc: operator new: out of memory, and no C++ library to throw std::bad_alloc\n";
    if (write(STDERR_FILENO, message, strlen(message)) < 0) {
        abort();
    }
    abort();
}

__attribute__((noinline, cold)) static void *own_new(const char *name, const void *caller, size_t size)
{
    union own_form form = find_own_form(name, caller);
    if (form.address == NULL) {
        die();
    }
    return form.plain(size);
}

/* libstdc++ 12 rounds an aligned request up to whole alignments without a look at overflow: SIZE_MAX becomes 0. */
static inline size_t without_overflow(size_t size)
{
    return size < PTRDIFF_MAX ? size : PTRDIFF_MAX;
}

__attribute__((noinline, cold)) static void *own_new_aligned(const char *name, const void *caller,
                                                             size_t size, size_t alignment)
{
    union own_form form = find_own_form(name, caller);
    if (form.address == NULL) {
        die();
    }
    return form.aligned(without_overflow(size), alignment);
}

__attribute__((noinline, cold)) static void *own_new_nothrow(const char *name, const void *caller,
                                                             size_t size, const void *tag)
{
    union own_form form = find_own_form(name, caller);
    return form.address != NULL ? form.nothrow(size, tag) : NULL;
}

__attribute__((noinline, cold)) static void *own_new_aligned_nothrow(const char *name, const void *caller,
                                                                     size_t size, size_t alignment,
                                                                     const void *tag)
{
    union own_form form = find_own_form(name, caller);
    return form.address != NULL ? form.aligned_nothrow(without_overflow(size), alignment, tag) : NULL;
}

#define VM_NEW_FAILED(name, size) own_new(VM_STRING(name), __builtin_return_address(0), size)
#define VM_NEW_ALIGNED_FAILED(name, size, alignment)                                                         \
    own_new_aligned(VM_STRING(name), __builtin_return_address(0), size, alignment)

#define VM_DEFINE_NEW_NOTHROW(name)                                                                          \
    VM_CXX_API void *name(size_t size, const void *tag)                                                      \
    {                                                                                                        \
        void *block = allocate(size);                                                                        \
        return __builtin_expect(block != NULL, 1)                                                            \
                   ? block                                                                                   \
                   : own_new_nothrow(VM_STRING(name), __builtin_return_address(0), size, tag);               \
    }

#define VM_DEFINE_NEW_ALIGNED_NOTHROW(name)                                                                  \
    VM_CXX_API void *name(size_t size, size_t alignment, const void *tag)                                    \
    {                                                                                                        \
        void *block = allocate_aligned(size, alignment);                                                     \
        return __builtin_expect(block != NULL, 1)                                                            \
                   ? block                                                                                   \
                   : own_new_aligned_nothrow(VM_STRING(name), __builtin_return_address(0), size, alignment,  \
                                             tag);                                                           \
    }

#else /* archive */

/* std::get_new_handler() and std::__throw_bad_alloc(): the same names in libstdc++ and libc++. */
void (*_ZSt15get_new_handlerv(void))(void);
__attribute__((noreturn)) void _ZSt17__throw_bad_allocv(void);

/* One round of what C++ prescribes for lack of memory: returns if the handler may have found some. */
static void call_new_handler(void)
{
    void (*handler)(void) = _ZSt15get_new_handlerv();
    if (handler == NULL) {
        _ZSt17__throw_bad_allocv();
    }
    handler();
}

__attribute__((noinline, cold)) static void *new_with_handler(size_t size)
{
    void *block;
    do {
        call_new_handler();
        block = allocate(size);
    } while (block == NULL);
    return block;
}

__attribute__((noinline, cold)) static void *new_aligned_with_handler(size_t size, size_t alignment)
{
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
        _ZSt17__throw_bad_allocv(); /* no handler can help */
    }
    void *block;
    do {
        call_new_handler();
        block = allocate_aligned(size, alignment);
    } while (block == NULL);
    return block;
}

#define VM_NEW_FAILED(name, size) new_with_handler(size)
#define VM_NEW_ALIGNED_FAILED(name, size, alignment) new_aligned_with_handler(size, alignment)

#endif

#define VM_DEFINE_NEW(name)                                                                                  \
    VM_CXX_API void *name(size_t size)                                                                       \
    {                                                                                                        \
        void *block = allocate(size);                                                                        \
        return __builtin_expect(block != NULL, 1) ? block : VM_NEW_FAILED(name, size);                       \
    }

#define VM_DEFINE_NEW_ALIGNED(name)                                                                          \
    VM_CXX_API void *name(size_t size, size_t alignment)                                                     \
    {                                                                                                        \
        void *block = allocate_aligned(size, alignment);                                                     \
        return __builtin_expect(block != NULL, 1) ? block : VM_NEW_ALIGNED_FAILED(name, size, alignment);    \
    }

VM_DEFINE_NEW(VM_NEW)
VM_DEFINE_NEW(VM_NEW_ARRAY)
VM_DEFINE_NEW_ALIGNED(VM_NEW_ALIGNED)
VM_DEFINE_NEW_ALIGNED(VM_NEW_ARRAY_ALIGNED)

#ifdef VM_CXX_SHARED
VM_DEFINE_NEW_NOTHROW(VM_NEW_NOTHROW)
VM_DEFINE_NEW_NOTHROW(VM_NEW_ARRAY_NOTHROW)
VM_DEFINE_NEW_ALIGNED_NOTHROW(VM_NEW_ALIGNED_NOTHROW)
VM_DEFINE_NEW_ALIGNED_NOTHROW(VM_NEW_ARRAY_ALIGNED_NOTHROW)
#endif

/* All deletes are free. The sizes and alignments are never trusted: real programs pass wrong ones. */

#define VM_DEFINE_DELETE(name)                                                                               \
    VM_CXX_API void name(void *block)                                                                        \
    {                                                                                                        \
        free(block);                                                                                         \
    }

#define VM_DEFINE_DELETE_WITH_HINT(name)                                                                     \
    VM_CXX_API void name(void *block, size_t hint)                                                           \
    {                                                                                                        \
        (void)hint;                                                                                          \
        free(block);                                                                                         \
    }

#define VM_DEFINE_DELETE_WITH_HINTS(name)                                                                    \
    VM_CXX_API void name(void *block, size_t size, size_t alignment)                                         \
    {                                                                                                        \
        (void)size;                                                                                          \
        (void)alignment;                                                                                     \
        free(block);                                                                                         \
    }

#define VM_DEFINE_DELETE_NOTHROW(name)                                                                       \
    VM_CXX_API void name(void *block, const void *tag)                                                       \
    {                                                                                                        \
        (void)tag;                                                                                           \
        free(block);                                                                                         \
    }

#define VM_DEFINE_DELETE_ALIGNED_NOTHROW(name)                                                               \
    VM_CXX_API void name(void *block, size_t alignment, const void *tag)                                     \
    {                                                                                                        \
        (void)alignment;                                                                                     \
        (void)tag;                                                                                           \
        free(block);                                                                                         \
    }

VM_DEFINE_DELETE(_ZdlPv)
VM_DEFINE_DELETE(_ZdaPv)
VM_DEFINE_DELETE_WITH_HINT(VM_WITH_SIZE(_ZdlPv, ))
VM_DEFINE_DELETE_WITH_HINT(VM_WITH_SIZE(_ZdaPv, ))
VM_DEFINE_DELETE_WITH_HINT(_ZdlPvSt11align_val_t)
VM_DEFINE_DELETE_WITH_HINT(_ZdaPvSt11align_val_t)
VM_DEFINE_DELETE_WITH_HINTS(VM_WITH_SIZE(_ZdlPv, St11align_val_t))
VM_DEFINE_DELETE_WITH_HINTS(VM_WITH_SIZE(_ZdaPv, St11align_val_t))
VM_DEFINE_DELETE_NOTHROW(_ZdlPvRKSt9nothrow_t)
VM_DEFINE_DELETE_NOTHROW(_ZdaPvRKSt9nothrow_t)
VM_DEFINE_DELETE_ALIGNED_NOTHROW(_ZdlPvSt11align_val_tRKSt9nothrow_t)
VM_DEFINE_DELETE_ALIGNED_NOTHROW(_ZdaPvSt11align_val_tRKSt9nothrow_t)
