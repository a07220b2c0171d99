/* SPDX-License-Identifier: MIT */
/* table.c - prints the table of tunables as docs/tuning.md has it; see tuning-page. */
#include <stdio.h>
#include "front/tune.h"

static void print_code(const char *name)
{
    if (name)
        printf(" `%s` |", name);
    else
        printf(" |");
}

static void print_own_variable(const char *key)
{
    printf(" `VMALLOC_");
    for (; *key; key++)
        putchar(vm_capital(*key));
    printf("` |");
}

static void print_accepted(const struct tunable *tunable)
{
    const char *separator = " ";
    switch (tunable->unit) {
    case TUNE_BYTES:
        printf(" a size |");
        break;
    case TUNE_COUNT:
        printf(tunable->most < SIZE_MAX ? " %llu to %llu |" : " from %llu |",
               (unsigned long long)tunable->least, (unsigned long long)tunable->most);
        break;
    case TUNE_FLAG:
    case TUNE_CHOICE:
        for (const struct tune_word *word = tunable->words; word->word; word++, separator = ", ")
            printf("%s%s", separator, word->word);
        printf(" |");
        break;
    case TUNE_TEXT:
        printf(" %s |", tunable->text);
        break;
    }
}

static void print_initial(const struct tunable *tunable)
{
    if (tunable->unit == TUNE_TEXT)
        printf(" %s |", tunable->initial_text);
    else
        printf(" %zu%s |", tunable->initial, tunable->is_dynamic ? ", dynamic" : "");
}

static void print_row(const struct tunable *tunable)
{
    printf("| `%s` |", tunable->key);
    print_code(tunable->constant);
    print_code(tunable->variable);
    print_code(tunable->tunable);
    print_own_variable(tunable->key);
    print_accepted(tunable);
    print_initial(tunable);
    printf(" %s |\n", tunable->help);
}

static void print_row_without_effect(const struct tunable *tunable)
{
    printf("| `%s` |", tunable->tunable);
    print_code(tunable->variable);
    print_code(tunable->constant);
    printf(" %s |\n", tunable->help);
}

int main(void)
{
    printf("| setting | `mallopt` | glibc's variable | in `GLIBC_TUNABLES` | our variable | accepted | "
           "default | "
           "meaning |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < vm_n_tunables; i++)
        if (vm_tunables[i].key)
            print_row(&vm_tunables[i]);
    printf("\nglibc's alone:\n\n| in `GLIBC_TUNABLES` | variable | `mallopt` | here |\n|---|---|---|---|\n");
    for (size_t i = 0; i < vm_n_tunables; i++)
        if (!vm_tunables[i].key)
            print_row_without_effect(&vm_tunables[i]);
    return 0;
}
