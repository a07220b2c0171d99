-- SPDX-License-Identifier: MIT
-- A database in memory: inserts, indexes, joins, windows, JSON, full text, updates that are taken back, a vacuum.
PRAGMA cache_size = -20000;
CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, price REAL, data BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)
INSERT INTO item SELECT i, i * 7919 % 1009, printf('item-%06d-%s', i * 7907 % 120000, hex(i * 31)),
    i * 3 % 1000 / 7.0, zeroblob(i % 150) FROM n;
CREATE INDEX item_name ON item (name);
CREATE INDEX item_grp ON item (grp, price);
ANALYZE;
SELECT count(*), sum(length(name)), sum(length(data)), round(sum(price), 4) FROM item;
SELECT sum(n) FROM (SELECT a.grp, count(*) AS n, max(b.name) FROM item a JOIN item b ON b.id = a.id * 3 % 120000 + 1
    GROUP BY a.grp);
SELECT sum(length(name) * rank) FROM (SELECT name, rank() OVER (PARTITION BY grp ORDER BY price DESC, id) AS rank
    FROM item) WHERE rank <= 5;
SELECT length(group_concat(name, ',')) FROM (SELECT name FROM item ORDER BY data, price DESC, name);
SELECT sum(length(json_extract(list, '$[#-1].name'))), sum(length(list)) FROM
    (SELECT json_group_array(json_object('id', id, 'name', name, 'price', price)) AS list FROM item GROUP BY grp);
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
