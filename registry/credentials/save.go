package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"berth/registry/jsonfile"
)

const (
	// maxLinks is how many symbolic links are followed to a file, as in the kernel.
	maxLinks = 40
	// lockPause is between two tries to lock a folder.
	lockPause = 20 * time.Millisecond
	// draftSuffix names what will take a file's place. It is the same each time, so
	// that a killed login's is found.
	draftSuffix = ".berth-new"
)

// Saved is what became of a login.
type Saved struct {
	// Path is the file in which it is, or which names the helper that has it.
	Path string
	// Plain tells that a password is in the file now that was not before.
	Plain bool
}

// Path returns the file that logins are written to.
func (f *Files) Path() (string, error) {
	switch folder := f.dockerFolder(); {
	case f.options.AuthFile != "":
		return f.options.AuthFile, nil
	case f.env("REGISTRY_AUTH_FILE") != "":
		return f.env("REGISTRY_AUTH_FILE"), nil
	case folder != "":
		return filepath.Join(folder, "config.json"), nil
	}
	return "", errors.New("find config.json: neither HOME nor DOCKER_CONFIG is set")
}

// Store keeps a login for a registry: with the helper program that the file names
// for it, else in the file. The file appears whole or not at all, and only its
// owner can read it.
func (f *Files) Store(ctx context.Context, registry string, a Auth) (Saved, error) {
	path, err := f.Path()
	if err != nil {
		return Saved{}, err
	}
	saved := Saved{Path: path}
	key := Key(registry)
	err = f.edit(ctx, path, func(file *authFile, doc []byte) ([]byte, error) {
		e := encodeEntry(a)
		if h := file.program(registry, f.options.Stderr); h.name != "" {
			if err := h.store(ctx, key, a); err != nil {
				return nil, err
			}
			// docker knows by the empty entry that there is a login.
			e = entry{}
		}
		if old, ok := file.Auths[key]; ok && old == e {
			return doc, nil
		}
		saved.Plain = e.Auth != "" && a.Password != ""
		return setLogin(doc, key, e)
	})
	if err != nil {
		return Saved{}, fmt.Errorf("save credentials: %w", err)
	}
	return saved, nil
}

// Erase forgets the login for a registry where Store would keep it, and reports
// whether there was one.
func (f *Files) Erase(ctx context.Context, registry string) (bool, error) {
	path, err := f.Path()
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(path); absent(err) {
		return false, nil
	}
	hosts := hostsOf(registry)
	goes := func(key string) bool { return slices.Contains(hosts, key) || isURLOf(key, hosts) }
	found := false
	err = f.edit(ctx, path, func(file *authFile, doc []byte) ([]byte, error) {
		if h := file.program(registry, f.options.Stderr); h.name != "" {
			a, err := h.getAny(ctx, hosts)
			if err != nil {
				return nil, err
			}
			for _, key := range hosts {
				if err := h.erase(ctx, key); err != nil {
					return nil, err
				}
			}
			found = a != (Auth{})
		}
		for key := range file.Auths {
			found = found || goes(key)
		}
		return removeLogins(doc, goes)
	})
	if err != nil {
		return false, fmt.Errorf("remove credentials: %w", err)
	}
	return found, nil
}

// program returns the helper that keeps a registry's login; its name is empty when
// the file does.
func (a *authFile) program(registry string, stderr io.Writer) program {
	p := program{file: a.name, stderr: stderr, setting: "credHelpers"}
	var named bool
	if p.name, _, named = a.helperOf(namesOf(registry, "")); !named {
		p.name, p.setting = a.CredsStore, "credsStore"
	}
	return p
}

// edit changes a file, which need not be there yet. Others who edit it this way
// wait; what change returns takes the place of the file's content.
func (f *Files) edit(ctx context.Context, path string, change func(*authFile, []byte) ([]byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.known)
	target, err := followLinks(path)
	if err != nil {
		return err
	}
	folder := filepath.Dir(target)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	unlock, err := lockFolder(ctx, folder)
	if err != nil {
		return err
	}
	defer unlock()
	// Who holds the lock is alone here: this is what a killed login left.
	if err := os.Remove(target + draftSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old, err := jsonfile.Content(target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	doc := bytes.TrimPrefix(old, []byte("\ufeff"))
	file := &authFile{name: path}
	if err := jsonfile.Decode(path, doc, file); err != nil {
		return err
	}
	changed, err := change(file, doc)
	if err != nil || bytes.Equal(changed, doc) {
		return err
	}
	return replaceFile(target, changed)
}

// replaceFile puts data in the place of a file, whole or not at all. The owner stays:
// root may be acting for another user here.
func replaceFile(path string, data []byte) error {
	draft := path + draftSuffix
	if err := writeDraft(draft, path, data); err != nil {
		_ = os.Remove(draft)
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		_ = os.Remove(draft)
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// writeDraft writes what is to become path, for its owner alone.
func writeDraft(draft, path string, data []byte) error {
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// The umask may have taken the owner's own bits.
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	var was unix.Stat_t
	if os.Geteuid() == 0 && unix.Stat(path, &was) == nil {
		if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// followLinks returns the file that path leads to, also one that is not there: a
// link stays, and what it leads to is written.
func followLinks(path string) (string, error) {
	for range maxLinks {
		to, err := os.Readlink(path)
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, fs.ErrNotExist):
			return path, nil
		case err != nil:
			return "", err
		case !filepath.IsAbs(to):
			// Links among the folders count before a ".." does.
			folder, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", err
			}
			to = filepath.Join(folder, to)
		}
		path = to
	}
	return "", &fs.PathError{Op: "follow", Path: path, Err: unix.ELOOP}
}

// lockFolder keeps others out until the returned function is called. The folder
// itself is locked, as a lock file would stay among the user's own.
func lockFolder(ctx context.Context, path string) (func(), error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch err {
		case nil:
			return func() { folder.Close() }, nil
		case unix.EINTR:
			continue
		case unix.EWOULDBLOCK:
		default:
			folder.Close()
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		select {
		case <-ctx.Done():
			folder.Close()
			return nil, context.Cause(ctx)
		case <-time.After(lockPause):
		}
	}
}
