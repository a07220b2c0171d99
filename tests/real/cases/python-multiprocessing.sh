# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# Python multiprocessing: fork while threads of the pool run, spawn, forkserver, queues and pipes between
# processes.
weight=light
packages='python3-minimal libpython3-stdlib'
programs=/usr/bin/python3

job() {
    cat >program.py <<'END'
import hashlib
import multiprocessing
import threading

def digest(number):
    data = [str(number * k) for k in range(2000)]
    return number, hashlib.sha256("".join(data).encode()).hexdigest()

def echo(pipe):
    while True:
        text = pipe.recv()
        if text is None:
            return
        pipe.send(text[::-1])

def forks_while_allocating():
    stop = threading.Event()

    def allocate():
        while not stop.is_set():
            [bytearray(n) for n in range(0, 3000, 7)]

    threads = [threading.Thread(target=allocate) for _ in range(3)]
    for thread in threads:
        thread.start()
    context = multiprocessing.get_context("fork")
    codes = []
    for number in range(40):
        child = context.Process(target=digest, args=(number,))
        child.start()
        child.join()
        codes.append(child.exitcode)
    stop.set()
    for thread in threads:
        thread.join()
    return codes

if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(4) as pool:
            results = pool.map(digest, range(200), chunksize=5)
        print(method, len(results), hashlib.sha256(repr(results).encode()).hexdigest())
        here, there = context.Pipe()
        child = context.Process(target=echo, args=(there,))
        child.start()
        for size in (1, 1000, 100000, 1000000):
            here.send("ab" * size)
            assert here.recv() == "ba" * size
        here.send(None)
        child.join()
        print(method, "echo ended with", child.exitcode)
    print("forks while threads allocate:", forks_while_allocating())
END
    /usr/bin/python3 program.py
}
