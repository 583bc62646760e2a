package graph_test

import (
	"slices"
	"strings"

	"github.com/duly-todo/duly/internal/graph"
)

// openAPIPaths are the operations, by path and method. A path of a user is one
// below /me as well.
func openAPIPaths(routes []graph.RouteInfo) fields {
	out := fields{}
	add := func(path string, r graph.RouteInfo) {
		o := newOperation(path, r)
		i := slices.IndexFunc(out, func(f field) bool { return f.key == o.path })
		if i < 0 {
			item := fields{}
			if len(o.parameters) > 0 {
				item = fields{{"parameters", o.parameters}}
			}
			out, i = append(out, field{o.path, item}), len(out)
		}
		out[i].value = append(out[i].value.(fields), field{strings.ToLower(r.Method), o.fields()})
	}
	for _, r := range routes {
		if rest, ok := strings.CutPrefix(r.Path, "/users/{user}"); ok {
			add("/me"+rest, r)
		}
	}
	for _, r := range routes {
		add(r.Path, r)
	}
	return out
}

// An operation is a route at one of its paths.
type operation struct {
	route      graph.RouteInfo
	path       string   // with Graph's names of parameters
	parameters []any    // of the path
	names      []string // the segments that are no parameters
	keyed      []string // these, and the type wherever one entity of it is named
	typeName   string   // of the entity
	bound      string   // the function or action that is bound to it, if any
	collection bool
}

// typesOf are the types of what a segment holds.
func typesOf(segment string) string {
	return map[string]string{
		"users": "user", "me": "user", "todo": "todo", "lists": "todoTaskList", "tasks": "todoTask",
		"outlook": "outlookUser", "masterCategories": "outlookCategory", "mailboxSettings": "mailboxSettings",
		"checklistItems": "checklistItem", "linkedResources": "linkedResource", "extensions": "openTypeExtension",
		"attachments": "attachmentBase", "attachmentSessions": "attachmentSession",
		"subscriptions": "subscription", "applications": "application",
	}[segment]
}

func newOperation(path string, r graph.RouteInfo) operation {
	o := operation{route: r}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch {
		case strings.HasPrefix(segment, "{"):
			name := o.typeName + "-id"
			if o.typeName == "openTypeExtension" { // which stands for its base in paths
				name = "extension-id"
			}
			segment, o.collection = "{"+name+"}", false
			o.parameters = append(o.parameters, componentRef("parameters", name))
			o.keyed = append(o.keyed, o.typeName)
		case segment == "delta", segment == "getVapidPublicKey":
			o.names, o.keyed = append(o.names, segment), append(o.keyed, segment)
			segment += "()"
		case strings.HasPrefix(segment, "supported"), segment == "translateExchangeIds":
			name, parameter, _ := strings.Cut(segment, "(")
			o.names, o.keyed, o.bound = append(o.names, name), append(o.keyed, name), name
			switch {
			case parameter != "":
				o.parameters = append(o.parameters, componentRef("parameters", "TimeZoneStandard"))
			case r.Method == "GET":
				segment += "()"
			}
		default:
			o.names, o.keyed = append(o.names, segment), append(o.keyed, segment)
			if name := typesOf(segment); name != "" {
				o.typeName, o.collection = name, !slices.Contains([]string{"me", "todo", "outlook", "mailboxSettings"}, segment)
			}
		}
		o.path += "/" + segment
	}
	return o
}

// last is the name at the end of the path.
func (o operation) last() string { return o.names[len(o.names)-1] }

// results are the types in the collections that functions and actions return.
func results(bound string) string {
	return map[string]string{
		"supportedLanguages": "localeInfo", "supportedTimeZones": "timeZoneInformation", "translateExchangeIds": "convertIdResult",
	}[bound]
}

// kind is what is done: list, get, create, update, delete, count, delta, bound,
// setting, download, upload, discard or createUploadSession; or the name of a path
// that is about no entity.
func (o operation) kind() string {
	switch {
	case o.bound != "":
		return "bound"
	case o.typeName == "mailboxSettings" && o.last() != o.typeName:
		return "setting"
	case o.last() == "$count":
		return "count"
	case slices.Contains([]string{"delta", "createUploadSession", "reauthorize", "getVapidPublicKey", "addPassword", "removePassword"}, o.last()):
		return o.last()
	case o.isContent():
		return map[string]string{"GET": "download", "PUT": "upload", "DELETE": "discard"}[o.route.Method]
	case o.typeName == "":
		return strings.Trim(o.path, "/$")
	}
	switch o.route.Method {
	case "POST":
		return "create"
	case "PATCH":
		return "update"
	case "PUT":
		return "upload"
	case "DELETE":
		return "delete"
	}
	if o.collection {
		return "list"
	}
	return "get"
}

// isContent says whether the path is that of bytes.
func (o operation) isContent() bool { return o.last() == "$value" || o.last() == "content" }

// id names the operation in the way of Graph.
func (o operation) id() string {
	title := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
	names := slices.Clone(o.names[:len(o.names)-1])
	switch kind := o.kind(); kind {
	case "count":
		return strings.Join(append(names, "GetCount"), ".")
	case "delta", "createUploadSession", "reauthorize", "getVapidPublicKey", "addPassword", "removePassword":
		return strings.Join(o.keyed, ".")
	case "bound":
		id := strings.Join(o.keyed, ".")
		if o.bound == "supportedTimeZones" { // Graph's hashes of the overloads
			id += map[bool]string{true: "-0d20", false: "-5c4f"}[strings.HasSuffix(o.path, "')")]
		}
		return id
	case "upload", "download", "discard":
		verb := map[string]string{"upload": "Update", "download": "Get", "discard": "Delete"}[kind]
		if !o.isContent() {
			return strings.Join(append(names, verb+title(o.last())+"Bytes"), ".")
		}
		return strings.Join(append(names[:len(names)-1], verb+title(names[len(names)-1])+"Content"), ".")
	case "list", "get", "create", "update", "delete", "setting":
		if kind == "setting" {
			kind = "get"
		}
		if len(names) == 0 {
			return o.last() + "." + o.typeName + "." + title(kind) + title(o.typeName)
		}
		return strings.Join(append(names, title(kind)+title(o.last())), ".")
	case "":
		return "getServiceDocument"
	default:
		return strings.ToLower(o.route.Method) + title(kind)
	}
}

func (o operation) fields() fields {
	summary := map[string]string{
		"list": "List entities of type " + o.typeName, "get": "Get a " + o.typeName, "create": "Create a " + o.typeName, "update": "Update a " + o.typeName,
		"delete": "Delete a " + o.typeName, "count": "Count entities of type " + o.typeName, "delta": "What changed among entities of type " + o.typeName,
		"bound": "Invoke " + o.bound, "setting": "Get the setting " + o.last(),
		"download": "The bytes of a " + o.typeName, "upload": "Send the bytes of a " + o.typeName, "discard": "Remove the bytes of a " + o.typeName,
		"createUploadSession": "Begin to upload a large file",
		"":                    "What paths begin with", "metadata": "The types of the API", "batch": "Many requests in one",
		"addPassword": "Make a secret", "removePassword": "Remove a secret",
		"reauthorize": "Answer to reauthorizationRequired", "getVapidPublicKey": "The key for web push, on beta alone",
	}[o.kind()]
	out := fields{{"operationId", o.id()}, {"summary", summary}}
	if o.typeName != "" {
		out = append(out, field{"tags", sequence(o.typeName)})
	}
	if parameters := o.options(); len(parameters) > 0 {
		out = append(out, field{"parameters", parameters})
	}
	switch o.kind() {
	case "create", "update":
		out = append(out, field{"requestBody", fields{{"required", true}, {"content", mediaContent("application/json", schemaRef(o.typeName))}}})
	case "bound":
		if o.route.Method == "POST" {
			out = append(out, field{"requestBody", fields{{"required", true}, {"content", mediaContent("application/json", schemaRef(o.bound+"Request"))}}})
		}
	case "createUploadSession":
		info := fields{{"type", "object"}, {"required", sequence("attachmentInfo")}, {"properties", fields{{"attachmentInfo", schemaRef("attachmentInfo")}}}}
		out = append(out, field{"requestBody", fields{{"required", true}, {"content", mediaContent("application/json", info)}}})
	case "addPassword", "removePassword":
		member := field{"passwordCredential", schemaRef("passwordCredential")}
		if o.last() == "removePassword" {
			member = field{"keyId", fields{{"type", "string"}, {"format", "uuid"}}}
		}
		body := fields{{"type", "object"}, {"properties", fields{member}}}
		out = append(out, field{"requestBody", fields{{"required", true}, {"content", mediaContent("application/json", body)}}})
	case "upload":
		out = append(out, field{"requestBody", fields{{"required", true}, {"content", mediaContent("application/octet-stream", binary())}}})
	case "batch":
		out = append(out, field{"requestBody", fields{{"required", true}, {"content", mediaContent("application/json", schemaRef("batchRequest"))}}})
	}
	return append(out, field{"responses", o.responses()}, field{"security", o.security()})
}

// hasETag says whether the entity, or the task that it is of, has an etag.
func (o operation) hasETag() bool {
	return !slices.Contains([]string{"user", "outlookCategory", "mailboxSettings", "subscription", "application"}, o.typeName)
}

// binary is the schema of bytes.
func binary() fields { return fields{{"type", "string"}, {"format", "binary"}} }

// options are the parameters of the query and the header.
func (o operation) options() []any {
	var names []string
	switch o.kind() {
	case "list":
		names = []string{"top", "skip", "search", "filter", "count", "orderby", "select", "expand"}
	case "delta":
		names = []string{"top", "filter", "select", "expand", "deltatoken", "skiptoken"}
	case "count":
		names = []string{"search", "filter"}
	case "bound":
		if o.route.Method == "GET" {
			names = []string{"top", "skip", "filter", "count", "orderby", "select"}
		}
	case "get":
		names = []string{"select", "expand"}
	case "upload":
		names = []string{"ifMatch"}
		if o.typeName == "attachmentSession" {
			names = []string{"contentRange"}
		}
	case "update", "delete", "discard":
		if o.hasETag() {
			names = []string{"ifMatch"}
		}
	}
	switch o.kind() {
	case "list", "delta", "get", "create", "update":
		if o.typeName != "user" && o.typeName != "todo" {
			names = append(names, "prefer")
		}
	}
	var out []any
	for _, name := range names {
		out = append(out, componentRef("parameters", name))
	}
	return out
}

func (o operation) responses() fields {
	answer := func(status, description string, body fields) fields {
		r := fields{{"description", description}}
		if body != nil {
			r = append(r, field{"content", body})
		}
		return fields{{status, r}}
	}
	json := func(name string) fields { return mediaContent("application/json", schemaRef(name)) }
	var out fields
	switch o.kind() {
	case "list":
		out = answer("200", "A page.", json(o.typeName+"CollectionResponse"))
	case "delta":
		out = answer("200", "A page of the round.", json(o.typeName+"DeltaResponse"))
	case "count":
		out = answer("200", "The number of items.", mediaContent("text/plain", fields{{"type", "integer"}, {"format", "int32"}}))
	case "bound":
		out = answer("200", "What it returns.", json(results(o.bound)+"CollectionResponse"))
	case "setting":
		body := mediaContent("application/json", fields{{"type", "object"}, {"properties", fields{{"value", fields{{"type", "string"}}}}}})
		if o.last() == "language" {
			body = json("localeInfo")
		}
		out = answer("200", "The setting.", body)
	case "get":
		out = answer("200", "The entity.", json(o.typeName))
	case "create":
		out = answer("201", "The new entity.", json(o.typeName))
	case "update":
		if o.typeName != "user" && o.typeName != "application" {
			out = answer("200", "The entity as it is now.", json(o.typeName))
		}
		out = append(out, answer("204", "It is done.", nil)...)
	case "delete", "discard":
		out = answer("204", "It is gone.", nil)
	case "download":
		out = answer("200", "The bytes.", mediaContent("application/octet-stream", binary()))
	case "createUploadSession":
		out = answer("201", "The session, at whose uploadUrl the bytes are expected.", json("uploadSession"))
	case "upload":
		out = answer("204", "The attachment has these bytes.", nil)
		if o.typeName == "attachmentSession" {
			out = append(answer("200", "The bytes are there, and more are expected.", json("uploadSession")), answer("201", "The attachment is complete.", nil)...)
		}
	case "addPassword":
		out = answer("200", "The secret, this once.", json("passwordCredential"))
	case "reauthorize", "removePassword":
		out = answer("204", "It is done.", nil)
	case "getVapidPublicKey":
		out = answer("200", "The key.", mediaContent("application/json", fields{{"type", "object"}, {"properties", fields{{"value", fields{{"type", "string"}}}}}}))
	case "batch":
		out = answer("200", "The answers.", json("batchResponse"))
	case "metadata":
		out = answer("200", "CSDL.", mediaContent("application/xml", fields{{"type", "string"}}))
	case "":
		out = answer("200", "The service document.", json("serviceDocument"))
	}
	return append(out, field{"default", componentRef("responses", "error")})
}

// security has one entry for each permission that opens the route. An
// application has no mailbox that /me could be.
func (o operation) security() []any {
	out := []any{}
	add := func(scheme string, names []string) {
		for _, name := range names {
			out = append(out, fields{{scheme, sequence(name)}})
		}
	}
	switch {
	case o.route.NoToken:
	case o.route.Secret: // or nothing at all
		add("delegated", o.route.Delegated)
		if o.names[0] == "users" {
			add("application", o.route.Application)
			out = append(out, fields{})
		}
	case o.route.Open:
		out = sequence(fields{{"delegated", sequence()}}, fields{{"application", sequence()}})
	default:
		add("delegated", o.route.Delegated)
		if o.names[0] == "users" || o.names[0] == "subscriptions" || o.names[0] == "applications" {
			add("application", o.route.Application)
		}
	}
	return out
}

// openAPIMessages are the schemas of what is no type of the metadata.
func openAPIMessages(routes []graph.RouteInfo) fields {
	text, integer := fields{{"type", "string"}}, fields{{"type", "integer"}}
	object := func(required []any, members ...field) fields {
		o := fields{{"type", "object"}}
		if len(required) > 0 {
			o = append(o, field{"required", required})
		}
		return append(o, field{"properties", fields(members)})
	}
	array := func(items fields) fields { return fields{{"type", "array"}, {"items", items}} }
	headers := fields{{"type", "object"}, {"additionalProperties", text}}
	out := fields{
		{"microsoft.graph.ODataErrors.ODataError", object(sequence("error"), field{"error", object(sequence("code", "message"),
			field{"code", text}, field{"message", text},
			field{"innerError", object(nil, field{"code", text}, field{"date", text}, field{"request-id", text}, field{"client-request-id", text})})})},
		{"microsoft.graph.batchRequest", object(sequence("requests"), field{"requests", array(object(sequence("id", "method", "url"),
			field{"id", text}, field{"method", text}, field{"url", text}, field{"dependsOn", array(text)}, field{"headers", headers}, field{"body", fields{}}))})},
		{"microsoft.graph.batchResponse", object(sequence("responses"), field{"responses", array(object(sequence("id", "status"),
			field{"id", text}, field{"status", integer}, field{"headers", headers}, field{"body", fields{}}))})},
		{"microsoft.graph.translateExchangeIdsRequest", object(sequence("inputIds", "sourceIdType", "targetIdType"),
			field{"inputIds", array(text)}, field{"sourceIdType", schemaRef("exchangeIdFormat")}, field{"targetIdType", schemaRef("exchangeIdFormat")})},
		{"microsoft.graph.serviceDocument", object(sequence("value"), field{"@odata.context", text}, field{"value", array(object(nil,
			field{"name", text}, field{"kind", text}, field{"url", text}))})},
	}
	seen := map[string]bool{}
	for _, r := range routes {
		o := newOperation(r.Path, r)
		of := o.typeName
		if o.bound != "" {
			of = results(o.bound)
		}
		name := map[string]string{"list": of + "CollectionResponse", "bound": of + "CollectionResponse", "delta": of + "DeltaResponse"}[o.kind()]
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		members := []field{{"@odata.context", text}, {"@odata.nextLink", text}, {"value", array(schemaRef(of))}}
		if o.kind() == "delta" {
			members = slices.Insert(members, 2, field{"@odata.deltaLink", text})
		} else {
			members = slices.Insert(members, 1, field{"@odata.count", integer})
		}
		out = append(out, field{"microsoft.graph." + name, object(sequence("value"), members...)})
	}
	return out
}
