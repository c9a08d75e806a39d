package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestStorePlaces(t *testing.T) {
	w := newWorld(t)
	path := func() string {
		saved, err := w.files().Store(t.Context(), "docker.io", Auth{Username: "u", Password: fmt.Sprint(len(w.env))})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(mustRead(t, saved.Path)), `"https://index.docker.io/v1/"`) {
			t.Errorf("%s has no login of Docker Hub", saved.Path)
		}
		return strings.TrimPrefix(saved.Path, w.root)
	}
	if got := path(); got != "/home/.docker/config.json" {
		t.Errorf("by default %s", got)
	}
	w.env["DOCKER_CONFIG"] = w.path("dc")
	if got := path(); got != "/dc/config.json" {
		t.Errorf("with DOCKER_CONFIG %s", got)
	}
	w.env["REGISTRY_AUTH_FILE"] = w.path("deep/er/raf.json")
	if got := path(); got != "/deep/er/raf.json" {
		t.Errorf("with REGISTRY_AUTH_FILE %s", got)
	}
	w.o.AuthFile = w.path("af.json")
	if got := path(); got != "/af.json" {
		t.Errorf("with an auth file %s", got)
	}
	w = newWorld(t)
	clear(w.env)
	if _, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u"}); err == nil || !strings.Contains(err.Error(), "HOME") {
		t.Errorf("without a home: %v", err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestStoreMode: only the owner reads passwords, whatever the umask and whatever
// the file was before.
func TestStoreMode(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o277} {
		t.Run(fmt.Sprintf("%03o", umask), func(t *testing.T) {
			w := newWorld(t)
			w.write("old/config.json", "{}")
			if err := os.Chmod(w.path("old/config.json"), 0o644); err != nil {
				t.Fatal(err)
			}
			defer syscall.Umask(syscall.Umask(umask))
			for _, folder := range []string{"old", "new"} {
				w.env["DOCKER_CONFIG"] = w.path(folder)
				if _, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "p"}); err != nil {
					t.Fatal(err)
				}
				info, err := os.Stat(w.path(folder + "/config.json"))
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v, %v", folder, info.Mode(), err)
				}
				names, err := os.ReadDir(w.path(folder))
				if err != nil || len(names) != 1 {
					t.Errorf("beside it: %v, %v", names, err)
				}
			}
			if info, err := os.Stat(w.path("new")); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("the folder: %v, %v", info.Mode(), err)
			}
		})
	}
}

// TestStoreFollowsLinks: users keep their config.json elsewhere and link to it.
func TestStoreFollowsLinks(t *testing.T) {
	for _, there := range []bool{true, false} {
		w := newWorld(t)
		w.write("dotfiles/real/keep", "")
		if there {
			w.write("dotfiles/docker.json", `{"x":1}`)
		}
		if err := os.MkdirAll(w.path("home"), 0o755); err != nil {
			t.Fatal(err)
		}
		// ~/.docker is a link to a folder, in which config.json is a link that goes
		// up from where it really is.
		for link, to := range map[string]string{"home/.docker": w.path("dotfiles/real"), "dotfiles/real/config.json": "../docker.json"} {
			if err := os.Symlink(to, w.path(link)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "p"}); err != nil {
			t.Fatal(err)
		}
		if got := w.read("dotfiles/docker.json"); !strings.Contains(got, "r.example") || there && !strings.Contains(got, `"x":1`) {
			t.Errorf("got %s", got)
		}
		if info, err := os.Lstat(w.path("home/.docker/config.json")); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link: %v, %v", info, err)
		}
	}
	w := newWorld(t)
	w.write("home/.docker/keep", "")
	if err := os.Symlink("config.json", w.path("home/.docker/config.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u"}); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link to itself: %v", err)
	}
}

// TestStoreKeepsBroken: what cannot be read is not written over.
func TestStoreKeepsBroken(t *testing.T) {
	for _, content := range []string{"{\"auths\": {", "[]", `{"auths": []}`, "{} {}"} {
		w := newWorld(t)
		w.write("home/.docker/config.json", content)
		if _, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "p"}); err == nil || !strings.Contains(err.Error(), w.path("home/.docker/config.json")) {
			t.Errorf("%s: stored: %v", content, err)
		}
		if _, err := w.files().Erase(t.Context(), "r.example"); err == nil {
			t.Errorf("%s: erased", content)
		}
		if got := w.read("home/.docker/config.json"); got != content {
			t.Errorf("%s became %s", content, got)
		}
	}
}

// TestStoreAtOnce: logins of several processes at once are all there afterwards.
func TestStoreAtOnce(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := w.files().Store(t.Context(), fmt.Sprintf("r%d.example", i), Auth{Username: "u", Password: "p"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var file authFile
	if err := json.Unmarshal(mustRead(t, w.path("home/.docker/config.json")), &file); err != nil || len(file.Auths) != 20 {
		t.Errorf("%d logins, %v", len(file.Auths), err)
	}
}

// TestHelperKeepsLogins: with a helper no secret is in the file.
func TestHelperKeepsLogins(t *testing.T) {
	w := newWorld(t)
	w.helper("box", `f=`+w.root+`/kept
case $1 in
store) echo "$in" > $f ;;
get) if [ -s $f ]; then cat $f; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) if [ -s $f ]; then : > $f; else echo "credentials not found in native keychain"; exit 1; fi ;;
esac`)
	w.write("home/.docker/config.json", `{"credsStore": "box"}`)
	for _, a := range []Auth{{Username: "u", Password: "hunter2"}, {Username: "u", IdentityToken: "hunter2"}} {
		saved, err := w.files().Store(t.Context(), "r.example", a)
		if err != nil || saved.Plain {
			t.Fatalf("%+v, %v", saved, err)
		}
		if got := w.read("home/.docker/config.json"); got != `{"credsStore": "box","auths":{"r.example":{}}}` {
			t.Errorf("the file: %s", got)
		}
		got, err := w.files().Get(t.Context(), "r.example", "x")
		if err != nil || got.Password != a.Password || got.IdentityToken != a.IdentityToken {
			t.Errorf("read back %+v, %v", got, err)
		}
		for _, want := range []bool{true, false} {
			if found, err := w.files().Erase(t.Context(), "r.example"); err != nil || found != want {
				t.Errorf("erased %v, %v", found, err)
			}
		}
		if got := w.read("home/.docker/config.json"); got != `{"credsStore": "box","auths":{}}` {
			t.Errorf("the file afterwards: %s", got)
		}
		w.write("home/.docker/config.json", `{"credsStore": "box"}`)
	}
	w.helper("box", `echo "no: $in"; exit 1`)
	_, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "hunter2"})
	if err == nil || !strings.Contains(err.Error(), "docker-credential-box") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a helper that fails: %v", err)
	}
	if got := w.read("home/.docker/config.json"); got != `{"credsStore": "box"}` {
		t.Errorf("the file of a helper that fails: %s", got)
	}
}

// TestKilledLogin: what a login left that was killed has a password in it.
func TestKilledLogin(t *testing.T) {
	w := newWorld(t)
	w.write("home/.docker/config.json", "{}")
	for name, do := range map[string]func() error{
		"store": func() error {
			_, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "p"})
			return err
		},
		"erase": func() error { _, err := w.files().Erase(t.Context(), "other.example"); return err },
	} {
		w.write("home/.docker/config.json.berth-new", `{"auths": {"r.ex`)
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if names, err := os.ReadDir(w.path("home/.docker")); err != nil || len(names) != 1 {
			t.Errorf("%s: %v, %v", name, names, err)
		}
	}
}

// TestOwnerStays: root changes a user's file, and it stays the user's.
func TestOwnerStays(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make another user's file")
	}
	w := newWorld(t)
	path := w.write("home/.docker/config.json", "{}")
	if err := os.Chown(path, 4242, 4343); err != nil {
		t.Fatal(err)
	}
	if _, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil || st.Uid != 4242 || st.Gid != 4343 || st.Mode&0o777 != 0o600 {
		t.Errorf("owner %d:%d, mode %o, %v", st.Uid, st.Gid, st.Mode, err)
	}
}

// TestFullDisk: the old file is there and nothing beside it.
func TestFullDisk(t *testing.T) {
	w := newWorld(t)
	path := w.write("home/.docker/config.json", `{"auths": {}}`)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	// A write beyond the limit fails with EFBIG, as one to a full disk does with
	// ENOSPC; the signal beside it is Go's to ignore.
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	small := syscall.Rlimit{Cur: 20, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	_, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "p"})
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("got %v", err)
	}
	if got := w.read("home/.docker/config.json"); got != `{"auths": {}}` {
		t.Errorf("%s became %s", path, got)
	}
	if names, err := os.ReadDir(w.path("home/.docker")); err != nil || len(names) != 1 {
		t.Errorf("beside it: %v, %v", names, err)
	}
}

// TestStoreUnwritable: a folder that cannot be written to.
func TestStoreUnwritable(t *testing.T) {
	w := newWorld(t)
	w.env["DOCKER_CONFIG"] = "/proc/self"
	if _, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "p"}); err == nil || !strings.Contains(err.Error(), "save credentials: ") {
		t.Errorf("got %v", err)
	}
	w.env["DOCKER_CONFIG"] = filepath.Join(w.write("file", ""), "sub")
	if _, err := w.files().Store(t.Context(), "r.example", Auth{Username: "u", Password: "p"}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("got %v", err)
	}
}
