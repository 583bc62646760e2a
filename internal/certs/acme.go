package certs

import (
	"crypto/tls"
	"path/filepath"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// acmeFolder is the folder of the data folder that holds the account and the
// certificates.
const acmeFolder = "acme"

// ACME gets a certificate for the host from the authority whose directory has
// the URL, when the first client asks for it, and renews it in the last third of
// its life, or 30 days before it ends. Whoever calls this has accepted the authority's terms of service. The
// authority asks for proof at port 443 of the host (TLS-ALPN-01, RFC 8737),
// which must lead to where the configuration is used. The account and the
// certificates are kept in the folder acme of dir, closed to other accounts.
// The mail address, to which the authority may write, can be empty.
func ACME(dir, host, mail, directory string) *tls.Config {
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(filepath.Join(dir, acmeFolder)),
		HostPolicy: autocert.HostWhitelist(host),
		Email:      mail,
		Client:     &acme.Client{DirectoryURL: directory, UserAgent: "duly"},
	}
	c := config(m.GetCertificate)
	c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	return c
}
