-- SPDX-License-Identifier: MIT
-- What one client of postgres does after pgbench: the books balance, then sorting, hashing, JSON and text.
select count(*), (select sum(abalance) from pgbench_accounts) = sum(delta),
    (select sum(tbalance) from pgbench_tellers) = sum(delta) from pgbench_history;
create table item as select i as id, i * 7919 % 1009 as grp, md5(i::text) as name, (i % 1000) / 7.0 as price,
    jsonb_build_object('id', i, 'list', jsonb_build_array(i, i * 2, md5((i * 3)::text))) as doc
    from generate_series(1, :rows) i;
create index on item (name);
analyze item;
select grp, count(*), max(b.name) from item a join item b using (grp) where grp < 5 group by grp order by grp;
select md5(string_agg(name, ',' order by price, name)) from item;
select md5(string_agg(t.doc::text, '' order by id)) from
    (select id, doc from item where doc @> '{"list": [777]}' or id < 5000) t;
select sum(length(name) * r) from
    (select name, rank() over (partition by grp order by price desc, name) as r from item) t where r < 4;
select count(*), sum(length(v)) from
    (select to_tsvector('simple', string_agg(name, ' ')) as v from item group by grp) t;
