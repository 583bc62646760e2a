package identity_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func (r *realm) options() azcore.ClientOptions {
	return azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: r.URL}, Transport: r.Client()}
}

// use gets a token from a credential and creates a task with it.
func (r *realm) use(credential azcore.TokenCredential, asApp bool, scopes ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: scopes})
	ok(r.t, token, err)
	if life := time.Until(token.ExpiresOn); life < 59*time.Minute || life > 91*time.Minute {
		r.t.Errorf("the token lives %v", life)
	}
	r.createTask(token.Token, asApp)
}

func TestAzidentityClientSecret(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	c, err := azidentity.NewClientSecretCredential(r.tenant, r.daemon.ID, r.secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: r.options(), DisableInstanceDiscovery: true})
	r.use(ok(t, c, err), true, defaultScope)
}

// The tenant adfs needs no switch for instance discovery.
func TestAzidentityADFS(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	c, err := azidentity.NewClientSecretCredential("adfs", r.daemon.ID, r.secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: r.options()})
	r.use(ok(t, c, err), true, defaultScope)
}

func TestAzidentityCertificate(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	for _, chain := range []bool{false, true} {
		c, err := azidentity.NewClientCertificateCredential(r.tenant, r.daemon.ID, r.certificates, r.key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: r.options(), DisableInstanceDiscovery: true, SendCertificateChain: chain,
		})
		r.use(ok(t, c, err), true, defaultScope)
	}
}

func TestAzidentityDeviceCode(t *testing.T) {
	t.Parallel()
	for _, tenant := range []string{"organizations", "adfs"} {
		t.Run(tenant, func(t *testing.T) {
			t.Parallel()
			r := newRealm(t)
			c, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
				ClientOptions: r.options(), DisableInstanceDiscovery: tenant != "adfs", TenantID: tenant, ClientID: r.native.ID,
				UserPrompt: func(ctx context.Context, m azidentity.DeviceCodeMessage) error {
					if !strings.Contains(m.Message, m.UserCode) {
						t.Errorf("the message is %q", m.Message)
					}
					return r.person().approve(ctx, m.VerificationURL, m.UserCode)
				},
			})
			r.use(ok(t, c, err), false, taskScope)
			r.use(c, false, defaultScope) // silently, with the refresh token
		})
	}
}

// The library starts a browser by the program xdg-open, in whose place there is
// one that notes the address.
func TestAzidentityInteractive(t *testing.T) {
	r := newRealm(t)
	dir := t.TempDir()
	note := filepath.Join(dir, "address")
	script := "#!/bin/sh\nprintf %s \"$1\" > " + note + ".new && mv " + note + ".new " + note + "\n"
	ok(t, 0, os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	done := make(chan error, 1)
	go func() {
		for {
			if address, err := os.ReadFile(note); err == nil {
				_, err := r.person().open(t.Context(), string(address), nil)
				done <- err
				return
			}
			select {
			case <-t.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	c, err := azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{
		ClientOptions: r.options(), DisableInstanceDiscovery: true, TenantID: r.tenant, ClientID: r.native.ID,
	})
	r.use(ok(t, c, err), false, taskScope)
	ok(t, 0, <-done)
}

func TestMSALConfidential(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	secret, err := confidential.NewCredFromSecret(r.webSecret)
	ok(t, secret, err)
	c, err := confidential.New(r.URL+"/"+r.tenant, r.web.ID, secret, confidential.WithInstanceDiscovery(false), confidential.WithHTTPClient(r.Client()))
	ok(t, c, err)
	const redirect = "http://localhost/callback"
	address, err := c.AuthCodeURL(t.Context(), r.web.ID, redirect, []string{taskScope})
	ok(t, address, err)
	back, err := r.person().open(t.Context(), address, func(s string) bool { return strings.HasPrefix(s, redirect) })
	u, err2 := url.Parse(ok(t, back, err))
	result, err := c.AcquireTokenByAuthCode(t.Context(), ok(t, u, err2).Query().Get("code"), redirect, []string{taskScope})
	ok(t, result, err)
	if result.Account.PreferredUsername != adele {
		t.Errorf("the account is %+v", result.Account)
	}
	r.createTask(result.AccessToken, false)
	// A scope that was not consented to: the refresh token does not give it.
	if _, err := c.AcquireTokenSilent(t.Context(), []string{"https://graph.microsoft.com/User.Read"}, confidential.WithSilentAccount(result.Account)); err == nil || !strings.Contains(err.Error(), "AADSTS65001") {
		t.Errorf("a scope without consent: %v", err)
	}

	cert := confidential.NewCredFromCert
	credential, err := cert(r.certificates, r.key)
	ok(t, credential, err)
	d, err := confidential.New(r.URL+"/"+r.tenant, r.daemon.ID, credential, confidential.WithInstanceDiscovery(false), confidential.WithHTTPClient(r.Client()), confidential.WithX5C())
	ok(t, d, err)
	result, err = d.AcquireTokenByCredential(t.Context(), []string{defaultScope})
	r.createTask(ok(t, result, err).AccessToken, true)
}

func TestMSALPublic(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	c, err := public.New(r.native.ID, public.WithAuthority(r.URL+"/"+r.tenant), public.WithInstanceDiscovery(false), public.WithHTTPClient(r.Client()))
	ok(t, c, err)
	done := make(chan error, 1)
	result, err := c.AcquireTokenInteractive(t.Context(), []string{taskScope}, public.WithOpenURL(func(address string) error {
		go func() {
			_, err := r.person().open(t.Context(), address, nil)
			done <- err
		}()
		return nil
	}))
	ok(t, result, err)
	ok(t, 0, <-done)
	r.createTask(result.AccessToken, false)
	silent, err := c.AcquireTokenSilent(t.Context(), []string{taskScope}, public.WithSilentAccount(result.Account), public.WithClaims(`{"access_token":{"nbf":{"essential":true,"value":"1"}}}`))
	if ok(t, silent, err).AccessToken == result.AccessToken {
		t.Error("the token is the one of the cache")
	}
	r.createTask(silent.AccessToken, false)

	device, err := c.AcquireTokenByDeviceCode(t.Context(), []string{taskScope, "https://graph.microsoft.com/User.Read"})
	ok(t, device, err)
	ok(t, 0, r.person().approve(t.Context(), device.Result.VerificationURL, device.Result.UserCode))
	result, err = device.AuthenticationResult(t.Context())
	r.createTask(ok(t, result, err).AccessToken, false)
}

// x/oauth2 and go-oidc, which believes nothing that it has not verified.
func TestOAuth2AndOIDC(t *testing.T) {
	t.Parallel()
	r := newRealm(t)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, r.Client())
	provider, err := oidc.NewProvider(ctx, r.URL+"/"+r.tenant+"/v2.0")
	ok(t, provider, err)
	const redirect = "http://localhost/callback"
	config := oauth2.Config{ClientID: r.web.ID, ClientSecret: r.webSecret, Endpoint: provider.Endpoint(), RedirectURL: redirect, Scopes: []string{"openid", "profile", "email", "offline_access", "Tasks.ReadWrite"}}
	verifier := oauth2.GenerateVerifier()
	back, err := r.person().open(ctx, config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier), oidc.Nonce("nonce")), func(s string) bool { return strings.HasPrefix(s, redirect) })
	u, err2 := url.Parse(ok(t, back, err))
	token, err := config.Exchange(ctx, ok(t, u, err2).Query().Get("code"), oauth2.VerifierOption(verifier))
	ok(t, token, err)
	r.createTask(token.AccessToken, false)
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: r.web.ID}).Verify(ctx, raw)
	if ok(t, id, err).Nonce != "nonce" {
		t.Errorf("the nonce is %q", id.Nonce)
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: "https://graph.microsoft.com"}).Verify(ctx, token.AccessToken); err != nil {
		t.Errorf("the access token: %v", err)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if ok(t, info, err).Subject != id.Subject {
		t.Errorf("userinfo speaks of %s, and the id_token of %s", info.Subject, id.Subject)
	}
	first := token.RefreshToken
	token.Expiry = time.Now().Add(-time.Hour)
	token, err = config.TokenSource(ctx, token).Token()
	if ok(t, token, err).RefreshToken == first {
		t.Error("the refresh token is the same")
	}
	r.createTask(token.AccessToken, false)

	native := oauth2.Config{ClientID: r.native.ID, Endpoint: provider.Endpoint(), Scopes: config.Scopes}
	device, err := native.DeviceAuth(ctx)
	ok(t, device, err)
	ok(t, 0, r.person().approve(ctx, device.VerificationURI, device.UserCode))
	token, err = native.DeviceAccessToken(ctx, device)
	r.createTask(ok(t, token, err).AccessToken, false)

	daemon := clientcredentials.Config{ClientID: r.daemon.ID, ClientSecret: r.secret, TokenURL: provider.Endpoint().TokenURL, Scopes: []string{defaultScope}}
	token, err = daemon.Token(ctx)
	r.createTask(ok(t, token, err).AccessToken, true)
}
