/* SPDX-License-Identifier: MIT */
/* maps.c - see maps.h. */
#include "maps.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct machine machine_make(size_t bytes, const struct vk_config *config)
{
    struct machine machine = {.bytes = bytes, .memory = aligned_alloc(64 * 1024, bytes)};
    assert_non_null(machine.memory);
    memset(machine.memory, 0xa5, bytes);
    const struct vk_region region = {.start = machine.memory, .bytes = bytes};
    assert_int_equal(vk_create(config, &region, &machine.kernel), 0);
    machine.mm = vk_flat_mm(machine.kernel);
    machine.page = vk_page_bytes(machine.kernel);
    vk_check(machine.kernel);
    return machine;
}

void machine_free(struct machine *machine)
{
    free(machine->memory);
    *machine = (struct machine){0};
}

void machine_unmap_all(const struct machine *machine)
{
    static struct text text;
    vk_brk(machine->mm, vk_usage(machine->mm).break_start);
    text_of_maps(machine->mm, &text);
    struct map_line line;
    for (const char *from = text.bytes; next_map_line(&from, &line);)
        assert_int_equal(vk_unmap(machine->mm, line.start, line.end - line.start), 0);
    vk_check(machine->kernel);
}

static void append(void *context, const char *bytes, size_t length)
{
    struct text *const text = context;
    UNIT_REQUIRE(length < sizeof text->bytes - text->length);
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = 0;
}

struct vk_writer text_writer(struct text *text)
{
    text->length = 0;
    text->bytes[0] = 0;
    return (struct vk_writer){append, text};
}

void text_of_maps(struct vk_mm *mm, struct text *text)
{
    const struct vk_writer writer = text_writer(text);
    vk_report_maps(mm, &writer);
}

void text_of_status(struct vk_mm *mm, struct text *text)
{
    const struct vk_writer writer = text_writer(text);
    vk_report_status(mm, &writer);
}

void text_of_buddyinfo(struct vk_kernel *kernel, struct text *text)
{
    const struct vk_writer writer = text_writer(text);
    vk_report_buddyinfo(kernel, &writer);
}

void text_of_file(const char *path, struct text *text)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    UNIT_REQUIRE(file >= 0);
    text->length = 0;
    ssize_t got;
    while ((got = read(file, text->bytes + text->length, sizeof text->bytes - 1 - text->length)) > 0)
        text->length += (size_t)got;
    text->bytes[text->length] = 0;
    close(file);
}

bool next_map_line(const char **at, struct map_line *line)
{
    if (!**at)
        return false;
    char *rest;
    line->start = strtoul(*at, &rest, 16);
    UNIT_REQUIRE(*rest == '-');
    line->end = strtoul(rest + 1, &rest, 16);
    UNIT_REQUIRE(rest[0] == ' ' && rest[4] && rest[5] == ' ');
    line->prot = (rest[1] == 'r' ? (unsigned)VK_PROT_READ : 0) |
                 (rest[2] == 'w' ? (unsigned)VK_PROT_WRITE : 0) |
                 (rest[3] == 'x' ? (unsigned)VK_PROT_EXEC : 0);
    const char *const end = strchr(rest, '\n');
    UNIT_REQUIRE(end);
    line->is_heap = end - rest > 6 && !memcmp(end - 6, "[heap]", 6);
    *at = end + 1;
    return true;
}

size_t status_bytes(const struct text *status, const char *field)
{
    const char *const at = strstr(status->bytes, field);
    UNIT_REQUIRE(at);
    return strtoul(at + strlen(field), NULL, 10) * 1024;
}

int map_anywhere(struct vk_mm *mm, size_t bytes, vk_va *start)
{
    return vk_map(mm, &(struct vk_map){.bytes = bytes, .prot = VK_PROT_READ | VK_PROT_WRITE}, start);
}

int map_at(struct vk_mm *mm, vk_va at, size_t bytes, unsigned prot)
{
    vk_va start;
    const struct vk_map wanted = {.hint = at, .bytes = bytes, .prot = prot, .flags = VK_MAP_FIXED};
    const int result = vk_map(mm, &wanted, &start);
    if (!result)
        UNIT_REQUIRE(start == at);
    return result;
}
