package seccomp

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	moby "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func specWith(caps ...string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}}
}

func mustCompileDefault(t testing.TB, spec *specs.Spec) Program {
	t.Helper()
	s, err := Default(spec)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(s, runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCacheGivesWhatCompileGives(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "made", "later")}
	for _, spec := range []*specs.Spec{nil, {}, specWith(), specWith("CAP_CHOWN"), specWith("CAP_SYS_ADMIN"), specWith("CAP_BPF", "CAP_SYS_ADMIN")} {
		want := mustCompileDefault(t, spec)
		for _, when := range []string{"first", "second"} {
			got, err := c.Default(spec)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s use: %s", when, diff)
			}
		}
	}
	files, err := os.ReadDir(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 { // no capability that matters, SYS_ADMIN, SYS_ADMIN and BPF
		t.Errorf("files: %v", files)
	}
}

// TestCacheOfSpecs compiles profiles that differ in one thing each, twice.
func TestCacheOfSpecs(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	base := func() *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "write"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Value: 2, ValueTwo: 3, Op: specs.OpMaskedEqual}}},
			{Names: []string{"acct"}, Action: specs.ActErrno, ErrnoRet: errno(5)},
		}}
	}
	changes := map[string]func(s *specs.LinuxSeccomp){
		"nothing":   func(*specs.LinuxSeccomp) {},
		"default":   func(s *specs.LinuxSeccomp) { s.DefaultAction = specs.ActLog },
		"errno":     func(s *specs.LinuxSeccomp) { s.DefaultErrnoRet = errno(7) },
		"arch":      func(s *specs.LinuxSeccomp) { s.Architectures = []specs.Arch{specs.ArchX86, specs.ArchARM} },
		"no flags":  func(s *specs.LinuxSeccomp) { s.Flags = []specs.LinuxSeccompFlag{} },
		"flag":      func(s *specs.LinuxSeccomp) { s.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog} },
		"name":      func(s *specs.LinuxSeccomp) { s.Syscalls[0].Names[1] = "readv" },
		"action":    func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action = specs.ActTrap },
		"ret":       func(s *specs.LinuxSeccomp) { s.Syscalls[1].ErrnoRet = errno(6) },
		"index":     func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args[0].Index = 2 },
		"value":     func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args[0].Value = 6 },
		"value two": func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args[0].ValueTwo = 0 },
		"operator":  func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args[0].Op = specs.OpEqualTo },
		"boundary":  func(s *specs.LinuxSeccomp) { s.Syscalls[0].Names = []string{"readwrite"} },
		"rule":      func(s *specs.LinuxSeccomp) { s.Syscalls = s.Syscalls[:1] },
	}
	keys := map[string]string{}
	for name, change := range changes {
		s := base()
		change(s)
		want, err := Compile(s, runtime.GOARCH)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := c.Compile(s); err != nil || !cmp.Equal(want, got) {
				t.Errorf("%s: %v, another program", name, err)
			}
		}
		if other, ok := keys[specKey(s)]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[specKey(s)] = name
	}
	files, err := os.ReadDir(c.Dir)
	if err != nil || len(files) != len(changes) {
		t.Errorf("%d files, %v, want %d", len(files), err, len(changes))
	}
	s := base()
	s.ListenerPath = "/agent"
	if _, err := c.Compile(s); err != nil {
		t.Error(err)
	}
	if p, err := c.Compile(nil); err != nil || len(p.Filter) > 0 {
		t.Errorf("no profile: %v, %v", p, err)
	}
	if _, err := c.Compile(&specs.LinuxSeccomp{}); err == nil || !strings.HasPrefix(err.Error(), "defaultAction") {
		t.Errorf("invalid profile: %v", err)
	}
	if files, err = os.ReadDir(c.Dir); err != nil || len(files) != len(changes) {
		t.Errorf("%d files, %v, want no more", len(files), err)
	}
}

func TestCacheOfJSONProfiles(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	body := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["acct"],"action":"SCMP_ACT_ERRNO"},
		{"names":["bpf"],"action":"SCMP_ACT_ERRNO","excludes":{"caps":["CAP_BPF"]}}]}`
	without, err := c.Profile([]byte(body), specWith())
	if err != nil {
		t.Fatal(err)
	}
	with, err := c.Profile([]byte(body), specWith("CAP_BPF"))
	if err != nil {
		t.Fatal(err)
	}
	if without.Key() == with.Key() {
		t.Error("the capabilities made no difference")
	}
	again, err := c.Profile([]byte(body), specWith())
	if err != nil || again.Key() != without.Key() {
		t.Errorf("second use: %v, other program: %v", err, again.Key() != without.Key())
	}
	if p, err := c.Profile([]byte("{}"), nil); err != nil || len(p.Filter) != 0 {
		t.Errorf("empty profile: %d instructions, %v", len(p.Filter), err)
	}
	if _, err := c.Profile([]byte(`{"defaultAction":`), nil); err == nil || !strings.Contains(err.Error(), "parse seccomp profile") {
		t.Errorf("half a profile: %v", err)
	}
	if _, err := c.Profile([]byte(`{"defaultAction":"SCMP_ACT_MAYBE"}`), nil); err == nil || !strings.Contains(err.Error(), "SCMP_ACT_MAYBE") {
		t.Errorf("unknown action: %v", err)
	}
}

func TestCacheRefusesDamage(t *testing.T) {
	p := mustCompileDefault(t, nil)
	whole := p.encode("key")
	tests := map[string]func(path string) error{
		"flipped bit":    func(f string) error { b := slices.Clone(whole); b[200] ^= 4; return os.WriteFile(f, b, 0o600) },
		"flipped flag":   func(f string) error { b := slices.Clone(whole); b[8] ^= 1; return os.WriteFile(f, b, 0o600) },
		"cut":            func(f string) error { return os.WriteFile(f, whole[:len(whole)-8], 0o600) },
		"cut oddly":      func(f string) error { return os.WriteFile(f, whole[:len(whole)-3], 0o600) },
		"empty":          func(f string) error { return os.WriteFile(f, nil, 0o600) },
		"zeroes":         func(f string) error { return os.WriteFile(f, make([]byte, len(whole)), 0o600) },
		"too long":       func(f string) error { return os.WriteFile(f, make([]byte, 1<<20), 0o600) },
		"of another key": func(f string) error { return os.WriteFile(f, p.encode("other"), 0o600) },
		"writable by all": func(f string) error {
			if err := os.WriteFile(f, whole, 0o600); err != nil {
				return err
			}
			return os.Chmod(f, 0o666)
		},
		"symbolic link": func(f string) error {
			if err := os.WriteFile(f+".target", whole, 0o600); err != nil {
				return err
			}
			return os.Symlink(f+".target", f)
		},
		"folder": func(f string) error { return os.Mkdir(f, 0o700) },
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			c := Cache{Dir: t.TempDir()}
			if err := make(filepath.Join(c.Dir, "key")); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.Get("key"); ok {
				t.Error("was taken")
			}
		})
	}
	c := Cache{Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(c.Dir, "key"), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Get("key"); !ok || got.Key() != p.Key() {
		t.Error("the whole file was not taken")
	}
}

// TestCacheUnwritable uses a directory that cannot be made: a file is there.
func TestCacheUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Cache{Dir: file}.Default(nil)
	if err != nil || len(p.Filter) == 0 {
		t.Errorf("%d instructions, %v", len(p.Filter), err)
	}
	if err := (Cache{Dir: file}).Put("key", p); err == nil {
		t.Error("Put succeeded")
	}
}

// TestDefaultKeyCovers checks the facts that the default profile's key stands for.
func TestDefaultKeyCovers(t *testing.T) {
	var asked []string
	for _, s := range moby.DefaultProfile().Syscalls {
		for _, f := range []*moby.Filter{s.Includes, s.Excludes} {
			if f != nil {
				asked = append(asked, f.Caps...)
			}
		}
	}
	slices.Sort(asked)
	if diff := cmp.Diff(slices.Compact(asked), profileCapabilities()); diff != "" {
		t.Errorf("capabilities in the profile: %s", diff)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "moby/profiles/seccomp v"+profileVersion+"\n") {
		t.Errorf("go.mod has another version than %s", profileVersion)
	}
}

// TestRevision holds the programs of this revision of the compiler.
func TestRevision(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the default profile is resolved for the running machine")
	}
	const want = "cb5242ede7fd4dc6a236c3edf35f91633beb410adb69b352c06960468d133c01"
	if got := mustCompileDefault(t, nil).Key(); got != want {
		t.Errorf("the default profile compiles to %s now: raise revision, then put this here", got)
	}
	if _, err := hex.DecodeString(want); err != nil || len(want) != 64 {
		t.Errorf("key %q", want)
	}
}

func FuzzCacheFile(f *testing.F) {
	f.Add(mustCompileDefault(f, nil).encode("k"))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := decode("k", b)
		if ok && string(p.encode("k")) != string(b) {
			t.Error("decoded to something else")
		}
	})
}
