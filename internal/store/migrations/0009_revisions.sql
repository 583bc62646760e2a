-- Whose access tokens have to be judged anew, because a user or an application
-- was signed out, disabled or removed, or a token was revoked. Every server that
-- serves these data follows it. The counter is locked until the commit, so that
-- the numbers come without gaps and in their order.
CREATE TABLE revision_counter (
	one     SMALLINT NOT NULL, -- 1
	version BIGINT NOT NULL,
	PRIMARY KEY (one)
) WITHOUT ROWID;
INSERT INTO revision_counter (one, version) VALUES (1, 0);

CREATE TABLE revisions (
	version  BIGINT NOT NULL,
	owner_id TEXT NOT NULL, -- of a user, or the client id of an application
	PRIMARY KEY (version)
) WITHOUT ROWID;
