# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# node: JSON, buffers, zlib and crypto on the thread pool, worker threads, child processes, WebAssembly
# memory.
weight=heavy
packages=nodejs
programs=/usr/bin/node

job() {
    cat >program.js <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');
const zlib = require('zlib');
const { execFileSync } = require('child_process');
const { promisify } = require('util');

const digest = (data) => crypto.createHash('sha256').update(data).digest('hex');

function words(seed, n) {
    let state = seed;
    const list = [];
    for (let i = 0; i < n; i++) {
        state = (state * 16807) % 2147483647;
        list.push(state.toString(36));
    }
    return list;
}

if (!isMainThread) {
    const list = words(workerData + 1, 50000).sort();
    const buffers = list.map((word) => Buffer.from(word.repeat(5)));
    parentPort.postMessage(digest(Buffer.concat(buffers)));
} else {
    (async () => {
        const data = words(9, 100000).map((word, i) => ({ word, i, list: [i, i * 2, { deep: word + i }] }));
        const text = JSON.stringify(data);
        console.log(text.length, digest(text), digest(JSON.stringify(JSON.parse(text), null, 1)));
        const gzip = promisify(zlib.gzip), gunzip = promisify(zlib.gunzip), deflate = promisify(zlib.deflate);
        const packed = await Promise.all([1, 5, 9].map((level) => deflate(text, { level })));
        console.log(packed.map((buffer) => digest(buffer)));
        const round = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
            const part = Buffer.from(text.slice(i * 1000, i * 1000 + 100000));
            return Buffer.compare(await gunzip(await gzip(part)), part);
        }));
        console.log(round.every((order) => order === 0));
        const derive = promisify(crypto.pbkdf2);
        const keys = [1, 2, 3, 4, 5, 6].map((i) => derive('p' + i, 'salt', 5000, 32, 'sha256'));
        console.log((await Promise.all(keys)).map((key) => key.toString('hex')));
        const results = await Promise.all([0, 1, 2, 3].map((number) => new Promise((resolve, reject) => {
            const worker = new Worker(__filename, { workerData: number });
            worker.on('message', resolve);
            worker.on('error', reject);
        })));
        console.log(results);
        let kept = [];
        for (let i = 0; i < 3000; i++) {
            kept.push(Buffer.alloc(1000 + (i * 7919) % 100000, i % 256));
            if (kept.length > 300) kept = kept.filter((_, j) => j % 2);
        }
        console.log(digest(Buffer.concat(kept)));
        const input = words(3, 1000).map((word) => parseInt(word, 36)).join('\n');
        console.log(digest(execFileSync('sort', ['-n'], { input })));
        const memory = new WebAssembly.Memory({ initial: 1, maximum: 100 });
        for (let i = 0; i < 50; i++) memory.grow(1);
        console.log(memory.buffer.byteLength);
        const map = new Map(words(5, 200000).map((word, i) => [word, i]));
        console.log(map.size, [...map.keys()].filter((key) => /^a.*z$/.test(key)).length);
        process.exitCode = 4;
    })();
}
END
    node program.js || echo "status $?"
    node -e 'throw new Error("wrong")' 2>&1 | grep '^Error' || echo "status $?"
}
