-- Who may sign in and what was given out. Of every secret only the SHA-256 is
-- here. A code, a refresh token and a cookie name their user in front of the
-- secret, so that their rows too are found by the mailbox.

ALTER TABLE users ADD COLUMN tokens_from BIGINT NOT NULL DEFAULT 0; -- tokens from before are no longer good
ALTER TABLE users ADD COLUMN disabled SMALLINT NOT NULL DEFAULT 0;

CREATE TABLE apps (
	app_id        TEXT NOT NULL, -- the client id, a GUID in lower case
	name          TEXT NOT NULL,
	kind          SMALLINT NOT NULL, -- store.AppKind
	redirect_uris TEXT NOT NULL, -- JSON array of strings
	scopes        TEXT NOT NULL, -- delegated permissions, separated by spaces
	roles         TEXT NOT NULL, -- application permissions, separated by spaces
	created       BIGINT NOT NULL,
	tokens_from   BIGINT NOT NULL, -- tokens from before are no longer good
	PRIMARY KEY (app_id)
) WITHOUT ROWID;

-- Secrets and certificates of applications.
CREATE TABLE app_credentials (
	app_id        TEXT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
	credential_id TEXT NOT NULL,
	hash          TEXT NOT NULL, -- of the secret; '' for a certificate
	hint          TEXT NOT NULL, -- the first characters of the secret, or the subject of the certificate
	certificate   TEXT NOT NULL, -- DER in base64; '' for a secret
	x5t           TEXT NOT NULL, -- SHA-1 of the certificate in base64url
	x5t_s256      TEXT NOT NULL, -- SHA-256 of the certificate in base64url
	created       BIGINT NOT NULL,
	expires       BIGINT NOT NULL,
	PRIMARY KEY (app_id, credential_id)
) WITHOUT ROWID;

-- The jti of the client assertions that were used, so that none is used twice.
CREATE TABLE assertions (
	app_id  TEXT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
	jti     TEXT NOT NULL, -- hashed, because it may be long
	expires BIGINT NOT NULL,
	PRIMARY KEY (app_id, jti)
) WITHOUT ROWID;

CREATE TABLE consents (
	user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	app_id  TEXT NOT NULL,
	scopes  TEXT NOT NULL, -- separated by spaces
	given   BIGINT NOT NULL,
	PRIMARY KEY (user_id, app_id)
) WITHOUT ROWID;

CREATE TABLE passwords (
	user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	hash    TEXT NOT NULL, -- argon2id in the PHC form
	changed BIGINT NOT NULL,
	PRIMARY KEY (user_id)
) WITHOUT ROWID;

-- Links with which a password is set; user_id is '' for that of the first user.
CREATE TABLE setup_links (
	user_id TEXT NOT NULL,
	hash    TEXT NOT NULL,
	expires BIGINT NOT NULL,
	PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;

CREATE TABLE sessions (
	user_id    TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	hash       TEXT NOT NULL, -- of the cookie
	created    BIGINT NOT NULL,
	last_seen  BIGINT NOT NULL,
	address    TEXT NOT NULL,
	user_agent TEXT NOT NULL,
	expires    BIGINT NOT NULL,
	PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;

CREATE TABLE authorization_codes (
	user_id      TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	hash         TEXT NOT NULL,
	app_id       TEXT NOT NULL,
	redirect_uri TEXT NOT NULL,
	challenge    TEXT NOT NULL, -- of PKCE; '' for none
	nonce        TEXT NOT NULL,
	scopes       TEXT NOT NULL, -- as the client asked for them
	signed_in    BIGINT NOT NULL,
	family       TEXT NOT NULL, -- of the tokens that were given for it; '' while there are none
	expires      BIGINT NOT NULL,
	PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;

-- Tokens that come of one sign-in are a family. One that was exchanged stays, so
-- that its second use is noticed.
CREATE TABLE refresh_tokens (
	user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	hash    TEXT NOT NULL,
	family  TEXT NOT NULL,
	app_id  TEXT NOT NULL,
	scopes  TEXT NOT NULL, -- as the client asked for them
	signed_in BIGINT NOT NULL,
	created BIGINT NOT NULL,
	rotated BIGINT NOT NULL, -- when it was exchanged; 0 for never
	expires BIGINT NOT NULL,
	PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;
CREATE INDEX refresh_tokens_family ON refresh_tokens (user_id, family, created);

-- Who will approve a device code is not known while it waits, so this table is
-- of no mailbox.
CREATE TABLE device_codes (
	hash      TEXT NOT NULL,
	user_code TEXT NOT NULL,
	app_id    TEXT NOT NULL,
	scopes    TEXT NOT NULL, -- as the client asked for them
	state     SMALLINT NOT NULL, -- store.DeviceState
	user_id   TEXT NOT NULL, -- who approved it; '' for nobody
	poll_gap  BIGINT NOT NULL, -- microseconds between two polls
	last_poll BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	PRIMARY KEY (hash)
) WITHOUT ROWID;
CREATE UNIQUE INDEX device_codes_user ON device_codes (user_code);
CREATE INDEX device_codes_expires ON device_codes (expires);

-- Access tokens that were revoked before their end: token_id is a jti, or the
-- family that a token names as its sid. For an application without a user,
-- user_id is its client id.
CREATE TABLE revocations (
	user_id  TEXT NOT NULL,
	token_id TEXT NOT NULL,
	expires  BIGINT NOT NULL,
	PRIMARY KEY (user_id, token_id)
) WITHOUT ROWID;

CREATE TABLE personal_access_tokens (
	user_id   TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	hash      TEXT NOT NULL,
	name      TEXT NOT NULL,
	scopes    TEXT NOT NULL, -- separated by spaces
	created   BIGINT NOT NULL,
	last_used BIGINT NOT NULL, -- 0 for never
	expires   BIGINT NOT NULL,
	PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;
