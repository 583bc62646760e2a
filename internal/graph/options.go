package graph

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// options are the query options of a request, read against the type that it asks
// for.
type options struct {
	filter  odata.Expr
	orderBy []odata.Order
	sel     odata.Selection
	expand  []odata.Expansion
	search  odata.Search
}

// readOptions reads $filter, $orderby, $select and $expand against the type. The
// answer is written by what they select.
func (s *Server) readOptions(r *request, schema *odata.Schema) (o options, err error) {
	q := &r.query
	if ofToDo := schema != store.UserSchema() && !store.IsMailboxSchema(schema); ofToDo {
		q.count = q.count && !s.profile.CountIsIgnored
		if s.profile.SelectIsRefused {
			if err := refuseSelect(q); err != nil {
				return o, err
			}
		}
	}
	if q.search != "" && !s.profile.SearchIsIgnored {
		if schema != store.TaskSchema() {
			return o, todo.Errorf(todo.NotImplemented, "$search", "The query option '$search' is supported for tasks alone.")
		}
		if o.search, err = odata.ParseSearch(q.search); err != nil {
			return o, err
		}
	}
	if q.filter != "" {
		if o.filter, err = odata.ParseFilter(q.filter, schema, q.aliases); err != nil {
			return o, err
		}
		if s.profile.NoExtensionFilter && store.Mentions(o.filter, "extensions") {
			return o, todo.Errorf(todo.Invalid, "$filter", "Invalid filter clause: extensions cannot be filtered by.")
		}
		if store.Mentions(o.filter, "attachmentSessions") { // whose ids are secrets
			return o, todo.Errorf(todo.BadRequest, "$filter", "Invalid filter clause: attachmentSessions cannot be filtered by.")
		}
		o.filter = odata.Bind(withExtensionIDs(o.filter), r.now)
	}
	if o.orderBy, err = odata.ParseOrderBy(q.orderBy, schema); err != nil {
		return o, err
	}
	if o.sel, err = odata.ParseSelect(knownNames(q.sel, schema), schema); err != nil {
		return o, err
	}
	if o.expand, err = odata.ParseExpand(q.expand, schema, q.aliases); err != nil {
		return o, err
	}
	if s.profile.BareExpandIsEmpty {
		if strings.Contains(strings.ToLower(q.expand), "microsoft.outlookservices.") {
			return o, todo.Errorf(todo.BadRequest, "$expand", "Parsing OData Select and Expand failed: an extension here has no id that begins with 'Microsoft.OutlookServices.'.")
		}
		o.expand = slices.DeleteFunc(o.expand, func(x odata.Expansion) bool { return x.Path == "extensions" && x.Filter == nil })
	}
	if s.profile.ExpandsNoFiles {
		o.expand = withoutFiles(o.expand)
	}
	if err := bindExpansions(o.expand, r.now); err != nil {
		return o, err
	}
	r.opts = o
	return o, nil
}

// withoutFiles takes attachments out of $expand.
func withoutFiles(expand []odata.Expansion) []odata.Expansion {
	for i := range expand {
		expand[i].Expand = withoutFiles(expand[i].Expand)
	}
	return slices.DeleteFunc(expand, func(x odata.Expansion) bool { return x.Path == "attachments" })
}

// bindExpansions makes the filters within $expand ready.
func bindExpansions(expand []odata.Expansion, now time.Time) error {
	for i := range expand {
		x := &expand[i]
		if x.Search != nil {
			return todo.Errorf(todo.NotImplemented, "$expand", "The query option '$search' is not supported within $expand.")
		}
		if x.Filter != nil {
			x.Filter = odata.Bind(withExtensionIDs(x.Filter), now)
		}
		if err := bindExpansions(x.Expand, now); err != nil {
			return err
		}
	}
	return nil
}

// refuseSelect does with a $select what the real service does: three values give
// the whole entity, and all others are refused (MT-S3).
func refuseSelect(q *query) error {
	switch strings.ToLower(strings.TrimSpace(q.sel)) {
	case "", "*", "id", "lastmodifieddatetime":
		q.sel = ""
		return nil
	}
	return todo.Errorf(todo.ParseURI, "$select", "Invalid request")
}

// knownNames takes the names out of a $select that the type does not have:
// clients ask for properties of other types, such as webLink, and can do without.
// Where nothing else is left, the id is.
func knownNames(text string, schema *odata.Schema) string {
	if text == "" {
		return ""
	}
	var known []string
	unknown := false
	for name := range strings.SplitSeq(text, ",") {
		if _, _, err := schema.Lookup(strings.TrimSpace(name)); err == nil || strings.TrimSpace(name) == "*" || strings.TrimSpace(name) == "" {
			known = append(known, name)
		} else {
			unknown = true
		}
	}
	switch {
	case !unknown:
		return text
	case schema == store.ExtensionSchema():
		return "" // the names may be those of the client's own members: all are given
	case len(known) == 0:
		return "id"
	}
	return strings.Join(known, ",")
}

// withExtensionIDs lets clients name an extension by its short name where its id
// is compared (semantics 16.1).
func withExtensionIDs(e odata.Expr) odata.Expr {
	switch e := e.(type) {
	case odata.And:
		return odata.And{Terms: mapExprs(e.Terms)}
	case odata.Or:
		return odata.Or{Terms: mapExprs(e.Terms)}
	case odata.Not:
		return odata.Not{X: withExtensionIDs(e.X)}
	case odata.Lambda:
		if e.Body != nil {
			e.Body = withExtensionIDs(e.Body)
		}
		return e
	case odata.Compare:
		if p, ok := e.L.(odata.Prop); ok && isExtensionID(p) {
			if l, ok := e.R.(odata.Literal); ok {
				e.R = fullExtensionID(l)
			}
		}
		return e
	case odata.In:
		if p, ok := e.X.(odata.Prop); ok && isExtensionID(p) {
			e.List = slices.Clone(e.List)
			for i := range e.List {
				e.List[i] = fullExtensionID(e.List[i])
			}
		}
		return e
	}
	return e
}

func mapExprs(terms []odata.Expr) []odata.Expr {
	out := make([]odata.Expr, len(terms))
	for i, t := range terms {
		out[i] = withExtensionIDs(t)
	}
	return out
}

// isExtensionID says whether p is the id of an extension: the schema's property
// itself tells.
func isExtensionID(p odata.Prop) bool {
	return len(store.ExtensionSchema().Properties) > 0 && p.Of == &store.ExtensionSchema().Properties[0]
}

func fullExtensionID(l odata.Literal) odata.Literal {
	if l.Value.Type == odata.String {
		l.Value = odata.StringValue(todo.ExtensionIDPrefix + todo.ExtensionName(l.Value.Text))
	}
	return l
}

// pick filters and sorts a collection that is in memory. Items that are equal
// keep their order.
func pick[T any](items []T, row func(*T) odata.Row, filter odata.Expr, orderBy []odata.Order) []T {
	out := items
	if filter != nil {
		out = nil
		for i := range items {
			if odata.Eval(filter, row(&items[i])) {
				out = append(out, items[i])
			}
		}
	}
	if len(orderBy) > 0 {
		out = slices.Clone(out)
		slices.SortStableFunc(out, func(a, b T) int { return compareRows(row(&a), row(&b), orderBy) })
	}
	return out
}

// compareRows compares two rows by the keys of an order: null before all else.
func compareRows(a, b odata.Row, orderBy []odata.Order) int {
	for _, key := range orderBy {
		c := compareValues(a.Value(key.Path), b.Value(key.Path))
		if key.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func compareValues(a, b odata.Value) int {
	switch {
	case a.IsNull() || b.IsNull():
		return cmp.Compare(b2i(!a.IsNull()), b2i(!b.IsNull()))
	case a.Type == odata.String:
		return strings.Compare(odata.Fold(a.Text), odata.Fold(b.Text))
	case a.Type == odata.Double:
		return cmp.Compare(a.Float, b.Float)
	}
	return cmp.Compare(a.Int, b.Int)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A page is what a collection in memory answers with.
type page[T any] struct {
	items []T
	count int // of all items that the filter selects
	next  string
}

// pageOf picks the page that the query asks for out of a collection in memory.
// size is how many items there are on a page where the client says nothing.
func pageOf[T any](s *Server, r *request, o options, items []T, row func(*T) odata.Row, size int) (p page[T], err error) {
	items = pick(items, row, o.filter, o.orderBy)
	p.count = len(items)
	if r.query.top >= 0 || r.prefer.maxPageSize > 0 {
		size = r.page()
	}
	start := min(r.query.skip, len(items))
	if r.query.token != "" {
		after, err := s.parseCursor(r.query.token)
		if err != nil {
			return p, err
		}
		start = placeAfter(items, row, o.orderBy, after, start)
	}
	p.items = items[start:]
	if len(p.items) > size {
		if p.items = p.items[:size]; size > 0 {
			p.next = s.nextPage(r, size, cursorOf(row(&p.items[size-1]), o.orderBy))
		}
	}
	return p, nil
}

// maxInMemory is the most entities of a collection that are picked from in memory.
const maxInMemory = 100_000

// checkInMemory refuses a collection that was read up to the limit, rather than
// answer with a part of it as if it were all.
func checkInMemory(n int) error {
	if n < maxInMemory {
		return nil
	}
	return todo.Errorf(todo.NotImplemented, "", "Collections of %d entities and more are not yet supported here.", maxInMemory)
}

// nextPage is the address of the page after a place.
func (s *Server) nextPage(r *request, size int, last *store.Cursor) string {
	token := ""
	if !s.profile.PlainNextLinks && last.ID != "" {
		token = s.sign(last)
	}
	return r.nextLink(r.query.skip+size, token)
}

// cursorOf is the place of an item in an order.
func cursorOf(item odata.Row, orderBy []odata.Order) *store.Cursor {
	c := &store.Cursor{ID: item.Value("id").Text}
	for _, key := range orderBy {
		c.Values = append(c.Values, item.Value(key.Path))
	}
	return c
}

// placeAfter is the index of the first item after a place: after the item that
// stood there or, where that is gone, after all that the order puts before it; if
// the order cannot tell, skip.
func placeAfter[T any](items []T, row func(*T) odata.Row, orderBy []odata.Order, at *store.Cursor, skip int) int {
	for i := range items {
		if row(&items[i]).Value("id").Text == at.ID {
			return i + 1
		}
	}
	if len(orderBy) == 0 || len(at.Values) != len(orderBy) {
		return skip
	}
	for i := range items {
		if compareRows(row(&items[i]), placeRow{at, orderBy}, orderBy) > 0 {
			return i
		}
	}
	return len(items)
}

// placeRow is a place as a row with the values of its keys.
type placeRow struct {
	at      *store.Cursor
	orderBy []odata.Order
}

func (p placeRow) Value(path string) odata.Value {
	for i, key := range p.orderBy {
		if key.Path == path {
			return p.at.Values[i]
		}
	}
	return odata.Value{}
}

func (placeRow) Items(string) []odata.Row { return nil }

// expansion finds the options of a navigation in $expand.
func (o options) expansion(path string) *odata.Expansion {
	for i := range o.expand {
		if o.expand[i].Path == path {
			return &o.expand[i]
		}
	}
	return nil
}

// expanded applies the options of $expand to children in memory.
func expanded[T any](x *odata.Expansion, items []T, row func(*T) odata.Row) []T {
	if x == nil {
		return items
	}
	items = pick(items, row, x.Filter, x.OrderBy)
	items = items[min(x.Skip, len(items)):]
	if x.Top >= 0 {
		items = items[:min(x.Top, len(items))]
	}
	return items
}

// expandTasks applies $expand to tasks: to their steps and linked resources, which
// are inline anyway, and to their extensions and attachments, which are read now.
func (o options) expandTasks(tx *store.Tx, tasks []todo.Task) error {
	if err := o.readParts(tx, tasks); err != nil {
		return err
	}
	for i := range tasks {
		o.expandInline(&tasks[i])
	}
	return nil
}

// readParts reads what expandInline needs of tasks.
func (o options) readParts(tx *store.Tx, tasks []todo.Task) error {
	if len(o.expand) == 0 {
		return nil
	}
	return tx.Expand(tasks, o.expansion("extensions") != nil, o.expansion("attachments") != nil)
}

// parts is readParts for a task that is still to be read.
func (o options) parts(t *todo.Task) (parts []store.Part) {
	if o.expansion("extensions") != nil {
		parts = append(parts, store.ExtensionsInto(&t.Extensions))
	}
	if o.expansion("attachments") != nil {
		parts = append(parts, store.AttachmentsInto(&t.Attachments))
	}
	return parts
}

// expandInline applies $expand to what was read of a task.
func (o options) expandInline(t *todo.Task) {
	if len(o.expand) == 0 {
		return
	}
	t.ChecklistItems = expanded(o.expansion("checklistItems"), t.ChecklistItems, store.ChecklistItemRow)
	t.LinkedResources = expanded(o.expansion("linkedResources"), t.LinkedResources, store.LinkedResourceRow)
	t.Attachments = expanded(o.expansion("attachments"), t.Attachments, store.AttachmentRow)
	t.Extensions = expanded(o.expansion("extensions"), t.Extensions, store.ExtensionRow)
}

// extensionsOf reads the extensions of a list that $expand asks for.
func (o options) extensionsOf(tx *store.Tx, list string) ([]todo.Extension, error) {
	x := o.expansion("extensions")
	if x == nil {
		return nil, nil
	}
	extensions, err := tx.Extensions(list, "")
	return expanded(x, extensions, store.ExtensionRow), err
}

// parentLists reads the lists of tasks where $expand=parentList asks for them.
func (o options) parentLists(tx *store.Tx, tasks ...todo.Task) (map[string]todo.TaskList, error) {
	if o.expansion("parentList") == nil {
		return nil, nil
	}
	lists := map[string]todo.TaskList{}
	for i := range tasks {
		id := tasks[i].ListID
		if _, ok := lists[id]; ok {
			continue
		}
		l, err := tx.List(id)
		if err != nil {
			return nil, err
		}
		lists[id] = l
	}
	return lists, nil
}

// parentList writes the list of a task, where it was read.
func (e *encoder) parentList(lists map[string]todo.TaskList, t *todo.Task) {
	l, ok := lists[t.ListID]
	if !ok {
		return
	}
	e.context("parentList", e.r.listsContext(), "/$entity")
	e.name("parentList")
	e.b = append(e.b, '{')
	e.taskList(&l)
	e.close()
}

// prune takes what $select does not name out of the entity that was written
// from start on. Its id and its control information stay.
func (e *encoder) prune(start int) {
	sel, expand := e.r.opts.sel, e.r.opts.expand
	if !selects(sel, expand) {
		return
	}
	v, err := parseOwnJSON(e.b[start:])
	if err != nil {
		return // it was written just now
	}
	e.b = e.appendSelected(e.b[:start], v, "", sel, expand)
}

// selects says whether a $select, here or within $expand, leaves anything out.
func selects(sel odata.Selection, expand []odata.Expansion) bool {
	return !sel.All() || slices.ContainsFunc(expand, func(x odata.Expansion) bool { return selects(x.Select, x.Expand) })
}

func (e *encoder) appendSelected(b []byte, v jsonValue, path string, sel odata.Selection, expand []odata.Expansion) []byte {
	b = append(b, '{')
	for name, member := range v.members() {
		property, _, isControl := strings.Cut(name, "@")
		at := property
		if path != "" && property != "" {
			at = path + "/" + property
		}
		inner := slices.IndexFunc(expand, func(x odata.Expansion) bool { return x.Path == at })
		if property != "" && !(path == "" && property == "id") && inner < 0 && !sel.Has(at) {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendJSONString(b, name)
		b = append(b, ':')
		switch {
		case isControl:
			b = append(b, member.raw()...)
		case inner >= 0 && selects(expand[inner].Select, expand[inner].Expand) && member.kind() == jsonArray:
			b = append(b, '[')
			for i, item := range member.items() {
				if i > 0 {
					b = append(b, ',')
				}
				b = e.appendSelected(b, item, "", expand[inner].Select, expand[inner].Expand)
			}
			b = append(b, ']')
		case inner >= 0 && selects(expand[inner].Select, expand[inner].Expand) && member.kind() == jsonObject:
			b = e.appendSelected(b, member, "", expand[inner].Select, expand[inner].Expand)
		case member.kind() == jsonObject && path == "" && !sel.All() && inner < 0:
			b = e.appendSelected(b, member, at, sel, nil)
		default:
			b = append(b, member.raw()...)
		}
	}
	return append(b, '}')
}

// selected is the list of properties in a context, as "(title,status)".
func selected(sel odata.Selection) string {
	if sel.All() {
		return ""
	}
	return "(" + strings.Join(sel.Paths, ",") + ")"
}
