-- The words of every task, for $search, and the texts that $filter and $orderby
-- compare, folded in Go. owner is a word of words, as it is on SQLite.
CREATE TABLE search (
	user_id    TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	list_id    TEXT NOT NULL,
	task_id    TEXT NOT NULL,
	title      TEXT NOT NULL,
	body       TEXT NOT NULL,
	categories TEXT[] NOT NULL,
	words      TSVECTOR NOT NULL,
	PRIMARY KEY (user_id, list_id, task_id)
);
CREATE INDEX search_words ON search USING GIN (words);
