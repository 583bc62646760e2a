package graph

import (
	"slices"
	"strings"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/todo"
)

// A permission is what a route asks of a token: one of the delegated scopes, or
// for an application without a user one of the roles.
type permission struct {
	delegated   []string
	application []string
	directory   bool // the resource is a user, not a mailbox: the handler looks at whose
}

// The permissions of the routes (surface §2 and §8).
var (
	tasksRead    = &permission{[]string{"Tasks.Read", "Tasks.ReadWrite"}, []string{"Tasks.Read.All", "Tasks.ReadWrite.All"}, false}
	tasksWrite   = &permission{[]string{"Tasks.ReadWrite"}, []string{"Tasks.ReadWrite.All"}, false}
	userRead     = &permission{[]string{"User.Read", "User.ReadWrite", "User.ReadBasic.All", "User.Read.All"}, []string{"User.ReadBasic.All", "User.Read.All"}, true}
	userWrite    = &permission{[]string{"User.ReadWrite"}, nil, true}
	usersReadAll = &permission{[]string{"User.ReadBasic.All", "User.Read.All"}, []string{"User.ReadBasic.All", "User.Read.All"}, true}

	mailboxRead  = &permission{[]string{"MailboxSettings.Read", "MailboxSettings.ReadWrite"}, []string{"MailboxSettings.Read", "MailboxSettings.ReadWrite"}, false}
	mailboxWrite = &permission{[]string{"MailboxSettings.ReadWrite"}, []string{"MailboxSettings.ReadWrite"}, false}
	outlookRead  = &permission{[]string{"User.Read"}, nil, false}
	supported    = &permission{[]string{"User.Read", "User.Read.All", "User.ReadBasic.All"}, []string{"User.Read.All", "User.ReadBasic.All"}, false}
	translate    = &permission{userRead.delegated, userRead.application, false}
	// The id of an upload session is a secret, which opens the session alone; a
	// token that is good has to have the permission all the same.
	uploadSecret = &permission{tasksWrite.delegated, tasksWrite.application, false}
	// A subscription names the mailbox in its resource: the handler looks at whose.
	subscriptionsRead = &permission{tasksRead.delegated, tasksRead.application, false}

	// Applications are the administrator's, and users have no such rank.
	appsRead  = &permission{nil, []string{"Application.Read.All", "Application.ReadWrite.All"}, true}
	appsWrite = &permission{nil, []string{"Application.ReadWrite.All"}, true}

	noToken = &permission{} // nothing is asked for, not even a token
)

// A route is one line of the API: what it matches, what it needs, what serves it.
type route struct {
	method string
	path   string
	needs  *permission
	serve  func(*Server, *request) error
}

// routes is the whole API, on v1.0 and beta alike. Start reading here. "/me" is
// "/users/{user}" with the caller as the user.
func routes() []route {
	const (
		user = "/users/{user}"
		list = user + "/todo/lists/{list}"
		task = list + "/tasks/{task}"
	)
	return []route{
		{"GET", "/", noToken, (*Server).getService},
		{"GET", "/$metadata", noToken, (*Server).getMetadata},

		{"POST", "/$batch", nil, (*Server).batch}, // each part by its own route

		{"GET", "/users", usersReadAll, (*Server).listUsers},
		{"GET", user, userRead, (*Server).getUser},
		{"PATCH", user, userWrite, (*Server).patchUser},

		{"GET", user + "/todo", tasksRead, (*Server).getTodo},

		{"GET", user + "/todo/tasks", tasksRead, (*Server).listTasks},
		{"GET", user + "/todo/tasks/$count", tasksRead, (*Server).countTasks},

		{"GET", user + "/todo/lists", tasksRead, (*Server).listLists},
		{"POST", user + "/todo/lists", tasksWrite, (*Server).createList},
		{"GET", list, tasksRead, (*Server).getList},
		{"PATCH", list, tasksWrite, (*Server).patchList},
		{"DELETE", list, tasksWrite, (*Server).deleteList},

		{"GET", user + "/todo/lists/delta", tasksRead, (*Server).deltaLists},
		{"GET", user + "/todo/lists/$count", tasksRead, (*Server).countLists},
		{"GET", list + "/tasks/$count", tasksRead, (*Server).countTasks},
		{"GET", task + "/checklistItems/$count", tasksRead, (*Server).countChecklistItems},
		{"GET", task + "/linkedResources/$count", tasksRead, (*Server).countLinkedResources},
		{"GET", list + "/tasks/delta", tasksRead, (*Server).deltaTasks},

		{"GET", list + "/tasks", tasksRead, (*Server).listTasks},
		{"POST", list + "/tasks", tasksWrite, (*Server).createTask},
		{"GET", task, tasksRead, (*Server).getTask},
		{"PATCH", task, tasksWrite, (*Server).patchTask},
		{"DELETE", task, tasksWrite, (*Server).deleteTask},

		{"GET", task + "/checklistItems", tasksRead, (*Server).listChecklistItems},
		{"POST", task + "/checklistItems", tasksWrite, (*Server).createChecklistItem},
		{"GET", task + "/checklistItems/{item}", tasksRead, (*Server).getChecklistItem},
		{"PATCH", task + "/checklistItems/{item}", tasksWrite, (*Server).patchChecklistItem},
		{"DELETE", task + "/checklistItems/{item}", tasksWrite, (*Server).deleteChecklistItem},

		{"GET", task + "/linkedResources", tasksRead, (*Server).listLinkedResources},
		{"POST", task + "/linkedResources", tasksWrite, (*Server).createLinkedResource},
		{"GET", task + "/linkedResources/{item}", tasksRead, (*Server).getLinkedResource},
		{"PATCH", task + "/linkedResources/{item}", tasksWrite, (*Server).patchLinkedResource},
		{"DELETE", task + "/linkedResources/{item}", tasksWrite, (*Server).deleteLinkedResource},

		{"GET", list + "/extensions", tasksRead, (*Server).listExtensions},
		{"POST", list + "/extensions", tasksWrite, (*Server).createExtension},
		{"GET", list + "/extensions/$count", tasksRead, (*Server).countExtensions},
		{"GET", list + "/extensions/{item}", tasksRead, (*Server).getExtension},
		{"PATCH", list + "/extensions/{item}", tasksWrite, (*Server).patchExtension},
		{"DELETE", list + "/extensions/{item}", tasksWrite, (*Server).deleteExtension},

		{"GET", task + "/extensions", tasksRead, (*Server).listExtensions},
		{"POST", task + "/extensions", tasksWrite, (*Server).createExtension},
		{"GET", task + "/extensions/$count", tasksRead, (*Server).countExtensions},
		{"GET", task + "/extensions/{item}", tasksRead, (*Server).getExtension},
		{"PATCH", task + "/extensions/{item}", tasksWrite, (*Server).patchExtension},
		{"DELETE", task + "/extensions/{item}", tasksWrite, (*Server).deleteExtension},
		{"GET", task + "/attachments", tasksRead, (*Server).listAttachments},
		{"POST", task + "/attachments", tasksWrite, (*Server).createAttachment},
		{"GET", task + "/attachments/$count", tasksRead, (*Server).countAttachments},
		{"POST", task + "/attachments/createUploadSession", tasksWrite, (*Server).createUploadSession},
		{"GET", task + "/attachments/{attachment}", tasksRead, (*Server).getAttachment},
		{"DELETE", task + "/attachments/{attachment}", tasksWrite, (*Server).deleteAttachment},
		{"GET", task + "/attachments/{attachment}/$value", tasksRead, (*Server).getAttachmentValue},
		{"PUT", task + "/attachments/{attachment}/$value", tasksWrite, (*Server).putAttachmentValue},
		{"DELETE", task + "/attachments/{attachment}/$value", tasksWrite, (*Server).deleteAttachmentValue},

		{"GET", task + "/attachmentSessions", tasksWrite, (*Server).listUploadSessions}, // which shows the secrets
		{"GET", task + "/attachmentSessions/$count", tasksWrite, (*Server).countUploadSessions},
		{"GET", task + "/attachmentSessions/{session}", uploadSecret, (*Server).getUploadSession},
		{"PATCH", task + "/attachmentSessions/{session}", tasksWrite, (*Server).getUploadSession},
		{"PUT", task + "/attachmentSessions/{session}", uploadSecret, (*Server).putSlice},
		{"DELETE", task + "/attachmentSessions/{session}", uploadSecret, (*Server).deleteUploadSession},
		{"GET", task + "/attachmentSessions/{session}/content", uploadSecret, (*Server).getUploadContent},
		{"PUT", task + "/attachmentSessions/{session}/content", uploadSecret, (*Server).putSlice},
		{"DELETE", task + "/attachmentSessions/{session}/content", uploadSecret, (*Server).deleteUploadSession},

		{"GET", "/linkedResources", tasksRead, (*Server).listOwnLinkedResources},
		{"POST", "/linkedResources", tasksWrite, (*Server).createOwnLinkedResource},
		{"GET", "/linkedResources/{item}", tasksRead, (*Server).getOwnLinkedResource},
		{"PATCH", "/linkedResources/{item}", tasksWrite, (*Server).patchOwnLinkedResource},
		{"DELETE", "/linkedResources/{item}", tasksWrite, (*Server).deleteOwnLinkedResource},

		{"GET", user + "/outlook", outlookRead, (*Server).getOutlook},
		{"GET", user + "/outlook/masterCategories", mailboxRead, (*Server).listCategories},
		{"POST", user + "/outlook/masterCategories", mailboxWrite, (*Server).createCategory},
		{"GET", user + "/outlook/masterCategories/$count", mailboxRead, (*Server).countCategories},
		{"GET", user + "/outlook/masterCategories/{item}", mailboxRead, (*Server).getCategory},
		{"PATCH", user + "/outlook/masterCategories/{item}", mailboxWrite, (*Server).patchCategory},
		{"DELETE", user + "/outlook/masterCategories/{item}", mailboxWrite, (*Server).deleteCategory},
		{"GET", user + "/outlook/supportedLanguages", supported, (*Server).supportedLanguages},
		{"GET", user + "/outlook/supportedTimeZones", supported, (*Server).supportedTimeZones},
		{"GET", user + "/outlook/supportedTimeZones(TimeZoneStandard='{TimeZoneStandard}')", supported, (*Server).supportedTimeZones},

		{"GET", user + "/mailboxSettings", mailboxRead, (*Server).getMailboxSettings},
		{"PATCH", user + "/mailboxSettings", mailboxWrite, (*Server).patchMailboxSettings},
		{"GET", user + "/mailboxSettings/dateFormat", mailboxRead, (*Server).getMailboxSetting},
		{"GET", user + "/mailboxSettings/language", mailboxRead, (*Server).getMailboxSetting},
		{"GET", user + "/mailboxSettings/timeFormat", mailboxRead, (*Server).getMailboxSetting},
		{"GET", user + "/mailboxSettings/timeZone", mailboxRead, (*Server).getMailboxSetting},
		{"GET", user + "/mailboxSettings/userPurpose", mailboxRead, (*Server).getMailboxSetting},

		{"POST", user + "/translateExchangeIds", translate, (*Server).translateExchangeIDs},
		{"GET", "/subscriptions", subscriptionsRead, (*Server).listSubscriptions},
		{"POST", "/subscriptions", subscriptionsRead, (*Server).createSubscription},
		{"GET", "/subscriptions/{subscription}", subscriptionsRead, (*Server).getSubscription},
		{"PATCH", "/subscriptions/{subscription}", subscriptionsRead, (*Server).patchSubscription},
		{"DELETE", "/subscriptions/{subscription}", subscriptionsRead, (*Server).deleteSubscription},
		{"POST", "/subscriptions/{subscription}/reauthorize", subscriptionsRead, (*Server).reauthorizeSubscription},
		{"GET", "/subscriptions/getVapidPublicKey", subscriptionsRead, (*Server).getVapidPublicKey},

		{"GET", "/applications", appsRead, (*Server).listApplications},
		{"POST", "/applications", appsWrite, (*Server).createApplication},
		{"GET", "/applications/{application}", appsRead, (*Server).getApplication},
		{"PATCH", "/applications/{application}", appsWrite, (*Server).patchApplication},
		{"DELETE", "/applications/{application}", appsWrite, (*Server).deleteApplication},
		{"POST", "/applications/{application}/addPassword", appsWrite, (*Server).addPassword},
		{"POST", "/applications/{application}/removePassword", appsWrite, (*Server).removePassword},
	}
}

// A node is a place in the tree of paths.
type node struct {
	segment string           // as the documentation writes it, or the name of the parameter
	literal map[string]*node // by lower-case name: path names have no case
	param   *node            // what follows when the segment is an id
	named   bool             // it is the parameter of a function, which stands in parentheses with its name
	routes  map[string]*route
	cast    string // the name of a type that may stand after it and changes nothing
}

// newTree puts the routes into a tree, for a look-up in one walk.
func newTree(routes []route) *node {
	root := &node{literal: map[string]*node{}, routes: map[string]*route{}}
	for i := range routes {
		n := root
		for segment := range strings.SplitSeq(routes[i].path[1:], "/") {
			if segment != "" {
				n = n.child(segment)
			}
		}
		n.routes[routes[i].method] = &routes[i]
	}
	root.literal["me"] = root.literal["users"].param
	attachments := root
	for _, segment := range []string{"users", "{user}", "todo", "lists", "{list}", "tasks", "{task}", "attachments"} {
		attachments = attachments.child(segment)
	}
	attachments.cast = taskFileAttachment
	attachments.child("{attachment}").cast = taskFileAttachment
	return root
}

// child is the place of a segment below n. A function with a parameter, written
// as name(parameter='{parameter}'), is two of them.
func (n *node) child(segment string) *node {
	if name, parameter, ok := strings.Cut(segment, "("); ok {
		parameter, _, _ = strings.Cut(parameter, "=")
		last := n.child(name).child("{" + parameter + "}")
		last.named = true
		return last
	}
	next := &node{segment: segment, literal: map[string]*node{}, routes: map[string]*route{}}
	if name, ok := strings.CutPrefix(segment, "{"); ok {
		next.segment = strings.TrimSuffix(name, "}")
		if n.param == nil {
			n.param = next
		}
		return n.param
	}
	key := strings.ToLower(segment)
	if n.literal[key] == nil {
		n.literal[key] = next
	}
	return n.literal[key]
}

// allow lists the methods of a path, for the Allow header.
func (n *node) allow() string {
	methods := []string{"OPTIONS"}
	for m := range n.routes {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// A match is where a path leads: the place in the tree, the parameters, and the
// path as links of the answer spell it.
type match struct {
	node   *node
	params params
	path   string
}

// params are the parameters of a path, each by the name of its node.
type params []param

type param struct{ name, value string }

func (p params) lookup(name string) (value string, ok bool) {
	for i := range p {
		if p[i].name == name {
			return p[i].value, true
		}
	}
	return "", false
}

func (p params) get(name string) string {
	value, _ := p.lookup(name)
	return value
}

func (p params) set(name, value string) {
	for i := range p {
		if p[i].name == name {
			p[i].value = value
		}
	}
}

// meToken is what the official SDKs call "/me" before they send a request; it
// is taken for "/me" in case one gets through.
const meToken = "me-token-to-replace"

// find walks the tree. self is the user that "/me" stands for. A path that
// leads nowhere is a 400 that names the segment, never a 404.
func (n *node) find(path string, self string) (m match, err error) {
	segments, err := odata.ParsePath(path)
	if err != nil {
		return m, err
	}
	m.params = make(params, 0, 4)
	var b strings.Builder
	b.Grow(len(path) + len("users/") + len(self))
	for i, s := range segments {
		next := n.literal[strings.ToLower(s.Name)]
		switch {
		case n.cast != "" && s.Raw != s.Name && strings.EqualFold(s.Name, n.cast):
			continue
		case next != nil && !s.Key && s.KeyName == "":
			if i == 0 && strings.EqualFold(s.Name, "me") {
				m.params = append(m.params, param{"user", self})
				b.WriteString("/me")
			} else {
				b.WriteByte('/')
				b.WriteString(next.segment)
			}
		case n.param != nil && validKey(n.param, s):
			next = n.param
			id := s.Raw
			if s.Key {
				id = s.Name
			}
			if next.segment == "user" && strings.EqualFold(id, meToken) {
				id = self
			}
			m.params = append(m.params, param{next.segment, id})
			if next.named {
				b.WriteString("(" + next.segment + "='" + escapeID(id) + "')")
			} else {
				b.WriteByte('/')
				b.WriteString(escapeID(id))
			}
		default:
			return m, todo.Errorf(todo.BadRequest, "", "Resource not found for the segment '%s'.", s.Raw)
		}
		n = next
	}
	if len(n.routes) == 0 {
		return m, todo.Errorf(todo.BadRequest, "", "Resource not found for the segment '%s'.", n.segment)
	}
	m.node, m.path = n, b.String()
	return m, nil
}

// validKey says whether s can be the parameter: an id, under the name of the key
// if it has one. A user has a second key. A function's parameter has its name.
func validKey(param *node, s odata.Segment) bool {
	if param.named {
		return s.Key && strings.EqualFold(s.KeyName, param.segment)
	}
	return s.KeyName == "" || strings.EqualFold(s.KeyName, "id") ||
		param.segment == "user" && strings.EqualFold(s.KeyName, "userPrincipalName") ||
		param.segment == "application" && strings.EqualFold(s.KeyName, "appId")
}

// escapeID writes an id into a link. "=" and "@" stay as they are, as Graph
// leaves them.
func escapeID(id string) string {
	plain := true
	for i := 0; plain && i < len(id); i++ {
		c := id[i]
		plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.=@", c) >= 0
	}
	if plain {
		return id
	}
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.=@", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
		}
	}
	return b.String()
}
