-- SPDX-License-Identifier: MIT
-- The books of a shop, in memory: customers, orders and their lines, indexes, joins, windows, JSON, full text, an update that
-- is taken back, a clean-up.
PRAGMA cache_size = -20000;
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, town TEXT);
CREATE TABLE line (id INTEGER PRIMARY KEY, customer INTEGER, article TEXT, amount REAL, note BLOB);
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO customer SELECT i, printf('%s %d', char(65 + i % 26, 97 + i * 7 % 26), i * 6007 % 3000),
    substr('northsoutheast west ', i % 4 * 5 + 1, 5) FROM n;
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 130000)
INSERT INTO line SELECT i, i * 2654435761 % 3000 + 1, printf('article %05d of %x', i * 48271 % 20000, i * 77),
    i * 13 % 997 / 10.0, zeroblob(i * 31 % 170) FROM n;
CREATE INDEX line_customer ON line (customer, amount);
CREATE INDEX line_article ON line (article);
ANALYZE;
SELECT town, count(*), round(sum(amount), 2), max(article) FROM customer JOIN line ON customer = customer.id GROUP BY town;
SELECT sum(length(article) * place) FROM
    (SELECT article, row_number() OVER (PARTITION BY customer ORDER BY amount DESC, id) AS place FROM line) WHERE place < 6;
SELECT length(group_concat(article, '; ')) FROM (SELECT article FROM line ORDER BY note, amount, article DESC);
SELECT sum(length(books)), sum(json_array_length(books)), max(json_extract(books, '$[2].article')) FROM
    (SELECT json_group_array(json_object('number', id, 'article', article, 'amount', amount)) AS books
    FROM line GROUP BY customer);
CREATE VIRTUAL TABLE words USING fts5(article);
INSERT INTO words SELECT article FROM line WHERE id % 4 = 0;
SELECT count(*) FROM words WHERE words MATCH 'article AND 01*';
SAVEPOINT before_the_sale;
UPDATE line SET amount = amount * 0.9, article = article || ', reduced' WHERE customer % 3 = 1;
SELECT count(*), round(sum(amount)) FROM line WHERE article GLOB '*reduced';
ROLLBACK TO before_the_sale;
RELEASE before_the_sale;
DELETE FROM line WHERE customer % 2 = 0;
VACUUM;
PRAGMA quick_check;
SELECT count(*), round(sum(amount), 1), min(article) FROM line;
