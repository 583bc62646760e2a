-- What belongs to no mailbox lies together, under a first column that is 1 in
-- every row: so these tables too have one shard that holds a transaction's rows,
-- and their keys and indexes begin with it. What they held lasts minutes: devices
-- ask for another code, and servers judge all tokens anew.
DROP TABLE device_codes;
CREATE TABLE device_codes (
	one       SMALLINT NOT NULL, -- 1
	hash      TEXT NOT NULL,
	user_code TEXT NOT NULL,
	app_id    TEXT NOT NULL,
	scopes    TEXT NOT NULL, -- as the client asked for them
	state     SMALLINT NOT NULL, -- store.DeviceState
	user_id   TEXT NOT NULL, -- who approved it; '' for nobody
	poll_gap  BIGINT NOT NULL, -- microseconds between two polls
	last_poll BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	PRIMARY KEY (one, hash)
) WITHOUT ROWID;
CREATE UNIQUE INDEX device_codes_user ON device_codes (one, user_code);
CREATE INDEX device_codes_expires ON device_codes (one, expires);

DROP TABLE revisions;
CREATE TABLE revisions (
	one      SMALLINT NOT NULL, -- 1
	version  BIGINT NOT NULL,
	owner_id TEXT NOT NULL, -- of a user, or the client id of an application
	PRIMARY KEY (one, version)
) WITHOUT ROWID;
