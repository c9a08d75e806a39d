package registries

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// configuration is docker-registry's. It is YAML, and JSON is YAML, too.
type configuration map[string]any

func (c configuration) write(path string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// http is the section of that name.
func (c configuration) http() map[string]any { return c["http"].(map[string]any) }

// storage is the configuration of a plain registry.
func (r *Registry) storage() configuration {
	return configuration{
		"version": "0.1",
		"log":     map[string]any{"level": "info"},
		"storage": map[string]any{
			"filesystem":  map[string]any{"rootdirectory": r.Data},
			"delete":      map[string]any{"enabled": true},
			"maintenance": map[string]any{"uploadpurging": map[string]any{"enabled": false}},
		},
		"http": map[string]any{"addr": "127.0.0.1:0", "secret": "test"},
	}
}

func (r *Registry) certify(c *configuration) error {
	authority, err := newKey(nil, "berth's test authority")
	if err != nil {
		return err
	}
	server, err := newKey(authority, Name)
	if err != nil {
		return err
	}
	// Alone in its folder, which then is one for certs.d.
	r.CAFile = filepath.Join(r.folder, "ca", "ca.crt")
	if err := os.Mkdir(filepath.Dir(r.CAFile), 0o755); err != nil {
		return err
	}
	chain, key := filepath.Join(r.folder, "server.crt"), filepath.Join(r.folder, "server.key")
	if err := authority.writeCertificate(r.CAFile); err != nil {
		return err
	}
	if err := server.writeCertificate(chain); err != nil {
		return err
	}
	if err := server.writeKey(key); err != nil {
		return err
	}
	c.http()["tls"] = map[string]any{"certificate": chain, "key": key}
	return nil
}

func (r *Registry) askForPassword(c *configuration) error {
	file := filepath.Join(r.folder, "htpasswd")
	(*c)["auth"] = map[string]any{"htpasswd": map[string]any{"realm": "berth's tests", "path": file}}
	return os.WriteFile(file, []byte(Username+":"+passwordHash+"\n"), 0o600)
}

// askForToken makes the registry trust the tokens of a server of its own.
func (r *Registry) askForToken(c *configuration) error {
	signer, err := newKey(nil, tokenIssuer)
	if err != nil {
		return err
	}
	bundle := filepath.Join(r.folder, "token.crt")
	if err := signer.writeCertificate(bundle); err != nil {
		return err
	}
	if r.Tokens, err = newTokenServer(signer); err != nil {
		return err
	}
	(*c)["auth"] = map[string]any{"token": map[string]any{
		"realm": r.Tokens.URL, "service": tokenService, "issuer": tokenIssuer, "rootcertbundle": bundle,
	}}
	return nil
}

// keyPair is a key with the certificate that speaks for it.
type keyPair struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// newKey makes a key with a certificate that the parent signs, or, without one,
// the key itself.
func newKey(parent *keyPair, name string) (*keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		// Clocks of one machine agree, but not to the second that a certificate counts in.
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	pair := &keyPair{key: key, cert: template}
	if parent == nil {
		template.IsCA, template.KeyUsage = true, template.KeyUsage|x509.KeyUsageCertSign
		parent = pair
	} else {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.DNSNames = []string{name, "localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		return nil, err
	}
	pair.cert, err = x509.ParseCertificate(der)
	return pair, err
}

func (k *keyPair) writeCertificate(path string) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.cert.Raw}), 0o644)
}

func (k *keyPair) writeKey(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
