package graph

import (
	"net/http"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// Subscriptions are the caller's own: those that the same application has made
// for the same user, or for itself. Those of others are as if they were not there.

// subscriptionsContext is the context of a subscription.
const subscriptionsContext = "subscriptions"

// creator is who the caller is to subscriptions.
func (r *request) creator() string {
	if r.principal.AppOnly {
		return r.principal.App
	}
	return r.principal.User
}

// owns says whether the caller has made it.
func (r *request) owns(s *store.Subscription) bool {
	return s.App == r.principal.App && s.Creator == r.creator()
}

// listSubscriptions serves GET /subscriptions.
func (s *Server) listSubscriptions(r *request) error {
	o, err := s.readOptions(r, store.SubscriptionSchema())
	if err != nil {
		return err
	}
	var all []store.Subscription
	if r.principal.AppOnly {
		all, err = s.db.SubscriptionsOf(r.Context(), r.principal.App, maxInMemory)
	} else {
		err = s.glance(r, func(tx *store.Tx) (err error) { all, err = tx.Subscriptions(); return err })
	}
	if err == nil {
		err = checkInMemory(len(all))
	}
	if err != nil {
		return err
	}
	own := all[:0]
	for i := range all {
		if r.owns(&all[i]) {
			own = append(own, all[i])
		}
	}
	p, err := pageOf(s, r, o, own, store.SubscriptionRow, defaultPage)
	if err != nil {
		return err
	}
	r.collection(subscriptionsContext, len(p.items), p.count, p.next, func(e *encoder, i int) { e.subscription(&p.items[i]) })
	return nil
}

// enterSubscription makes the mailbox that holds the subscription of the path
// that of the request, and returns the subscription's id.
func (s *Server) enterSubscription(r *request) (id string, err error) {
	if id = strings.ToLower(r.params.get("subscription")); !store.ValidGUID(id) {
		return "", malformedID()
	}
	if r.principal.AppOnly {
		r.as.User, err = s.db.SubscriptionOwner(r.Context(), r.principal.App, id)
	}
	return id, err
}

// subscription loads the caller's subscription.
func (r *request) subscription(tx *store.Tx, id string) (store.Subscription, error) {
	sub, err := tx.Subscription(id)
	if err == nil && !r.owns(&sub) {
		err = todo.ErrNotFound
	}
	return sub, err
}

// getSubscription serves GET /subscriptions/{subscription}.
func (s *Server) getSubscription(r *request) error {
	if _, err := s.readOptions(r, store.SubscriptionSchema()); err != nil {
		return err
	}
	id, err := s.enterSubscription(r)
	if err != nil {
		return err
	}
	var sub store.Subscription
	err = s.glance(r, func(tx *store.Tx) (err error) { sub, err = r.subscription(tx, id); return err })
	if err != nil {
		return err
	}
	r.entity(http.StatusOK, subscriptionsContext, func(e *encoder) { e.subscription(&sub) })
	return nil
}

// createSubscription serves POST /subscriptions.
func (s *Server) createSubscription(r *request) error {
	v, err := r.readObject("microsoft.graph.subscription")
	if err != nil {
		return err
	}
	sub, expires, err := s.decodeSubscription(v)
	if err != nil {
		return err
	}
	if sub.Expires, err = todo.Expiry(expires, r.now.UTC().Truncate(time.Microsecond)); err != nil {
		return err
	}
	ops := sub.Ops
	at, err := s.enterResource(r, sub.Resource)
	if err != nil {
		return err
	}
	scope := func(tx *store.Tx) (err error) {
		sub.Scope, err = s.scope(tx, at)
		return err
	}
	if err := s.glance(r, scope); err != nil {
		return err
	}
	if err := s.handshakes(r, sub.NotificationURL, sub.LifecycleURL); err != nil {
		return err
	}
	err = s.update(r, func(tx *store.Tx) error {
		if err := scope(tx); err != nil { // the list may be gone meanwhile
			return err
		}
		sub.ID, sub.App, sub.Creator, sub.Ops = tx.NewGUID(), r.principal.App, r.creator(), ops
		sub.Created, sub.Beta = tx.Now(), r.version == "beta"
		if sub.LifecycleURL != "" {
			sub.ReauthorizeAt = todo.ReauthorizeAt(tx.Now(), sub.Expires)
		}
		return tx.InsertSubscription(&sub)
	})
	if err != nil {
		return err
	}
	r.created(sub.ID, subscriptionsContext, func(e *encoder) { e.subscription(&sub) })
	return nil
}

// decodeSubscription reads the members of a new subscription, and when it is to
// end.
func (s *Server) decodeSubscription(v jsonValue) (sub store.Subscription, expires time.Time, err error) {
	d := decoder{v: v}
	changeType, notificationURL := opt(&d, "changeType", jsonValue.str), opt(&d, "notificationUrl", jsonValue.str)
	resource, end := opt(&d, "resource", jsonValue.str), opt(&d, "expirationDateTime", decodeInstant)
	sub.NotificationURL, sub.Resource = notificationURL.V, resource.V
	sub.LifecycleURL = opt(&d, "lifecycleNotificationUrl", jsonValue.str).V
	sub.ClientState = opt(&d, "clientState", jsonValue.str).V
	sub.TLSVersion = opt(&d, "latestSupportedTlsVersion", jsonValue.str).V
	sub.URLApp = opt(&d, "notificationUrlAppId", jsonValue.str).V
	rich := opt(&d, "includeResourceData", jsonValue.boolean).V
	if d.err != nil {
		return sub, end.V, d.err
	}
	for i, sent := range []bool{changeType.V != "", notificationURL.V != "", resource.V != "", end.Has()} {
		if !sent {
			return sub, end.V, missingMember([]string{"changeType", "notificationUrl", "resource", "expirationDateTime"}[i])
		}
	}
	if sub.Ops, err = parseChangeType(changeType.V); err != nil {
		return sub, end.V, err
	}
	if rich {
		return sub, end.V, todo.Errorf(todo.Invalid, "includeResourceData", "Notifications of tasks cannot hold resource data: 'includeResourceData' must be false.")
	}
	for _, m := range []struct {
		name, value string
		limit       int
	}{
		{"clientState", sub.ClientState, todo.MaxClientState}, {"resource", sub.Resource, todo.MaxSubscriptionResource}, {"notificationUrlAppId", sub.URLApp, todo.MaxClientState},
	} {
		if len([]rune(m.value)) > m.limit {
			return sub, end.V, todo.Errorf(todo.Invalid, m.name, "The property '%s' is longer than the %d characters allowed.", m.name, m.limit)
		}
	}
	if sub.TLSVersion, err = parseTLSVersion(sub.TLSVersion); err != nil {
		return sub, end.V, err
	}
	if err = s.webhook.CheckURL("notificationUrl", sub.NotificationURL); err == nil && sub.LifecycleURL != "" {
		err = s.webhook.CheckURL("lifecycleNotificationUrl", sub.LifecycleURL)
	}
	return sub, end.V, err
}

func missingMember(member string) error {
	return todo.Errorf(todo.Invalid, member, "The property '%s' is required and must not be empty.", member)
}

// parseChangeType reads a list of operations, in any case.
func parseChangeType(text string) (ops store.Ops, err error) {
	known := map[string]store.Op{"created": store.Created, "updated": store.Updated, "deleted": store.Deleted}
	for name := range strings.SplitSeq(text, ",") {
		op, ok := known[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			return 0, todo.Errorf(todo.Invalid, "changeType", "The property 'changeType' must be a list of created, updated and deleted: '%s' is none of them.", shortened(name))
		}
		ops |= op.Of()
	}
	return ops, nil
}

// parseTLSVersion reads the newest version that an endpoint knows; it is only
// kept. All calls use TLS 1.2 or later.
func parseTLSVersion(text string) (string, error) {
	switch folded := strings.ToLower(text); folded {
	case "":
		return "v1_2", nil
	case "v1_0", "v1_1", "v1_2", "v1_3":
		return folded, nil
	}
	return "", todo.Errorf(todo.Invalid, "latestSupportedTlsVersion", "The property 'latestSupportedTlsVersion' must be v1_0, v1_1, v1_2 or v1_3.")
}

// errBadResource is what the real service says of a resource that it has no
// subscriptions for (semantics 19.13).
func errBadResource() error {
	return todo.Errorf(todo.BadSubscription, "resource", "Operation: Create; Exception: [Status Code: BadRequest; Reason: Invalid resource specified in payload]")
}

// enterResource finds the resource of a subscription among the routes, and makes
// its mailbox that of the request. The resource is a path without version.
func (s *Server) enterResource(r *request, resource string) (match, error) {
	if strings.ContainsAny(resource, "?#") {
		return match{}, errBadResource()
	}
	m, err := s.tree.find("/"+strings.TrimPrefix(resource, "/"), r.principal.User)
	if err != nil || m.node.routes["GET"] == nil {
		return m, errBadResource()
	}
	switch path := m.node.routes["GET"].path; path {
	case "/users/{user}/todo/lists/{list}/tasks":
	case "/users/{user}/todo/lists", "/users/{user}/todo/lists/{list}/tasks/{task}":
		if s.profile.OnlyTaskHooks {
			return m, errBadResource()
		}
	default:
		return m, errBadResource()
	}
	if m.params.get("user") == "" {
		return m, meNeedsUser()
	}
	return m, s.enter(r, m.params.get("user"))
}

// scope is what a resource stands for in the mailbox, where it is there.
func (s *Server) scope(tx *store.Tx, at match) (scope store.Scope, err error) {
	list, one := at.params.lookup("list")
	if !one {
		return store.Scope{Kind: store.ListChange}, nil
	}
	scope = store.Scope{Kind: store.TaskChange, ListID: list, TaskID: at.params.get("task")}
	if strings.EqualFold(list, defaultListAlias) {
		l, err := tx.DefaultList()
		if err != nil {
			return scope, err
		}
		scope.ListID = l.ID
	}
	gone, err := tx.IsGone(scope)
	if err == nil && gone {
		err = errBadResource()
	}
	return scope, err
}

// handshakes has the endpoints show that they want notifications.
func (s *Server) handshakes(r *request, urls ...string) error {
	done := map[string]bool{"": true}
	for _, url := range urls {
		if !done[url] {
			if err := s.webhook.Handshake(r.Context(), s.log, r.principal.App+" "+r.creator(), url); err != nil {
				return err
			}
			done[url] = true
		}
	}
	return nil
}

// patchSubscription serves PATCH /subscriptions/{subscription}: it renews the
// subscription, or moves it to another notification URL. Other members are not
// changed.
func (s *Server) patchSubscription(r *request) error {
	id, err := s.enterSubscription(r)
	if err != nil {
		return err
	}
	v, err := r.readObject("microsoft.graph.subscription")
	if err != nil {
		return err
	}
	d := decoder{v: v}
	end, url := opt(&d, "expirationDateTime", decodeInstant), opt(&d, "notificationUrl", jsonValue.str)
	if d.err != nil {
		return d.err
	}
	if !end.Has() && (end.Set || !url.Has()) {
		return missingMember("expirationDateTime")
	}
	var sub store.Subscription
	load := func(tx *store.Tx) (err error) { sub, err = r.subscription(tx, id); return err }
	if err := s.glance(r, load); err != nil {
		return err
	}
	if end.Has() {
		if end.V, err = todo.Expiry(end.V, r.now.UTC().Truncate(time.Microsecond)); err != nil {
			return err
		}
	}
	if url.Set && url.V != sub.NotificationURL {
		if err := s.webhook.CheckURL("notificationUrl", url.V); err != nil {
			return err
		}
		if err := s.handshakes(r, url.V); err != nil {
			return err
		}
	}
	err = s.update(r, func(tx *store.Tx) error {
		if err := load(tx); err != nil {
			return err
		}
		if end.Has() {
			sub.Expires = end.V
			if sub.LifecycleURL != "" {
				sub.ReauthorizeAt = todo.ReauthorizeAt(tx.Now(), end.V)
			}
		}
		if url.Set && url.V != sub.NotificationURL {
			sub.NotificationURL, sub.Attempts, sub.FailingSince, sub.NextAttempt = url.V, 0, time.Time{}, time.Time{}
		}
		return tx.UpdateSubscription(sub)
	})
	if err != nil {
		return err
	}
	r.updated(subscriptionsContext, func(e *encoder) { e.subscription(&sub) })
	return nil
}

// deleteSubscription serves DELETE /subscriptions/{subscription}.
func (s *Server) deleteSubscription(r *request) error {
	return s.withSubscription(r, func(tx *store.Tx, sub store.Subscription) error { return tx.DeleteSubscription(sub) })
}

// reauthorizeSubscription serves POST /subscriptions/{subscription}/reauthorize,
// the answer to reauthorizationRequired: it is not asked again before the next
// renewal. The end of the subscription stays.
func (s *Server) reauthorizeSubscription(r *request) error {
	return s.withSubscription(r, func(tx *store.Tx, sub store.Subscription) error {
		sub.ReauthorizeAt = time.Time{}
		return tx.UpdateSubscription(sub)
	})
}

// withSubscription changes the caller's subscription of the path, and answers
// 204.
func (s *Server) withSubscription(r *request, change func(*store.Tx, store.Subscription) error) error {
	id, err := s.enterSubscription(r)
	if err != nil {
		return err
	}
	err = s.update(r, func(tx *store.Tx) error {
		sub, err := r.subscription(tx, id)
		if err != nil {
			return err
		}
		return change(tx, sub)
	})
	if err != nil {
		return err
	}
	r.answer(http.StatusNoContent, nil)
	return nil
}

// getVapidPublicKey serves GET /subscriptions/getVapidPublicKey, on beta alone.
func (s *Server) getVapidPublicKey(r *request) error {
	if r.version != "beta" {
		return todo.Errorf(todo.BadRequest, "", "Resource not found for the segment '%s'.", r.node.segment)
	}
	e := r.encoder()
	e.b = append(e.b, '{')
	e.context("", odata.String.String())
	e.str("value", s.pushKey)
	e.b = append(e.b, '}')
	r.answer(http.StatusOK, e.b)
	return nil
}

// subscription writes the members of a subscription. Unlike those of To Do its
// nulls are shown (surface §4).
func (e *encoder) subscription(s *store.Subscription) {
	e.str("id", s.ID)
	e.str("resource", s.Resource)
	e.str("applicationId", s.App)
	e.str("changeType", s.Ops.ChangeType())
	e.orNull("clientState", s.ClientState)
	e.str("notificationUrl", s.NotificationURL)
	e.orNull("notificationQueryOptions", "")
	e.orNull("lifecycleNotificationUrl", s.LifecycleURL)
	e.instant("expirationDateTime", s.Expires)
	e.str("creatorId", s.Creator)
	e.str("latestSupportedTlsVersion", s.TLSVersion)
	e.orNull("encryptionCertificate", "")
	e.orNull("encryptionCertificateId", "")
	e.boolean("includeResourceData", false)
	e.orNull("notificationUrlAppId", s.URLApp)
}
