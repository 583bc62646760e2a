-- Files of tasks. A file that is still being uploaded is a row with complete = 0.
CREATE TABLE attachments (
	user_id       TEXT NOT NULL,
	attachment_id TEXT NOT NULL,
	list_id       TEXT NOT NULL,
	task_id       TEXT NOT NULL,
	name          TEXT NOT NULL,
	content_type  TEXT NOT NULL,
	size          BIGINT NOT NULL, -- bytes; what it will be, while complete = 0
	modified      BIGINT NOT NULL,
	complete      SMALLINT NOT NULL,
	content       BIGINT NOT NULL, -- which chunks are the file's: PUT of $value writes new ones beside them
	last_content  BIGINT NOT NULL, -- the highest content number given out
	PRIMARY KEY (user_id, attachment_id),
	FOREIGN KEY (user_id, list_id, task_id) REFERENCES tasks (user_id, list_id, task_id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX attachments_task ON attachments (user_id, list_id, task_id);

-- The bytes of the files, in pieces that begin where the one before ends.
CREATE TABLE attachment_chunks (
	user_id       TEXT NOT NULL,
	attachment_id TEXT NOT NULL,
	content       BIGINT NOT NULL,
	start         BIGINT NOT NULL, -- offset of the first byte
	data          BLOB NOT NULL,
	PRIMARY KEY (user_id, attachment_id, content, start),
	FOREIGN KEY (user_id, attachment_id) REFERENCES attachments (user_id, attachment_id) ON DELETE CASCADE
);

-- Upload sessions, until they expire: that of a finished upload too, so that its
-- last part may be sent again.
CREATE TABLE attachment_sessions (
	user_id       TEXT NOT NULL,
	session_id    TEXT NOT NULL, -- a secret: who knows it may upload
	attachment_id TEXT NOT NULL,
	received      BIGINT NOT NULL, -- bytes from the front that are there
	writer        TEXT NOT NULL, -- the request that sends the next part; another one has given up
	expires       BIGINT NOT NULL,
	PRIMARY KEY (user_id, session_id),
	FOREIGN KEY (user_id, attachment_id) REFERENCES attachments (user_id, attachment_id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX attachment_sessions_attachment ON attachment_sessions (user_id, attachment_id);
