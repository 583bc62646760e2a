package duly

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/datafile"
	"github.com/duly-todo/duly/internal/store"
)

// lockName is the file of the data folder that an exclusive Server holds locked.
// A database with another name than duly.db has one of its own beside it. The lock
// ends with the process; the file stays.
const (
	lockName   = "duly.lock"
	lockSuffix = ".lock"
)

// A Server that is not beside another looks for damage: in a file of at most so
// many bytes before it starts, in all others while it serves, for so long, which is
// enough for some gigabytes.
const (
	checkBefore = 4 << 20
	checkWhile  = 10 * time.Second
)

// ErrInUse says that another server uses a data folder.
var ErrInUse = errors.New("another server uses it")

// claim takes the database that dsn names for the Server, if it is a file, and
// returns the function that gives it free again. Servers may share PostgreSQL.
func (c *Config) claim(ctx context.Context, dsn string) (release func() error, err error) {
	if c.Beside || store.IsPostgres(dsn) || dsn == store.Memory {
		return func() error { return nil }, nil
	}
	if release, err = claimFile(dsn); err != nil {
		return nil, err
	}
	info, err := os.Stat(dsn)
	if err == nil && info.Size() <= checkBefore {
		err = store.QuickCheck(ctx, dsn)
	}
	if err != nil {
		return nil, errors.Join(err, release())
	}
	return release, nil
}

// claimFile takes the database in a file.
func claimFile(path string) (release func() error, err error) {
	if filepath.Base(path) == databaseName {
		return claimLock(filepath.Join(filepath.Dir(path), lockName))
	}
	return claimLock(path + lockSuffix)
}

// claimLock locks a file, which it makes; the error is [ErrInUse] where it is locked.
func claimLock(path string) (release func() error, err error) {
	f, err := datafile.Lock(path)
	if errors.Is(err, datafile.ErrLocked) {
		return nil, inUse(f)
	}
	if err != nil {
		return nil, fmt.Errorf("locking the database: %w", err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the database: %w", err), f.Close())
	}
	return f.Close, nil
}

// inUse is ErrInUse with the process that the lock file names, which it closes.
func inUse(f *os.File) error {
	if f == nil {
		return ErrInUse
	}
	text, err := io.ReadAll(io.LimitReader(f, 20))
	if err = errors.Join(err, f.Close()); err != nil {
		return ErrInUse
	}
	if pid := strings.TrimSpace(string(text)); pid != "" {
		return fmt.Errorf("%w (process %s)", ErrInUse, pid)
	}
	return ErrInUse
}
