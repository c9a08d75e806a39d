package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIsFrozen(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  bool
	}{
		{"v2 frozen", map[string]string{"a/cgroup.freeze": "1\n"}, true},
		{"v2 thawed", map[string]string{"a/cgroup.freeze": "0\n"}, false},
		{"v1 frozen", map[string]string{"b/freezer.state": "FROZEN\n"}, true},
		{"v1 freezing", map[string]string{"b/freezer.state": "FREEZING\n"}, true},
		{"v1 thawed", map[string]string{"b/freezer.state": "THAWED\n"}, false},
		{"hybrid: v2 decides", map[string]string{"b/cgroup.freeze": "1\n", "a/freezer.state": "THAWED\n"}, true},
		{"gone", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				file := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := IsFrozen([]string{dir + "/a", dir + "/b"}); got != tt.want {
				t.Errorf("frozen: %v", got)
			}
		})
	}
}
