# SPDX-License-Identifier: MIT
"""A small simulation of a shop in plain objects: queues, dictionaries, closures, exceptions, sorting."""
import collections
import hashlib
import random
import sys

random.seed(12)


class Refused(Exception):
    pass


class Order:
    def __init__(self, number, customer):
        self.number, self.customer = number, customer
        self.lines = [(f"item {random.randrange(400)}", random.randrange(1, 9)) for _ in range(random.randrange(1, 12))]
        self.notes = {f"note {n}": "x" * random.randrange(120) for n in range(random.randrange(4))}

    def cost(self, prices):
        if sum(count for _, count in self.lines) > 60:
            raise Refused(self.number)
        return sum(prices.get(name, 7) * count for name, count in self.lines)


prices = {f"item {n}": n * 7919 % 97 + 1 for n in range(380)}
waiting = collections.deque()
by_customer = collections.defaultdict(list)
total, refused = 0, 0
for number in range(int(sys.argv[1])):
    waiting.append(Order(number, f"customer {random.randrange(2500)}"))
    if len(waiting) > 3000:
        order = waiting.popleft()
        try:
            total += order.cost(prices)
        except Refused:
            refused += 1
        orders = by_customer[order.customer]
        orders.append(order)
        if len(orders) > 6:
            orders.sort(key=lambda one: (-len(one.lines), one.number))
            del orders[3:]
report = sorted((name, [one.number for one in orders]) for name, orders in by_customer.items())
print(total, refused, hashlib.sha256(repr(report).encode()).hexdigest())
