package graph

import (
	"net/http"
	"strings"
)

// traceID is the id of the trace that the request is a part of, from its
// traceparent header (W3C Trace Context, 3.2), or "".
func traceID(h http.Header) string {
	const size = len("00-") + 32 + len("-") + 16 + len("-00")
	values := h["Traceparent"]
	if len(values) != 1 || len(values[0]) < size {
		return ""
	}
	v := values[0]
	version, trace, parent, flags := v[:2], v[3:35], v[36:52], v[53:55]
	switch {
	case v[2] != '-' || v[35] != '-' || v[52] != '-':
	case !isHex(version) || !isHex(trace) || !isHex(parent) || !isHex(flags):
	case version == "ff", strings.Trim(trace, "0") == "", strings.Trim(parent, "0") == "":
	case version == "00" && len(v) > size, len(v) > size && v[size] != '-': // later versions may append members
	default:
		return trace
	}
	return ""
}

func isHex(s string) bool {
	for i := range len(s) {
		if !(s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f') {
			return false
		}
	}
	return true
}
