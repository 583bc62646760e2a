-- Open extensions of lists; those of tasks are in extensions.
CREATE TABLE list_extensions (
	user_id TEXT NOT NULL,
	list_id TEXT NOT NULL,
	name    TEXT NOT NULL,
	data    TEXT NOT NULL, -- the client's members as a JSON object
	PRIMARY KEY (user_id, list_id, name),
	FOREIGN KEY (user_id, list_id) REFERENCES lists (user_id, list_id) ON DELETE CASCADE
) WITHOUT ROWID;
