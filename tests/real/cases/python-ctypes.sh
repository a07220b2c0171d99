# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# Python asks the allocator about itself, through ctypes: mallinfo2, malloc_info, malloc_trim, mallopt. The answers are
# those of the allocator in effect, and true: 100 MiB are seen to come, to be freed, and to go back to the kernel.
weight=light
packages='python3-minimal libpython3-stdlib'
programs=/usr/bin/python3

job() {
    cat >ask.py <<'END'
import ctypes
import os
import re
import xml.dom.minidom

MIB = 1 << 20
FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()


class Info(ctypes.Structure):
    _fields_ = [(field, ctypes.c_size_t) for field in FIELDS]


class Place(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p),
                ("name", ctypes.c_char_p), ("address", ctypes.c_void_p)]


process = ctypes.CDLL(None)
process.mallinfo2.restype = Info
process.malloc.restype = ctypes.c_void_p
process.malloc.argtypes = [ctypes.c_size_t]
process.free.argtypes = [ctypes.c_void_p]
process.malloc_trim.argtypes = [ctypes.c_size_t]
process.open_memstream.restype = ctypes.c_void_p
process.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
process.fclose.argtypes = [ctypes.c_void_p]

# Whose are they? (Of malloc and free the driver asks: a program at a fixed address may have entries of its own.)
for name in "mallinfo2 malloc_trim malloc_info malloc_stats mallopt".split():
    place = Place()
    assert process.dladdr(ctypes.cast(getattr(process, name), ctypes.c_void_p), ctypes.byref(place))
    wanted = os.environ["lib"] or "/libc.so.6"
    print(name, "of the allocator in effect:", place.file.decode().endswith(wanted))


def resident():
    with open("/proc/self/smaps_rollup", encoding="ascii") as text:
        return int(re.search(r"Rss: *(\d+) kB", text.read()).group(1)) * 1024


def look(what):
    info = process.mallinfo2()
    in_use = info.uordblks + info.hblkhd
    look.last = {"in use": in_use, "free": info.fordblks, "arena": info.arena, "mappings": info.hblks,
                 "mapped": info.hblkhd, "resident": resident()}
    print(what, "adds up:", info.arena == info.uordblks + info.fordblks)
    return dict(look.last)


def tell(what, value, wanted, tolerance=4 * MIB):
    good = abs(value - wanted) <= tolerance
    print(what + ":", "as it should be" if good else "%d, wanted about %d" % (value, wanted))


def allocate(n_blocks, size):
    blocks = (ctypes.c_void_p * n_blocks)()
    for i in range(n_blocks):
        blocks[i] = process.malloc(size)
        ctypes.memset(blocks[i], 1, size)
    return blocks


def difference(after, before, what):
    return after[what] - before[what]


# 100 MiB in small blocks, then all but a few of them freed, then trimmed. The end of the heap, a tenth of all that lies
# behind the last block, waits for malloc_trim: mallopt(M_TRIM_THRESHOLD, 1 GiB).
print("mallopt says", process.mallopt(-1, 1 << 30))
before = look("at first")
blocks = allocate(100 * 1024, 1000)
live = look("with 100,000 blocks")
tell("in use", difference(live, before, "in use"), 100 * 1024 * 1000, 8 * MIB)
tell("resident", difference(live, before, "resident"), 100 * 1024 * 1000, 8 * MIB)
for i in range(len(blocks)):
    if i % 10240:
        process.free(blocks[i])
freed = look("freed")
tell("in use again", difference(freed, before, "in use"), 0)
process.malloc_trim(0)
trimmed = look("trimmed")
tell("in use after the trim", difference(trimmed, before, "in use"), 0)
tell("resident after the trim", difference(trimmed, before, "resident"), 0, 12 * MIB)
print("the heap ends no higher:", difference(freed, trimmed, "arena") >= 0)
# The trim before left nothing to do; a malloc, a free and no trim of its own may give it some.
print("malloc_trim says", process.malloc_trim(0) in (0, 1))

# Mapped blocks. The list above was one, too.
blocks = None
before = look("before the mapped ones")
blocks = allocate(10, 10 * MIB)
live = look("with 10 mapped ones")
print("mappings:", difference(live, before, "mappings"))
tell("mapped", difference(live, before, "mapped"), 100 * MIB, MIB)
for block in blocks:
    process.free(block)
gone = look("freed")
print("mappings:", difference(gone, before, "mappings"))
tell("mapped", difference(gone, before, "mapped"), 0, 0)
tell("resident", difference(gone, before, "resident"), 0)

# The threshold: mallopt(M_MMAP_THRESHOLD), which is -3, moves it up. 1 is M_MXFAST.
blocks = [process.malloc(15 * MIB)]
print("mappings:", difference(look("with 15 MiB"), gone, "mappings"))
print("mallopt says", process.mallopt(-3, 20 * MIB), process.mallopt(1, -5))
blocks.append(process.malloc(15 * MIB))
print("mappings:", difference(look("with 15 MiB below the threshold"), gone, "mappings"))
for block in blocks:
    process.free(block)

# malloc_info into a stream in memory, which itself allocates.
text, length = ctypes.c_char_p(), ctypes.c_size_t()
stream = process.open_memstream(ctypes.byref(text), ctypes.byref(length))
print("malloc_info says", process.malloc_info(0, stream), process.malloc_info(1, stream))
process.fclose(stream)
report = xml.dom.minidom.parseString(text.value.decode()).documentElement
print(report.tagName, report.getAttribute("version"), len(text.value) == length.value)
totals = {node.getAttribute("type"): int(node.getAttribute("size"))
          for node in report.childNodes if node.nodeName in ("total", "system")}
print("fields:", sorted(totals))
tell("its sum", totals["current"], process.mallinfo2().arena, MIB)
END
    /usr/bin/python3 ask.py
}
