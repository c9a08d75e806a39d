package hosts

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth/registry/jsonfile"
)

// certificates are what certs.d has for one registry. Nil is nothing.
type certificates struct {
	// pool has the system's authorities and the folder's.
	pool  *x509.CertPool
	pairs []tls.Certificate
}

func (c *certificates) hasCA() bool { return c != nil && c.pool != nil }

// client returns the settings of a connection; nil for the system's own.
func (c *certificates) client(anyone bool) *tls.Config {
	if c == nil && !anyone {
		return nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: anyone}
	if c != nil {
		settings.RootCAs, settings.Certificates = c.pool, c.pairs
	}
	return settings
}

// certificates reads the folders of a registry, once.
func (f *Finder) certificates(host string) (*certificates, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.certs[host]; ok {
		return c, nil
	}
	var c *certificates
	for _, folder := range f.certFolders(host) {
		var err error
		if c, err = addCertificates(c, folder); err != nil {
			return nil, err
		}
	}
	f.certs[host] = c
	return c, nil
}

// certFolders lists where a registry's certificates may be.
func (f *Finder) certFolders(host string) []string {
	if f.options.CertDir != "" {
		return []string{f.options.CertDir}
	}
	folders := []string{f.system("containers/certs.d"), f.system("docker/certs.d")}
	if own := f.user("certs.d"); own != "" {
		folders = append(folders, own)
	}
	for i := range folders {
		folders[i] = filepath.Join(folders[i], host)
	}
	return folders
}

// addCertificates reads a folder by docker's rules: *.crt are authorities,
// NAME.cert and NAME.key a client's pair.
func addCertificates(c *certificates, folder string) (*certificates, error) {
	entries, err := os.ReadDir(folder)
	if absent(err) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if c == nil {
		c = &certificates{}
	}
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(folder, name)
		switch filepath.Ext(name) {
		case ".crt":
			err = c.addCA(path)
		case ".cert":
			key := strings.TrimSuffix(name, ".cert") + ".key"
			if !hasEntry(entries, key) {
				return nil, fmt.Errorf("%s: missing key %s for client certificate %s. CA certificates must use the extension .crt", folder, key, name)
			}
			err = c.addPair(path, filepath.Join(folder, key))
		case ".key":
			if cert := strings.TrimSuffix(name, ".key") + ".cert"; !hasEntry(entries, cert) {
				return nil, fmt.Errorf("%s: missing client certificate %s for key %s", folder, cert, name)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *certificates) addCA(path string) error {
	data, err := jsonfile.Content(path)
	if err != nil {
		return err
	}
	if c.pool == nil {
		if c.pool, err = x509.SystemCertPool(); err != nil {
			return fmt.Errorf("read the system's certificates: %w", err)
		}
	}
	if !c.pool.AppendCertsFromPEM(data) {
		return fmt.Errorf("%s: no certificate in PEM in it", path)
	}
	return nil
}

func (c *certificates) addPair(cert, key string) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("read client certificate %s: %w", cert, err)
	}
	c.pairs = append(c.pairs, pair)
	return nil
}

func hasEntry(entries []os.DirEntry, name string) bool {
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name })
}
