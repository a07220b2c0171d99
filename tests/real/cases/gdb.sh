# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# gdb on a small program: breakpoints, backtraces, pretty-printed values, Python, a crash, a core file.
weight=light
packages='gdb gcc libc6-dev'
programs=/usr/bin/gdb

job() {
    cat >small.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
    char name[16];
    int value;
};

static struct node *push(struct node *list, int value) {
    struct node *made = malloc(sizeof *made);
    made->next = list;
    made->value = value;
    snprintf(made->name, sizeof made->name, "node %d", value);
    return made;
}

static int sum(const struct node *list) {
    return list == NULL ? 0 : list->value + sum(list->next);
}

int main(int argc, char **argv) {
    struct node *list = NULL;
    for (int i = 1; i <= 10; i++) {
        list = push(list, i * i);
    }
    int total = sum(list);
    printf("total %d\n", total);
    if (argc > 1) {
        *(volatile int *)(argv[1] - argv[1]) = total;
    }
    while (list != NULL) {
        struct node *next = list->next;
        free(list);
        list = next;
    }
    return 5;
}
END
    gcc -g -O0 -fdebug-prefix-map="$PWD"=. small.c -o small
    # A container may forbid tracing; then there is nothing to compare.
    gdb -nx -batch -ex 'set startup-with-shell off' -ex 'break main' -ex run ./small >probe 2>&1 || true
    grep -q '^Breakpoint 1, main' probe || not_here "gdb cannot trace a process here: $(tail -n 1 probe)"
    cat >commands <<'END'
set startup-with-shell off
set print address off
set print frame-arguments scalars
break push if value == 49
commands
silent
print value
print *list
backtrace
continue
end
break sum if list == 0
run
backtrace
up 3
print *list
print list->next->next->name
info locals
ptype struct node
info source
python print(sum(int(gdb.parse_and_eval("list->next->value")) * n for n in range(1000)))
python
found = []
def visit(symbol):
    found.append((symbol.name, symbol.line))
for symbol in gdb.selected_frame().block().global_block: visit(symbol)
for symbol in gdb.selected_frame().block().static_block: visit(symbol)
print(sorted(found))
end
delete
frame function main
watch total
continue
continue
info functions ^push$
list sum
info line main
disassemble /s sum
END
    gdb -nx -batch -x commands ./small 2>&1 |
        sed -E "s/0x[0-9a-f]+/ADDRESS/g; s/process [0-9]+/process N/g; s#$PWD#.#g" |
        grep -v -e '^warning: Error disabling address space' -e 'libthread_db' -e '^Run till exit'
    gdb -nx -batch -ex 'set startup-with-shell off' -ex 'set print address off' -ex run -ex backtrace \
        -ex 'print total' -ex "generate-core-file $PWD/core.small" --args ./small crash 2>&1 |
        grep -E '^(Program received|#|\$|Saved corefile)' | sed "s#$PWD#.#"
    gdb -nx -batch -ex 'set print address off' -ex backtrace -ex 'print *list' ./small core.small 2>&1 |
        grep -E '^(Program terminated|#|\$)' | sed -E 's/0x[0-9a-f]+/ADDRESS/g'
    gdb -nx -batch ./small -ex 'print nothing_there' 2>&1 || echo "status $?"
}
