package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// leastPostgres is the oldest server that the tests run on.
	leastPostgres = 150_000
	// inspectTime bounds one check.
	inspectTime = 10 * time.Minute
	// longLease is longer than any lease that is taken.
	longLease = 10 * time.Minute

	pgRestoreRemedy = "stop the servers and restore the last good backup of the database"
)

// InspectPostgres is [Inspect] for a database of PostgreSQL's.
func InspectPostgres(ctx context.Context, dsn string, now time.Time) []Finding {
	unavailable := func(err error) []Finding {
		f := unreadable(fmt.Errorf("%s: %w", withoutPassword(dsn), err))
		f.Remedy = "see that the server runs, that --db or DULY_DB names it, and that the account may connect"
		return []Finding{f}
	}
	config, err := parsePostgres(dsn)
	if err != nil {
		return unavailable(err)
	}
	e, err := newPgEngine(ctx, config)
	if err != nil {
		return unavailable(err)
	}
	e.wait.Store(int64(inspectTime))
	p := &pgInspection{ctx: ctx, engine: e}
	findings, err := p.server(now)
	if err != nil {
		return append(unavailable(err), p.close()...)
	}
	schema := 0
	if err := p.view(func(s session) (err error) {
		var more []Finding
		schema, more = inspectSchema(s)
		findings = append(findings, more...)
		return nil
	}); err != nil {
		return append(findings, append(unavailable(err), p.close()...)...)
	}
	if schema > 0 {
		findings = append(findings, p.check("rights", p.rights), p.check("clock", func(s session) Finding { return inspectClock(s, now) }))
		if schema == KnownSchema() {
			findings = append(findings, p.check("leases", func(s session) Finding { return inspectLeases(s, now) }))
		}
		for _, r := range rules(postgresSearch()) {
			r.remedy = pgRestoreRemedy
			findings = append(findings, p.check(r.name, r.inspect))
		}
	}
	return append(findings, p.close()...)
}

// A pgInspection makes each check in a transaction of its own, so that one that
// fails leaves the others alone.
type pgInspection struct {
	ctx    context.Context
	engine *pgEngine
}

func (p *pgInspection) view(fn func(session) error) error {
	return p.engine.view(p.ctx, long, func(s session) error {
		if err := s.exec(`SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		return fn(s)
	})
}

func (p *pgInspection) check(name string, fn func(session) Finding) (f Finding) {
	if err := p.view(func(s session) error { f = fn(s); return nil }); err != nil {
		f = unreadable(err)
	}
	f.Name = name
	return f
}

func (p *pgInspection) close() []Finding {
	if err := p.engine.close(); err != nil {
		return []Finding{unreadable(err)}
	}
	return nil
}

// server looks at the server, and at its clock.
func (p *pgInspection) server(now time.Time) (findings []Finding, err error) {
	var number, micros int64
	var version, commit string
	begun := time.Now()
	err = p.view(func(s session) error {
		return s.query(`SELECT CAST(current_setting('server_version_num') AS BIGINT), current_setting('server_version'), current_setting('synchronous_commit'),
			CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`,
			func(r *row) error { number, version, commit, micros = r.int(), r.text(), r.text(), r.int(); return nil })
	})
	if err != nil {
		return nil, err
	}
	f := Finding{Name: "server", Text: "PostgreSQL " + version}
	if number < leastPostgres {
		f.Remedy = fmt.Sprintf("use PostgreSQL %d or a newer one", leastPostgres/10_000)
	}
	durable := Finding{Name: "durability", Text: "synchronous_commit is " + commit}
	if commit == "off" {
		durable.Text += ": writes that were answered may be lost when the server fails"
		durable.Remedy = "set synchronous_commit to on"
	}
	now = now.Add(time.Since(begun))
	apart := time.UnixMicro(micros).Sub(now).Round(time.Millisecond)
	clock := Finding{Name: "clocks", Text: fmt.Sprintf("that of the database and of this machine are %s apart", apart.Abs())}
	if apart.Abs() > maxClockError {
		clock.Remedy = "let the clocks of both machines be kept by NTP"
	}
	return []Finding{f, durable, clock}, nil
}

// rights looks whether the account may do what servers do.
func (p *pgInspection) rights(s session) Finding {
	f := Finding{Name: "rights", Text: "the account may read, write and migrate"}
	var missing []string
	err := s.query(`SELECT CAST(relname AS TEXT) FROM pg_class WHERE relnamespace = CAST(current_schema() AS REGNAMESPACE) AND relkind IN ('r', 'p') AND NOT (
		has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')) ORDER BY 1`,
		func(r *row) error { missing = append(missing, r.text()); return nil })
	may := false
	err = errors.Join(err, s.query(`SELECT has_schema_privilege(current_schema(), 'CREATE')`, func(r *row) error { may = r.int() != 0; return nil }))
	switch {
	case err != nil:
		return unreadable(err)
	case len(missing) > 0:
		f.Text = fmt.Sprintf("the account may not read and write %d tables, such as %s", len(missing), missing[0])
		f.Remedy = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA to it, or make it their owner"
	case !may:
		f.Text = "the account may not make tables, which the next version may want to"
		f.Remedy = "GRANT CREATE ON SCHEMA to it"
	}
	return f
}

// inspectLeases looks for leases of a server whose clock was ahead: until they end,
// nobody tells their subscriptions.
func inspectLeases(s session, now time.Time) Finding {
	f := Finding{Name: "leases", Text: "none lasts longer than it may"}
	n := int64(0)
	late := integer(now.Add(longLease).UnixMicro())
	err := s.query(`SELECT COUNT(*) FROM subscriptions WHERE lease_until > ? OR life_lease_until > ?`, func(r *row) error { n = r.int(); return nil }, late, late)
	if err != nil {
		return unreadable(err)
	}
	if n > 0 {
		f.Text = fmt.Sprintf("%d subscriptions are leased for more than %s, and nobody tells them until then", n, longLease)
		f.Remedy = `let the clocks of all servers be kept by NTP, and run "UPDATE subscriptions SET lease_until = 0, life_lease_until = 0" in the database`
	}
	return f
}
