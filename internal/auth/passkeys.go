package auth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

const (
	challengeLife   = 10 * time.Minute
	maxCredentialID = 1_023 // bytes (WebAuthn section 4)
	maxPublicKey    = 4_096 // bytes
	maxLabel        = 120   // characters
)

// What a challenge is for: an answer to one is none to another.
const (
	toSignIn   = "sign-in"
	toRegister = "registration"
)

// relyingParty is this server to authenticators. It is nil where browsers know
// no passkeys: without https, but for this machine, and by address.
func (c *call) relyingParty() (*webauthn.WebAuthn, error) {
	u, err := url.Parse(strings.ToLower(c.base))
	if err != nil || c.base == fallbackBase {
		return nil, nil
	}
	host := u.Hostname()
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if u.Scheme != "https" && !local || protocol.ValidateRPID(host) != nil {
		return nil, nil
	}
	origin := u.Scheme + "://" + u.Host
	if u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		origin = u.Scheme + "://" + host // as browsers write it
	}
	timeout := webauthn.TimeoutConfig{Timeout: challengeLife, TimeoutUVD: challengeLife}
	required := true
	return webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "Duly", RPOrigins: []string{origin}, AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: &required, ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
		Timeouts:                          webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore, // password managers send some
	})
}

// A passkeyOwner is a user as the library wants one. The handle, which
// authenticators keep, is the object id: it says nothing of the person.
type passkeyOwner struct {
	user todo.User
	keys []webauthn.Credential
}

func (o *passkeyOwner) WebAuthnID() []byte                         { return guidBytes(o.user.ID) }
func (o *passkeyOwner) WebAuthnName() string                       { return o.user.UserPrincipalName }
func (o *passkeyOwner) WebAuthnDisplayName() string                { return o.user.DisplayName }
func (o *passkeyOwner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

// guidBytes is a GUID without its form, or nil.
func guidBytes(id string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 {
		return nil
	}
	return b
}

// passkeysOf is the owner of the mailbox with the passkeys for a host.
func passkeysOf(tx *store.Tx, host string) (*passkeyOwner, error) {
	o := &passkeyOwner{}
	var err error
	if o.user, err = tx.Owner(); err != nil {
		return nil, err
	}
	keys, err := tx.Passkeys()
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.RPID != host {
			continue
		}
		id, err := base64.RawURLEncoding.DecodeString(key.ID)
		if err != nil {
			return nil, fmt.Errorf("read a passkey: %w", err)
		}
		credential := webauthn.Credential{ID: id, PublicKey: key.PublicKey, Flags: webauthn.NewCredentialFlags(protocol.AuthenticatorFlags(key.Flags))}
		credential.Authenticator.SignCount = key.SignCount
		for _, transport := range key.Transports {
			credential.Transport = append(credential.Transport, protocol.AuthenticatorTransport(transport))
		}
		o.keys = append(o.keys, credential)
	}
	return o, nil
}

// newChallenge makes a challenge that this browser alone may answer. It is
// sealed, so that the server need not remember those that nobody answers.
func (c *call) newChallenge(purpose string) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.now.Unix()))
	b = append(b, rand.Text()...)
	return append(b, "."+c.challengeMAC(purpose, string(b))...)
}

func (c *call) challengeMAC(purpose, text string) string {
	return c.i.mac("passkey "+purpose, text+"\x00"+c.browser())
}

// checkChallenge returns when a challenge ends that newChallenge gave to this
// browser, in the form in which an answer names it.
func (c *call) checkChallenge(purpose, challenge string) (expires time.Time, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	if err != nil || len(b) < 8 {
		return expires, false
	}
	expires = time.Unix(int64(binary.BigEndian.Uint64(b)), 0).Add(challengeLife)
	text, mac := string(b[:8]), ""
	if rest, after, found := strings.Cut(string(b[8:]), "."); found {
		text, mac = text+rest, after
	}
	return expires, equalSecrets(c.challengeMAC(purpose, text), mac) && c.now.Before(expires)
}

// passkeyRequest is what the script of the sign-in page asks the browser for, or
// "" where there are no passkeys.
func (c *call) passkeyRequest() (string, error) {
	rp, err := c.relyingParty()
	if rp == nil || err != nil {
		return "", err
	}
	assertion, _, err := rp.BeginDiscoverableLogin(webauthn.WithChallenge(c.newChallenge(toSignIn)))
	if err != nil {
		return "", fmt.Errorf("ask for a passkey: %w", err)
	}
	text, err := json.Marshal(assertion.Response)
	return string(text), err
}

// errNotIn says that a passkey does not let its bearer in, for whatever reason.
var errNotIn = errors.New("the passkey is refused")

// passkeySignIn signs in by a passkey, which counts as two factors: it is
// something one has, and opens by what one knows or is.
func (i *Issuer) passkeySignIn(c *call, form url.Values, path string) error {
	rp, err := c.relyingParty()
	if err != nil {
		return err
	}
	answer, parseErr := protocol.ParseCredentialRequestResponseBytes([]byte(form.Get("credential")))
	if rp == nil || parseErr != nil || len(answer.Response.UserHandle) != 16 {
		return errorf(400, "invalid_request", 90014, "The form holds no answer of a passkey that can be read.")
	}
	right, err := c.attempt(nil, "")
	if err != nil {
		return err
	}
	challenge := answer.Response.CollectedClientData.Challenge
	expires, ok := c.checkChallenge(toSignIn, challenge)
	if !ok {
		return c.signInPage(http.StatusUnauthorized, path, "", "That took too long. Try again.")
	}
	user := formatGUID([16]byte(answer.Response.UserHandle))
	err = i.DB.Update(c.Context(), store.As{User: user}, func(tx *store.Tx) error {
		account, err := tx.Account()
		if err != nil {
			return err
		}
		owner, err := passkeysOf(tx, rp.Config.RPID)
		if err != nil {
			return err
		}
		session := webauthn.SessionData{Challenge: challenge, RelyingPartyID: rp.Config.RPID, UserVerification: protocol.VerificationRequired}
		_, key, err := rp.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return owner, nil }, session, answer)
		switch {
		case err != nil || account.Disabled:
			return errNotIn
		case key.Authenticator.CloneWarning:
			i.Log.LogAttrs(c.Context(), slog.LevelWarn, "the counter of a passkey went back: there may be a copy of it", slog.String("request-id", c.id), slog.String("user", user))
			return errNotIn
		}
		return errors.Join(
			tx.UseChallenge(hashed(challenge), expires),
			tx.UsedPasskey(base64.RawURLEncoding.EncodeToString(key.ID), key.Authenticator.SignCount, byte(key.Flags.ProtocolValue())))
	})
	e, known := errors.AsType[*todo.Error](err)
	switch {
	case errors.Is(err, errNotIn), errors.Is(err, todo.ErrNotFound), known && e.Kind == todo.NoSuchUser:
		return c.signInPage(http.StatusUnauthorized, path, "", "This passkey does not let you in here. Try another one, or your password.")
	case err != nil:
		return err
	}
	right()
	return c.signIn(user, path, byPasskey)
}

// passkey is the page that adds a passkey.
func (i *Issuer) passkey(c *call) error {
	s, form, err := c.factorPage()
	if s == nil || err != nil {
		return err
	}
	rp, err := c.relyingParty()
	if err != nil {
		return err
	}
	if rp == nil {
		return errorf(400, "invalid_request", 90014, "Passkeys need the server under https and by a name: ask whoever runs it.")
	}
	var owner *passkeyOwner
	err = i.DB.View(c.Context(), s.user.ID, func(tx *store.Tx) (err error) { owner, err = passkeysOf(tx, rp.Config.RPID); return err })
	if err != nil {
		return err
	}
	if form == nil {
		return c.passkeyPage(http.StatusOK, rp, owner, "", "")
	}
	label := strings.TrimSpace(form.Get("name"))
	if label == "" || utf8.RuneCountInString(label) > maxLabel || !utf8.ValidString(label) {
		return c.passkeyPage(http.StatusBadRequest, rp, owner, "", fmt.Sprintf("Give the passkey a name of at most %d characters, so that you know it again.", maxLabel))
	}
	key, expires, err := c.newPasskey(rp, owner, form.Get("credential"))
	if errors.Is(err, errNotIn) {
		return c.passkeyPage(http.StatusBadRequest, rp, owner, label, "The passkey was not made in time, or not for this server. Try again.")
	}
	if err != nil {
		return err
	}
	challenge := key.challenge
	key.Label, key.RPID = label, rp.Config.RPID
	err = i.DB.Update(c.Context(), store.As{User: s.user.ID}, func(tx *store.Tx) error {
		return errors.Join(tx.UseChallenge(hashed(challenge), expires), tx.PutPasskey(key.Passkey), tx.EndOtherSessions(s.session.Hash))
	})
	switch e, known := errors.AsType[*todo.Error](err); {
	case errors.Is(err, todo.ErrNotFound):
		return errExpiredForm()
	case known && e.Kind == todo.Invalid:
		return c.passkeyPage(http.StatusBadRequest, rp, owner, label, e.Message)
	case err != nil:
		return err
	}
	c.redirect(http.StatusSeeOther, "/account")
	return nil
}

// A madePasskey is a passkey with the challenge that it was made for.
type madePasskey struct {
	store.Passkey
	challenge string
}

// newPasskey reads and checks what an authenticator has made. The error is
// errNotIn when it is not for this challenge, browser, host or user.
func (c *call) newPasskey(rp *webauthn.WebAuthn, owner *passkeyOwner, text string) (made madePasskey, expires time.Time, err error) {
	answer, err := protocol.ParseCredentialCreationResponseBytes([]byte(text))
	if err != nil {
		return made, expires, errorf(400, "invalid_request", 90014, "The form holds no passkey that can be read.")
	}
	made.challenge = answer.Response.CollectedClientData.Challenge
	expires, ok := c.checkChallenge(toRegister, made.challenge)
	if !ok {
		return made, expires, errNotIn
	}
	key, err := rp.CreateCredential(owner, webauthn.SessionData{
		Challenge: made.challenge, RelyingPartyID: rp.Config.RPID, UserID: owner.WebAuthnID(), UserVerification: protocol.VerificationRequired,
		CredParams: webauthn.CredentialParametersRecommendedL3(),
	}, answer)
	if err != nil || len(key.ID) == 0 || len(key.ID) > maxCredentialID || len(key.PublicKey) > maxPublicKey {
		return made, expires, errNotIn
	}
	made.Passkey = store.Passkey{
		ID: base64.RawURLEncoding.EncodeToString(key.ID), PublicKey: key.PublicKey, SignCount: key.Authenticator.SignCount, Flags: byte(key.Flags.ProtocolValue()),
	}
	for _, transport := range key.Transport {
		switch transport { // of all that a browser may write, those that there are
		case protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal:
			made.Transports = append(made.Transports, string(transport))
		}
	}
	return made, expires, nil
}

func (c *call) passkeyPage(status int, rp *webauthn.WebAuthn, owner *passkeyOwner, label, message string) error {
	creation, _, err := rp.BeginRegistration(owner,
		webauthn.WithExclusions(webauthn.Credentials(owner.keys).CredentialDescriptors()),
		webauthn.WithCredentialParameters(webauthn.CredentialParametersRecommendedL3()),
		func(o *protocol.PublicKeyCredentialCreationOptions) error {
			o.Challenge = c.newChallenge(toRegister)
			return nil
		})
	if err != nil {
		return fmt.Errorf("ask for a new passkey: %w", err)
	}
	text, err := json.Marshal(creation.Response)
	if err != nil {
		return err
	}
	return c.page(status, "passkey", page{
		Title: "Add a passkey", Error: message, Name: typed(label), User: owner.user.UserPrincipalName, Passkey: string(text), Continue: c.sealed("/account"),
	})
}
