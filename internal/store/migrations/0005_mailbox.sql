-- Settings of the mailbox; the language is users.preferred_language.
ALTER TABLE users ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE users ADD COLUMN date_format TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN time_format TEXT NOT NULL DEFAULT '';

-- The master categories of a mailbox.
CREATE TABLE categories (
	user_id      TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
	category_id  TEXT NOT NULL,
	display_name TEXT NOT NULL,
	folded_name  TEXT NOT NULL, -- what is unique
	color        SMALLINT NOT NULL, -- todo.CategoryColor
	PRIMARY KEY (user_id, category_id),
	UNIQUE (user_id, folded_name)
) WITHOUT ROWID;

-- Those that a mailbox begins with, for the mailboxes that are there already;
-- their ids come before all that are made later.
INSERT INTO categories SELECT user_id, '00000000-0000-7000-8000-000000000000', 'Red category', 'red category', 0 FROM users;
INSERT INTO categories SELECT user_id, '00000000-0000-7000-8000-000000000001', 'Orange category', 'orange category', 1 FROM users;
INSERT INTO categories SELECT user_id, '00000000-0000-7000-8000-000000000003', 'Yellow category', 'yellow category', 3 FROM users;
INSERT INTO categories SELECT user_id, '00000000-0000-7000-8000-000000000004', 'Green category', 'green category', 4 FROM users;
INSERT INTO categories SELECT user_id, '00000000-0000-7000-8000-000000000007', 'Blue category', 'blue category', 7 FROM users;
INSERT INTO categories SELECT user_id, '00000000-0000-7000-8000-000000000008', 'Purple category', 'purple category', 8 FROM users;
