package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/store"
)

// standInForCitus gives a database the parts of Citus that Distribute asks, with
// the rules that Citus has for them: who may, in which order, and with which keys.
// It moves nothing.
const standInForCitus = `
	SET allow_system_table_mods = on;
	INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
		SELECT 99999, 'citus', r.oid, n.oid, false, '13.2' FROM pg_roles r, pg_namespace n WHERE r.rolname = 'postgres' AND n.nspname = 'pg_catalog';
	CREATE SCHEMA shim;
	CREATE TABLE shim.placed (table_name REGCLASS PRIMARY KEY, citus_table_type TEXT, distribution_column TEXT, colocated REGCLASS, shards INTEGER);
	GRANT USAGE ON SCHEMA shim TO PUBLIC; GRANT ALL ON shim.placed TO PUBLIC;
	CREATE VIEW pg_catalog.citus_tables AS SELECT table_name, citus_table_type, distribution_column FROM shim.placed;
	GRANT SELECT ON pg_catalog.citus_tables TO PUBLIC;

	CREATE FUNCTION shim.place(t REGCLASS, kind TEXT, key TEXT, beside REGCLASS) RETURNS VOID LANGUAGE plpgsql AS $$
	DECLARE r RECORD; BEGIN
		IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = t), 'USAGE') THEN
			RAISE EXCEPTION 'must be owner of table %', t USING ERRCODE = '42501';
		ELSIF current_setting('citus.multi_shard_modify_mode', true) IS DISTINCT FROM 'sequential' THEN
			RAISE EXCEPTION 'cannot run because there was a parallel operation' USING ERRCODE = '25000';
		ELSIF EXISTS (SELECT FROM shim.placed WHERE table_name = t AND citus_table_type <> 'local') THEN
			RAISE EXCEPTION 'table % is already distributed', t USING ERRCODE = '42P16';
		ELSIF beside IS NOT NULL AND NOT EXISTS (SELECT FROM shim.placed WHERE table_name = beside AND distribution_column IS NOT NULL) THEN
			RAISE EXCEPTION 'relation % is not distributed', beside USING ERRCODE = '42809';
		END IF;
		IF key IS NOT NULL AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t AND i.indisunique AND NOT
				(SELECT attnum FROM pg_attribute WHERE attrelid = t AND attname = key) = ANY (CAST(i.indkey AS SMALLINT[]))) THEN
			RAISE EXCEPTION 'cannot create constraint on %', t USING ERRCODE = '0A000';
		END IF;
		FOR r IN SELECT c.confrelid, a.attname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = t AND a.attnum = ANY (c.conkey) AND (key IS NULL OR a.attname = key)
				WHERE c.conrelid = t AND c.contype = 'f' LOOP
			IF NOT EXISTS (SELECT FROM shim.placed p WHERE p.table_name = r.confrelid AND
					(p.citus_table_type = 'reference' OR p.distribution_column = key AND coalesce(p.colocated, p.table_name) = beside)) THEN
				RAISE EXCEPTION 'cannot create foreign key constraint of %', t USING ERRCODE = '42P16';
			END IF;
		END LOOP;
		INSERT INTO shim.placed VALUES (t, kind, key, coalesce(beside, t), CAST(current_setting('citus.shard_count', true) AS INTEGER))
			ON CONFLICT (table_name) DO UPDATE SET citus_table_type = excluded.citus_table_type, distribution_column = excluded.distribution_column, colocated = excluded.colocated, shards = excluded.shards;
		IF kind = 'reference' THEN -- those that refer to it are known from here on
			INSERT INTO shim.placed SELECT conrelid, 'local' FROM pg_constraint WHERE confrelid = t AND contype = 'f' ON CONFLICT DO NOTHING;
		END IF;
	END $$;
	CREATE FUNCTION pg_catalog.create_distributed_table(t REGCLASS, key TEXT, colocate_with TEXT) RETURNS VOID LANGUAGE sql AS
		$$ SELECT shim.place(t, 'distributed', key, CASE WHEN colocate_with <> 'none' THEN CAST(colocate_with AS REGCLASS) END) $$;
	CREATE FUNCTION pg_catalog.create_reference_table(t REGCLASS) RETURNS VOID LANGUAGE sql AS $$ SELECT shim.place(t, 'reference', NULL, NULL) $$;`

// distribute is Distribute with the names of the tables that it moved.
func distribute(t *testing.T, dsn string) (moved []string, err error) {
	t.Helper()
	err = store.Distribute(t.Context(), dsn, func(p store.Placement) {
		if !p.Done {
			t.Errorf("%s was moved and is not done", p.Table)
		}
		moved = append(moved, p.Table)
	})
	return moved, err
}

// TestDistribute distributes a database on the stand-in: every table has its
// place, a second time there is nothing to do, and migrations place what they make.
func TestDistribute(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	db := open(t, dsn)
	addUser(t, db, "adele")
	if _, err := distribute(t, dsn); !errors.Is(err, store.ErrNoCitus) {
		t.Fatalf("without Citus: %v", err)
	}
	sql(t, dsn, standInForCitus)
	before, citus, err := store.Placements(t.Context(), dsn)
	if err != nil || !citus || len(before) < 25 {
		t.Fatalf("Placements: %v, %v, %v", before, citus, err)
	}
	moved, err := distribute(t, dsn)
	if err != nil || len(moved) != len(before) || !slices.Contains(moved, "search") {
		t.Fatalf("%d of %d tables were moved, %v: %v", len(moved), len(before), err, moved)
	}
	after, _, err := store.Placements(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	together := map[string]string{"user_id": "users"}
	for _, p := range after {
		if !p.Done {
			t.Errorf("%s is left where it was", p.Table)
		}
		if p.Key == "" {
			continue
		}
		if together[p.Key] == "" {
			together[p.Key] = p.Table
		}
		if n := count(t, dsn, `SELECT count(*) FROM shim.placed WHERE table_name = CAST('`+p.Table+`' AS REGCLASS) AND distribution_column = '`+p.Key+
			`' AND colocated = CAST('`+together[p.Key]+`' AS REGCLASS) AND shards = 32`); n != 1 {
			t.Errorf("%s is not beside %s", p.Table, together[p.Key])
		}
	}
	if moved, err := distribute(t, dsn); err != nil || len(moved) > 0 {
		t.Errorf("a second time %v are moved, %v", moved, err)
	}

	// The schema of before a migration that makes tables, as it would be distributed.
	sql(t, dsn, `DELETE FROM shim.placed WHERE table_name IN (CAST('revisions' AS REGCLASS), CAST('device_codes' AS REGCLASS))`,
		`UPDATE schema_version SET version = version - 1`)
	again := open(t, dsn)
	if err := again.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	for _, table := range []string{"revisions", "device_codes"} {
		if n := count(t, dsn, `SELECT count(*) FROM shim.placed WHERE table_name = CAST('`+table+`' AS REGCLASS) AND colocated = CAST('revision_counter' AS REGCLASS)`); n != 1 {
			t.Errorf("the migration has left %s where it was made", table)
		}
	}
}

// TestDistributeFails has Citus refuse: nothing is moved.
func TestDistributeFails(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t).DSN
	open(t, dsn)
	sql(t, dsn, standInForCitus, `CREATE ROLE weak LOGIN`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO weak`)
	if _, err := distribute(t, strings.Replace(dsn, "postgres@", "weak@", 1)); err == nil || !strings.Contains(err.Error(), "must be owner") || strings.Contains(err.Error(), "\n") {
		t.Errorf("by another role than the owner: %v", err)
	}
	sql(t, dsn, `CREATE UNIQUE INDEX ON personal_access_tokens (hash)`)
	if _, err := distribute(t, dsn); err == nil || !strings.Contains(err.Error(), "0A000") {
		t.Errorf("with an index that Citus refuses: %v", err)
	}
	if n := count(t, dsn, `SELECT count(*) FROM shim.placed`); n != 0 {
		t.Errorf("%d tables were moved", n)
	}
}

// TestPlacements has the places of all tables.
func TestPlacements(t *testing.T) {
	t.Parallel()
	dsn := postgres(t)
	placements, citus, err := store.Placements(t.Context(), dsn)
	if err != nil || citus {
		t.Fatalf("citus %v, %v", citus, err)
	}
	others := map[string]string{}
	for _, p := range placements {
		if p.Key != "user_id" {
			others[p.Table] = p.Key
		}
	}
	want := map[string]string{
		"schema_version": "", "apps": "", "app_credentials": "", "copy_journal": "",
		"login_names": "login_name", "people": "person_hash", "app_subscriptions": "app", "assertions": "app_id",
		"revision_counter": "one", "revisions": "one", "device_codes": "one", "external_sign_ins": "one",
	}
	if diff := cmp.Diff(want, others); diff != "" {
		t.Errorf("tables that are not spread by mailbox (-want +got):\n%s", diff)
	}
	if n := count(t, dsn, `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`); n != len(placements) {
		t.Errorf("%d tables have a place, and there are %d", len(placements), n)
	}
	empty := pgtest.DSN(t)
	if placements, _, err := store.Placements(t.Context(), empty); err != nil || len(placements) > 0 {
		t.Errorf("an empty database has the tables %v, %v", placements, err)
	}
}
