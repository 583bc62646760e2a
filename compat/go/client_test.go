package compat_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	"github.com/microsoft/kiota-abstractions-go/store"
	nethttp "github.com/microsoft/kiota-http-go"
	kjson "github.com/microsoft/kiota-serialization-json-go"
	text "github.com/microsoft/kiota-serialization-text-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// A staticToken is how a program gives the SDK a token that it has already.
//
// The SDK's own provider for Azure credentials sends tokens to Microsoft's hosts
// alone unless others are named, and over http only to this machine (see
// TestAzureCredential). This one has neither check: it belongs to one server.
type staticToken string

// GetAuthorizationToken is called before each request.
func (t staticToken) GetAuthorizationToken(context.Context, *url.URL, map[string]any) (string, error) {
	return string(t), nil
}

// GetAllowedHostsValidator allows all hosts.
func (t staticToken) GetAllowedHostsValidator() *authentication.AllowedHostsValidator {
	return &authentication.AllowedHostsValidator{}
}

// An account is a user as a program sees it that has a token of that user's.
type account struct {
	user
	adapter abstractions.RequestAdapter
	me      *users.UserItemRequestBuilder // client.Me()
	users   *users.UsersRequestBuilder    // client.Users()
	wire    *recorder
}

// connect does what a program does:
//
//	auth := authentication.NewBaseBearerTokenAuthenticationProvider(staticToken(token))
//	adapter, err := msgraphsdk.NewGraphRequestAdapter(auth)
//	adapter.SetBaseUrl("http://127.0.0.1:8080/v1.0")
//	client := msgraphsdk.NewGraphServiceClient(adapter)
//
// but for the client itself, since package msgraphsdk takes minutes to compile:
// it puts together by hand what the client puts together. The base URL must be
// set before the client is made, or batches hold addresses of graph.microsoft.com.
func connect(server, token string, u user) (*account, error) {
	return connectWith(server, authentication.NewBaseBearerTokenAuthenticationProvider(staticToken(token)), u)
}

func connectWith(server string, auth authentication.AuthenticationProvider, u user) (*account, error) {
	options := core.GraphClientOptions{GraphServiceLibraryVersion: "1.89.0"} // those of msgraphsdk.GetDefaultClientOptions
	wire := &recorder{to: nethttp.GetDefaultTransport()}
	client := core.GetDefaultClient(&options)
	client.Transport = nethttp.NewCustomTransportWithParentTransport(wire, core.GetDefaultMiddlewaresWithOptions(&options)...)
	adapter, err := core.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(auth, options, nil, nil, client)
	if err != nil {
		return nil, err
	}
	adapter.SetBaseUrl(server + "/v1.0")

	// What NewGraphServiceClient does.
	registerSerializers()
	adapter.EnableBackingStore(store.BackingStoreFactoryInstance)
	at := func(user string) map[string]string {
		return map[string]string{"baseurl": adapter.GetBaseUrl(), "user%2Did": user}
	}
	return &account{
		user: u, adapter: adapter, wire: wire,
		me:    users.NewUserItemRequestBuilderInternal(at("me-token-to-replace"), adapter),
		users: users.NewUsersRequestBuilderInternal(at(""), adapter),
	}, nil
}

// registerSerializers tells the SDK of the formats that Graph speaks, and of the
// error that the answers of a batch and the pages of an iterator hold.
var registerSerializers = sync.OnceFunc(func() {
	abstractions.RegisterDefaultSerializer(func() serialization.SerializationWriterFactory { return kjson.NewJsonSerializationWriterFactory() })
	abstractions.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory { return kjson.NewJsonParseNodeFactory() })
	abstractions.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory { return text.NewTextParseNodeFactory() })
	errors := abstractions.ErrorMappings{
		"4XX": odataerrors.CreateODataErrorFromDiscriminatorValue,
		"5XX": odataerrors.CreateODataErrorFromDiscriminatorValue,
	}
	for _, key := range []string{core.BatchRequestErrorRegistryKey, core.PageIteratorErrorRegistryKey} {
		if err := core.RegisterError(key, errors); err != nil {
			panic(err)
		}
	}
})

// lists is client.Me().Todo().Lists().
func (a *account) lists() *users.ItemTodoListsRequestBuilder { return a.me.Todo().Lists() }

// headers makes the headers of a request from names and values.
func headers(pairs ...string) *abstractions.RequestHeaders {
	h := abstractions.NewRequestHeaders()
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// A recorder sends requests and keeps the last exchange, as it was on the wire
// but for the bodies.
type recorder struct {
	to http.RoundTripper

	mu       sync.Mutex
	request  http.Header
	method   string
	url      string
	response *http.Response
	refused  int // answers that told to wait
}

// RoundTrip comes after all of the SDK's middleware.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.to.RoundTrip(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && res.StatusCode == http.StatusTooManyRequests {
		r.refused++
	}
	r.request, r.method, r.url, r.response = req.Header.Clone(), req.Method, req.URL.String(), res
	return res, err
}

// path is where the last request went, without scheme and host.
func (r *recorder) path() string {
	_, after, _ := strings.Cut(r.url, "://")
	return after[strings.Index(after, "/"):]
}
