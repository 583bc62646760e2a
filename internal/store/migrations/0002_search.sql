-- The words of every task, for $search. Its rows are those of tasks.search_id;
-- owner is the user_id without its hyphens, one word that every query asks for.
CREATE VIRTUAL TABLE search USING fts5 (
	owner, title, body, steps, links,
	user_id UNINDEXED, list_id UNINDEXED, task_id UNINDEXED,
	tokenize = 'unicode61 remove_diacritics 2'
);
