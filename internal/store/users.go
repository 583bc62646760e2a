package store

import (
	"context"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/todo"
)

const userColumns = `user_id, principal_name, display_name, given_name, surname, mail, mobile_phone, business_phone, job_title, office_location, preferred_language, time_zone, date_format, time_format, created`

func scanUser(r *row) todo.User {
	u := todo.User{
		ID: r.text(), UserPrincipalName: r.text(), DisplayName: r.text(), GivenName: r.text(), Surname: r.text(), Mail: r.text(), MobilePhone: r.text(),
	}
	if phone := r.text(); phone != "" {
		u.BusinessPhones = []string{phone}
	}
	u.JobTitle, u.OfficeLocation, u.PreferredLanguage = r.text(), r.text(), r.text()
	u.Settings = todo.MailboxSettings{TimeZone: r.text(), DateFormat: r.text(), TimeFormat: r.text()}
	u.Created = time.UnixMicro(r.int()).UTC()
	return u
}

// AddUser writes a new user and the mailbox with its default list
// and its first categories. The error is
// of the kind todo.Conflict when the principal name is taken.
func (db *DB) AddUser(ctx context.Context, u todo.User, app string) error {
	return db.Update(ctx, As{User: u.ID, App: app}, func(tx *Tx) error {
		free, err := tx.takeLoginName(u.UserPrincipalName)
		if err == nil && !free {
			err = todo.Errorf(todo.Conflict, "userPrincipalName", "There is a user named %s already.", u.UserPrincipalName)
		}
		if err != nil {
			return err
		}
		return tx.addUser(u)
	})
}

// takeLoginName gives the owner of the mailbox a name to sign in with, if nobody has
// it. Of two who want one at once, one waits here for the other.
func (tx *Tx) takeLoginName(name string) (free bool, err error) {
	err = tx.conn.query(`INSERT INTO login_names (login_name, user_id) VALUES (?, ?) ON CONFLICT (login_name) DO NOTHING RETURNING 1`,
		func(*row) error { free = true; return nil }, text(fold(name)), text(tx.as.User))
	return free, err
}

// addUser writes a user whose principal name is free, and the mailbox.
func (tx *Tx) addUser(u todo.User) error {
	err := tx.conn.exec(`INSERT INTO users (`+userColumns+`, version, log_floor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)`, userValues(u)...)
	if err != nil {
		return err
	}
	for _, c := range todo.FirstCategories(tx.NewGUID) {
		if err := tx.InsertCategory(c); err != nil {
			return err
		}
	}
	return tx.InsertList(&todo.TaskList{ID: tx.NewID(), Name: todo.DefaultListName, Wellknown: todo.DefaultList, Modified: tx.now})
}

// UpdateUser writes the properties of the mailbox's owner.
func (tx *Tx) UpdateUser(u todo.User) error {
	return tx.conn.exec(`UPDATE users SET principal_name = ?, display_name = ?, given_name = ?, surname = ?, mail = ?, mobile_phone = ?, business_phone = ?,
		job_title = ?, office_location = ?, preferred_language = ?, time_zone = ?, date_format = ?, time_format = ?, created = ? WHERE user_id = ?`,
		append(userValues(u)[1:], text(tx.as.User))...)
}

func userValues(u todo.User) []value {
	phone := ""
	if len(u.BusinessPhones) > 0 {
		phone = u.BusinessPhones[0]
	}
	return []value{
		text(u.ID), text(u.UserPrincipalName), text(u.DisplayName), text(u.GivenName), text(u.Surname), text(u.Mail), text(u.MobilePhone),
		text(phone), text(u.JobTitle), text(u.OfficeLocation), text(u.PreferredLanguage),
		text(u.Settings.TimeZone), text(u.Settings.DateFormat), text(u.Settings.TimeFormat), integer(u.Created.UnixMicro()),
	}
}

// Owner returns the owner of the mailbox; the error is of the kind
// todo.NoSuchUser when there is none.
func (tx *Tx) Owner() (u todo.User, err error) {
	err = tx.conn.query(`SELECT `+userColumns+` FROM users WHERE user_id = ?`,
		func(r *row) error { u = scanUser(r); return nil }, text(tx.as.User))
	if err == nil && u.ID == "" {
		err = errNoSuchUser(tx.as.User)
	}
	return u, err
}

// User returns the user with the id or, in any case, the principal name; the
// error is of the kind todo.NoSuchUser when there is none.
func (db *DB) User(ctx context.Context, idOrName string) (u todo.User, err error) {
	id := strings.ToLower(idOrName)
	view := db.View
	if ValidGUID(id) {
		view = db.lookup
	}
	err = view(ctx, id, func(tx *Tx) error {
		if !ValidGUID(id) {
			if tx.as.User, err = tx.userID(idOrName); err != nil {
				return err
			}
		}
		if u, err = tx.Owner(); err != nil && tx.as.User == "" {
			err = errNoSuchUser(idOrName)
		}
		return err
	})
	return u, err
}

// userID is the id of the user with a principal name, or "".
func (tx *Tx) userID(name string) (id string, err error) {
	err = tx.conn.query(`SELECT user_id FROM login_names WHERE login_name = ?`,
		func(r *row) error { id = r.text(); return nil }, text(fold(name)))
	return id, err
}

// Users returns at most limit users after the first skip, by principal name.
func (db *DB) Users(ctx context.Context, skip, limit int) ([]todo.User, error) {
	users := []todo.User{}
	err := db.survey(ctx, func(tx *Tx) error {
		users = users[:0]
		return tx.conn.query(`SELECT `+userColumns+` FROM users`+everyMailbox+` ORDER BY principal_name, user_id LIMIT ?+0 OFFSET ?+0`,
			func(r *row) error { users = append(users, scanUser(r)); return nil }, integer(int64(limit)), integer(int64(skip)))
	})
	return users, err
}

// fold is the form in which names compare without regard to case.
func fold(s string) string { return strings.ToLower(s) }
