package registries

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	tokenIssuer  = "berth's test tokens"
	tokenService = "berth's test registry"
	// RefreshToken is what the token server gives who asks for an offline token.
	RefreshToken = "refresh-me"
	// PublicPrefix begins the repositories that everybody may pull from.
	PublicPrefix = "public/"
)

// TokenServer gives out the tokens of the distribution specification: on GET with
// Basic authentication or nobody's, and on POST as OAuth 2 with a password or a
// refresh token. Username may do everything, everybody else may pull from
// repositories that begin with PublicPrefix.
type TokenServer struct {
	URL string // the realm

	// Life is how long tokens are good for: 300 s, unless a test shortens it.
	Life time.Duration

	signer *keyPair
	server *http.Server
	mu     sync.Mutex
	asked  []string
}

// access is what a token allows with one resource.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func newTokenServer(signer *keyPair) (*TokenServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &TokenServer{URL: "http://" + listener.Addr().String() + "/token", Life: 300 * time.Second, signer: signer}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(listener)
	return s, nil
}

func (s *TokenServer) close() { s.server.Close() }

// Asked lists the requests so far: method, account, or "-" for nobody, and scopes.
func (s *TokenServer) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// ServeHTTP answers one request for a token.
func (s *TokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.URL.Path != "/token" || r.Form.Get("service") != tokenService {
		http.Error(w, `{"details":"no such service"}`, http.StatusBadRequest)
		return
	}
	user, known, offline := s.identify(r)
	scopes := strings.Fields(strings.Join(r.Form["scope"], " "))
	s.mu.Lock()
	s.asked = append(s.asked, strings.Join(append([]string{r.Method, user}, scopes...), " "))
	s.mu.Unlock()
	if !known {
		http.Error(w, `{"details":"incorrect username or password"}`, http.StatusUnauthorized)
		return
	}
	token, err := s.sign(user, grant(user, scopes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer := map[string]any{"access_token": token, "expires_in": int(s.Life.Seconds()), "issued_at": time.Now().UTC().Format(time.RFC3339)}
	if r.Method == http.MethodGet {
		answer["token"] = token
	}
	if offline {
		answer["refresh_token"] = RefreshToken
	}
	w.Header().Set("Content-Type", "application/json")
	// What cannot be sent is the client's to notice.
	_ = json.NewEncoder(w).Encode(answer)
}

// nobody is the account of who gives no password.
const nobody = "-"

// identify tells who asks, whether that is true, and whether a refresh token is
// wanted.
func (s *TokenServer) identify(r *http.Request) (user string, known, offline bool) {
	if r.Method != http.MethodPost {
		name, password, ok := r.BasicAuth()
		if !ok {
			return nobody, true, false
		}
		known = name == Username && password == Password
		return name, known, r.Form.Get("offline_token") == "true"
	}
	if r.PostForm.Get("grant_type") == "refresh_token" {
		return Username, r.PostForm.Get("refresh_token") == RefreshToken, false
	}
	name := r.PostForm.Get("username")
	known = r.PostForm.Get("grant_type") == "password" && name == Username && r.PostForm.Get("password") == Password
	return name, known, r.PostForm.Get("access_type") == "offline"
}

// grant gives of the scopes, such as repository:public/busybox:pull,push, what the
// user may have. A repository's own name may have colons in it.
func grant(user string, scopes []string) []access {
	granted := []access{}
	for _, scope := range scopes {
		kind, rest, _ := strings.Cut(scope, ":")
		colon := strings.LastIndexByte(rest, ':')
		if colon < 0 {
			continue
		}
		a := access{Type: kind, Name: rest[:colon], Actions: strings.Split(rest[colon+1:], ",")}
		if user == nobody {
			a.Actions = slices.DeleteFunc(a.Actions, func(action string) bool {
				return action != "pull" || !strings.HasPrefix(a.Name, PublicPrefix)
			})
		}
		if len(a.Actions) > 0 {
			granted = append(granted, a)
		}
	}
	return granted
}

// sign makes a JSON web token (RFC 7519) that carries its certificate in x5c and
// is signed with ES256.
func (s *TokenServer) sign(user string, granted []access) (string, error) {
	now := time.Now()
	header := map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(s.signer.cert.Raw)}}
	claims := map[string]any{
		"iss": tokenIssuer, "sub": user, "aud": tokenService, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(s.Life).Unix(), "access": granted,
	}
	var parts []string
	for _, part := range []any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, ".")))
	r, t, err := ecdsa.Sign(rand.Reader, s.signer.key, sum[:])
	if err != nil {
		return "", err
	}
	// Two numbers of 32 bytes each, not ASN.1 (RFC 7518, section 3.4).
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	t.FillBytes(signature[32:])
	return strings.Join(append(parts, base64.RawURLEncoding.EncodeToString(signature)), "."), nil
}
