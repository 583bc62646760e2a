package todo

import "time"

// Bounds of subscriptions: how long they live is the documentation's for To Do,
// the numbers are of our own.
const (
	MaxSubscriptionLife     = 4_230 * time.Minute
	MinSubscriptionLife     = 45 * time.Minute // a shorter one is made as long
	MaxSubscriptions        = 1_000            // of one mailbox
	MaxSubscriptionsOfApp   = 100              // of one application and mailbox
	MaxClientState          = 128              // characters of a clientState
	MaxNotificationURL      = 2_048            // bytes of a notification URL
	MaxSubscriptionResource = 2_048            // bytes of a subscription's resource
	reauthorizeAhead        = 15 * time.Minute
	reauthorizeShare        = 4
)

// Expiry is when a subscription ends that is to live until asked. The error
// names the member.
func Expiry(asked, now time.Time) (time.Time, error) {
	switch {
	case !asked.After(now):
		return asked, Errorf(Invalid, "expirationDateTime", "The property 'expirationDateTime' must be in the future.")
	case asked.Sub(now) > MaxSubscriptionLife:
		return asked, Errorf(BadSubscription, "expirationDateTime", "Subscription expiration can only be %.0f minutes in the future.", MaxSubscriptionLife.Minutes())
	case asked.Sub(now) < MinSubscriptionLife:
		return now.Add(MinSubscriptionLife), nil
	}
	return asked, nil
}

// ReauthorizeAt is when the owner of a subscription is asked to renew it: when a
// quarter of its life is left, and at least a quarter of an hour.
func ReauthorizeAt(now, expires time.Time) time.Time {
	return expires.Add(-max(reauthorizeAhead, expires.Sub(now)/reauthorizeShare))
}
