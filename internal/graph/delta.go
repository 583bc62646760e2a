package graph

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// A round of delta begins with everything, page by page, or with a token of an
// earlier round, from which on it reads the mailbox's change log. Entities come
// whole. An entity is given where the log has its last change, so that it comes
// once a round however often it was written, and one that came and went between
// two rounds does not come at all (semantics §17). Where a round has many pages and
// writers do not rest, the removal of what was never given is possible, and harmless.

// A deltaToken is all that a round remembers. It is signed, and bound to its
// user and its collection; the server keeps nothing.
type deltaToken struct {
	User  string `json:"u"`
	List  string `json:"l,omitempty"` // of a round of tasks
	After int64  `json:"a"`           // the version up to which the log has been read
	Seen  int64  `json:"s,omitempty"` // the version at the last page of a full round, which may have given what the log has after After
	Full  bool   `json:"f,omitempty"` // the round gives everything
	From  string `json:"i,omitempty"` // and these ids, up to this one, have been given
	Page  int    `json:"p,omitempty"` // items a page, as first asked for

	Filter string `json:"q,omitempty"` // the options of the first call
	Select string `json:"c,omitempty"`
	Expand string `json:"x,omitempty"`

	Aliases map[string]string `json:"@,omitempty"`
}

// maxToken is the most bytes of a token as text.
const maxToken = 32 << 10

// sign writes what a link remembers as text, signed.
func (s *Server) sign(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it holds strings and numbers only
	}
	return base64.RawURLEncoding.EncodeToString(b) + "." + base64.RawURLEncoding.EncodeToString(s.mac(b))
}

// verify reads what sign wrote, and says whether it did.
func (s *Server) verify(token string, into any) bool {
	payload, signature, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(payload)
	sum, err2 := base64.RawURLEncoding.DecodeString(signature)
	return err == nil && err2 == nil && len(token) <= maxToken && hmac.Equal(sum, s.mac(b)) && json.Unmarshal(b, into) == nil
}

func (s *Server) mac(b []byte) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write(b)
	return h.Sum(nil)[:16]
}

// errSyncState says that a token is not, or no more, good for the round.
func errSyncState(kind todo.Kind) error {
	return todo.Errorf(kind, "", "The delta token is no longer valid, and the app must reset the sync state.")
}

// parseToken reads a token of a round of the request's collection.
func (s *Server) parseToken(r *request, list, text string) (t deltaToken, err error) {
	if !s.verify(text, &t) {
		return t, errSyncState(todo.TokenDamaged)
	}
	if t.User != r.as.User || t.List != list {
		return t, errSyncState(todo.TokenForeign)
	}
	return t, nil
}

// A deltaSource is a collection that a round reads.
type deltaSource struct {
	kind store.Kind
	list string // of tasks
	// all gives at most limit entities after an id, in the order of their ids.
	all func(tx *store.Tx, after string, limit int) ([]deltaItem, error)
	// changed gives the entities whose last change lies after one version, up to
	// another.
	changed func(tx *store.Tx, after, upTo int64) ([]deltaItem, error)
	// removed writes what is left of an entity.
	removed func(e *encoder, id, reason string)
}

// removal writes why an entity is gone.
func (e *encoder) removal(reason string) {
	e.name("@removed")
	e.b = append(e.b, `{"reason":"`+reason+`"}`...)
}

// A deltaItem is an entity of a round: one that is there, or the id of one that
// is not, or that $filter does not select.
type deltaItem struct {
	id      string
	version int64
	write   func(*encoder) // nil: removed
	reason  string         // why
}

// deltaTasks serves GET …/tasks/delta.
func (s *Server) deltaTasks(r *request) error {
	list := r.params.get("list")
	if !store.ValidID(list) { // and may be an alias
		err := s.glance(r, func(tx *store.Tx) (err error) { list, err = r.list(tx); return err })
		if err != nil {
			return err
		}
	}
	items := func(tx *store.Tx, tasks []todo.Task, err error) ([]deltaItem, error) {
		out := make([]deltaItem, len(tasks))
		if err == nil {
			err = r.opts.readParts(tx, tasks)
		}
		for i := range tasks {
			t := &tasks[i]
			out[i] = deltaItem{id: t.ID, version: t.Version, reason: "changed"}
			ok := true
			if r.opts.filter != nil && err == nil {
				ok, err = tx.Matches(r.opts.filter, t)
			}
			if ok {
				r.opts.expandInline(t)
				out[i].write = func(e *encoder) { e.task(t, "") }
			}
		}
		return out, err
	}
	return s.delta(r, store.TaskSchema(), deltaSource{
		kind: store.TaskChange, list: list,
		all: func(tx *store.Tx, after string, limit int) ([]deltaItem, error) {
			tasks, err := tx.TasksAfter(list, after, limit)
			return items(tx, tasks, err)
		},
		changed: func(tx *store.Tx, after, upTo int64) ([]deltaItem, error) {
			tasks, err := tx.ChangedTasks(list, after, upTo)
			return items(tx, tasks, err)
		},
		removed: func(e *encoder, id, reason string) {
			e.str("id", id)
			e.boolean("isReminderOn", false)
			e.boolean("hasAttachments", false)
			e.removal(reason)
		},
	}, "Collection(microsoft.graph.todoTask)")
}

// deltaLists serves GET …/todo/lists/delta.
func (s *Server) deltaLists(r *request) error {
	items := func(tx *store.Tx, lists []todo.TaskList, err error) ([]deltaItem, error) {
		out := make([]deltaItem, len(lists))
		for i := range lists {
			l := &lists[i]
			out[i] = deltaItem{id: l.ID, version: l.Version, reason: "changed"}
			ok := err == nil
			if r.opts.filter != nil && err == nil {
				ok, err = tx.MatchesList(r.opts.filter, l)
			}
			if ok && err == nil {
				l.Extensions, err = r.opts.extensionsOf(tx, l.ID)
				out[i].write = func(e *encoder) {
					e.taskList(l)
					e.extensions(l.Extensions, "", l.ID)
				}
			}
		}
		return out, err
	}
	return s.delta(r, store.ListSchema(), deltaSource{
		kind: store.ListChange,
		all: func(tx *store.Tx, after string, limit int) ([]deltaItem, error) {
			lists, err := tx.ListsAfter(after, limit)
			return items(tx, lists, err)
		},
		changed: func(tx *store.Tx, after, upTo int64) ([]deltaItem, error) {
			lists, err := tx.ChangedLists(after, upTo)
			return items(tx, lists, err)
		},
		removed: func(e *encoder, id, reason string) {
			e.removal(reason)
			e.str("id", id)
			e.boolean("isOwner", true)
			e.boolean("isShared", false)
			e.str("wellknownListName", todo.NoWellknownName.String())
		},
	}, "Collection(microsoft.graph.todoTaskList)")
}

// delta answers with a page of a round, or says where to begin again.
func (s *Server) delta(r *request, schema *odata.Schema, source deltaSource, fragment string) error {
	err := s.deltaPage(r, schema, source, fragment)
	if e, ok := errors.AsType[*todo.Error](err); ok && (e.Kind == todo.TokenDamaged || e.Kind == todo.TokenForeign || e.Kind == todo.TokenOutlived) {
		r.header.Set("Location", r.base+"/"+r.version+r.path)
	}
	return err
}

// deltaOptions reads the options of a round: from the query of its first call,
// and then from the token.
func (s *Server) deltaOptions(r *request, schema *odata.Schema, list string) (t deltaToken, err error) {
	q := &r.query
	if s.profile.DeltaTakesNoOptions && q.token == "" {
		switch {
		case q.top >= 0:
			return t, todo.Errorf(todo.BadRequest, "$top", "Skip token is not provided.")
		case q.filter != "":
			return t, todo.Errorf(todo.BadRequest, "$filter", "Invalid request. Delta query is not supported by this resource.")
		case strings.Contains(strings.ToLower(q.expand), "extensions("):
			return t, todo.Errorf(todo.BadRequest, "$expand", "Parsing OData Select and Expand failed: Value cannot be null. (Parameter 'initialState')")
		}
	}
	if q.search != "" && !s.profile.SearchIsIgnored {
		return t, todo.Errorf(todo.NotImplemented, "$search", "The query option '$search' is not supported on delta.")
	}
	t = deltaToken{User: r.as.User, List: list, Full: true, Filter: q.filter, Select: q.sel, Expand: q.expand, Aliases: q.aliases}
	if q.token != "" {
		if t, err = s.parseToken(r, list, q.token); err != nil {
			return t, err
		}
		q.filter, q.sel, q.expand, q.aliases = t.Filter, t.Select, t.Expand, t.Aliases
	}
	size := len(q.filter) + len(q.sel) + len(q.expand)
	for name, value := range q.aliases {
		size += len(name) + len(value)
	}
	if q.orderBy = ""; size > maxDeltaOptions {
		return t, todo.Errorf(todo.BadRequest, "$filter", "The query options of delta are longer than the %d bytes allowed.", maxDeltaOptions)
	}
	_, err = s.readOptions(r, schema)
	return t, err
}

// maxDeltaOptions is the most bytes of options that a link carries along.
const maxDeltaOptions = 4 << 10

// deltaPage answers with a page of a round.
func (s *Server) deltaPage(r *request, schema *odata.Schema, source deltaSource, fragment string) error {
	t, err := s.deltaOptions(r, schema, source.list)
	if err != nil {
		return err
	}
	var items []deltaItem
	var next deltaToken
	done, unchanged := false, false
	err = s.glance(r, func(tx *store.Tx) error {
		t := t
		if r.query.top >= 0 || r.prefer.maxPageSize > 0 {
			t.Page = max(r.page(), 1)
		}
		limit := t.pageSize() + 1
		if t.Full {
			limit = 0
		}
		round, err := tx.Round(source.kind, source.list, t.After, limit)
		if err != nil {
			return err
		}
		if unchanged = r.query.token != "" && !t.Full && t.After == round.Version; unchanged {
			items, next, done = nil, t, true
			return nil
		}
		switch {
		case round.NoList && r.query.token == "": // otherwise its tasks went with it (semantics 8.5)
			return todo.ErrNotFound
		case r.query.token == "":
			t.After = round.Version
		case t.After < round.Floor || t.After > round.Version:
			return errSyncState(todo.TokenOutlived)
		}
		if err := tx.Long(); err != nil {
			return err
		}
		switch {
		case r.query.latest:
			t.Full, next, done = false, t, true
		case t.Full:
			items, next, done, err = source.everything(tx, t)
		default:
			items, next, done, err = source.changes(tx, t, round)
		}
		if t.Full {
			next.Seen = round.Version
		}
		return err
	})
	if err != nil {
		return err
	}
	r.header.Add("Preference-Applied", "odata.track-changes")
	link, name := "@odata.nextLink", "$skiptoken="
	if done {
		link, name = "@odata.deltaLink", "$deltatoken="
		next.Full, next.From = false, ""
	}
	e := r.encoder()
	e.b = append(e.b, '{')
	e.context("", fragment, selected(r.opts.sel))
	token := r.query.token
	if !unchanged || next.Page != t.Page {
		token = s.sign(next)
	}
	e.str(link, r.base+"/"+r.version+r.path+"?"+name+token)
	e.name("value")
	e.b = append(e.b, '[')
	for _, item := range items {
		e.comma()
		start := len(e.b)
		e.b = append(e.b, '{')
		if item.write == nil {
			source.removed(e, item.id, item.reason)
			e.close()
			continue
		}
		item.write(e)
		e.close()
		e.prune(start)
	}
	e.b = append(e.b, "]}"...)
	r.out = e.b
	r.answer(200, e.b)
	return nil
}

// pageSize is how many items a page of the round has.
func (t deltaToken) pageSize() int {
	if t.Page > 0 {
		return t.Page
	}
	return defaultPage
}

// everything gives the next page of a round over the whole collection.
func (d deltaSource) everything(tx *store.Tx, t deltaToken) (items []deltaItem, next deltaToken, done bool, err error) {
	items, err = d.all(tx, t.From, t.pageSize()+1)
	if done = len(items) <= t.pageSize(); !done {
		items = items[:t.pageSize()]
		t.From = items[len(items)-1].id
	}
	// What $filter does not select was never given, so it need not be removed.
	items = slices.DeleteFunc(items, func(i deltaItem) bool { return i.write == nil })
	return items, t, done, err
}

// changes gives the next page of a round over the log: as many entries of the log
// as a page has items.
func (d deltaSource) changes(tx *store.Tx, t deltaToken, round store.Round) (items []deltaItem, next deltaToken, done bool, err error) {
	log, upTo := round.Changes, round.Version
	if done = len(log) <= t.pageSize(); !done {
		log = log[:t.pageSize()]
		upTo = log[len(log)-1].Version
	}
	if len(log) > 0 {
		items, err = d.changed(tx, t.After, upTo)
	}
	for _, c := range log {
		if c.Op == store.Deleted && c.Born <= max(t.After, t.Seen) {
			items = append(items, deltaItem{id: c.ItemID, version: c.Version, reason: "deleted"})
		}
	}
	slices.SortFunc(items, func(a, b deltaItem) int { return int(a.version - b.version) })
	t.After = upTo
	return items, t, done, err
}
