-- 60,000 rows whose every byte follows from their number.
CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, email text NOT NULL);
CREATE TABLE quotes (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers, total numeric(10, 2), body text);
CREATE TABLE quote_lines (id integer PRIMARY KEY, quote integer NOT NULL REFERENCES quotes, sku text, amount integer);
CREATE TABLE events (id integer PRIMARY KEY, at timestamptz NOT NULL, what text);
INSERT INTO customers SELECT n, 'customer ' || n, md5('c' || n) || '@example.test' FROM generate_series(1, 5000) n;
INSERT INTO quotes SELECT n, 1 + n % 5000, (n * 37 % 100000) / 100.0, repeat(md5('q' || n), 8) FROM generate_series(1, 20000) n;
INSERT INTO quote_lines SELECT n, 1 + n % 20000, 'SKU-' || n % 311, n % 40 FROM generate_series(1, 30000) n;
INSERT INTO events SELECT n, timestamptz '2026-01-01 00:00Z' + n * interval '1 minute', 'event ' || md5('e' || n) FROM generate_series(1, 5000) n;
CREATE INDEX ON quote_lines (quote);
VACUUM ANALYZE;
CHECKPOINT;
