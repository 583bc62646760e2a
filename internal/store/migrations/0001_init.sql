-- Every key begins with the mailbox (user_id), so that the rows of one user lie
-- together and the tables can be distributed by user. Times are microseconds
-- since 1970 in UTC; NULL is "none". Zones are named as their writer named them.

CREATE TABLE users (
	user_id            TEXT NOT NULL,
	version            BIGINT NOT NULL, -- counts the writes to the mailbox
	log_floor          BIGINT NOT NULL, -- changes up to this version are no longer in the log
	principal_name     TEXT NOT NULL,
	display_name       TEXT NOT NULL,
	given_name         TEXT NOT NULL,
	surname            TEXT NOT NULL,
	mail               TEXT NOT NULL,
	mobile_phone       TEXT NOT NULL,
	business_phone     TEXT NOT NULL,
	job_title          TEXT NOT NULL,
	office_location    TEXT NOT NULL,
	preferred_language TEXT NOT NULL,
	created            BIGINT NOT NULL,
	PRIMARY KEY (user_id)
) WITHOUT ROWID;

-- A name or address that a user can be found by, folded. It is a table of its
-- own because it must be unique over all users.
CREATE TABLE login_names (
	login_name TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	PRIMARY KEY (login_name)
) WITHOUT ROWID;

CREATE TABLE lists (
	user_id   TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	list_id   TEXT NOT NULL,
	version   BIGINT NOT NULL, -- of the last write
	created_version BIGINT NOT NULL,
	name      TEXT NOT NULL,
	wellknown SMALLINT NOT NULL, -- todo.WellknownListName
	modified  BIGINT NOT NULL,
	PRIMARY KEY (user_id, list_id)
) WITHOUT ROWID;

CREATE TABLE tasks (
	user_id       TEXT NOT NULL,
	list_id       TEXT NOT NULL,
	task_id       TEXT NOT NULL, -- begins with the time of creation: the order of the key is the order of creation
	version       BIGINT NOT NULL, -- of the last write
	created_version BIGINT NOT NULL,
	title         TEXT NOT NULL,
	status        SMALLINT NOT NULL, -- todo.Status
	importance    SMALLINT NOT NULL, -- todo.Importance
	body          TEXT NOT NULL,
	body_type     SMALLINT NOT NULL, -- todo.BodyType
	categories    TEXT, -- JSON array of strings
	created       BIGINT NOT NULL,
	modified      BIGINT NOT NULL,
	due           BIGINT,
	due_zone      TEXT,
	start         BIGINT,
	start_zone    TEXT,
	completed     BIGINT,
	reminder      BIGINT,
	reminder_zone TEXT,
	reminder_on   SMALLINT NOT NULL,
	recurrence    TEXT, -- JSON of todo.Recurrence
	occurrence    INTEGER NOT NULL,
	step_count       INTEGER NOT NULL, -- rows in checklist_items
	link_count       INTEGER NOT NULL, -- rows in linked_resources
	extension_count  INTEGER NOT NULL, -- rows in extensions
	attachment_count INTEGER NOT NULL,
	search_id        BIGINT NOT NULL, -- the row of the full-text index
	PRIMARY KEY (user_id, list_id, task_id),
	FOREIGN KEY (user_id, list_id) REFERENCES lists (user_id, list_id) ON DELETE CASCADE
) WITHOUT ROWID;
-- The usual filter of clients; 2 is todo.Completed.
CREATE INDEX tasks_open ON tasks (user_id, list_id, task_id) WHERE status <> 2;

CREATE TABLE checklist_items (
	user_id    TEXT NOT NULL,
	list_id    TEXT NOT NULL,
	task_id    TEXT NOT NULL,
	item_id    TEXT NOT NULL,
	position   INTEGER NOT NULL, -- order in the task, not dense
	name       TEXT NOT NULL,
	checked    SMALLINT NOT NULL,
	checked_at BIGINT,
	created    BIGINT NOT NULL,
	PRIMARY KEY (user_id, list_id, task_id, item_id),
	FOREIGN KEY (user_id, list_id, task_id) REFERENCES tasks (user_id, list_id, task_id) ON DELETE CASCADE
) WITHOUT ROWID;

-- list_id and task_id are NULL while no task holds the linked resource.
CREATE TABLE linked_resources (
	user_id          TEXT NOT NULL,
	resource_id      TEXT NOT NULL,
	list_id          TEXT,
	task_id          TEXT,
	position         INTEGER NOT NULL, -- order in the task, not dense
	application_name TEXT NOT NULL,
	display_name     TEXT NOT NULL,
	external_id      TEXT NOT NULL,
	web_url          TEXT NOT NULL,
	PRIMARY KEY (user_id, resource_id),
	FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE CASCADE,
	FOREIGN KEY (user_id, list_id, task_id) REFERENCES tasks (user_id, list_id, task_id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX linked_resources_task ON linked_resources (user_id, list_id, task_id);

CREATE TABLE extensions (
	user_id TEXT NOT NULL,
	list_id TEXT NOT NULL,
	task_id TEXT NOT NULL,
	name    TEXT NOT NULL,
	data    TEXT NOT NULL, -- the client's members as a JSON object
	PRIMARY KEY (user_id, list_id, task_id, name),
	FOREIGN KEY (user_id, list_id, task_id) REFERENCES tasks (user_id, list_id, task_id) ON DELETE CASCADE
) WITHOUT ROWID;

-- One row for each write to a list or a task, under the mailbox's version.
CREATE TABLE changes (
	user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	version BIGINT NOT NULL,
	kind    SMALLINT NOT NULL, -- store.Kind
	op      SMALLINT NOT NULL, -- store.Op
	list_id TEXT NOT NULL,
	item_id TEXT NOT NULL,
	created_version BIGINT NOT NULL, -- of the item: who knows an older version has never seen it
	app     TEXT NOT NULL, -- client id of the writer
	at      BIGINT NOT NULL,
	PRIMARY KEY (user_id, version)
) WITHOUT ROWID;
