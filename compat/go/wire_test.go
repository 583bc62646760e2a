package compat_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	nethttp "github.com/microsoft/kiota-http-go"
	"github.com/microsoftgraph/msgraph-sdk-go-core/authentication"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// The SDK compresses every body that it sends, and takes compressed answers.
func TestGzip(t *testing.T) {
	a := shared.ada
	task := titled("Long")[0]
	body := models.NewItemBody()
	body.SetContent(new(strings.Repeat("All work and no play. ", 1000)))
	task.SetBody(body)
	_, made := newList(t, a, "Gzip", task)

	must(t,
		want("method", a.wire.method, http.MethodPost),
		want("encoding of the request", a.wire.request.Get("Content-Encoding"), "gzip"),
		want("status", a.wire.response.StatusCode, http.StatusCreated), // not 415, which makes the SDK send it again plain
		want("answer was compressed", a.wire.response.Uncompressed, true),
		want("content", value(made[0].GetBody().GetContent()), value(body.GetContent())))

	t.Run("off", func(t *testing.T) {
		list, _ := newList(t, a, "Plain")
		_, err := list.Tasks().Post(t.Context(), titled("Plain")[0], &users.ItemTodoListsItemTasksRequestBuilderPostRequestConfiguration{
			Options: []abstractions.RequestOption{nethttp.NewCompressionOptionsReference(false)},
		})
		must(t, err)
		must(t, want("encoding of the request", a.wire.request.Get("Content-Encoding"), ""))
	})
}

// What the SDK sends besides: /me for the token that stands for it, ids whose
// equals signs are escaped on other paths than /me, and headers of its own.
func TestWire(t *testing.T) {
	a := shared.ada
	at, made := newList(t, a, "Wire", titled("x")...)
	id := value(made[0].GetId())
	must(t,
		want("path begins with /me", strings.HasPrefix(a.wire.path(), "/v1.0/me/todo/lists/"), true),
		want("the SDK says who it is", strings.HasPrefix(a.wire.request.Get("SdkVersion"), "graph-go"), true),
		want("client-request-id comes back", a.wire.response.Header.Get("client-request-id"), a.wire.request.Get("client-request-id")))

	list, err := at.Get(t.Context(), nil)
	must(t, err)
	task, err := a.users.ByUserId(a.UserPrincipalName).Todo().Lists().ByTodoTaskListId(value(list.GetId())).Tasks().ByTodoTaskId(id).Get(t.Context(), nil)
	must(t, err)
	must(t, want("id", value(task.GetId()), id),
		want("path ends with the id", strings.HasSuffix(a.wire.path(), "/tasks/"+strings.ReplaceAll(id, "=", "%3D")), true))
}

// An azureCredential is what the SDK calls a credential: here, one that has its
// token already.
type azureCredential string

func (c azureCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(c), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// A program with an Azure credential must name the host of the server, or the
// SDK sends no token; over http it takes localhost and 127.0.0.1 alone.
func TestAzureCredential(t *testing.T) {
	token := strings.TrimPrefix(bearer(t), "Bearer ")
	for _, row := range []struct {
		host   string
		status int
		code   string
	}{
		{"127.0.0.1", 0, ""},
		{"todo.example.org", 401, "InvalidAuthenticationToken"}, // another host than the server's
	} {
		t.Run(row.host, func(t *testing.T) {
			auth, err := authentication.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(
				azureCredential(token), []string{"https://graph.microsoft.com/.default"}, []string{row.host})
			must(t, err)
			a, err := connectWith(shared.url, auth, shared.ada.user)
			must(t, err)
			_, err = a.lists().Get(t.Context(), nil)
			if row.status != 0 {
				err = refused(err, row.status, row.code)
			}
			must(t, err)
		})
	}
}

// bearer is the header with ada's token.
func bearer(t *testing.T) string {
	t.Helper()
	_, err := shared.ada.lists().Get(t.Context(), nil)
	must(t, err)
	return shared.ada.wire.request.Get("Authorization")
}
