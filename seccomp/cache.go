package seccomp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// profileVersion is the version in go.mod of github.com/moby/profiles/seccomp.
const profileVersion = "0.2.3"

// revision is this compiler's. Raise it with every change that alters the
// programs, or old ones will be taken from caches; a test notices.
const revision = 1

// A cached program is a header (magic, flags, number of instructions,
// checksum) and the instructions, all little endian.
const (
	magic      = "BPFcache"
	headerSize = 24
	insnSize   = 8
)

// Cache keeps compiled programs in files, so that the usual start neither
// builds a profile nor compiles it. What is read back is checked (owner,
// size, checksum over key and content); a file that fails counts as absent.
// Files are replaced by rename, never changed; they can be deleted at any time
// and concurrent use needs no lock. There is no fsync: a file torn by a power
// cut fails its checksum.
type Cache struct {
	// Dir holds the files. It is made (mode 0700) with the first of them.
	Dir string
}

// Default returns Compile(Default(spec)) for the running machine, from the
// cache when it is there. A cache that cannot be written is not an error.
func (c Cache) Default(spec *specs.Spec) (Program, error) {
	key, err := defaultKey(spec)
	if err != nil {
		return Program{}, err
	}
	return c.through(key, func() (*specs.LinuxSeccomp, error) { return Default(spec) })
}

// Profile is Default for a profile in docker's JSON format, see Load.
func (c Cache) Profile(profileJSON []byte, spec *specs.Spec) (Program, error) {
	release, err := kernelRelease()
	if err != nil {
		return Program{}, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %s %s %q ", revision, runtime.GOARCH, release,
		withCapabilities(spec).Process.Capabilities.Bounding)
	h.Write(profileJSON)
	key := "profile-" + hex.EncodeToString(h.Sum(nil))
	return c.through(key, func() (*specs.LinuxSeccomp, error) { return Load(profileJSON, spec) })
}

// Compile is the package's Compile for the running machine, from the cache
// when it is there. A profile that cannot be compiled is never in it, nor one
// that names an agent, as agents often have a path for each container.
func (c Cache) Compile(s *specs.LinuxSeccomp) (Program, error) {
	if s == nil || s.ListenerPath != "" || s.ListenerMetadata != "" {
		return Compile(s, runtime.GOARCH)
	}
	return c.through(specKey(s), func() (*specs.LinuxSeccomp, error) { return s, nil })
}

// specKey names a profile by its content: by all that the program depends on,
// each field with its length, or a mark of its end, so that no two profiles
// have one text.
func specKey(s *specs.LinuxSeccomp) string {
	b := make([]byte, 0, 16<<10)
	word := func(v uint64) { b = binary.LittleEndian.AppendUint64(b, v) }
	text := func(v string) { word(uint64(len(v))); b = append(b, v...) }
	errno := func(v *uint) {
		if v == nil {
			word(math.MaxUint64)
			return
		}
		word(uint64(*v))
	}
	word(revision)
	text(runtime.GOARCH)
	text(string(s.DefaultAction))
	errno(s.DefaultErrnoRet)
	word(uint64(len(s.Architectures)))
	for _, a := range s.Architectures {
		text(string(a))
	}
	if s.Flags == nil {
		word(math.MaxUint64) // which means something else than none
	}
	word(uint64(len(s.Flags)))
	for _, f := range s.Flags {
		text(string(f))
	}
	for i := range s.Syscalls {
		r := &s.Syscalls[i]
		text(string(r.Action))
		errno(r.ErrnoRet)
		word(uint64(len(r.Names)))
		for _, name := range r.Names {
			text(name)
		}
		word(uint64(len(r.Args)))
		for _, a := range r.Args {
			word(uint64(a.Index))
			word(a.Value)
			word(a.ValueTwo)
			text(string(a.Op))
		}
	}
	sum := sha256.Sum256(b)
	return "spec-" + hex.EncodeToString(sum[:])
}

func (c Cache) through(key string, profile func() (*specs.LinuxSeccomp, error)) (Program, error) {
	if p, ok := c.Get(key); ok {
		return p, nil
	}
	s, err := profile()
	if err != nil {
		return Program{}, err
	}
	p, err := Compile(s, runtime.GOARCH)
	if err != nil {
		return Program{}, err
	}
	if len(p.Filter) > 0 {
		_ = c.Put(key, p) // the next start compiles again
	}
	return p, nil
}

// defaultKey names the default profile by all it depends on.
func defaultKey(spec *specs.Spec) (string, error) {
	release, err := kernelRelease()
	if err != nil {
		return "", err
	}
	bounding := withCapabilities(spec).Process.Capabilities.Bounding
	var caps uint64
	for i, name := range profileCapabilities() {
		if slices.Contains(bounding, name) {
			caps |= 1 << i
		}
	}
	return "docker-" + profileVersion + "-" + strconv.Itoa(revision) + "-" + runtime.GOARCH +
		"-" + release + "-" + strconv.FormatUint(caps, 16), nil
}

// profileCapabilities lists the capabilities that the default profile asks
// for; the others make no difference to it.
func profileCapabilities() []string {
	return []string{
		"CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_PERFMON", "CAP_SYSLOG", "CAP_SYS_ADMIN",
		"CAP_SYS_BOOT", "CAP_SYS_CHROOT", "CAP_SYS_MODULE", "CAP_SYS_NICE", "CAP_SYS_PACCT",
		"CAP_SYS_PTRACE", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG",
	}
}

// kernelRelease returns the numeric head of uname's release, "6.1.0".
func kernelRelease() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	end := strings.IndexFunc(release, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		release = release[:end]
	}
	return release, nil
}

// Key returns a name for the program's content, 64 hexadecimal digits.
func (p Program) Key() string {
	sum := sha256.Sum256(p.encode(""))
	return hex.EncodeToString(sum[:])
}

// Get returns the program stored under a key; false when there is none that
// is whole, a regular file and writable by nobody but this user.
func (c Cache) Get(key string) (Program, bool) {
	fd, err := unix.Open(filepath.Join(c.Dir, key), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Program{}, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Program{}, false
	}
	trusted := st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o022 == 0 && st.Uid == uint32(os.Geteuid())
	if !trusted || st.Size <= headerSize || st.Size > headerSize+insnSize*maxInstructions || st.Size%insnSize != 0 {
		return Program{}, false
	}
	data := make([]byte, st.Size)
	if n, err := unix.Read(fd, data); err != nil || n != len(data) {
		return Program{}, false
	}
	return decode(key, data)
}

// Put stores a program under a key, which must be a file name. It replaces
// what is there, atomically.
func (c Cache) Put(key string, p Program) error {
	f, err := os.CreateTemp(c.Dir, ".new-")
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return fmt.Errorf("make seccomp cache: %w", err)
		}
		f, err = os.CreateTemp(c.Dir, ".new-")
	}
	if err != nil {
		return fmt.Errorf("store seccomp program %s: %w", key, err)
	}
	_, err = f.Write(p.encode(key))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("store seccomp program %s: %w", key, errors.Join(err, os.Remove(f.Name())))
	}
	if err := os.Rename(f.Name(), filepath.Join(c.Dir, key)); err != nil {
		return fmt.Errorf("store seccomp program %s: %w", key, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// encode returns the cache file for a program.
func (p Program) encode(key string) []byte {
	le := binary.LittleEndian
	b := make([]byte, headerSize, headerSize+insnSize*len(p.Filter))
	copy(b, magic)
	le.PutUint32(b[8:], uint32(p.Flags))
	le.PutUint32(b[12:], uint32(len(p.Filter)))
	for _, f := range p.Filter {
		b = le.AppendUint16(b, f.Code)
		b = append(b, f.Jt, f.Jf)
		b = le.AppendUint32(b, f.K)
	}
	le.PutUint64(b[16:], checksum(key, b))
	return b
}

// decode is encode's inverse for a whole file; false when it is damaged.
func decode(key string, b []byte) (Program, bool) {
	le := binary.LittleEndian
	if len(b) <= headerSize || string(b[:len(magic)]) != magic {
		return Program{}, false
	}
	n := le.Uint32(b[12:])
	if n > maxInstructions || len(b) != headerSize+insnSize*int(n) {
		return Program{}, false
	}
	if le.Uint64(b[16:]) != checksum(key, b) {
		return Program{}, false
	}
	p := Program{Flags: uint(le.Uint32(b[8:])), Filter: make([]unix.SockFilter, n)}
	for i := range p.Filter {
		in := b[headerSize+insnSize*i:]
		p.Filter[i] = unix.SockFilter{Code: le.Uint16(in), Jt: in[2], Jf: in[3], K: le.Uint32(in[4:])}
	}
	return p, true
}

// checksum covers all but itself, and the key: a renamed file is
// as bad as a damaged one. It finds accidents; who can write the directory
// can do anything to containers anyway.
func checksum(key string, b []byte) uint64 {
	h := fnv.New64a() // hash/crc32 would build tables at every start
	h.Write([]byte(key))
	h.Write(b[:16])
	h.Write(b[headerSize:])
	return h.Sum64()
}
