package graph

import "slices"

// A RouteInfo is what the tests of the whole API know of one route.
type RouteInfo struct {
	Method, Path           string
	Delegated, Application []string
	Directory              bool
	Open                   bool // to every token: the route itself asks for nothing
	NoToken                bool // open to those without a token too
	Secret                 bool // open to those as well who know an id of the path
}

// Routes is the route table, for tests that walk all of it.
func Routes() []RouteInfo {
	var out []RouteInfo
	for _, r := range routes() {
		info := RouteInfo{Method: r.method, Path: r.path, Open: r.needs == nil || r.needs == noToken, NoToken: r.needs == noToken, Secret: r.needs == uploadSecret}
		if r.needs != nil {
			info.Directory = r.needs.directory
			info.Delegated, info.Application = slices.Clone(r.needs.delegated), slices.Clone(r.needs.application)
		}
		out = append(out, info)
	}
	return out
}
