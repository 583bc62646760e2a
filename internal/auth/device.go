package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// The grant of RFC 8628 by its name and by the one that Microsoft's libraries use.
const (
	deviceGrant      = "urn:ietf:params:oauth:grant-type:device_code"
	deviceGrantShort = "device_code"
)

const (
	deviceLife   = 15 * time.Minute
	devicePoll   = 5 * time.Second
	maxPoll      = time.Minute
	pollLeeway   = time.Second            // by which a poll may be early
	userAlphabet = "BCDFGHJKLMNPQRSTVWXZ" // neither words nor look-alikes come of it (RFC 8628 section 6.1)
	userLength   = 9
)

func newUserCode() string {
	code := make([]byte, 0, userLength)
	for len(code) < userLength {
		var b [1]byte
		rand.Read(b[:])
		if n := int(b[0]); n < 256-256%len(userAlphabet) { // each letter as likely as another
			code = append(code, userAlphabet[n%len(userAlphabet)])
		}
	}
	return string(code)
}

// deviceCode is the device authorization endpoint.
func (i *Issuer) deviceCode(c *call) error {
	form, ferr := c.form()
	if ferr != nil {
		return ferr
	}
	app, err := i.client(c, form)
	if err != nil {
		return err
	}
	if app.Kind == store.Daemon || app.Kind == store.SPA {
		return errorf(400, "unauthorized_client", 700016, "The application '%s' is not registered for sign-in on devices.", app.Name)
	}
	asked, serr := parseScopes(&app, form.Get("scope"), c.base)
	if serr != nil {
		return serr
	}
	if len(asked.asked) == 0 {
		return errorf(400, "invalid_request", 900144, "The request body must contain the parameter 'scope'.")
	}
	if wait := i.devices.take(c.addressGroup(), c.now); wait > 0 {
		return tooMany(wait, "Too many device codes were asked for from this address.")
	}
	code, hash := newSecret(devicePrefix, "")
	userCode := newUserCode()
	err = i.DB.Update(c.Context(), store.As{App: app.ID}, func(tx *store.Tx) error {
		return tx.PutDeviceCode(store.DeviceCode{Hash: hash, UserCode: userCode, App: app.ID, Scopes: asked.String(), PollGap: devicePoll, Expires: c.now.Add(deviceLife)})
	})
	if err != nil {
		return err
	}
	page := c.base + "/devicelogin"
	c.json(http.StatusOK, map[string]any{
		"user_code": userCode, "device_code": code, "verification_uri": page, "verification_uri_complete": page + "?user_code=" + userCode,
		"expires_in": int(deviceLife / time.Second), "interval": int(devicePoll / time.Second),
		"message": fmt.Sprintf("To sign in, open %s in a web browser and enter the code %s.", page, userCode),
	})
	return nil
}

// grantDevice answers a device that polls.
func (i *Issuer) grantDevice(c *call, app *store.App, deviceCode string) (*tokenAnswer, error) {
	_, hash, ok := readSecret(devicePrefix, deviceCode)
	if !ok {
		return nil, errorf(400, "invalid_grant", 70000, "The device_code is not valid.")
	}
	var device store.DeviceCode
	var refusal *oauthError
	err := i.DB.Update(c.Context(), store.As{App: app.ID}, func(tx *store.Tx) (err error) {
		device, err = tx.DeviceCode(hash)
		if errors.Is(err, todo.ErrNotFound) || err == nil && (device.App != app.ID || device.State == store.DeviceRedeemed) {
			refusal = errorf(400, "invalid_grant", 70000, "The device_code is not valid.")
			return nil
		}
		if err != nil {
			return err
		}
		refusal = poll(&device, tx.Now())
		return tx.SetDeviceCode(device)
	})
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	asked, serr := parseScopes(app, device.Scopes, c.base)
	if serr != nil {
		return nil, serr
	}
	return i.firstTokens(c, app, device.User, asked, "", c.now)
}

// poll moves a device code on by one poll at the time now.
func poll(d *store.DeviceCode, now time.Time) *oauthError {
	early := !d.LastPoll.IsZero() && now.Sub(d.LastPoll) < d.PollGap-pollLeeway
	d.LastPoll = now
	switch {
	case !now.Before(d.Expires):
		return errorf(400, "expired_token", 70020, "The device_code has expired. Ask for a new one.")
	case d.State == store.DeviceDeclined:
		return errorf(400, "authorization_declined", 70018, "The user declined the authorization request.")
	case d.State == store.DeviceApproved:
		d.State = store.DeviceRedeemed
		return nil
	case early:
		d.PollGap = min(d.PollGap+devicePoll, maxPoll)
		return errorf(400, "slow_down", 70016, "The device polls too often. Wait %.0f seconds between two polls.", d.PollGap.Seconds())
	}
	return errorf(400, "authorization_pending", 70016, "Authorization is pending. Continue polling.")
}

// deviceLogin is the page on which a person enters the code of a device, sees
// which application asks, and decides.
func (i *Issuer) deviceLogin(c *call) error {
	path := "/devicelogin"
	if c.Method != http.MethodPost {
		if err := c.method(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
			return err
		}
		code := foldUserCode(c.URL.Query().Get("user_code"))
		if code != "" {
			path += "?user_code=" + code
		}
		s, err := c.session()
		if err != nil {
			return err
		}
		if s == nil {
			return c.signInPage(http.StatusOK, path, "", "")
		}
		return c.devicePage(http.StatusOK, s, code, "")
	}
	form, _, err := c.pageForm()
	if err != nil {
		return err
	}
	s, err := c.session()
	if err != nil {
		return err
	}
	if s == nil {
		return c.signInPage(http.StatusOK, path, "", "")
	}
	return i.decideDevice(c, s, foldUserCode(form.Get("user_code")), form.Get("action"))
}

// decideDevice finds the device of a code, and notes what the person decided or
// else asks. A session has few wrong guesses.
func (i *Issuer) decideDevice(c *call, s *signedIn, code, action string) error {
	if wait := i.userCodes.take(s.session.Hash, c.now); wait > 0 {
		return tooMany(wait, "There were too many wrong codes. Wait some minutes, and start again on the device.")
	}
	var device store.DeviceCode
	var app store.App
	err := i.DB.Update(c.Context(), store.As{User: s.user.ID}, func(tx *store.Tx) (err error) {
		device, err = tx.DeviceByUserCode(code)
		if err == nil && (device.State != store.DeviceWaiting || !tx.Now().Before(device.Expires)) {
			err = todo.ErrNotFound
		}
		if err == nil {
			app, err = tx.App(device.App)
		}
		if err != nil {
			return err
		}
		asked, serr := parseScopes(&app, device.Scopes, c.base)
		if serr != nil {
			return serr
		}
		switch action {
		case "accept":
			device.State, device.User = store.DeviceApproved, s.user.ID
			given, err := tx.Consent(app.ID)
			if err == nil {
				err = tx.PutConsent(app.ID, consented(given, asked))
			}
			if err != nil {
				return err
			}
		case "decline":
			device.State = store.DeviceDeclined
		default:
			return nil
		}
		return tx.SetDeviceCode(device)
	})
	if errors.Is(err, todo.ErrNotFound) {
		return c.devicePage(http.StatusBadRequest, s, "", "That code is not known, or it has expired. Look at the device again.")
	}
	if err != nil {
		return err
	}
	i.userCodes.giveBack(s.session.Hash)
	switch action {
	case "accept":
		return c.page(http.StatusOK, "devicedone", page{Title: "You are signed in on the device", App: app.Name})
	case "decline":
		return c.page(http.StatusOK, "devicedone", page{Title: "The device was not signed in", App: app.Name, Declined: true})
	}
	asked, serr := parseScopes(&app, device.Scopes, c.base)
	if serr != nil {
		return serr
	}
	return c.page(http.StatusOK, "deviceconfirm", page{
		Title: "Sign in on a device?", App: app.Name, User: s.user.UserPrincipalName, Permissions: describeScopes(asked.api), UserCode: code, Continue: c.sealed("/devicelogin"),
	})
}

func (c *call) devicePage(status int, s *signedIn, code, message string) error {
	return c.page(status, "device", page{Title: "Enter the code", User: s.user.UserPrincipalName, UserCode: code, Error: message, Continue: c.sealed("/devicelogin")})
}

// foldUserCode reads a code as a person types it.
func foldUserCode(s string) string {
	if len(s) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		if strings.ContainsRune(userAlphabet, r) {
			return r
		}
		return -1
	}, s)
}
