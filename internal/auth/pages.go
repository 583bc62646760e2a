package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

//go:embed pages
var pageFiles embed.FS

// pages are the templates of what people see. They work without scripts.
type pages struct {
	templates map[string]*template.Template
	style     template.CSS
	styleHash string // as a source of a content security policy

	script     template.JS // the one for passkeys
	scriptHash string
}

// A page is what the templates know; each uses some of it.
type page struct {
	Title    string
	Error    string // said aloud by screen readers
	Number   int    // AADSTS
	Program  bool   // it was a program that asked wrongly, not the person
	TraceID  string
	Style    template.CSS
	CSRF     string
	Continue string // sealed path with which the form goes on

	User, Name  string // who is signed in, or what was typed
	DisplayName string // what was typed as one
	App         string
	Back        string // where the application is, as far as its redirect URI says
	Permissions []string
	UserCode    string
	Declined    bool
	DevUser     string // display name of the development user that the page offers
	Min, Max    int    // characters of a password
	NoPasswords bool
	Elsewhere   []elsewhere // where else people may sign in

	Action string     // of a form for a client
	Fields url.Values // of a form for a client
	Nonce  string     // of the script that sends it

	Note    string      // said before a form
	Passkey string      // what the script for passkeys asks the browser for, in JSON; empty: none
	Script  template.JS // set by render where there is Passkey

	Key, Proof, KeyURI string // of a new authenticator app
	QR                 picture
	Codes              []string // for recovery, shown once

	HasPassword, HasApp, HasPasskeys bool // HasPasskeys: the server can have some
	CodesLeft                        int
	Passkeys                         []pageRow

	Sessions, Apps, Tokens []pageRow
	Token                  string // a new personal access token, shown once
}

// A pageRow is a line of a table of the account.
type pageRow struct {
	ID, Name, Detail   string
	Permissions        []string
	Since, Last, Until time.Time
	Current            bool
}

func newPages() (*pages, error) {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, err
	}
	p := &pages{templates: map[string]*template.Template{}, style: template.CSS(style)}
	script, err := pageFiles.ReadFile("pages/passkey.js")
	if err != nil {
		return nil, err
	}
	p.script = template.JS(script)
	p.styleHash, p.scriptHash = sourceHash(style), sourceHash(script)
	functions := template.FuncMap{
		"day":  func(t time.Time) string { return t.Format("2 January 2006") },
		"time": func(t time.Time) string { return t.Format("2 January 2006, 15:04 UTC") },
		"uri":  func(s string) template.URL { return template.URL(s) }, // of a client's registered redirect URI
	}
	for _, name := range []string{"signin", "choose", "consent", "device", "deviceconfirm", "devicedone", "signedout", "arrived", "error", "setup", "account", "formpost", "code", "authenticator", "recovery", "passkey"} {
		p.templates[name], err = template.New("layout.html").Funcs(functions).ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html")
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// sourceHash names a text in a content security policy.
func sourceHash(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (p *pages) render(w io.Writer, name string, data page) error {
	data.Style = p.style
	if data.Passkey != "" {
		data.Script = p.script
	}
	return p.templates[name].Execute(w, data)
}

// page answers with a page, whose forms may lead to this server and, through its
// redirects, to the addresses.
func (c *call) page(status int, name string, data page, leadsTo ...string) error {
	data.CSRF = c.csrf()
	script := ""
	if data.Passkey != "" {
		script = c.i.pages.scriptHash
	}
	c.policy(leadsTo, script)
	return c.show(status, name, data)
}

// show renders first, so that a mistake of a template becomes an error.
func (c *call) show(status int, name string, data page) error {
	var b bytes.Buffer
	if err := c.i.pages.render(&b, name, data); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.answer(status, func(w io.Writer) error { _, err := b.WriteTo(w); return err })
	return nil
}

// policy forbids a page everything but its style, its forms and the script of a
// source, where there is one. Browsers hold form-action against the redirects
// that follow a form as well.
func (c *call) policy(leadsTo []string, script string) {
	if script != "" {
		script = "script-src " + script + "; "
	}
	c.w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "+script+
		"style-src "+c.i.pages.styleHash+"; form-action "+strings.Join(append([]string{"'self'"}, leadsTo...), " "))
	c.w.Header().Set("X-Frame-Options", "DENY")
}

// failPage answers with an error as a page, which leads nowhere.
func (c *call) failPage(err error) {
	e := c.asOAuth(err)
	c.failHeaders(e)
	c.policy(nil, "")
	err = c.show(e.status, "error", page{Title: "That did not work", Error: e.message, Number: e.number, Program: c.tenant != "", TraceID: c.id})
	if err != nil {
		c.failJSON(err)
	}
}

// formSource is a URI as a source of form-action. It has no form for addresses
// of IPv6, so that their scheme has to do.
func formSource(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return ""
	case u.Host == "" || strings.HasPrefix(u.Host, "[") || u.Scheme != "http" && u.Scheme != "https":
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// maxTyped is the most characters that the fields for names take.
const maxTyped = 256

// typed is what a person typed, to stand in its field again: all of it, or
// nothing when it is more than the field takes.
func typed(s string) string {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxTyped {
		return ""
	}
	return s
}

// signInPage asks for a name and a password, and goes on with path.
func (c *call) signInPage(status int, path, name, message string) error {
	return c.showSignIn(status, path, page{Name: typed(name), Error: message})
}

// showSignIn is signInPage with more to say.
func (c *call) showSignIn(status int, path string, p page) (err error) {
	p.Title, p.Continue, p.NoPasswords = "Sign in", c.sealed(path), c.i.NoPasswords
	p.Elsewhere = c.elsewhere(p.Continue)
	if p.Passkey, err = c.passkeyRequest(); err != nil {
		return err
	}
	if c.offersDevUser() {
		u, err := c.i.DB.User(c.Context(), c.i.DevUser)
		if err != nil {
			return err
		}
		p.DevUser = u.DisplayName
	}
	return c.page(status, "signin", p, c.leadsTo(path)...)
}

// leadsTo is where the path leads after a form, if it is an authorization
// request of a client.
func (c *call) leadsTo(path string) []string {
	u, err := url.Parse(path)
	if err != nil || !u.Query().Has("redirect_uri") {
		return nil
	}
	return []string{formSource(u.Query().Get("redirect_uri"))}
}

func (c *call) choosePage(s *signedIn, path string) error {
	return c.page(http.StatusOK, "choose", page{
		Title: "Choose an account", User: s.user.UserPrincipalName, Name: s.user.DisplayName, Continue: c.sealed(path),
	}, c.leadsTo(path)...)
}

func (c *call) consentPage(a *authorization, s *signedIn, path string) error {
	return c.page(http.StatusOK, "consent", page{
		Title: "Let " + a.app.Name + " in?", App: a.app.Name, Back: formSource(a.redirectURI), User: s.user.UserPrincipalName, Permissions: describeScopes(a.scopes.api), Continue: c.sealed(path),
	}, formSource(a.redirectURI))
}

// formPostPage is a form that a script sends to the client, or a person.
func (c *call) formPostPage(action string, fields url.Values) error {
	nonce := rand.Text()
	c.policy([]string{formSource(action)}, "'nonce-"+nonce+"'")
	return c.show(http.StatusOK, "formpost", page{Title: "Almost there", Action: action, Fields: fields, Nonce: nonce})
}

// describeScopes says in plain words what the scopes allow.
func describeScopes(names []string) (words []string) {
	for _, d := range []struct{ name, words string }{
		{"Tasks.Read", "Read your task lists and tasks"},
		{"Tasks.ReadWrite", "Read, add, change and delete your task lists and tasks"},
		{"Tasks.Read.Shared", "Read the tasks that others share with you"},
		{"Tasks.ReadWrite.Shared", "Read and change the tasks that others share with you"},
		{"User.Read", "Read your profile"},
		{"User.ReadWrite", "Read and change your profile"},
		{"User.ReadBasic.All", "Read the names and addresses of everybody here"},
		{"User.Read.All", "Read the profiles of everybody here"},
		{"MailboxSettings.Read", "Read your settings, such as your time zone"},
		{"MailboxSettings.ReadWrite", "Read and change your settings, such as your time zone"},
	} {
		if slices.Contains(names, d.name) {
			words = append(words, d.words)
		}
	}
	return words
}
