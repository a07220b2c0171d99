# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# memcached with four threads, loaded over a Unix socket by eight clients that check each answer, with a
# memory limit that makes it evict, and the resizing of its hash table.
weight=light
kernels=sim:1G
packages='memcached python3-minimal libpython3-stdlib'
programs='/usr/bin/memcached /usr/bin/python3'
rounds=2500

job() {
    cat >load.py <<'END'
import random
import socket
import sys
import threading

rounds = int(sys.argv[1])
counts = {}
errors = []

class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect("memcached.sock")
        self.file = self.socket.makefile("rwb")

    def line(self, text):
        self.file.write(text)
        self.file.flush()
        return self.file.readline()

    def store(self, key, data):
        assert self.line(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(data), data)) == b"STORED\r\n"

    def get(self, key):
        head = self.line(b"get %s\r\n" % key)
        if head == b"END\r\n":
            return None
        size = int(head.split()[3])
        data = self.file.read(size + 2)[:-2]
        assert self.file.readline() == b"END\r\n"
        return data

def work(number):
    try:
        choose = random.Random(number)
        client = Client()
        hits = misses = wrong = 0
        expected = {}
        for turn in range(rounds):
            key = b"k%d-%d" % (number, choose.randrange(400))
            size = choose.choice((10, 100, 1000, 3000))
            data = (b"%d:" % turn) * (size // 4)
            client.store(key, data)
            expected[key] = data
            key = b"k%d-%d" % (number, choose.randrange(400))
            got = client.get(key)
            if got is None and key not in expected:
                misses += 1
            elif got is not None and got == expected.get(key):
                hits += 1
            else:
                wrong += 1
            if turn % 50 == 0:
                client.store(b"c%d" % number, b"%d" % turn)
                assert client.line(b"incr c%d 5\r\n" % number) == b"%d\r\n" % (turn + 5)
            if turn % 97 == 0 and expected:
                key = sorted(expected)[0]
                assert client.line(b"delete %s\r\n" % key) == b"DELETED\r\n"
                del expected[key]
            if turn % 200 == 0:
                client = Client()
        counts[number] = (hits, misses, wrong)
    except Exception as error:
        errors.append("client %d: %r" % (number, error))

threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for number in sorted(counts):
    print(number, counts[number])
print(errors)

# More than fits: what is still there must be right.
client = Client()
for number in range(rounds * 5):
    client.store(b"big%d" % number, (b"%d." % number) * 700)
found = 0
for number in range(rounds * 5):
    data = client.get(b"big%d" % number)
    if data is not None:
        assert data == (b"%d." % number) * 700
        found += 1
print("evicted some:", 0 < found < rounds * 5)
assert client.line(b"flush_all\r\n") == b"OK\r\n"
print(client.get(b"big1"))
END
    local as_user=()
    [ "$(id -u)" -ne 0 ] || as_user=(-u root)
    start memcached "${as_user[@]}" -s "$PWD/memcached.sock" -t 4 -m 40 -c 200 -o hashpower=13
    wait_until test -S memcached.sock
    loaded "$server_pid"
    /usr/bin/python3 load.py "$rounds"
    stop "$server_pid"
}
