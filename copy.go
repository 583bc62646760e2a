package duly

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/duly-todo/duly/internal/store"
)

// ErrHalfCopy says that a database is a copy which is not whole: no server takes it.
var ErrHalfCopy = store.ErrHalfCopy

// ErrHoldsData says that a database cannot be copied into, because it holds data.
var ErrHoldsData = store.ErrHoldsData

// CopyOptions name what [Copy] copies, and who is told.
type CopyOptions struct {
	From, To         string // databases, as in [Config]
	FromData, ToData string // folders whose keys and certificates are copied as well; both or none
	Mailbox          func(CopiedMailbox)
	Progress         func(step string, done, all int64)
}

// A CopiedMailbox is one that is in the target.
type CopiedMailbox = store.CopiedMailbox

// A CopiedTable is what both databases hold of a table.
type CopiedTable = store.CopiedTable

// A CopyReport is what has come of a [Copy].
type CopyReport struct {
	Whole  bool          // the target may be served; else a server still uses the source
	Tables []CopiedTable // what both databases hold, once it is whole
	Files  []string      // of the data folder that were copied
}

// Copy brings the data of a database into another one, of either kind, which must
// be empty or half a copy of the same: ids, versions and the change log stay what
// they are, and so etags and delta tokens go on working where the keys are copied
// as well. A copy that was interrupted goes on when it is called again. While a
// server uses the source, the copy is brought up to what it holds, and stays half
// of one until it is called again without that server.
func Copy(ctx context.Context, o CopyOptions) (report CopyReport, err error) {
	if err := o.check(); err != nil {
		return report, err
	}
	served, release, err := claimSource(ctx, o.From)
	if err != nil {
		return report, fmt.Errorf("the source: %w", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	releaseTarget, err := claimTarget(ctx, o.To)
	if err != nil {
		return report, fmt.Errorf("the target: %w", err)
	}
	defer func() { err = errors.Join(err, releaseTarget()) }()
	if o.FromData != "" {
		if report.Files, err = copyDataFiles(o.FromData, o.ToData); err != nil {
			return report, fmt.Errorf("copying the data folder: %w", err)
		}
	}
	report.Tables, err = store.Copy(ctx, o.From, o.To, store.CopyOptions{Finish: !served, Mailbox: o.Mailbox, Progress: o.Progress})
	report.Whole = err == nil && !served
	return report, err
}

// check says what is wrong with the options, and makes the names of files absolute,
// by which a half copy knows its source.
func (o *CopyOptions) check() error {
	for _, dsn := range []*string{&o.From, &o.To} {
		if err := store.CheckDSN(*dsn); err != nil {
			return err
		}
		if store.IsPostgres(*dsn) {
			continue
		}
		path, err := filepath.Abs(strings.TrimPrefix(*dsn, "sqlite:"))
		if err != nil {
			return err
		}
		*dsn = path
	}
	switch {
	case o.From == o.To:
		return errors.New("the source and the target are the same database")
	case (o.FromData == "") != (o.ToData == ""):
		return errors.New("name both data folders, or none")
	}
	return nil
}

// claimSource keeps servers off a source that is a file. It says whether one is
// there already, which it does not keep from serving.
func claimSource(ctx context.Context, dsn string) (served bool, release func() error, err error) {
	none := func() error { return nil }
	if store.IsPostgres(dsn) {
		served, err = store.InUse(ctx, dsn)
		return served, none, err
	}
	if _, err := os.Stat(dsn); err != nil {
		return false, none, err
	}
	release, err = claimFile(dsn)
	if errors.Is(err, ErrInUse) {
		return true, none, nil
	}
	return false, release, err
}

// claimTarget makes the file of a target that is one, and keeps servers off it.
func claimTarget(ctx context.Context, dsn string) (release func() error, err error) {
	if store.IsPostgres(dsn) {
		used, err := store.InUse(ctx, dsn)
		if err == nil && used {
			err = ErrInUse
		}
		return func() error { return nil }, err
	}
	if err := os.MkdirAll(filepath.Dir(dsn), 0o700); err != nil {
		return nil, err
	}
	if release, err = claimFile(dsn); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(dsn, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // as closed as that of a server
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(err, release())
	}
	return release, nil
}
