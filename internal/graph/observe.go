package graph

import "time"

// An observer is told the status and the duration of each request of a route.
type observer = func(status int, took time.Duration)

// newObservers asks of for the observer of every route, and for that of the
// requests that belong to none.
func newObservers(n *node, of func(method, path string) observer) map[*route]observer {
	observers := map[*route]observer{nil: of("-", "-")}
	var visit func(*node)
	visit = func(n *node) {
		for _, rt := range n.routes {
			if observers[rt] == nil {
				observers[rt] = of(rt.method, rt.path)
			}
		}
		for _, next := range n.literal {
			visit(next)
		}
		if n.param != nil {
			visit(n.param)
		}
	}
	visit(n)
	return observers
}

// route is the route of the request, or nil.
func (r *request) route() *route {
	if r.node == nil {
		return nil
	}
	return r.node.routes[r.Method]
}
