package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

// maxExternalSignIns is how many people may be on their way at once.
const maxExternalSignIns = 10_000

// A Person is somebody whom an external issuer knows, by the name that the issuer
// gives nobody else. Names and addresses say nothing about who it is.
type Person struct {
	Issuer  string
	Subject string
	User    string // object id of the user who it is here
}

// hash is the key of a person.
func (p Person) hash() string {
	sum := sha256.Sum256([]byte(p.Issuer + "\x00" + p.Subject))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Person returns the object id of the user who a person is, or todo.ErrNotFound.
func (db *DB) Person(ctx context.Context, p Person) (user string, err error) {
	err = db.lookup(ctx, "", func(tx *Tx) (err error) { user, err = tx.person(p); return err })
	if err == nil && user == "" {
		err = todo.ErrNotFound
	}
	return user, err
}

// person is the object id of the user who a person is, or "".
func (tx *Tx) person(p Person) (user string, err error) {
	err = tx.conn.query(`SELECT user_id FROM people WHERE person_hash = ?`, func(r *row) error { user = r.text(); return nil }, text(p.hash()))
	return user, err
}

// People returns at most limit persons after the first skip, by user.
func (db *DB) People(ctx context.Context, skip, limit int) (out []Person, err error) {
	err = db.survey(ctx, func(tx *Tx) error {
		out = out[:0]
		return tx.conn.query(`SELECT issuer, subject, user_id FROM people`+everyMailbox+` ORDER BY user_id, person_hash LIMIT ?+0 OFFSET ?+0`,
			func(r *row) error {
				out = append(out, Person{Issuer: r.text(), Subject: r.text(), User: r.text()})
				return nil
			},
			integer(int64(limit)), integer(int64(skip)))
	})
	return out, err
}

// LinkPerson notes who a person is. The error is of the kind todo.Conflict when
// that is another user already.
func (db *DB) LinkPerson(ctx context.Context, p Person) error {
	return db.Update(ctx, As{User: p.User}, func(tx *Tx) error {
		if _, err := tx.Owner(); err != nil {
			return err
		}
		user, _, err := tx.takePerson(p)
		if err == nil && user != p.User {
			err = todo.Errorf(todo.Conflict, "", "The subject is linked to another user already.")
		}
		return err
	})
}

// takePerson notes that a person is p.User, unless the person is somebody already,
// and returns who it is. Of two at once, one waits here for the other.
func (tx *Tx) takePerson(p Person) (user string, added bool, err error) {
	err = tx.conn.query(`INSERT INTO people (person_hash, issuer, subject, user_id, linked) VALUES (?, ?, ?, ?, ?) ON CONFLICT (person_hash) DO NOTHING RETURNING user_id`,
		func(r *row) error { user, added = r.text(), true; return nil },
		text(p.hash()), text(p.Issuer), text(p.Subject), text(p.User), integer(tx.now.UnixMicro()))
	if err == nil && !added {
		user, err = tx.person(p)
	}
	return user, added, err
}

// UnlinkPerson forgets who a person is, and signs the user out everywhere, so
// that no token that came by the link is good any longer. The error is
// todo.ErrNotFound when there is no such link.
func (db *DB) UnlinkPerson(ctx context.Context, p Person) error {
	return db.Update(ctx, As{User: p.User}, func(tx *Tx) error {
		found := false
		err := tx.conn.query(`DELETE FROM people WHERE person_hash = ? AND user_id = ? RETURNING 1`,
			func(*row) error { found = true; return nil }, text(p.hash()), text(p.User))
		if err == nil && !found {
			err = todo.ErrNotFound
		}
		if err != nil {
			return err
		}
		return tx.SignOutEverywhere()
	})
}

// AddPerson makes u with its mailbox and notes that a person is u, unless the
// person is somebody already; it returns the object id of who it is, and whether
// that is a new user. Where the principal name is taken the new user has the one
// that is spare: nobody becomes somebody who is there by choosing a name.
func (db *DB) AddPerson(ctx context.Context, p Person, u todo.User, spare, app string) (user string, added bool, err error) {
	err = db.Update(ctx, As{User: u.ID, App: app}, func(tx *Tx) error {
		if user, added, err = tx.takePerson(Person{Issuer: p.Issuer, Subject: p.Subject, User: u.ID}); err != nil || !added {
			return err
		}
		owner := u
		free, err := tx.takeLoginName(owner.UserPrincipalName)
		if err == nil && !free {
			owner.UserPrincipalName = spare
			if free, err = tx.takeLoginName(spare); err == nil && !free {
				err = todo.Errorf(todo.Conflict, "userPrincipalName", "There is a user named %s already.", spare)
			}
		}
		if err != nil {
			return err
		}
		return tx.addUser(owner)
	})
	return user, added, err
}

// An ExternalSignIn is a person's way to an external issuer and back.
type ExternalSignIn struct {
	State   string // hash of what goes with it
	Browser string // hash of the cookie of the browser that it began in
	Issuer  string
	Path    string // where it goes on
	Expires time.Time
}

// PutExternalSignIn writes a new one. There may be so many that the error of too
// many, of the kind todo.Unavailable, is that of a flood.
func (db *DB) PutExternalSignIn(ctx context.Context, s ExternalSignIn) error {
	return db.Update(ctx, As{}, func(tx *Tx) error {
		count := int64(0)
		err := tx.conn.exec(`DELETE FROM external_sign_ins WHERE one = 1 AND expires <= ?`, integer(tx.now.UnixMicro()))
		if err == nil {
			err = tx.conn.query(`SELECT count(*) FROM external_sign_ins WHERE one = 1`, func(r *row) error { count = r.int(); return nil })
		}
		if err == nil && count >= maxExternalSignIns {
			err = todo.Errorf(todo.Unavailable, "", "There are too many people on their way to sign in.")
		}
		if err != nil {
			return err
		}
		return tx.conn.exec(`INSERT INTO external_sign_ins (one, state_hash, browser_hash, issuer, path, expires) VALUES (1, ?, ?, ?, ?, ?)`,
			text(s.State), text(s.Browser), text(s.Issuer), text(s.Path), integer(s.Expires.UnixMicro()))
	})
}

// TakeExternalSignIn uses one up that began in the browser. The error is
// todo.ErrNotFound when there is none.
func (db *DB) TakeExternalSignIn(ctx context.Context, state, browser string) (s ExternalSignIn, err error) {
	err = db.Update(ctx, As{}, func(tx *Tx) error {
		s = ExternalSignIn{}
		return tx.conn.query(`DELETE FROM external_sign_ins WHERE one = 1 AND state_hash = ? AND browser_hash = ? AND expires > ? RETURNING issuer, path, expires`,
			func(r *row) error {
				s = ExternalSignIn{State: state, Browser: browser, Issuer: r.text(), Path: r.text(), Expires: r.time()}
				return nil
			}, text(state), text(browser), integer(tx.now.UnixMicro()))
	})
	if err == nil && s.Issuer == "" {
		err = todo.ErrNotFound
	}
	return s, err
}
