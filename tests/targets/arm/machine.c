/* SPDX-License-Identifier: MIT */
/* machine.c - the start of a program on qemu's mps2-an385, which has the data in its place and the rest cleared. */
#include <stdlib.h>
#include <unistd.h>

int main(void);
void initialise_monitor_handles(void);
void __libc_init_array(void);
void machine_start(void);
extern char machine_stack[];

/* _exit of newlib calls nothing before the machine ends; 1 is any failure to it. */
static void machine_fault(void)
{
    _exit(1);
}

void machine_start(void)
{
    initialise_monitor_handles();
    __libc_init_array();
    exit(main());
}

/* Stack, reset, then the faults. */
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    machine_stack, machine_start, machine_fault, machine_fault, machine_fault, machine_fault, machine_fault,
};

/* What __libc_init_array calls besides. */
void _init(void);
void _fini(void);
void _init(void)
{
}
void _fini(void)
{
}
