-- Which of several servers on one database is telling a subscription, and until
-- when at most: of changes, and of events of its life. 0: nobody is.
ALTER TABLE subscriptions ADD COLUMN lease_by TEXT NOT NULL DEFAULT '';
ALTER TABLE subscriptions ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN life_lease_by TEXT NOT NULL DEFAULT '';
ALTER TABLE subscriptions ADD COLUMN life_lease_until BIGINT NOT NULL DEFAULT 0;
