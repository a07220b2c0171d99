# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# Python with its own allocator on top of ours: parsing and printing of JSON, dictionaries, strings,
# sorting.
weight=light
kernels=sim:1G
packages='python3-minimal libpython3-stdlib'
programs=/usr/bin/python3

job() {
    /usr/bin/python3 - <<'END'
import hashlib
import json
import random

random.seed(20)

def value(depth):
    kind = random.randrange(7 if depth else 4)
    if kind == 0:
        return random.randrange(10**random.randrange(1, 40))
    if kind == 1:
        return random.random()
    if kind == 2:
        return "".join(chr(random.randrange(32, 0x3000)) for _ in range(random.randrange(60)))
    if kind == 3:
        return random.choice([None, True, False, "", [], {}])
    if kind == 4:
        return [value(depth - 1) for _ in range(random.randrange(12))]
    return {"k%d" % random.randrange(5000): value(depth - 1) for _ in range(random.randrange(12))}

total = hashlib.sha256()
for turn in range(6):
    data = [value(5) for _ in range(300)]
    text = json.dumps(data, indent=turn % 3 or None, sort_keys=True)
    again = json.loads(text)
    assert again == data
    assert json.dumps(again, indent=turn % 3 or None, sort_keys=True) == text
    total.update(text.encode())
    print(turn, len(text), total.hexdigest())
words = sorted(text.split(), key=lambda word: (len(word), word))
print(len(words), hashlib.sha256("\n".join(words).encode()).hexdigest())
END
}
