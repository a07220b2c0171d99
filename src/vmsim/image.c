/* SPDX-License-Identifier: MIT */
/* image.c - see image.h. Files of 32 and 64 bits in this host's byte order. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "vmsim/image.h"

static unsigned prot_of(uint32_t flags)
{
    return (flags & PF_R ? VK_PROT_READ : 0U) | (flags & PF_W ? VK_PROT_WRITE : 0U) |
           (flags & PF_X ? VK_PROT_EXEC : 0U);
}

/* One header of a segment, of either width. False: it cannot be taken. */
static bool add_segment(struct image *image, uint32_t type, const struct vk_segment *segment)
{
    if (type != PT_LOAD || !segment->bytes)
        return true;
    if (image->n_segments == IMAGE_SEGMENTS_MOST || segment->file_bytes > segment->bytes)
        return false;
    image->segment[image->n_segments++] = *segment;
    return true;
}

static bool read_segment_64(FILE *file, struct image *image)
{
    Elf64_Phdr header;
    if (fread(&header, sizeof header, 1, file) != 1)
        return false;
    return add_segment(
        image, header.p_type,
        &(struct vk_segment){header.p_vaddr, header.p_filesz, header.p_memsz, prot_of(header.p_flags)});
}

static bool read_segment_32(FILE *file, struct image *image)
{
    Elf32_Phdr header;
    if (fread(&header, sizeof header, 1, file) != 1)
        return false;
    return add_segment(
        image, header.p_type,
        &(struct vk_segment){header.p_vaddr, header.p_filesz, header.p_memsz, prot_of(header.p_flags)});
}

static const char *read_headers(FILE *file, struct image *image)
{
    union {
        unsigned char ident[EI_NIDENT];
        Elf64_Ehdr wide;
        Elf32_Ehdr narrow;
    } header = {0};
    const unsigned char order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    if (fread(&header, 1, sizeof header, file) < sizeof header.narrow ||
        memcmp(header.ident, ELFMAG, SELFMAG) != 0)
        return "not an ELF file";
    const bool is_wide = header.ident[EI_CLASS] == ELFCLASS64;
    const unsigned type = is_wide ? header.wide.e_type : header.narrow.e_type;
    if (header.ident[EI_DATA] != order || (type != ET_EXEC && type != ET_DYN))
        return "not a program for this byte order";
    const uint64_t start = is_wide ? header.wide.e_phoff : header.narrow.e_phoff;
    const unsigned n = is_wide ? header.wide.e_phnum : header.narrow.e_phnum;
    image->is_movable = type == ET_DYN;
    if (start > INT32_MAX || fseek(file, (long)start, SEEK_SET) != 0)
        return "its headers are not in the file";
    for (unsigned i = 0; i < n; i++)
        if (is_wide ? !read_segment_64(file, image) : !read_segment_32(file, image))
            return "its headers are not in the file, or name too many segments";
    return image->n_segments ? NULL : "it has no segments";
}

const char *image_read(const char *path, struct image *image)
{
    *image = (struct image){0};
    FILE *const file = fopen(path, "rb");
    if (!file)
        return strerror(errno);
    const char *const why = read_headers(file, image);
    fclose(file);
    return why;
}
