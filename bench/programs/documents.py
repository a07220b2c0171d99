# SPDX-License-Identifier: MIT
"""JSON documents printed and read again: strings and numbers of all lengths that live for a short while."""
import hashlib
import json
import random
import sys

random.seed(11)


def value(depth):
    kind = random.randrange(6 if depth else 3)
    if kind == 0:
        return random.randrange(10 ** random.randrange(1, 30))
    if kind == 1:
        return random.random() * 1000
    if kind == 2:
        return "".join(chr(random.randrange(32, 600)) for _ in range(random.randrange(80)))
    if kind == 3:
        return [value(depth - 1) for _ in range(random.randrange(14))]
    return {f"key {random.randrange(3000)}": value(depth - 1) for _ in range(random.randrange(14))}


total = hashlib.sha256()
documents = [value(5) for _ in range(250)]
for turn in range(int(sys.argv[1])):
    text = json.dumps(documents, indent=turn % 3 or None, sort_keys=True)
    documents = json.loads(text)
    total.update(text.encode())
print(total.hexdigest())
