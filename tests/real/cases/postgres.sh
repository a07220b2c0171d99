# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# postgres: initdb, a server with parallel workers, pgbench with eight clients, queries with sorting,
# hashing, JSON, full text and large values, a dump that is restored, a stop. postgres refuses root, so root
# runs it as nobody.
weight=heavy
packages='postgresql util-linux'
programs='/usr/lib/postgresql/*/bin/postgres /usr/lib/postgresql/*/bin/initdb /usr/lib/postgresql/*/bin/psql
    /usr/lib/postgresql/*/bin/pg_dump'
seconds=300

as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
    else
        "$@"
    fi
}

query() {
    as_user "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$PWD/db" -U tester "${database-postgres}" "$@"
}

job() {
    local programs=(/usr/lib/postgresql/*/bin/postgres) name
    bin=$(dirname "${programs[-1]}")
    mkdir db
    [ "$(id -u)" -ne 0 ] || chown nobody:nogroup db
    export PGDATA=$PWD/db/data HOME=$PWD/db
    as_user "$bin/initdb" -U tester -A trust -E UTF8 --locale=C --no-sync |
        grep -E '^(The database|Success|creating|running|performing)' | sed "s#$PWD#.#g"
    start as_user "$bin/postgres" -k "$PWD/db" -c listen_addresses= -c fsync=off -c shared_buffers=64MB \
        -c max_wal_size=200MB -c work_mem=1MB -c maintenance_work_mem=16MB -c min_parallel_table_scan_size=0 \
        -c parallel_setup_cost=0 -c parallel_tuple_cost=0
    wait_until query -c 'select 1'
    loaded "$(head -n 1 "$PGDATA/postmaster.pid")"
    as_user "$bin/pgbench" -i -s 3 -q -h "$PWD/db" -U tester postgres >/dev/null 2>&1
    as_user "$bin/pgbench" -c 8 -j 2 -t 500 -h "$PWD/db" -U tester postgres 2>&1 |
        grep -E '^(number of transactions actually|number of failed|transaction type)'
    as_user "$bin/pgbench" -c 8 -j 2 -t 1000 -S -M prepared -h "$PWD/db" -U tester postgres 2>&1 |
        grep -E '^(number of transactions actually|number of failed|transaction type)'
    query <<'END'
select count(*), (select sum(abalance) from pgbench_accounts) = sum(delta),
    (select sum(tbalance) from pgbench_tellers) = sum(delta) from pgbench_history;
create table item as select i as id, i * 7919 % 1009 as grp, md5(i::text) as name, (i % 1000) / 7.0 as price,
    jsonb_build_object('id', i, 'list', jsonb_build_array(i, i * 2, md5((i * 3)::text))) as doc
    from generate_series(1, 200000) i;
create index on item (name);
create index on item using gin (doc);
analyze item;
set max_parallel_workers_per_gather = 2;
select count(*), sum(grp), round(sum(price), 4), min(name), max(name) from item;
select grp, count(*), max(b.name) from item a join item b using (grp) where grp < 3 group by grp order by grp;
select md5(string_agg(name, ',' order by price, name)) from item;
select md5(string_agg(t.doc::text, '' order by id)) from
    (select id, doc from item where doc @> '{"list": [777]}' or id < 2000) t;
select grp, name, rank() over (partition by grp order by price desc, name) from item where grp = 17
    order by 3, 2 limit 5;
create table word as select to_tsvector('simple', string_agg(name, ' ')) as v from item group by grp;
select count(*), sum(length(v)) from word;
create table large as select i, string_agg(md5((i * k)::text), '') as body
    from generate_series(1, 40) i, generate_series(1, 5000) k group by i;
select md5(string_agg(md5(body), '' order by i)), sum(length(body)) from large;
do $$ declare total bigint := 0; r record; begin
    for r in select * from item where id % 10 = 0 order by name loop total := total + length(r.doc::text); end loop;
    raise notice 'total %', total;
    for i in 1..200 loop execute format('create temp table t%s as select %s as a', i, i); end loop;
end $$;
update item set name = name || 'x' where grp % 5 = 0;
vacuum full item;
select count(*) from item where name like '%x';
END
    query -c 'select nothing' 2>&1 || echo "status $?"
    as_user "$bin/pg_dump" -h "$PWD/db" -U tester -t item -t word -t large postgres >dump.sql
    query -c 'create database copy'
    database=copy query <dump.sql >/dev/null
    database=copy query -c 'select count(*), sum(grp), md5(string_agg(name, null order by id)) from item'
    for name in 1 2 3 4 5 6 7 8 9 10; do query -c "select $name, count(*) from pg_class where relkind = 'v'"; done
    as_user "$bin/pg_ctl" -D "$PGDATA" -m fast -w stop >/dev/null
    wait "$server_pid"
    echo "postgres ended with status $?"
    grep -cE 'PANIC|terminated by signal' server.log || echo 'no crash'
}
