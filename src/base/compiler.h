/* SPDX-License-Identifier: MIT */
/* compiler.h - every compiler extension that vmalloc uses, under one name each. */
#ifndef VM_BASE_COMPILER_H
#define VM_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/config.h"

#define VM_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define VM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define VM_INLINE static inline __attribute__((always_inline))
#define VM_NOINLINE __attribute__((noinline))
#define VM_COLD __attribute__((noinline, cold))
#define VM_NORETURN __attribute__((noreturn))
#define VM_ALIGNED(bytes) __attribute__((aligned(bytes)))
#define VM_UNUSED __attribute__((unused))
#define VM_WEAK __attribute__((weak))
#define VM_UNSANITIZED __attribute__((no_sanitize_address, no_sanitize_thread))
#define VM_CONSTRUCTOR __attribute__((constructor(101)))
#if defined(__SANITIZE_THREAD__)
#define VM_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VM_THREAD_SANITIZER
#endif
#endif
#define VM_DESTRUCTOR __attribute__((destructor(101)))

/* The address, hidden from the optimiser, which would otherwise fold constants into it that cost
   instructions. */
#define VM_OPAQUE(address)                                                                                   \
    __extension__({                                                                                          \
        __typeof__(address) opaque_ = (address);                                                             \
        __asm__("" : "+r"(opaque_));                                                                         \
        opaque_;                                                                                             \
    })

/* The same, and kept out of the register in which functions return, where GCC would put it, and move it again. */
#if defined(__x86_64__)
#define VM_OPAQUE_ASIDE(address)                                                                             \
    __extension__({                                                                                          \
        __typeof__(address) opaque_ = (address);                                                             \
        __asm__("" : "+d"(opaque_));                                                                         \
        opaque_;                                                                                             \
    })
#else
#define VM_OPAQUE_ASIDE VM_OPAQUE
#endif

/* One thread-local word, reached without a call: anything else would let the loader allocate inside
   malloc. */
#if !VM_THREADS
#define VM_THREAD_LOCAL
#elif defined(_WIN32)
#define VM_THREAD_LOCAL __thread /* one model; GCC's asks the C library's malloc, which we are not there */
#else
#define VM_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#endif

/*
 * Exports the function `target` of this file under the C library's name `name` too. Only the libraries that
 * take malloc's place are compiled with VM_LIBC_NAMES; unit tests link the same code under its vm_ names
 * alone.
 */
#ifdef VM_LIBC_NAMES
#ifdef __clang__
#define VM_ALIAS_BEGIN
#define VM_ALIAS_END
#else
#define VM_ALIAS_BEGIN                                                                                       \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmissing-attributes\"")
#define VM_ALIAS_END _Pragma("GCC diagnostic pop")
#endif
#define VM_LIBC_NAME(name, target)                                                                           \
    VM_ALIAS_BEGIN extern __typeof(target) name __attribute__((alias(#target), visibility("default")));      \
    VM_ALIAS_END
#else
#define VM_LIBC_NAME(name, target)
#endif

/*
 * A value that differs between any two threads that live at the same time: the address of the thread control
 * block. It may return once its thread is dead, so whoever stores it must not compare it after that.
 */
VM_INLINE uintptr_t vm_thread_id(void)
{
#if !VM_THREADS
    return 1;
#elif defined(_WIN64) && defined(__x86_64__)
    uintptr_t id;
    __asm__("mov %%gs:0x30, %0" : "=r"(id));
    return id;
#elif defined(__x86_64__) && defined(__LP64__)
    uintptr_t id;
    __asm__("mov %%fs:0, %0" : "=r"(id));
    return id;
#elif defined(__i386__)
    uintptr_t id;
    __asm__("mov %%gs:0, %0" : "=r"(id));
    return id;
#elif defined(__aarch64__)
    uintptr_t id;
    __asm__("mrs %0, tpidr_el0" : "=r"(id));
    return id;
#else
    return (uintptr_t)__builtin_thread_pointer();
#endif
}

/* Tells the processor that this is a waiting loop. */
VM_INLINE void vm_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
