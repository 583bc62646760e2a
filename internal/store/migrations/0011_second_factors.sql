-- How people prove who they are beside their password. The key of an
-- authenticator app is sealed with a secret that is not in the database; of
-- recovery codes there are hashes, and of passkeys the public keys.

ALTER TABLE sessions ADD COLUMN methods TEXT NOT NULL DEFAULT ''; -- values of the claim amr, separated by spaces
ALTER TABLE authorization_codes ADD COLUMN methods TEXT NOT NULL DEFAULT '';
ALTER TABLE refresh_tokens ADD COLUMN methods TEXT NOT NULL DEFAULT '';

CREATE TABLE authenticator_apps (
	user_id   TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	sealed    BLOB NOT NULL, -- the shared key
	last_step BIGINT NOT NULL, -- number of the last period of which a code was taken; a code counts once
	created   BIGINT NOT NULL,
	PRIMARY KEY (user_id)
) WITHOUT ROWID;

CREATE TABLE recovery_codes (
	user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	hash    TEXT NOT NULL,
	PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;

-- A passkey names its user itself when it signs in, so that it too is found by
-- the mailbox.
CREATE TABLE passkeys (
	user_id       TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	credential_id TEXT NOT NULL, -- base64url
	rp_id         TEXT NOT NULL, -- the host that it is for
	label         TEXT NOT NULL, -- what its owner calls it
	public_key    BLOB NOT NULL, -- COSE
	sign_count    BIGINT NOT NULL,
	flags         SMALLINT NOT NULL, -- of the last authenticator data
	transports    TEXT NOT NULL, -- separated by spaces
	created       BIGINT NOT NULL,
	last_used     BIGINT NOT NULL, -- 0 for never
	PRIMARY KEY (user_id, credential_id)
) WITHOUT ROWID;

-- The challenges that passkeys have answered, so that no answer counts twice.
CREATE TABLE used_challenges (
	user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	hash    TEXT NOT NULL,
	expires BIGINT NOT NULL,
	PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;
