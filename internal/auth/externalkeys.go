package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"code.dny.dev/ssrf"
	"github.com/go-jose/go-jose/v4"

	"github.com/duly-todo/duly/internal/store"
)

// Bounds of what is asked of an external issuer.
const (
	externalTimeout  = 5 * time.Second  // of one request
	maxDocument      = 256 << 10        // bytes of an answer
	maxExternalKeys  = 100              // of one issuer
	maxExternalRSA   = 8_192            // bits of a key
	externalKeysAge  = time.Hour        // after which they are fetched again
	externalKeysLast = 24 * time.Hour   // they are believed while the issuer does not answer
	externalRetry    = 30 * time.Second // while it does not answer
	externalRefetch  = time.Minute      // between fetches that tokens ask for
	maxWaiting       = 100              // requests that wait for a fetch
)

// Externals are the external issuers of a server.
type Externals struct {
	all    []*external
	tenant string
	db     *store.DB
	now    func() time.Time
	log    *slog.Logger
}

// An external is an issuer with what it says about itself.
type external struct {
	External
	of     *Externals
	client *http.Client
	now    func() time.Time
	said   atomic.Pointer[externalSays] // nil until it has answered

	wake    chan struct{}
	waiting chan struct{}
	mu      sync.Mutex
	tried   time.Time     // when it was asked last
	round   chan struct{} // closed at the end of the fetch that a token waits for; nil: none does
}

// externalSays is what an issuer says about itself.
type externalSays struct {
	at                               time.Time
	keys                             map[string]*externalKey // by kid
	authorizeEndpoint, tokenEndpoint string
	basic                            bool // the token endpoint knows Basic
}

// An externalKey is a public key with the algorithms that it may be used with.
type externalKey struct {
	key        any
	algorithms []string
	print      string // its thumbprint
}

// NewExternals asks the issuers who they are. One that does not answer is asked
// again by [Externals.Run], and its tokens are refused meanwhile; one whose answer
// is wrong is an error, ErrExternal.
func NewExternals(ctx context.Context, all []External, k *Keys, base string, db *store.DB, now func() time.Time, log *slog.Logger) (*Externals, error) {
	if err := CheckExternals(all); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrExternal, err)
	}
	xs := &Externals{tenant: k.tenant, db: db, now: now, log: log}
	for _, x := range all {
		if k.issued(x.Issuer, strings.TrimSuffix(base, "/")) {
			return nil, fmt.Errorf("%w: %s is this server itself", ErrExternal, x.Issuer)
		}
		e, err := newExternal(x, xs)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrExternal, x.Issuer, err)
		}
		xs.all = append(xs.all, e)
	}
	failures := make([]error, len(xs.all))
	var asking sync.WaitGroup
	for i, x := range xs.all {
		asking.Go(func() { failures[i] = x.fetch(ctx) })
	}
	asking.Wait()
	for i, err := range failures {
		if errors.Is(err, ErrExternal) {
			return nil, err
		}
		if err != nil {
			xs.all[i].failed(err)
		}
	}
	return xs, nil
}

func newExternal(c External, of *Externals) (*external, error) {
	x := &external{External: c.complete(), of: of, now: of.now, wake: make(chan struct{}, 1), waiting: make(chan struct{}, maxWaiting)}
	if x.ClientSecretFile != "" {
		text, err := os.ReadFile(x.ClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("the client secret: %w", err)
		}
		if x.ClientSecret = strings.TrimSpace(string(text)); x.ClientSecret == "" || len(x.ClientSecret) > maxExternalText {
			return nil, fmt.Errorf("the client secret in %s must have from 1 to %d bytes", x.ClientSecretFile, maxExternalText)
		}
	}
	var roots *x509.CertPool
	if x.CAFile != "" {
		text, err := os.ReadFile(x.CAFile)
		if err != nil {
			return nil, fmt.Errorf("the certificates of its authority: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("there is no certificate in %s", x.CAFile)
		}
	}
	dialer := &net.Dialer{Timeout: externalTimeout}
	if !x.AllowPrivateAddress { // the address that is dialled is judged, since a name may mean any
		dialer.Control = ssrf.New(ssrf.WithAnyPort()).Safe
	}
	x.client = &http.Client{
		Timeout: externalTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout: externalTimeout, MaxResponseHeaderBytes: 64 << 10, MaxIdleConns: 2, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || r.Method != http.MethodGet || via[0].Method != http.MethodGet || x.checkURL("redirect", r.URL.String()) != nil {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	return x, nil
}

// Run fetches the keys again in time, and when a token has one that is not known,
// until ctx ends.
func (xs *Externals) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, x := range xs.all {
		running.Go(func() { x.run(ctx) })
	}
	running.Wait()
	for _, x := range xs.all {
		x.client.CloseIdleConnections()
	}
}

func (x *external) run(ctx context.Context) {
	wait := externalKeysAge
	if x.said.Load() == nil {
		wait = externalRetry
	}
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-x.wake:
		case <-timer.C:
		}
		timer.Stop()
		wait = externalKeysAge
		if err := x.fetch(ctx); err != nil {
			wait = externalRetry
			x.failed(err)
		}
		x.mu.Lock()
		if x.round != nil {
			close(x.round)
			x.round = nil
		}
		x.mu.Unlock()
	}
}

func (x *external) failed(err error) {
	x.of.log.LogAttrs(context.Background(), slog.LevelWarn, "an external issuer does not answer as it should",
		slog.String("issuer", x.Issuer), slog.Bool("tokens-refused", x.says() == nil), slog.String("error", err.Error()))
}

// says is what the issuer says about itself, or nil when that is not known, or too
// old to be believed.
func (x *external) says() *externalSays {
	said := x.said.Load()
	if said == nil || x.now().Sub(said.at) > externalKeysLast {
		return nil
	}
	return said
}

// key returns the key of that name, or nil. It asks the issuer when it does not
// know one, but no more than once in a minute, however many tokens there are.
func (x *external) key(ctx context.Context, kid string) *externalKey {
	if said := x.says(); said != nil && said.keys[kid] != nil {
		return said.keys[kid]
	}
	select {
	case x.waiting <- struct{}{}:
		defer func() { <-x.waiting }()
	default:
		return nil
	}
	x.mu.Lock()
	round := x.round
	if round == nil {
		if x.now().Sub(x.tried) < externalRefetch {
			x.mu.Unlock()
			return nil
		}
		round = make(chan struct{})
		x.round, x.tried = round, x.now()
		select {
		case x.wake <- struct{}{}:
		default: // a fetch is about to begin anyway
		}
	}
	x.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*externalTimeout)
	defer cancel()
	select {
	case <-round:
	case <-ctx.Done():
	}
	if said := x.says(); said != nil {
		return said.keys[kid]
	}
	return nil
}

// holds says whether the issuer still has the key.
func (x *external) holds(kid, print string) bool {
	said := x.says()
	return said != nil && said.keys[kid] != nil && said.keys[kid].print == print
}

// fetch asks the issuer who it is and for its keys. Its error is ErrExternal where
// the answer is wrong, and another one where there is none.
func (x *external) fetch(ctx context.Context) error {
	x.mu.Lock()
	x.tried = x.now()
	x.mu.Unlock()
	said := &externalSays{at: x.now()}
	keysAt := x.JWKSURI
	if keysAt == "" || x.ClientID != "" {
		var doc struct {
			Issuer    string   `json:"issuer"`
			JWKSURI   string   `json:"jwks_uri"`
			Authorize string   `json:"authorization_endpoint"`
			Token     string   `json:"token_endpoint"`
			Methods   []string `json:"token_endpoint_auth_methods_supported"`
		}
		if err := x.get(ctx, strings.TrimSuffix(x.Issuer, "/")+"/.well-known/openid-configuration", &doc); err != nil {
			return err
		}
		if doc.Issuer != x.Issuer {
			return x.wrong("its discovery document names the issuer %.200q: the two must be the same, to the letter", doc.Issuer)
		}
		if keysAt == "" {
			keysAt = doc.JWKSURI
		}
		for member, text := range map[string]string{"jwks_uri": keysAt, "authorization_endpoint": doc.Authorize, "token_endpoint": doc.Token} {
			if member != "jwks_uri" && x.ClientID == "" {
				continue
			}
			if err := x.checkURL(member, text); err != nil {
				return x.wrong("%w", err)
			}
		}
		said.authorizeEndpoint, said.tokenEndpoint = doc.Authorize, doc.Token
		said.basic = len(doc.Methods) == 0 || slices.Contains(doc.Methods, "client_secret_basic")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := x.get(ctx, keysAt, &set); err != nil {
		return err
	}
	said.keys = x.readKeys(set.Keys)
	x.said.Store(said)
	return nil
}

func (x *external) wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrExternal, x.Issuer, fmt.Errorf(format, args...))
}

// get reads a JSON document.
func (x *external) get(ctx context.Context, from string, to any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "Duly")
	status, text, err := x.do(r)
	if errors.Is(err, ssrf.ErrProhibitedIP) {
		return x.wrong(`%.200s is at a private address, which "allowPrivateAddress" would allow`, from)
	}
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%.200s answers with the status %d", from, status)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%.200s answers with no JSON of the right form: %w", from, err)
	}
	return nil
}

// do sends a request, and returns the status and the body. The error does not
// hold the URL's query.
func (x *external) do(r *http.Request) (status int, body []byte, err error) {
	response, err := x.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return 0, nil, fmt.Errorf("asking %s: %w", r.URL.Host, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = fmt.Errorf("%s answers with more than %d bytes", r.URL.Host, maxDocument)
	}
	return response.StatusCode, body, err
}

// readKeys takes what a token may be verified with: public keys for signatures, by
// an algorithm that is configured, each with a name that no other one has.
func (x *external) readKeys(all []json.RawMessage) map[string]*externalKey {
	keys, twice := map[string]*externalKey{}, map[string]bool{}
	for _, text := range all[:min(len(all), maxExternalKeys)] {
		var name struct {
			KeyID string `json:"kid"`
		}
		if json.Unmarshal(text, &name) != nil || name.KeyID == "" {
			continue
		}
		if twice[name.KeyID] { // whichever is meant, it is not told
			delete(keys, name.KeyID)
			continue
		}
		twice[name.KeyID] = true
		if key := x.readKey(text); key != nil {
			keys[name.KeyID] = key
		}
	}
	return keys
}

func (x *external) readKey(text json.RawMessage) *externalKey {
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(text, &jwk); err != nil || !jwk.Valid() || !jwk.IsPublic() || jwk.Use != "" && jwk.Use != "sig" {
		return nil
	}
	k := &externalKey{key: jwk.Key}
	for _, algorithm := range x.Algorithms {
		if (jwk.Algorithm == "" || jwk.Algorithm == algorithm) && fits(jwk.Key, algorithm) {
			k.algorithms = append(k.algorithms, algorithm)
		}
	}
	print, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil || len(k.algorithms) == 0 {
		return nil
	}
	k.print = string(print)
	return k
}

// fits says whether a public key is of the kind that an algorithm needs.
func fits(key any, algorithm string) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")) && key.N.BitLen() >= rsaBits && key.N.BitLen() <= maxExternalRSA
	case *ecdsa.PublicKey:
		return map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm] == key.Curve.Params().Name
	case ed25519.PublicKey:
		return algorithm == string(jose.EdDSA)
	}
	return false
}
