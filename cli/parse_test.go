package cli

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func TestParseEnvFile(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nB=2":                  "A=1|B=2",
		"\ufeffA=1\n":               "A=1",
		"# no\n\n  A=1 \n":          "A=1 ",
		"A=\"quoted\"\n":            "A=\"quoted\"",
		"A=b=c\nPLAIN\n":            "A=b=c|PLAIN",
		"A=1\r\n":                   "A=1",
		"":                          "",
		"=x":                        "error: no variable name on line '=x'",
		"A B=1":                     "error: variable 'A B' contains whitespaces",
		"A\xff=1":                   "error: invalid utf8 bytes at line 1: \"A\\xff=1\"",
		"A=1\nB=\x00":               "error: invalid utf8 bytes at line 2: \"B=\\x00\"",
		strings.Repeat("x", 200000): "error: ",
	} {
		vars, err := parseEnvFile(strings.NewReader(text))
		got := strings.Join(vars, "|")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want && (want != "error: " || !strings.HasPrefix(got, want)) {
			t.Errorf("%.40q gives %q, want %q", text, got, want)
		}
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add("A=1\n#x\nB\n")
	f.Add("\ufeff =\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		vars, err := parseEnvFile(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, v := range vars {
			key, _, _ := strings.Cut(v, "=")
			if key == "" || strings.ContainsAny(key, " \t\r\n\x00") || strings.ContainsAny(v, "\n\x00") {
				t.Errorf("%q gives %q", text, v)
			}
		}
	})
}

// FuzzVolume holds that what is accepted has absolute, clean paths that are not
// the root, and options that the mount code knows.
func FuzzVolume(f *testing.F) {
	for _, s := range []string{"/a:/b", "/a:/b:ro,z", "./a:/b:rw", "a:/b", "/a:/", "/a:/../..", "/a::", ":/b", "/a:/b:ro,ro"} {
		f.Add(s)
	}
	known := []string{"rbind", "rro", "rprivate", "private", "shared", "rshared", "slave", "rslave"}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := parseVolume(s)
		if err != nil {
			return
		}
		m := b.mount()
		for _, p := range []string{m.Source, m.Destination} {
			if !path.IsAbs(p) || path.Clean(p) != p || strings.ContainsRune(p, 0) {
				t.Errorf("%q gives the path %q", s, p)
			}
		}
		if m.Destination == "/" {
			t.Errorf("%q is mounted over the root", s)
		}
		for _, o := range m.Options {
			if !slices.Contains(known, o) {
				t.Errorf("%q gives the option %q", s, o)
			}
		}
	})
}

func FuzzMount(f *testing.F) {
	for _, s := range []string{
		"type=bind,src=/a,dst=/b,ro", `type=bind,"src=/a,b",dst=/b`, "type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=700",
		"type=bind,src=/a,dst=/b,bind-propagation=rshared,bind-recursive=disabled", "dst=/", `"`, "type=bind\n,x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMount(s)
		if err != nil {
			return
		}
		if !path.IsAbs(m.target) || path.Clean(m.target) == "/" || strings.ContainsRune(m.target+m.source, 0) {
			t.Errorf("%q gives the target %q, source %q", s, m.target, m.source)
		}
		if m.kind == "bind" && m.source == "" || m.kind != "bind" && m.kind != "tmpfs" {
			t.Errorf("%q gives %+v", s, m)
		}
	})
}

func FuzzUser(f *testing.F) {
	for _, s := range []string{"1", "-1", "1:2", "a:b", "2147483648", "007", "1:", "0x10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkUser(s) != nil {
			return
		}
		// Digits are numbers or refused, never names.
		for part := range strings.SplitSeq(s, ":") {
			id, numeric, err := parseID(part)
			if digits := strings.Trim(part, "0123456789") == ""; err != nil || digits && part != "" && !numeric || id > maxID {
				t.Errorf("%q: part %q is %d, %v, %v", s, part, id, numeric, err)
			}
		}
	})
}

func TestParseBlkio(t *testing.T) {
	for s, want := range map[string]deviceRate{"/dev/sda:1mb": {"/dev/sda", 1 << 20}, "/dev/sda:5": {"/dev/sda", 5}} {
		if got, err := parseDeviceBps(s); err != nil || got != want {
			t.Errorf("%s gives %v, %v", s, got, err)
		}
	}
	if got, err := parseDeviceIOps("/dev/sda:5"); err != nil || got.rate != 5 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"", "/dev/sda", "sda:1", "/dev/sda:-1", "/dev/sda:x"} {
		if _, err := parseDeviceIOps(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}
