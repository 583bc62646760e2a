-- The full-text index without the texts themselves, which are in the other tables:
-- the file is smaller, and a write has less to do. Where a task is, is kept. More
-- parts than usual may wait to be merged, which is most of what the index costs a
-- writer. The table has another name because SQLite cannot rename such a one.
CREATE VIRTUAL TABLE words USING fts5 (
	owner, title, body, steps, links,
	user_id UNINDEXED, list_id UNINDEXED, task_id UNINDEXED,
	content = '', contentless_delete = 1, contentless_unindexed = 1,
	tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO words (words, rank) VALUES ('automerge', 8);
INSERT INTO words (rowid, owner, title, body, steps, links, user_id, list_id, task_id)
	SELECT rowid, owner, title, body, steps, links, user_id, list_id, task_id FROM search;
DROP TABLE search;
