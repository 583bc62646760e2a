-- Who of an external issuer is who here. A person is the pair of issuer and
-- subject, and nothing else is compared. Like login_names this is a table of its
-- own, because it must be unique over all users.
CREATE TABLE people (
	person_hash TEXT NOT NULL, -- SHA-256 of the issuer and the subject
	issuer      TEXT NOT NULL,
	subject     TEXT NOT NULL,
	user_id     TEXT NOT NULL,
	linked      BIGINT NOT NULL,
	PRIMARY KEY (person_hash)
) WITHOUT ROWID;

-- People who are away at an external issuer to sign in. Who they are is not
-- known meanwhile, so this table is of no mailbox.
CREATE TABLE external_sign_ins (
	one          SMALLINT NOT NULL, -- 1: of no mailbox, they lie together
	state_hash   TEXT NOT NULL,
	browser_hash TEXT NOT NULL, -- of a cookie
	issuer       TEXT NOT NULL,
	path         TEXT NOT NULL, -- where the browser goes on
	expires      BIGINT NOT NULL,
	PRIMARY KEY (one, state_hash)
) WITHOUT ROWID;
CREATE INDEX external_sign_ins_expires ON external_sign_ins (one, expires);
