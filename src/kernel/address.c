/* SPDX-License-Identifier: MIT */
/*
 * address.c - see address.h. What can be known without files, locks and the loader: what the kernel passed to
 * the process (the auxiliary vector), where the break is, and what a few words of the memory itself hold.
 *
 * Whether memory can be read is asked of the kernel by a futex wait that does not wait: it reads the word
 * first. That call is among those that an allocator makes anyway, so that no system call filter minds.
 */
#include <errno.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kernel/address.h"
#include "base/bits.h"
#include "base/config.h"
#include "kernel/kernel.h"

/* From Linux's <linux/futex.h>, which not every C library comes with. */
#define FUTEX_WAIT_PRIVATE 128L

enum { STACK_BYTES_MAX = 8 * VM_MIB };

static bool is_within(uintptr_t address, uintptr_t start, uintptr_t end)
{
    return address >= start && address < end;
}

static bool can_read(uintptr_t address)
{
    const int saved_errno = errno;
    const long no_time[2] = {0, 0};
    const long unlikely_value = 0x5ca1ab1e;
    const long result =
        syscall(SYS_futex, address & ~(uintptr_t)3, FUTEX_WAIT_PRIVATE, unlikely_value, no_time, NULL, 0L);
    const bool is_readable = result == 0 || errno != EFAULT;
    errno = saved_errno;
    return is_readable;
}

/* Where the kernel put 16 random bytes for the C library: above the main thread's stack, below its strings. */
static uintptr_t main_stack_end(void)
{
    return (uintptr_t)getauxval(AT_RANDOM);
}

static bool is_argument(uintptr_t address)
{
    const char *const program_name = (const char *)getauxval(AT_EXECFN); /* the last of the strings */
    return program_name && is_within(address, main_stack_end(), (uintptr_t)program_name);
}

/* A thread's control block lies at the end of its stack, except the main thread's. */
static bool is_in_own_stack(uintptr_t address)
{
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0), thread = vm_thread_id();
    const uintptr_t end = thread > frame ? thread : main_stack_end();
    return is_within(address, frame, end) && address - frame < STACK_BYTES_MAX;
}

static bool is_in_main_stack(uintptr_t address)
{
    const uintptr_t end = main_stack_end();
    return address < end && end - address < STACK_BYTES_MAX;
}

/* From the program's first segment to the end of its last. */
struct image {
    uintptr_t start, end;
};

static struct image program_image(void)
{
    const ElfW(Phdr) *const header = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    const size_t n_headers = getauxval(AT_PHNUM);
    struct image image = {0};
    uintptr_t bias = 0;
    for (size_t i = 0; header && i < n_headers; i++) {
        if (header[i].p_type != PT_LOAD)
            continue;
        if (header[i].p_offset == 0) { /* the program headers are in the first page of this segment */
            image.start = vm_round_down((uintptr_t)header, vm_kernel.page_bytes);
            bias = image.start - vm_round_down(header[i].p_vaddr, vm_kernel.page_bytes);
        }
        image.end = bias + header[i].p_vaddr + header[i].p_memsz;
    }
    return image;
}

/* The break begins behind the program's image, but for static programs that the kernel placed anywhere. There, what
   was below it before we asked first is not known to be the break's. */
static bool is_in_break(uintptr_t address)
{
    const uintptr_t now = (uintptr_t)sbrk(0), image_end = program_image().end;
    const uintptr_t first = vm_linux_first_break ? (uintptr_t)vm_linux_first_break : now;
    return is_within(address, image_end <= now ? image_end : first, now);
}

#ifdef __GLIBC__

/*
 * A live block of glibc's malloc has two words before it: bytes of the neighbour below, and its own bytes
 * with three flags.
 */
enum { CHUNK_NEIGHBOUR_LIVE = 1, CHUNK_MAPPED = 2, CHUNK_OF_THREAD_ARENA = 4, CHUNK_FLAGS = 7 };

/* Parts of a thread's arena are mapped aligned to this, and begin with the arena and the part before. */
static const uintptr_t HEAP_PART_BYTES = sizeof(long) == 8 ? 64 * VM_MIB : VM_MIB;

struct heap_part {
    uintptr_t arena, before, bytes;
};

VM_UNSANITIZED static bool is_mapped_chunk(const uintptr_t *header, uintptr_t bytes)
{
    const uintptr_t start = (uintptr_t)header - header[0];
    return header[0] < vm_kernel.page_bytes + bytes &&
           (start | (header[0] + bytes)) % vm_kernel.page_bytes == 0;
}

VM_UNSANITIZED static bool is_in_heap_part(uintptr_t chunk, uintptr_t bytes)
{
    const struct heap_part *const part = (const struct heap_part *)vm_round_down(chunk, HEAP_PART_BYTES);
    return can_read((uintptr_t)part) && part->arena && part->bytes <= HEAP_PART_BYTES &&
           part->bytes % vm_kernel.page_bytes == 0 && chunk + bytes <= (uintptr_t)part + part->bytes &&
           can_read(part->arena);
}

VM_UNSANITIZED static bool is_libc_block(uintptr_t address)
{
    const uintptr_t chunk = address - 2 * sizeof(uintptr_t);
    const uintptr_t *const header = (const uintptr_t *)chunk;
    if (address % VM_BLOCK_ALIGN || !can_read(chunk) || !can_read(chunk + sizeof(uintptr_t)))
        return false;
    const uintptr_t flags = header[1] & CHUNK_FLAGS, bytes = header[1] - flags;
    const uintptr_t next = chunk + bytes + sizeof(uintptr_t);
    if (bytes < 4 * sizeof(uintptr_t) || next < chunk)
        return false;
    if (flags == CHUNK_MAPPED)
        return is_mapped_chunk(header, bytes);
    if (flags & CHUNK_MAPPED || bytes % VM_BLOCK_ALIGN || !can_read(next) ||
        !(*(const uintptr_t *)next & CHUNK_NEIGHBOUR_LIVE))
        return false;
    return flags & CHUNK_OF_THREAD_ARENA ? is_in_heap_part(chunk, bytes) : is_in_break(next);
}

#else

static bool is_libc_block(uintptr_t address)
{
    (void)address;
    return false;
}

#endif

enum vm_address vm_address_kind(const void *pointer)
{
    const uintptr_t address = (uintptr_t)pointer;
    const struct image program = program_image();
    if (!can_read(address))
        return VM_ADDRESS_NOTHING;
    if (is_argument(address))
        return VM_ADDRESS_ARGUMENTS;
    if (is_in_own_stack(address))
        return VM_ADDRESS_STACK;
    if (is_in_main_stack(address))
        return VM_ADDRESS_MAIN_STACK;
    if (is_within(address, program.start, program.end))
        return VM_ADDRESS_PROGRAM;
    if (is_libc_block(address))
        return VM_ADDRESS_LIBC;
    if (is_in_break(address))
        return VM_ADDRESS_BREAK;
    return vm_kernel_is_unused(pointer) ? VM_ADDRESS_NOTHING : VM_ADDRESS_OTHER;
}
