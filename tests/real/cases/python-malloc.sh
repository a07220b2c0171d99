# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# Python with PYTHONMALLOC=malloc: each object of the interpreter is a block of ours.
weight=light
packages='python3-minimal libpython3-stdlib'
programs=/usr/bin/python3

job() {
    PYTHONMALLOC=malloc /usr/bin/python3 - <<'END'
import ast
import collections
import gc
import hashlib
import os
import re
import threading
import zlib

folder = os.path.dirname(ast.__file__)
sources = {}
for name in sorted(os.listdir(folder)):
    if name.endswith(".py") and len(sources) < 60:
        with open(os.path.join(folder, name), encoding="utf-8") as source:
            sources[name] = source.read()

counts = collections.Counter()
dumps = hashlib.sha256()
for name, text in sources.items():
    tree = ast.parse(text)
    counts.update(type(node).__name__ for node in ast.walk(tree))
    dumps.update(ast.dump(tree).encode())
    compile(tree, name, "exec")
print(sum(counts.values()), counts.most_common(5), dumps.hexdigest())

results = {}

def work(number):
    words = collections.Counter()
    for name, text in sources.items():
        if len(name) % 4 == number:
            words.update(re.findall(r"[A-Za-z_]\w+", text))
            assert zlib.decompress(zlib.compress(text.encode())).decode() == text
    results[number] = (len(words), sum(words.values()), sorted(words.items(), key=lambda w: (-w[1], w[0]))[:5])

threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for number in sorted(results):
    print(number, results[number])

class Node:
    def __init__(self, next_node):
        self.next = next_node
        self.payload = bytearray(100)

for _ in range(20):
    ring = first = Node(None)
    for _ in range(2000):
        ring = Node(ring)
    first.next = ring
    del ring, first
    assert gc.collect() >= 2001
print("rings collected")
END
}
