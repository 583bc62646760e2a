package graph

import (
	"fmt"

	"github.com/duly-todo/duly/internal/todo"
)

// A Profile says which of the real service's defects and limits the server
// copies. Each member names what it copies (docs/divergences.md has the reasons).
type Profile struct {
	Name string

	OneLinkedResource   bool // a task holds one linked resource at most (MT-S14, docs#12699)
	StrictWebURL        bool // webUrl must be a well-formed URI (MT-S15)
	LinkIgnoresEmpty    bool // null and "" in a PATCH of a linked resource change nothing (MT-S15)
	StepPatchUnchecks   bool // a PATCH of a step without isChecked resets it (MT-S1)
	BrokenETagIs500     bool // a malformed If-Match, or *, is a 500 (MT-S6)
	RoutingHint         bool // another user's mailbox is 400 ErrorIncorrectRoutingHint (toolkit#1620)
	RangeStartIsInvalid bool // range.startDate in a PATCH is a 400 InvalidModel (docs#10516)
	ForgetsRecurrence   bool // endDate ranges become noEnd, relative patterns daily (TM, RS)
	BadTokenIs400       bool // a delta token that was altered is 400 "Badly formed token." (MT-S4)
	PlainBatches        bool // all of a batch is one chain by dependsOn, or depends on one request alone (MT-S10)
	PlainNextLinks      bool // nextLinks have $skip alone, without a token that keeps the place (MT-P1)
	SelectIsRefused     bool // $select of names is 400 RequestBroker--ParseUri (MT-S3, OMN)
	SearchIsIgnored     bool // $search changes nothing (semantics §7: silent)
	CountIsIgnored      bool // $count=true changes nothing (MT-S3)
	DeltaTakesNoOptions bool // $top, $filter and a filtered $expand on delta are 400 (MT-S3, MT-S2)
	UploadNeedsToken    bool // the id of an upload session opens nothing without a token (sdk-php#1506)
	UploadAtContent     bool // PUT and GET of an upload session, and GET of its content, are 404 UnknownError (MT-S14, MT-S16)
	ExpandsNoFiles      bool // $expand=attachments gives nothing (semantics §7)
	SmallSlices         bool // a slice above 4 MB is refused (docs: todo-attachments)
	OnlyTaskHooks       bool // subscriptions are to all tasks of one list, and to nothing else (change-notifications-overview)
	NoBareTodo          bool // GET …/todo is a 404 UnknownError (beta-sdk-dotnet#217)

	TypedArrays           bool // an array in an extension needs a type annotation (MT-S21)
	NoExtensionCollection bool // GET …/extensions is a 404 UnknownError (MT-S2)
	BareExpandIsEmpty     bool // $expand=extensions without a filter gives nothing, one with an id of mail is 400 (MT-S2, WN)
	NoExtensionFilter     bool // extensions in $filter are 400 (MT-S13)
}

// Profiles are the profiles by name.
func profiles() []Profile {
	return []Profile{
		{Name: "friendly"},
		{
			Name:              "strict",
			OneLinkedResource: true, StrictWebURL: true, LinkIgnoresEmpty: true, StepPatchUnchecks: true, BrokenETagIs500: true,
			TypedArrays: true, NoExtensionCollection: true, BareExpandIsEmpty: true, NoExtensionFilter: true,
			UploadNeedsToken: true, UploadAtContent: true, SmallSlices: true, ExpandsNoFiles: true,
			RoutingHint: true, RangeStartIsInvalid: true, ForgetsRecurrence: true, NoBareTodo: true, OnlyTaskHooks: true, PlainNextLinks: true, SelectIsRefused: true, SearchIsIgnored: true, CountIsIgnored: true, DeltaTakesNoOptions: true, PlainBatches: true, BadTokenIs400: true,
		},
	}
}

// ParseProfile returns the profile of a name: "friendly", which is also meant
// by the empty name, or "strict".
func ParseProfile(name string) (Profile, error) {
	if name == "" {
		name = "friendly"
	}
	for _, p := range profiles() {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("there is no profile %q: use friendly or strict", name)
}

func (p Profile) linkRules() todo.LinkRules {
	return todo.LinkRules{OnePerTask: p.OneLinkedResource, StrictURL: p.StrictWebURL, IgnoreEmpty: p.LinkIgnoresEmpty}
}
