package graph_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// What bob tries beside the ids in paths.

// collections are those of bob's own that have pages, by their paths.
func (s *isolation) collections() (paths []string) {
	for _, r := range guarded() {
		if r.Method == "GET" && readsTexts(r, "") && !strings.HasSuffix(r.Path, "}") || strings.HasSuffix(r.Path, "/delta") {
			paths = append(paths, strings.TrimPrefix(requestOf(r, target{path: "/me"}, idsFor(r, s.bob)).URL, "/v1.0"))
		}
	}
	return paths
}

// links are those that adele gets to other pages and rounds.
func (s *isolation) links() (links []string) {
	s.t.Helper()
	for _, at := range []struct{ url, prefer string }{
		{listsURL + "?$top=1", ""},
		{tasksURL + "?$top=1", ""},
		{tasksURL + "?$top=1&$skip=1&$orderby=title&$count=true", ""},
		{"/v1.0/me/todo/tasks?$top=1", ""},
		{categoriesURL + "?$top=1", ""},
		{listsURL + "/delta", ""},
		{tasksURL + "/delta", ""},
		{listsURL + "/delta", "odata.maxpagesize=1"},
		{tasksURL + "/delta", "odata.maxpagesize=1"},
	} {
		c := call{Method: "GET", URL: at.url, Headers: map[string]string{"Prefer": at.prefer}}
		if at.prefer == "" {
			c.Headers = nil
		}
		r := s.adele.send(c)
		for _, name := range []string{"@odata.nextLink", "@odata.deltaLink"} {
			if link := r.text(name); link != "" {
				links = append(links, strings.TrimPrefix(link, "http://duly.test"))
			}
		}
	}
	if len(links) < 7 {
		s.t.Errorf("adele has %d links alone: %v", len(links), links)
	}
	return links
}

// tryLinks follows adele's links as bob, as they are, in his name, and on all of
// his collections.
func (s *isolation) tryLinks() {
	s.t.Helper()
	bob := s.attackers[0]
	for _, link := range s.links() {
		_, query, _ := strings.Cut(link, "?")
		own := strings.NewReplacer(s.adele.ids["list"], s.bob.ids["list"])
		round := strings.Contains(link, "/delta?")
		at := []string{link, own.Replace(link)}
		for _, way := range append(ways(s.adele.user), "/users/"+s.bob.user.ID) {
			at = append(at, strings.Replace(link, "/me/", way+"/", 1), own.Replace(strings.Replace(link, "/me/", way+"/", 1)))
		}
		for _, path := range s.collections() {
			at = append(at, "/v1.0"+path+"?"+query)
		}
		for _, url := range at {
			c := call{Method: "GET", URL: url}
			path, _, _ := strings.Cut(url, "?")
			// Other links say but where a page begins, which is harmless.
			s.wantHidden("links and their tokens", c, bob, !round || !strings.HasSuffix(path, "/delta"))
		}
		if status, text := s.shout(call{Method: "GET", URL: link}, s.adele.bearer()); status != 200 {
			s.t.Errorf("adele's own link %s: %d %s", link, status, text)
		}
	}
	s.wantUntouched("following links")
}

// tryQueries asks bob's collections for what is adele's. What is found must be
// nothing, also where it shows in a number alone.
func (s *isolation) tryQueries() {
	s.t.Helper()
	bob := s.attackers[0]
	var finds, plain []string
	for _, kind := range []string{"list", "task", "step", "link", "free", "category", "attachment", "subscription", "extension"} {
		finds = append(finds, "id eq '"+s.adele.ids[kind]+"'")
	}
	for _, name := range []string{"title", "displayName", "applicationName", "externalId", "name", "body/content", "notificationUrl", "clientState"} {
		finds = append(finds, "startswith("+name+",'"+knownWord+"')", "contains("+name+",'"+knownWord[1:]+"')")
	}
	finds = append(finds, "categories/any(c:startswith(c,'"+knownWord+"'))", "checklistItems/any(c:startswith(c/displayName,'"+knownWord+"'))",
		"linkedResources/any(l:startswith(l/externalId,'"+knownWord+"'))", "linkedResources/any(l:l/id eq '"+s.adele.ids["link"]+"')",
		"extensions/any(e:e/id eq '"+adelesName+"')", "extensions/any(f:f/id eq '"+adelesName+"' and f/x ne null)")
	for _, expand := range []string{"checklistItems", "linkedResources", "attachments", "tasks", "extensions", "attachmentSessions", "extensions($filter=id eq '" + adelesName + "')", "attachments($filter=id eq '" + s.adele.ids["attachment"] + "')"} {
		plain = append(plain, "$expand="+url.QueryEscape(expand))
	}
	plain = append(plain, "$select=*", "$select=mailboxSettings", "$orderby=id", "$top=1000", "$skip=0", "$count=true", "user="+s.adele.user.ID, "$user="+s.adele.user.UserPrincipalName)
	found := func(query, path, text string) {
		if !strings.Contains(text, `"value":[]`) || strings.Contains(text, `"@odata.count":`) && !strings.Contains(text, `"@odata.count":0`) {
			s.t.Errorf("%s on %s finds something: %s", query, path, text)
		}
	}
	for _, path := range s.collections() {
		if raced && len(path)%4 != 0 { // a sample
			continue
		}
		for _, filter := range finds {
			for _, query := range []string{"$filter=" + url.QueryEscape(filter), "$count=true&$filter=" + url.QueryEscape(filter)} {
				c := call{Method: "GET", URL: "/v1.0" + path + "?" + query}
				s.wantHidden("queries", c, bob, true)
				if status, text := s.shout(c, bob.token); status == 200 && strings.Contains(text, `"value":[`) {
					found(query, path, text)
				}
			}
		}
		if s.profile == "friendly" && (strings.HasSuffix(path, "/tasks") || strings.HasSuffix(path, "/lists")) {
			query := "$search=%22" + knownWord + "%22"
			status, text := s.shout(call{Method: "GET", URL: "/v1.0" + path + "?" + query}, bob.token)
			if status == 200 {
				found(query, path, text)
			}
			s.tried["queries"]++
		}
		for _, query := range plain {
			s.wantHidden("queries", call{Method: "GET", URL: "/v1.0" + path + "?" + query}, bob, true)
		}
		for name, value := range map[string]string{
			"X-AnchorMailbox": "UPN:" + s.adele.user.UserPrincipalName, "X-User-Id": s.adele.user.ID, "X-Forwarded-User": s.adele.user.UserPrincipalName,
			"X-MS-Client-Principal-Id": s.adele.user.ID, "X-Original-URL": "/v1.0/users/" + s.adele.user.ID + "/todo/lists", "X-HTTP-Method-Override": "DELETE",
			"Prefer": `IdType="ImmutableId", exchange.behavior="IncludeAll", outlook.body-content-type="text"`, "X-Forwarded-For": "127.0.0.1", "Cookie": "__Host-session=" + s.adele.user.ID,
		} {
			s.wantHidden("headers", call{Method: "GET", URL: "/v1.0" + path, Headers: map[string]string{name: value}}, bob, true)
		}
	}
	s.wantUntouched("queries")
}

// tryBodies names adele's things in bodies of bob's own requests.
func (s *isolation) tryBodies() {
	s.t.Helper()
	ids := s.adele.ids
	hers := "http://duly.test/v1.0/users/" + s.adele.user.ID + "/todo/lists/" + ids["list"] + "/tasks/" + ids["task"]
	var own []string
	for _, kind := range []string{"list", "task", "step", "link", "attachment", "category", "subscription", "free"} {
		own = append(own, ids[kind])
	}
	all, err := json.Marshal(own)
	if err != nil {
		s.t.Fatal(err)
	}
	translate := func(from, to string) string {
		return fmt.Sprintf(`{"inputIds": %s, "sourceIdType": %q, "targetIdType": %q}`, all, from, to)
	}
	for _, try := range []struct {
		method, url, body string
		passes            bool
	}{
		{"POST", "/v1.0/me/translateExchangeIds", translate("restId", "restImmutableEntryId"), true},
		{"POST", "/v1.0/me/translateExchangeIds", translate("restImmutableEntryId", "restId"), true},
		{"POST", "/v1.0/me/translateExchangeIds", translate("entryId", "restId"), true},
		{"POST", listsURL, `{"id": "` + ids["list"] + `", "displayName": "x"}`, true},
		{"PATCH", listURL, `{"id": "` + ids["list"] + `", "displayName": "x"}`, true},
		{"POST", tasksURL, `{"id": "` + ids["task"] + `", "title": "x"}`, true},
		{"POST", tasksURL, `{"title": "x", "checklistItems": [{"id": "` + ids["step"] + `", "displayName": "x"}], "linkedResources": [{"id": "` + ids["link"] + `", "applicationName": "x"}]}`, true},
		{"POST", tasksURL, `{"title": "x", "parentFolderId": "` + ids["list"] + `", "listId": "` + ids["list"] + `"}`, true},
		{"POST", tasksURL, `{"title": "x", "linkedResources": [{"@odata.id": "/linkedResources/` + ids["free"] + `"}]}`, true},
		{"PATCH", taskURL, `{"id": "` + ids["task"] + `", "parentList": {"id": "` + ids["list"] + `"}, "importance": "low"}`, true},
		{"POST", stepsURL, `{"id": "` + ids["step"] + `", "displayName": "x"}`, true},
		{"PATCH", stepsURL + "/{step}", `{"id": "` + ids["step"] + `", "displayName": "x"}`, true},
		{"PATCH", linksURL + "/{link}", `{"id": "` + ids["link"] + `", "displayName": "x"}`, true},
		{"POST", linksURL, `{"@odata.id": "/linkedResources/` + ids["free"] + `"}`, false},
		{"POST", linksURL, `{"@odata.id": "` + hers + `/linkedResources/` + ids["link"] + `"}`, false},
		{"POST", linksURL, `{"@odata.id": "http://duly.test/v1.0/linkedResources('` + ids["free"] + `')"}`, false},
		{"POST", filesURL, `{"id": "` + ids["attachment"] + `", "name": "x", "contentBytes": "eA=="}`, true},
		{"POST", filesURL, `{"@odata.id": "` + hers + `/attachments/` + ids["attachment"] + `", "name": "x", "contentBytes": "eA=="}`, true},
		{"PATCH", "/v1.0/me", `{"id": "` + s.adele.user.ID + `", "givenName": "x"}`, true},
		{"PATCH", "/v1.0/me", `{"userPrincipalName": "` + s.adele.user.UserPrincipalName + `"}`, true},
		{"PATCH", categoriesURL + "/{category}", `{"id": "` + ids["category"] + `", "color": "preset4"}`, true},
		{"PATCH", subscriptionURL, `{"id": "` + ids["subscription"] + `", "expirationDateTime": "` + s.bob.soon() + `"}`, true},
	} {
		c := call{Method: try.method, URL: try.url, Body: json.RawMessage(try.body)}
		for name, id := range s.bob.ids {
			c.URL = strings.ReplaceAll(c.URL, "{"+name+"}", id)
		}
		s.wantHidden("ids in bodies", c, s.attackers[0], try.passes)
	}
	s.wantUntouched("bodies that name what is adele's")
	if now := s.adele.content(); now != s.adele.seen {
		s.t.Errorf("adele's mailbox was\n%s\nand is\n%s", s.adele.seen, now)
	}
}

// trySubscriptions has all attackers ask to be told of what is adele's, and look
// for her subscription, which is that of one application.
func (s *isolation) trySubscriptions() {
	s.t.Helper()
	list, task := s.adele.ids["list"], s.adele.ids["task"]
	resources := []string{"/me/todo/lists/" + list + "/tasks", "/me/todo/lists/" + list + "/tasks/" + task, "me/todo/lists('" + list + "')/tasks", "/me/todo/lists/" + s.bob.ids["list"] + "/tasks/" + task}
	for _, way := range ways(s.adele.user) {
		resources = append(resources, way+"/todo/lists", way[1:]+"/todo/lists/Tasks/tasks", way+"/todo/lists/"+list+"/tasks", way+"/todo/lists/"+list+"/tasks/"+task, way+"/todo/lists/"+s.bob.ids["list"]+"/tasks")
	}
	for _, a := range s.attackers {
		for _, resource := range resources {
			body := s.bob.newSubscription("mine")
			body["resource"], body["notificationUrl"], body["lifecycleNotificationUrl"] = resource, s.endpoints[s.bob].URL+"/stolen", s.endpoints[s.bob].URL+"/stolen"
			text, err := json.Marshal(body)
			if err != nil {
				s.t.Fatal(err)
			}
			s.wantHidden("subscriptions", call{Method: "POST", URL: "/v1.0/subscriptions", Body: text}, a, false)
		}
	}
	others := []attacker{
		{"adele by another application", s.mint.token(s.t, map[string]any{"azp": s.other, "appid": s.other, "oid": s.adele.user.ID, "sub": s.adele.user.ID}), 0},
		{"an application with all permissions", s.mint.token(s.t, map[string]any{"azp": s.other, "appid": s.other, "oid": s.other, "sub": s.other, "idtyp": "app", "scp": nil, "roles": []string{"Tasks.ReadWrite.All"}}), 0},
	}
	for _, a := range append(others, s.attackers...) {
		own := a.status == 0 && a.token != ""
		s.wantHidden("subscriptions", call{Method: "GET", URL: "/v1.0/subscriptions"}, a, own)
		at := "/v1.0/subscriptions/" + s.adele.ids["subscription"]
		s.wantHidden("subscriptions", call{Method: "GET", URL: at}, a, false)
		s.wantHidden("subscriptions", call{Method: "DELETE", URL: at}, a, false)
		s.wantHidden("subscriptions", call{Method: "PATCH", URL: at, Body: json.RawMessage(`{"notificationUrl": "` + s.endpoints[s.bob].URL + `/stolen"}`)}, a, false)
		s.wantHidden("subscriptions", call{Method: "POST", URL: at + "/reauthorize"}, a, false)
	}
	s.wantUntouched("subscriptions")
}

// tryUploadURLs sends to what is nearly adele's upload URL, with bob's token and
// with none.
func (s *isolation) tryUploadURLs() {
	s.t.Helper()
	session := s.adele.ids["session"]
	last := "A"
	if strings.HasSuffix(session, last) {
		last = "B"
	}
	base := "/v1.0/users/" + s.adele.user.ID + "/todo/lists/" + s.adele.ids["list"] + "/tasks/" + s.adele.ids["task"] + "/attachmentSessions/"
	for _, id := range []string{
		s.bob.ids["session"], session[:len(session)-1], session[:len(session)-1] + last, session + "A", session + "%00", strings.ToUpper(session), strings.ToLower(session),
		"%20" + session, "*", "%25", "_", "..", "%2e%2e%2f" + session, session + "'", "'or'1'eq'1", strings.Repeat("_", len(session)),
	} {
		for _, end := range []string{"", "/content"} {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				c := call{Method: method, URL: base + id + end}
				if method == "PUT" {
					c.Body, c.Headers = json.RawMessage("x"), map[string]string{"Content-Range": "bytes 0-0/10"}
				}
				s.wantHidden("upload URLs", c, attacker{name: "somebody without a token"}, false)
				s.wantHidden("upload URLs", c, s.attackers[0], false)
			}
		}
	}
	s.wantUntouched("upload URLs")
	if s.profile == "friendly" {
		if status, text := s.shout(call{Method: "GET", URL: base + session}, ""); status != 200 {
			s.t.Errorf("adele's own upload URL: %d %s", status, text)
		}
	}
}

// tryNotifications has both write, and looks at what each is told.
func (s *isolation) tryNotifications() {
	s.t.Helper()
	made := s.adele.must("", "POST", tasksURL, map[string]any{"title": marker + " told"}).text("id")
	if told := s.endpoints[s.adele].all(s.t); !strings.Contains(told, made) && !strings.Contains(told, url.PathEscape(made)) {
		s.t.Errorf("adele is not told of %s: %s", made, told)
	}
	s.bob.must("", "POST", tasksURL, map[string]any{"title": "told"})
	told := s.endpoints[s.bob].all(s.t)
	for name, id := range s.adele.ids {
		if name != "extension" && strings.Contains(told, id) {
			s.t.Errorf("bob is told of adele's %s: %s", name, told)
		}
	}
	if showsHers(told) || strings.Contains(told, made) || strings.Contains(told, "/stolen") {
		s.t.Errorf("bob is told what is adele's: %s", told)
	}
	s.tried["notifications"]++
}
