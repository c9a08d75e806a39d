package hosts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/image"
)

func box() image.Reference {
	return image.Reference{Domain: "docker.io", Path: "library/box", Tag: "latest"}
}

// pair makes a certificate that signs itself, and its key, in PEM.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"r.example"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
}

func TestCertificates(t *testing.T) {
	cert, key := pair(t)
	for _, tt := range []struct {
		name, ref string
		files     map[string]string
		change    func(*Options)
		want      string
	}{
		{"podman's", "r.example/x", map[string]string{"etc/containers/certs.d/r.example/ca.crt": cert}, nil, "https://r.example/x own-ca"},
		{"docker's", "r.example:5000/x", map[string]string{"etc/docker/certs.d/r.example:5000/ca.crt": cert}, nil, "https://r.example:5000/x own-ca"},
		{"the user's", "r.example/x", map[string]string{"~/.config/containers/certs.d/r.example/any.crt": cert}, nil, "https://r.example/x own-ca"},
		{"of another port", "r.example:5000/x", map[string]string{"etc/docker/certs.d/r.example/ca.crt": cert}, nil, "https://r.example:5000/x"},
		{"client's", "r.example/x", map[string]string{"etc/docker/certs.d/r.example/me.cert": cert, "etc/docker/certs.d/r.example/me.key": key}, nil, "https://r.example/x client-certificate"},
		{"from several places", "r.example/x", map[string]string{"etc/docker/certs.d/r.example/ca.crt": cert, "~/.config/containers/certs.d/r.example/me.cert": cert, "~/.config/containers/certs.d/r.example/me.key": key}, nil, "https://r.example/x own-ca client-certificate"},
		{"others do not count", "r.example/x", map[string]string{"etc/docker/certs.d/r.example/README": "x", "etc/docker/certs.d/r.example/ca.pem": cert}, nil, "https://r.example/x"},
		{"hub's", "box", map[string]string{"etc/docker/certs.d/docker.io/ca.crt": cert}, nil, "https://registry-1.docker.io/library/box as docker.io own-ca"},
		{"this machine's", "localhost:5000/x", map[string]string{"etc/docker/certs.d/localhost:5000/ca.crt": cert}, nil, "https://localhost:5000/x own-ca\nhttp://localhost:5000/x"},
		{"this machine's client", "localhost:5000/x", map[string]string{"etc/docker/certs.d/localhost:5000/me.cert": cert, "etc/docker/certs.d/localhost:5000/me.key": key}, nil, "https://localhost:5000/x any-certificate client-certificate\nhttp://localhost:5000/x"},
		{"named folder", "r.example/x", map[string]string{"certs/ca.crt": cert, "etc/docker/certs.d/r.example/me.cert": "x"}, func(o *Options) { o.CertDir = o.Root + "/certs" }, "https://r.example/x own-ca"},
		{"a mirror's", "r.example/x", map[string]string{"etc/docker/certs.d/m.example/ca.crt": cert, "etc/containers/registries.conf": "[[registry]]\nlocation='r.example'\n[[registry.mirror]]\nlocation='m.example'\n"}, nil, "https://m.example/x mirror own-ca\nhttps://r.example/x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := world(t, tt.files, tt.change).Endpoints(parse(t, tt.ref))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(list); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestCertificatesRefused(t *testing.T) {
	cert, key := pair(t)
	const folder = "etc/docker/certs.d/r.example/"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no key", map[string]string{folder + "me.cert": cert}, "missing key me.key for client certificate me.cert. CA certificates must use the extension .crt"},
		{"no certificate", map[string]string{folder + "me.key": key}, "missing client certificate me.cert for key me.key"},
		{"key of another", map[string]string{folder + "me.cert": cert, folder + "me.key": otherKey(t)}, "read client certificate "},
		{"no PEM", map[string]string{folder + "ca.crt": "hello"}, "ca.crt: no certificate in PEM in it"},
		{"bad pair", map[string]string{folder + "me.cert": "x", folder + "me.key": "y"}, "me.cert: tls: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := world(t, tt.files, nil).Endpoints(parse(t, "r.example/x"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "/etc/docker/certs.d/r.example") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func otherKey(t *testing.T) string {
	t.Helper()
	_, key := pair(t)
	return key
}

// TestCertificatesConnect: a server that asks for a certificate and shows one of
// a private authority.
func TestCertificatesConnect(t *testing.T) {
	cert, key := pair(t)
	own, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	const folder = "etc/containers/certs.d/r.example/"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nothing", map[string]string{}, "certificate"},
		{"authority", map[string]string{folder + "ca.crt": cert}, "403 Forbidden"},
		{"authority and client", map[string]string{folder + "ca.crt": cert, folder + "me.cert": cert, folder + "me.key": key}, "200 OK"},
	} {
		list, err := world(t, tt.files, nil).Endpoints(parse(t, "r.example/x"))
		if err != nil {
			t.Fatal(err)
		}
		settings := list[0].TLS
		if settings == nil {
			settings = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		settings = settings.Clone()
		settings.ServerName = "r.example"
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings}}
		var got string
		resp, err := client.Get(server.URL)
		if err != nil {
			got = err.Error()
		} else {
			got = resp.Status
			resp.Body.Close()
		}
		client.CloseIdleConnections()
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
