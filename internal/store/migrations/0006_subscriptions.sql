-- Who wants to be told of changes. What is to be told is in changes: a
-- subscription only knows up to which version it has been told.
CREATE TABLE subscriptions (
	user_id          TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	subscription_id  TEXT NOT NULL,
	app              TEXT NOT NULL, -- client id of the application that made it
	creator          TEXT NOT NULL, -- the user that made it, or of an application without a user its client id
	resource         TEXT NOT NULL, -- as its maker wrote it
	kind             SMALLINT NOT NULL, -- store.Kind
	list_id          TEXT NOT NULL, -- '' for all lists
	task_id          TEXT NOT NULL, -- '' for all tasks
	ops              SMALLINT NOT NULL, -- one bit for each store.Op
	notification_url TEXT NOT NULL,
	lifecycle_url    TEXT NOT NULL,
	client_state     TEXT NOT NULL,
	tls_version      TEXT NOT NULL,
	url_app          TEXT NOT NULL,
	beta             SMALLINT NOT NULL, -- 1: made on beta, whose notifications have more members
	created          BIGINT NOT NULL,
	expires          BIGINT NOT NULL,
	told             BIGINT NOT NULL, -- the mailbox's version up to which it has been told
	attempts         BIGINT NOT NULL, -- failures since the last success
	failing_since    BIGINT NOT NULL, -- 0: it is not
	next_attempt     BIGINT NOT NULL,
	lifecycle        SMALLINT NOT NULL, -- what the lifecycle URL is to be told: store.Lifecycle
	reauthorize_at   BIGINT NOT NULL, -- when to ask for it; 0: it has been asked, or answered
	PRIMARY KEY (user_id, subscription_id)
) WITHOUT ROWID;

-- In which mailboxes an application without a user has subscriptions.
CREATE TABLE app_subscriptions (
	app             TEXT NOT NULL,
	subscription_id TEXT NOT NULL,
	user_id         TEXT NOT NULL,
	PRIMARY KEY (app, subscription_id)
) WITHOUT ROWID;
