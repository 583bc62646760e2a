package identity_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// A caller is a client of the API, whose requests it counts with their answers.
type caller struct {
	runtime.Pipeline
	r            *realm
	good, unsure atomic.Int32 // answers 200, challenges
}

func (c *caller) Do(q *http.Request) (*http.Response, error) {
	answer, err := c.r.Client().Do(q)
	if err == nil {
		switch header := answer.Header.Get("WWW-Authenticate"); {
		case answer.StatusCode == 200:
			c.good.Add(1)
		case answer.StatusCode == 401 && strings.Contains(header, `error="insufficient_claims", claims="`):
			c.unsure.Add(1)
		default:
			c.r.t.Errorf("%s %s: %s %s", q.Method, q.URL.Path, answer.Status, header)
		}
	}
	return answer, err
}

func (r *realm) caller(credential azcore.TokenCredential, scope string) *caller {
	c := &caller{r: r}
	c.Pipeline = runtime.NewPipeline("duly", "", runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(credential, []string{scope}, nil)},
	}, &policy.ClientOptions{Transport: c, Retry: policy.RetryOptions{MaxRetries: -1}})
	return c
}

// get reads the task lists, which has to work after so many challenges in all.
func (c *caller) get(path string, good, challenges int32) {
	c.r.t.Helper()
	ctx, cancel := context.WithTimeout(c.r.t.Context(), time.Minute)
	defer cancel()
	q, err := runtime.NewRequest(ctx, "GET", c.r.URL+path)
	answer, err := c.Pipeline.Do(ok(c.r.t, q, err))
	defer ok(c.r.t, answer, err).Body.Close()
	if g, u := c.good.Load(), c.unsure.Load(); answer.StatusCode != 200 || g != good || u != challenges {
		c.r.t.Errorf("%s: %s after %d good answers and %d challenges, want %d and %d", path, answer.Status, g, u, good, challenges)
	}
}

// A daemon whose tokens were ended goes on by itself: the challenge makes the
// library ask for a new one, although that in its cache has not expired.
func TestAzcoreRecoversFromChallenge(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	credential, err := azidentity.NewClientCertificateCredential(r.tenant, r.daemon.ID, r.certificates, r.key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: r.options(), DisableInstanceDiscovery: true,
	})
	c := r.caller(ok(t, credential, err), defaultScope)
	const path = "/v1.0/users/" + adele + "/todo/lists"
	c.get(path, 1, 0)
	c.get(path, 2, 0)
	ok(t, 0, r.duly.SignOutApp(t.Context(), r.daemon.ID))
	c.get(path, 3, 1)
	c.get(path, 4, 1)
	secret, err := r.duly.AddSecret(t.Context(), r.daemon.ID, time.Hour, 0) // the certificate stays
	ok(t, secret, err)
	c.get(path, 5, 2)
}

// A user who was signed out everywhere is asked to sign in again, and then the
// request goes on.
func TestAzcoreAsksUserAfterChallenge(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	prompts := 0
	credential, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
		ClientOptions: r.options(), DisableInstanceDiscovery: true, TenantID: r.tenant, ClientID: r.native.ID,
		UserPrompt: func(ctx context.Context, m azidentity.DeviceCodeMessage) error {
			prompts++
			return r.person().approve(ctx, m.VerificationURL, m.UserCode)
		},
	})
	c := r.caller(ok(t, credential, err), taskScope)
	const path = "/v1.0/me/todo/lists"
	c.get(path, 1, 0)
	ok(t, 0, r.duly.SignOut(t.Context(), adele))
	c.get(path, 2, 1)
	if prompts != 2 {
		t.Errorf("the user was asked %d times", prompts)
	}
}
