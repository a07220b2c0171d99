/* SPDX-License-Identifier: MIT */
/* fuzz.h - what libFuzzer's targets share: the entry, what has to be true, and work that is done apart. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) ((condition) ? (void)0 : fuzz_give_up(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_give_up(const char *file, int line, const char *condition);

/* Does it in a child process, for what can be done once in a process; what it leaves behind is what it writes to memory
   that is shared. The code that it reaches counts as reached by the input. Gives up if the child does not come to its
   end, or needs more than some seconds. */
void fuzz_apart(void (*act)(void *context), void *context);

/* Memory that is shared with such children, zeroed. */
void *fuzz_shared(size_t bytes);

#endif
