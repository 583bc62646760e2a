package webhook

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
)

// A notification is a changeNotification, in the order of its members that the
// documentation has (semantics 19.7). One of a lifecycle event has no change.
type notification struct {
	ID                             string        `json:"id,omitempty"`
	SubscriptionID                 string        `json:"subscriptionId"`
	SubscriptionExpirationDateTime string        `json:"subscriptionExpirationDateTime"`
	ClientState                    *string       `json:"clientState"` // null if there is none
	LifecycleEvent                 string        `json:"lifecycleEvent,omitempty"`
	ChangeType                     string        `json:"changeType,omitempty"`
	Resource                       string        `json:"resource"`
	TenantID                       string        `json:"tenantId"`
	ResourceData                   *resourceData `json:"resourceData,omitempty"`
	SequenceNumber                 int64         `json:"sequenceNumber,omitempty"` // beta
}

type resourceData struct {
	Type string `json:"@odata.type"`
	Name string `json:"@odata.id"`
	ETag string `json:"@odata.etag"`
	ID   string `json:"id"`
}

// newNotification begins a notification of a subscription.
func (s *Sender) newNotification(sub *store.Subscription) notification {
	n := notification{
		SubscriptionID:                 sub.ID,
		SubscriptionExpirationDateTime: sub.Expires.UTC().Format(time.RFC3339Nano),
		Resource:                       sub.Resource,
		TenantID:                       s.tenant,
	}
	if sub.ClientState != "" {
		n.ClientState = &sub.ClientState
	}
	return n
}

// changeNotification tells of one change. Its id is the same however often it is
// sent, so that a receiver can leave out what it has had.
func (s *Sender) changeNotification(sub *store.Subscription, c store.Change) notification {
	n := s.newNotification(sub)
	n.ID = store.NamedGUID(sub.ID + "/" + strconv.FormatInt(c.Version, 10))
	n.ChangeType = map[store.Op]string{store.Created: "created", store.Updated: "updated", store.Deleted: "deleted"}[c.Op]
	n.Resource = "Users/" + sub.User + "/todo/lists/" + c.ListID
	n.ResourceData = &resourceData{Type: "#Microsoft.Graph.todoTaskList", ETag: odata.NewETag(c.Version, c.At).String(), ID: c.ItemID}
	if c.Kind == store.TaskChange {
		n.Resource += "/tasks/" + c.ItemID
		n.ResourceData.Type = "#Microsoft.Graph.todoTask"
	}
	n.ResourceData.Name = n.Resource
	if sub.Beta {
		n.SequenceNumber = c.Version & math.MaxInt32
	}
	return n
}

// The events of a subscription's life.
const (
	eventMissed      = "missed"
	eventRemoved     = "subscriptionRemoved"
	eventReauthorize = "reauthorizationRequired"
)

func (s *Sender) lifecycleNotification(sub *store.Subscription, event string) notification {
	n := s.newNotification(sub)
	n.LifecycleEvent = event
	return n
}

// collection is the body of a POST: a changeNotificationCollection.
func collection(notifications []notification) ([]byte, error) {
	body, err := json.Marshal(map[string][]notification{"value": notifications})
	if err != nil {
		return nil, fmt.Errorf("writing notifications: %w", err)
	}
	return body, nil
}
