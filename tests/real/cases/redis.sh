# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# redis-server under redis-benchmark with 50 clients over a Unix socket, then data that is the same in each
# run: its digest before and after saving in a forked child, rewriting the append-only file, and loading by
# a second server. Debian's redis-server is linked with jemalloc; preloading takes its place. (The run
# "without" is one on jemalloc.)
weight=light
kernels=sim:1G
packages='redis-server redis-tools'
programs='/usr/bin/redis-server /usr/bin/redis-cli /usr/bin/redis-benchmark'

cli() {
    redis-cli -s redis.sock "$@"
}

start_redis() {
    start redis-server --port 0 --unixsocket "$PWD/redis.sock" --dir "$PWD" --save '' --appendonly "$1" \
        --enable-debug-command yes --maxmemory 200mb --hz 50
    wait_until cli ping
    loaded "$server_pid"
}

# persistence NAME VALUE: one line of "info persistence".
persistence() {
    [ "$(cli info persistence | tr -d '\r' | sed -n "s/^$1://p")" = "$2" ]
}

job() {
    start_redis no
    cli ping
    redis-benchmark -s redis.sock -c 50 -n 20000 -r 5000 -d 200 --csv \
        -t ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset | cut -d, -f1
    redis-benchmark -s redis.sock -c 50 -n 50000 -P 16 -r 100000 -d 1000 --csv -t set,get | cut -d, -f1
    cli flushall
    # shellcheck disable=SC2016
    cli eval 'for i = 1, 20000 do
            redis.call("set", "s" .. i, string.rep("x", i % 400) .. i)
            redis.call("hset", "h" .. i % 100, "f" .. i, i * 3)
            redis.call("zadd", "z" .. i % 50, i * 7 % 1000, "m" .. i)
            redis.call("rpush", "l" .. i % 30, "element " .. i)
            redis.call("sadd", "set" .. i % 20, i)
        end
        for i = 1, 20000, 3 do redis.call("append", "s" .. i, string.rep("y", i % 900)) end
        for i = 1, 20000, 5 do redis.call("del", "s" .. i) end
        return redis.call("dbsize")' 0
    cli debug digest
    cli sort l7 limit 0 3 alpha desc
    cli zrangebyscore z7 100 120
    cli bgsave >bgsave.txt
    wait_until persistence rdb_bgsave_in_progress 0
    persistence rdb_last_bgsave_status ok
    redis-check-rdb dump.rdb | grep -E 'keys read|RDB looks OK' | sed 's/^\[[^]]*\] //'
    cli debug reload
    cli debug digest
    cli config set appendonly yes
    wait_until persistence aof_rewrite_in_progress 0
    wait_until persistence aof_rewrite_scheduled 0
    persistence aof_last_bgrewrite_status ok
    cli set after 1
    cli debug digest
    stop "$server_pid"
    start_redis yes
    wait_until persistence loading 0
    cli debug digest
    cli dbsize
    cli shutdown nosave
    wait "$server_pid"
    echo "second server ended with status $?"
}
