# SPDX-License-Identifier: MIT
"""Search trees that grow and lose random nodes, and big numbers beside them: many equal objects, freed in any order."""
import random
import sys

random.seed(13)


class Node:
    __slots__ = ("key", "rank", "left", "right", "text")

    def __init__(self, key):
        self.key, self.rank = key, random.random()
        self.left = self.right = None
        self.text = str(key) * (key % 5)


def split(node, key):
    """The nodes below the key, and the others."""
    if node is None:
        return None, None
    if node.key < key:
        node.right, rest = split(node.right, key)
        return node, rest
    rest, node.left = split(node.left, key)
    return rest, node


def join(low, high):
    if low is None or high is None:
        return low or high
    if low.rank < high.rank:
        low.right = join(low.right, high)
        return low
    high.left = join(low, high.left)
    return high


root, checksum, number = None, 0, 1
for step in range(int(sys.argv[1])):
    key = random.randrange(60000)
    low, high = split(root, key)
    found, high = split(high, key + 1)
    if found is None:
        found = Node(key)
    elif step % 3 == 0:
        checksum += len(found.text)
        found = None
    root = join(join(low, found), high)
    if step % 50 == 0:
        number = number * (key + 3) % (1 << 4000)


def walk(node):
    while node is not None:
        yield from walk(node.left)
        yield node
        node = node.right


print(checksum, number % 1000000007, sum(hash((node.key, len(node.text))) for node in walk(root)))
