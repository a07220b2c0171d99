# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# Python threads: blocks handed from thread to thread through queues, threads that come and go.
weight=light
packages='python3-minimal libpython3-stdlib'
programs=/usr/bin/python3

job() {
    /usr/bin/python3 - <<'END'
import concurrent.futures
import hashlib
import queue
import threading
import zlib

jobs = queue.Queue(maxsize=50)
done = queue.Queue()

def worker():
    while True:
        item = jobs.get()
        if item is None:
            return
        number, data = item
        packed = zlib.compress(data, 6)
        assert zlib.decompress(packed) == data
        done.put((number, len(packed), hashlib.sha256(packed).hexdigest()))

threads = [threading.Thread(target=worker) for _ in range(8)]
for thread in threads:
    thread.start()
for number in range(2000):
    jobs.put((number, (b"%d;" % number) * (50 + number * 37 % 3000)))
for _ in threads:
    jobs.put(None)
for thread in threads:
    thread.join()
results = sorted(done.queue)
print(len(results), hashlib.sha256(repr(results).encode()).hexdigest())

kept = [None] * 400

def short_lived(number):
    kept[number] = [bytearray(number * 100) for _ in range(10)]

for start in range(0, 400, 20):
    threads = [threading.Thread(target=short_lived, args=(number,)) for number in range(start, start + 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(sum(len(block) for blocks in kept for block in blocks))

with concurrent.futures.ThreadPoolExecutor(6) as pool:
    print(sum(pool.map(lambda n: len(str(3**n)), range(3000))))
END
}
