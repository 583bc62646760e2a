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
// the URL, when prepare is called or the first client asks for it, and renews it
// in the last third of its life, or 30 days before it ends. Whoever calls this
// has accepted the authority's terms of service. The authority asks for proof at
// port 443 of the host (TLS-ALPN-01, RFC 8737), which must lead to where the
// configuration is used. The account and the certificates are kept in the folder
// acme of dir, closed to other accounts. The mail address, to which the authority
// may write, can be empty.
//
// prepare is for when the host can be reached. It may take minutes, and returns
// what is in the way; the first client tries again.
func ACME(dir, host, mail, directory string) (c *tls.Config, prepare func() error) {
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(filepath.Join(dir, acmeFolder)),
		HostPolicy: autocert.HostWhitelist(host),
		Email:      mail,
		Client:     &acme.Client{DirectoryURL: directory, UserAgent: "duly"},
	}
	c = config(m.GetCertificate)
	c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	return c, func() error {
		_, err := m.GetCertificate(&tls.ClientHelloInfo{
			ServerName:        host,
			SignatureSchemes:  []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, // as every client of today has it
			SupportedCurves:   []tls.CurveID{tls.CurveP256},
			CipherSuites:      []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
			SupportedVersions: []uint16{tls.VersionTLS13},
		})
		return err
	}
}
