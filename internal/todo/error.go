package todo

import "fmt"

// Kind classifies an [Error]. Package graph alone turns it into an HTTP status
// and Graph's codes; nothing else may depend on those.
type Kind int

// The kinds of failure that a caller of Duly can be told about.
const (
	Invalid            Kind = iota + 1 // a value that breaks a rule of To Do
	BadTimeZone                        // the name of a time zone that is not known
	Malformed                          // a body that is not JSON, or does not fit the type
	BadRequest                         // a URL, header or query option that makes no sense
	ParseURI                           // a $select, as the real service refuses it
	MalformedID                        // an id of a form that Duly never gives out
	BuiltInList                        // a change that the built-in lists do not allow
	LinkExists                         // a second linked resource where one is the limit
	LinkHeld                           // a linked resource that another task holds
	CategoryExists                     // a master category whose name is taken
	WrongList                          // a task that exists, but in another list
	NotFound                           // an id that is well formed and names nothing
	NoSuchUser                         // a user that does not exist
	TokenDamaged                       // a delta token that Duly did not write
	TokenForeign                       // a delta token of another user or collection
	TokenOutlived                      // a delta token from before the change log begins
	NoSuchRoute                        // a path that the real service does not know either
	Conflict                           // an If-Match that is not the current etag
	BrokenETag                         // an If-Match that is no etag of ours
	TooLarge                           // a body above its limit
	UnsupportedMedia                   // a Content-Type or Content-Encoding that is not read
	NotImplemented                     // a query option that this version does not serve
	Unauthenticated                    // no token, or a token that is refused
	Forbidden                          // a token without the permission
	ForbiddenDirectory                 // the same, on /me and /users
	WrongMailbox                       // a delegated token on another user's data
	MethodNotAllowed                   // a path that exists and a method that it does not have
	FailedDependency                   // a part of a batch whose dependency has failed
	AnswerTooLarge                     // an answer that has no room among those of its batch
	BadSubscription                    // a subscription of a form that To Do does not have
	EndpointFailed                     // a notification URL that does not prove itself
	EndpointTimedOut                   // a notification URL that does not answer in time
	SubscriptionLimit                  // a subscription beyond the limit
	TooManyRequests                    // a call that has to wait for others of its kind
	Throttled                          // a call beyond the limits of its application
	OutOfSpace                         // a write for which the server's disk has no room
	Unavailable                        // the server is stopping, or the database does not answer
	InvalidSlice                       // a Content-Range that makes no sense, or a body that is not it
	InvalidRange                       // a Range of a file that has none of its bytes
	InvalidStart                       // a part of an upload that does not begin where it has to go on
)

// An Error is a failure whose message may be shown to the client.
type Error struct {
	Kind    Kind
	Target  string // the member, parameter or header at fault; may be empty
	Message string // a sentence for the client; may be empty where Graph sends none
}

func (e *Error) Error() string {
	if e.Target == "" {
		return e.Message
	}
	return e.Target + ": " + e.Message
}

// Errorf returns an *Error of the kind, with target as the member at fault.
func Errorf(kind Kind, target, format string, args ...any) error {
	return &Error{Kind: kind, Target: target, Message: fmt.Sprintf(format, args...)}
}

// ErrNotFound answers for every id that names nothing (semantics: ErrorItemNotFound).
var ErrNotFound error = &Error{Kind: NotFound, Message: "The specified object was not found in the store."}

func required(member string) error {
	return Errorf(Invalid, member, "The property '%s' is required and must not be empty.", member)
}

func tooLong(member string, limit int) error {
	return Errorf(Invalid, member, "The property '%s' is longer than the %d characters allowed.", member, limit)
}
