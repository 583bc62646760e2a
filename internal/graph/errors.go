package graph

import (
	"context"
	"errors"
	"net/http"

	"github.com/duly-todo/duly/internal/auth"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// An answerForm is how a kind of error looks on the wire.
type answerForm struct {
	status int
	code   string // the outer code
	inner  string // the code in innerError; empty: none
	within bool   // the message stands in innerError, below a general one (semantics 2.3)
}

// form is the only place where a kind of error meets HTTP (semantics §2).
func form(kind todo.Kind) answerForm {
	switch kind {
	case todo.Invalid:
		return answerForm{status: 400, code: "invalidRequest"}
	case todo.BadTimeZone:
		return answerForm{status: 400, code: "invalidRequest", inner: "ErrorInvalidTimeZone"}
	case todo.Malformed:
		return answerForm{status: 400, code: "invalidRequest", inner: "InvalidModel"}
	case todo.BadRequest:
		return answerForm{status: 400, code: "BadRequest"}
	case todo.ParseURI:
		return answerForm{status: 400, code: "invalidRequest", inner: "RequestBroker--ParseUri"}
	case todo.MalformedID:
		return answerForm{status: 400, code: "invalidRequest", inner: "ErrorInvalidIdMalformed"}
	case todo.BuiltInList:
		return answerForm{status: 400, code: "invalidRequest", inner: "ErrorInvalidRequest", within: true}
	case todo.LinkExists:
		return answerForm{status: 400, code: "invalidRequest", inner: "LinkedResourceSizeExceeded"}
	case todo.LinkHeld:
		return answerForm{status: 409, code: "nameAlreadyExists", inner: "LinkedResourceHeld"}
	case todo.CategoryExists:
		return answerForm{status: 409, code: "CategoryNameExists"}
	case todo.WrongList:
		return answerForm{status: 400, code: "invalidRequest"}
	case todo.NotFound:
		return answerForm{status: 404, code: "ErrorItemNotFound", inner: "ErrorItemNotFound"}
	case todo.NoSuchUser:
		return answerForm{status: 404, code: "Request_ResourceNotFound"}
	case todo.TokenDamaged, todo.TokenOutlived:
		return answerForm{status: 410, code: "syncStateNotFound", inner: "SyncStateNotFound"}
	case todo.TokenForeign:
		return answerForm{status: 410, code: "syncStateNotFound", inner: "SyncStateInvalid"}
	case todo.NoSuchRoute:
		return answerForm{status: 404, code: "UnknownError"}
	case todo.Conflict:
		return answerForm{status: 412, code: "ErrorIrresolvableConflict", inner: "ErrorIrresolvableConflict"}
	case todo.BrokenETag:
		return answerForm{status: 400, code: "invalidRequest", inner: "ErrorInvalidChangeKey"}
	case todo.TooLarge:
		return answerForm{status: 413, code: "invalidRequest", inner: "RequestEntityTooLarge"}
	case todo.UnsupportedMedia:
		return answerForm{status: 415, code: "BadRequest"}
	case todo.NotImplemented:
		return answerForm{status: 501, code: "NotImplemented"}
	case todo.Unauthenticated:
		return answerForm{status: 401, code: "InvalidAuthenticationToken"}
	case todo.Forbidden:
		return answerForm{status: 403, code: "ErrorAccessDenied"}
	case todo.ForbiddenDirectory:
		return answerForm{status: 403, code: "Authorization_RequestDenied"}
	case todo.WrongMailbox:
		return answerForm{status: 400, code: "invalidRequest", inner: "ErrorIncorrectRoutingHint", within: true}
	case todo.MethodNotAllowed:
		return answerForm{status: 405, code: "Request_BadRequest"}
	case todo.FailedDependency:
		return answerForm{status: 424, code: "FailedDependency"}
	case todo.AnswerTooLarge:
		return answerForm{status: 507, code: "generalException", inner: "BatchAnswerTooLarge"}
	case todo.InvalidSlice:
		return answerForm{status: 400, code: "invalidRequest", inner: "InvalidContentRange"}
	case todo.InvalidRange:
		return answerForm{status: 416, code: "invalidRange"}
	case todo.InvalidStart:
		return answerForm{status: 400, code: "invalidRequest", inner: "InvalidStart"}
	case todo.BadSubscription:
		return answerForm{status: 400, code: "ExtensionError"}
	case todo.EndpointFailed:
		return answerForm{status: 400, code: "ValidationError"}
	case todo.EndpointTimedOut:
		return answerForm{status: 400, code: "InvalidRequest"}
	case todo.SubscriptionLimit:
		return answerForm{status: 403, code: "ExtensionError"}
	case todo.TooManyRequests:
		return answerForm{status: 429, code: "TooManyRequests"}
	case todo.Throttled:
		return answerForm{status: 429, code: "activityLimitReached", inner: "ApplicationThrottled"}
	case todo.OutOfSpace:
		return answerForm{status: 507, code: "quotaLimitReached"}
	case todo.Unavailable:
		return answerForm{status: 503, code: "serviceNotAvailable"}
	}
	return answerForm{status: 500, code: "generalException", inner: "ErrorInternalServerError"}
}

// internalMessage is all that a client is told about a failure of the server.
const internalMessage = "Internal Server Error"

// fail turns err into the answer. What is not meant for the client is logged
// under the request's id and answered as a bare 500.
func (s *Server) fail(r *request, err error) {
	e, known := errors.AsType[*todo.Error](err)
	switch {
	case known:
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrUncertain):
		s.log.ErrorContext(r.Context(), "the database failed", "request-id", r.id, "method", r.Method, "route", r.path, "err", err)
		e = unavailable()
	case errors.Is(err, store.ErrClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = unavailable()
	case errors.Is(err, store.ErrFull):
		s.log.ErrorContext(r.Context(), "request failed", "request-id", r.id, "method", r.Method, "route", r.path, "err", err)
		e = &todo.Error{Kind: todo.OutOfSpace, Message: "The server has no space left. Nothing was changed."}
	default:
		s.log.ErrorContext(r.Context(), "request failed", "request-id", r.id, "method", r.Method, "route", r.routePath(), "err", err) // the path may hold a secret
		e = &todo.Error{Message: internalMessage}
	}
	f := form(e.Kind)
	switch {
	case e.Kind == todo.BrokenETag && s.profile.BrokenETagIs500:
		f, e = form(0), &todo.Error{Message: internalMessage}
	case e.Kind == todo.TokenDamaged && s.profile.BadTokenIs400:
		f, e = form(todo.BadRequest), &todo.Error{Message: "Badly formed token."}
	case e.Kind == todo.Unavailable:
		r.header.Set("Retry-After", "1")
	case e.Kind == todo.TooManyRequests:
		r.header.Set("Retry-After", "10") // what it waits for takes that long at most
	}
	if t, ok := errors.AsType[*auth.TokenError](err); ok {
		r.header.Set("WWW-Authenticate", auth.Challenge(r.base, t))
		r.header.Set("Cache-Control", "no-store")
	}
	r.answer(f.status, r.appendError(r.out[:0], f, e.Message))
}

func unavailable() *todo.Error {
	return &todo.Error{Kind: todo.Unavailable, Message: "The service is not available. Try the request again after a delay."}
}

// appendError writes the body of an error (semantics §2).
func (r *request) appendError(b []byte, f answerForm, message string) []byte {
	outer := message
	if f.within {
		outer = "Invalid request"
	}
	b = append(b, `{"error":{"code":`...)
	b = appendJSONString(b, f.code)
	b = append(b, `,"message":`...)
	b = appendJSONString(b, outer)
	b = append(b, `,"innerError":{`...)
	if f.inner != "" {
		b = append(b, `"code":`...)
		b = appendJSONString(b, f.inner)
		b = append(b, ',')
	}
	if f.within {
		b = append(b, `"message":`...)
		b = appendJSONString(b, message)
		b = append(b, ',')
	}
	b = append(b, `"date":"`...)
	b = r.now.UTC().AppendFormat(b, "2006-01-02T15:04:05")
	b = append(b, `","request-id":`...)
	b = appendJSONString(b, r.id)
	b = append(b, `,"client-request-id":`...)
	b = appendJSONString(b, r.clientID)
	return append(b, "}}}"...)
}

// methodNotAllowed answers for a path that exists and a method that it has not.
func methodNotAllowed(r *request, n *node) error {
	r.header.Set("Allow", n.allow())
	return todo.Errorf(todo.MethodNotAllowed, "", "Specified HTTP method is not allowed for the request target.")
}

// denied answers for a token without the permission.
func denied(directory bool) error {
	if directory {
		return todo.Errorf(todo.ForbiddenDirectory, "", "Insufficient privileges to complete the operation.")
	}
	return todo.Errorf(todo.Forbidden, "", "Access is denied. Check credentials and try again.")
}

var _ http.Handler = (*Server)(nil)
