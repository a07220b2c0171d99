/* SPDX-License-Identifier: MIT */
/* mallinfo.c - mallinfo and mallinfo2 as glibc has them. Owns nothing; the figures are figures.c's. */
#include "base/bits.h"
#include "front/figures.h"
#include "pool/quick.h"
#include "vmalloc/vmalloc.h"

struct vm_mallinfo2 vm_mallinfo2(void)
{
    vm_quick_flush(); /* coalesced: else less lies free at the break than is free there */
    const struct sums sums = vm_figures_sum();
    return (struct vm_mallinfo2){
        .arena = sums.system_bytes,
        .ordblks = vm_max_size(sums.n_free, 1),
        .hblks = sums.large.n_large,
        .hblkhd = sums.large.large_bytes,
        .uordblks = sums.in_use_bytes,
        .fordblks = sums.free_bytes,
        .keepcost = sums.top_free_bytes,
    };
}

struct vm_mallinfo vm_mallinfo(void)
{
    const struct vm_mallinfo2 info = vm_mallinfo2();
    return (struct vm_mallinfo){
        .arena = (int)info.arena,
        .ordblks = (int)info.ordblks,
        .hblks = (int)info.hblks,
        .hblkhd = (int)info.hblkhd,
        .uordblks = (int)info.uordblks,
        .fordblks = (int)info.fordblks,
        .keepcost = (int)info.keepcost,
    };
}

VM_LIBC_NAME(mallinfo2, vm_mallinfo2);
VM_LIBC_NAME(mallinfo, vm_mallinfo);
VM_LIBC_NAME(__libc_mallinfo, vm_mallinfo);
