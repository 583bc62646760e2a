// Package identity_test lets Microsoft's libraries for sign-in, and two strict
// ones, get tokens from Duly and use them.
package identity_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

const (
	adele        = "adele@example.org"
	defaultScope = "https://graph.microsoft.com/.default"
	taskScope    = "https://graph.microsoft.com/Tasks.ReadWrite"
)

// A realm is a server over https with an application of each kind.
type realm struct {
	*httptest.Server
	t              *testing.T
	duly           *duly.Server
	tenant         string
	daemon, native duly.App
	web            duly.App
	secret         string // of the daemon
	webSecret      string
	key            crypto.PrivateKey // of the daemon's certificate
	certificates   []*x509.Certificate
}

func ok[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// newRealm starts a server. Its keys are in a folder, so that they are RSA as
// those of every server that keeps its data.
func newRealm(t *testing.T) *realm {
	t.Helper()
	r := &realm{t: t}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.duly.ServeHTTP(w, q) }))
	server, err := duly.New(t.Context(), duly.Config{DataDir: t.TempDir(), BaseURL: "https://" + r.Listener.Addr().String(), DevUser: adele})
	r.duly = ok(t, server, err)
	r.StartTLS()
	t.Cleanup(func() {
		r.Close()
		if err := r.duly.Close(); err != nil {
			t.Error(err)
		}
	})
	r.tenant = r.duly.TenantID()
	_, err = r.duly.AddUser(t.Context(), duly.User{UserPrincipalName: adele, DisplayName: "Adele Vance"})
	ok(t, 0, err)
	add := func(a duly.App) duly.App {
		app, err := r.duly.AddApp(t.Context(), a)
		return ok(t, app, err)
	}
	scopes := []string{"Tasks.ReadWrite", "User.Read"}
	r.daemon = add(duly.App{Name: "Daemon", Kind: "daemon", Roles: []string{"Tasks.ReadWrite.All"}})
	r.native = add(duly.App{Name: "Native", Kind: "native", RedirectURIs: []string{"http://localhost"}, Scopes: scopes})
	r.web = add(duly.App{Name: "Web", Kind: "web", RedirectURIs: []string{"http://localhost/callback"}, Scopes: scopes})
	for app, secret := range map[string]*string{r.daemon.ID: &r.secret, r.web.ID: &r.webSecret} {
		s, err := r.duly.AddSecret(t.Context(), app, time.Hour, -1)
		*secret = ok(t, s, err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	r.key = ok(t, key, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "daemon"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ok(t, der, err)
	certificate, err := x509.ParseCertificate(der)
	r.certificates = []*x509.Certificate{ok(t, certificate, err)}
	ok(t, 0, r.duly.AddCertificate(t.Context(), r.daemon.ID, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return r
}

// createTask makes a task in Adele's default list with the token.
func (r *realm) createTask(token string, asApp bool) {
	r.t.Helper()
	who := "me"
	if asApp {
		who = "users/" + adele
	}
	q, err := http.NewRequestWithContext(r.t.Context(), "POST", r.URL+"/v1.0/"+who+"/todo/lists/Tasks/tasks", strings.NewReader(`{"title": "Signed in"}`))
	ok(r.t, q, err)
	q.Header.Set("Authorization", "Bearer "+token)
	q.Header.Set("Content-Type", "application/json")
	answer, err := r.Client().Do(q)
	ok(r.t, answer, err)
	defer answer.Body.Close()
	var task struct{ ID, Title string }
	if err := json.NewDecoder(answer.Body).Decode(&task); err != nil || answer.StatusCode != 201 || task.Title != "Signed in" || task.ID == "" {
		r.t.Fatalf("creating a task: %s, %v, %+v", answer.Status, err, task)
	}
}

// A person is somebody with a browser who answers every page.
type person struct {
	*http.Client
	r *realm
}

func (r *realm) person() *person {
	jar, err := cookiejar.New(nil)
	client := *r.Client()
	client.Jar = ok(r.t, jar, err)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &person{&client, r}
}

var (
	forms  = regexp.MustCompile(`(?s)<form method="post"( action="([^"]*)")?>.*?</form>`)
	fields = regexp.MustCompile(`<(?:input type="hidden"|button[^>]*) name="([^"]*)" value="([^"]*)"`)
)

// open opens a page and answers all that is asked for, until the browser leaves
// for an address that wait takes; that address is returned.
func (p *person) open(ctx context.Context, address string, wait func(string) bool) (string, error) {
	q, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return "", err
	}
	for range 20 {
		if wait != nil && wait(q.URL.String()) {
			return q.URL.String(), nil
		}
		answer, err := p.Do(q)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			return "", err
		}
		if to := answer.Header.Get("Location"); to != "" {
			next, err := q.URL.Parse(to)
			if err != nil {
				return "", err
			}
			q, err = http.NewRequestWithContext(ctx, "GET", next.String(), nil)
			if err != nil {
				return "", err
			}
			continue
		}
		if answer.StatusCode != 200 {
			return "", fmt.Errorf("%s: %s: %s", q.URL.Path, answer.Status, body)
		}
		if q, err = p.answerForm(ctx, q.URL, body); q == nil {
			return "", err
		}
	}
	return "", fmt.Errorf("too many pages, the last is %s", q.URL)
}

// answerForm is the request that follows from a page; nil when it asks nothing.
// Of several forms it takes the last, which is that of the development user.
func (p *person) answerForm(ctx context.Context, at *url.URL, body []byte) (*http.Request, error) {
	found := forms.FindAllSubmatch(body, -1)
	if found == nil {
		return nil, nil
	}
	form := found[len(found)-1]
	values := url.Values{}
	for _, field := range fields.FindAllSubmatch(form[0], -1) {
		if name := string(field[1]); !values.Has(name) { // of two buttons the first, which says yes
			values.Set(name, html.UnescapeString(string(field[2])))
		}
	}
	if m := regexp.MustCompile(`name="user_code" value="([^"]*)"`).FindSubmatch(form[0]); m != nil {
		values.Set("user_code", string(m[1]))
	}
	to, err := at.Parse(html.UnescapeString(string(form[2])))
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, "POST", to.String(), bytes.NewReader([]byte(values.Encode())))
	if err == nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return q, err
}

// approve enters a device's code and says yes.
func (p *person) approve(ctx context.Context, page, code string) error {
	_, err := p.open(ctx, page+"?user_code="+code, nil)
	return err
}
