package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/container"
)

// TestOpenArchive reads what import reads: files, stdin and servers.
func TestOpenArchive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "root.tar")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved.tar":
			http.Redirect(w, r, "/root.tar", http.StatusFound)
		case "/root.tar":
			if got := r.Header.Get("User-Agent"); got != "berth/1.2.3" {
				t.Errorf("the user agent is %q", got)
			}
			if got := r.Header.Get("Accept-Encoding"); got != "" {
				t.Errorf("the server may encode with %q", got)
			}
			_, _ = io.WriteString(w, "from a server")
		case "/cut.tar":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "too little")
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	var said bytes.Buffer
	s := newSession(Process{
		Args: []string{"berth"}, LookupEnv: func(string) (string, bool) { return "", false },
		Stdio: container.Stdio{In: stdin}, Version: "1.2.3",
	})
	s.err = &said
	for source, want := range map[string]string{
		"-":                       "from a file",
		file:                      "from a file",
		server.URL + "/root.tar":  "from a server",
		server.URL + "/moved.tar": "from a server",
		server.URL + "/cut.tar":   "too littleunexpected EOF",
		server.URL + "/none.tar":  "download " + server.URL + "/none.tar: 404 Not Found",
		strings.Replace(server.URL, "http://", "http://user:secret@", 1) + "/none.tar": "download " + strings.Replace(server.URL, "http://", "http://user:xxxxx@", 1) + "/none.tar: 404 Not Found",
		"http://a b/": `parse "http://a b/": invalid character " " in host name`,
		"ftp://x/y":   "open ftp://x/y: no such file or directory",
	} {
		if _, err := stdin.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got := ""
		r, err := s.openArchive(t.Context(), source)
		if err == nil {
			var b []byte
			b, err = io.ReadAll(r)
			got = string(b)
			r.Close()
		}
		if err != nil {
			got += err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
	if !strings.Contains(said.String(), "Downloading from "+server.URL+"/root.tar\n") {
		t.Errorf("said %q", said.String())
	}
}
