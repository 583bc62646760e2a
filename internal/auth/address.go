package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// address is that of the client: of the connection, or where it comes from a
// proxy of ours, the last in X-Forwarded-For that is none.
func address(r *http.Request, proxies []netip.Prefix) netip.Addr {
	isProxy := func(addr netip.Addr) bool {
		for _, p := range proxies {
			if p.Contains(addr) {
				return true
			}
		}
		return false
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	addr, _ := netip.ParseAddr(host)
	addr = addr.Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for n := len(hops) - 1; n >= 0 && isProxy(addr); n-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[n]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr
}

// addressGroup is the name under which attempts from an address are counted: a
// network of IPv6 is one customer's.
func addressGroup(r *http.Request, proxies []netip.Prefix) string {
	addr := address(r, proxies)
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
