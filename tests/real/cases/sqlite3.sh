# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# sqlite3: tables, indexes, joins, windows, full text, JSON, sorting beyond the cache, vacuum, integrity
# check.
weight=light
kernels=sim:1G
packages=sqlite3
programs=/usr/bin/sqlite3

job() {
    sqlite3 base.db <<'END'
PRAGMA journal_mode = WAL;
PRAGMA cache_size = 500;
PRAGMA threads = 2;
CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, price REAL, data BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO item SELECT i, i * 7919 % 1009, printf('item-%06d-%s', i * 7907 % 150000, hex(i * 31)), i * 3 % 1000 / 7.0,
    zeroblob(i % 200) FROM n;
CREATE INDEX item_name ON item (name);
CREATE INDEX item_grp ON item (grp, price);
ANALYZE;
SELECT count(*), sum(length(name)), sum(length(data)), round(sum(price), 6) FROM item;
SELECT a.grp, count(*), max(b.name) FROM item a JOIN item b ON b.id = a.id * 3 % 150000 + 1 WHERE a.grp < 10 GROUP BY a.grp;
SELECT grp, rank, name FROM (SELECT grp, name, rank() OVER (PARTITION BY grp ORDER BY price DESC, id) AS rank FROM item)
    WHERE rank <= 2 AND grp < 8 ORDER BY grp, rank;
SELECT group_concat(name, ',') FROM (SELECT name FROM item ORDER BY data, price DESC, name LIMIT 20);
SELECT json_extract(json_group_array(json_object('id', id, 'name', name)), '$[17].name') FROM item WHERE id < 5000;
CREATE VIRTUAL TABLE text USING fts5(body);
INSERT INTO text SELECT group_concat(name, ' ') FROM item WHERE id <= 40000 GROUP BY grp;
SELECT count(*) FROM text WHERE text MATCH 'item AND 0*';
BEGIN;
UPDATE item SET name = name || '-changed' WHERE grp % 3 = 0;
SELECT count(*) FROM item WHERE name LIKE '%changed';
ROLLBACK;
DELETE FROM item WHERE grp % 2 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT count(*), min(name), max(name) FROM item;
END
    sqlite3 base.db .dump | digest
    sqlite3 base.db .dump | sqlite3 copy.db
    sqlite3 copy.db 'PRAGMA integrity_check; SELECT count(*), sum(id) FROM item;'
    sqlite3 copy.db 'SELECT nothing FROM nowhere' 2>&1 || echo "status $?"
}
