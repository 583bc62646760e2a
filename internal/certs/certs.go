// Package certs gives the certificates with which a server proves its name over
// TLS: from two files, from an authority of the data folder's own, or from an
// authority that speaks ACME (RFC 8555).
package certs

import "crypto/tls"

// config is what all of Duly's TLS has in common: no version that is broken
// (RFC 8996), and HTTP/2 before HTTP/1.1.
func config(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: certificate,
	}
}
