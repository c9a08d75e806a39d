package cli

import (
	"encoding/json"
	"testing"
)

// TestInspectMounts holds what inspect says of the mounts that flags ask for:
// where it stands is what docker does with each flag.
func TestInspectMounts(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		flags        []string
		mounts, host string
	}{
		{[]string{"--mount", "type=bind,src=" + dir + ",dst=/a,readonly"},
			`[{"Type":"bind","Source":"` + dir + `","Destination":"/a","Mode":"","RW":false,"Propagation":"rprivate"}]`,
			`[{"Type":"bind","Source":"` + dir + `","Target":"/a","ReadOnly":true}]`},
		{[]string{"--mount", "type=bind,src=" + dir + ",dst=/a,bind-propagation=rslave"},
			`[{"Type":"bind","Source":"` + dir + `","Destination":"/a","Mode":"","RW":true,"Propagation":"rslave"}]`,
			`[{"Type":"bind","Source":"` + dir + `","Target":"/a","BindOptions":{"Propagation":"rslave"}}]`},
		{[]string{"--mount", "type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=1770"}, `[]`,
			`[{"Type":"tmpfs","Target":"/b","TmpfsOptions":{"SizeBytes":1048576,"Mode":1016}}]`},
		{[]string{"-v", dir + ":/a:ro"},
			`[{"Type":"bind","Source":"` + dir + `","Destination":"/a","Mode":"ro","RW":false,"Propagation":"rprivate"}]`, `null`},
	} {
		c := newWorld().created(t, append(tt.flags, "img")...)
		for what, want := range map[string]string{"Mounts": tt.mounts, "HostConfig.Mounts": tt.host} {
			value := any(describeMounts(c))
			if what != "Mounts" {
				value = describeHost(c).Mounts
			}
			if got, err := json.Marshal(value); err != nil || string(got) != want {
				t.Errorf("%q: %s is %s, want %s", tt.flags, what, got, want)
			}
		}
	}
	c := newWorld().created(t, "--tmpfs", "/t:size=1m,exec", "--tmpfs", "/u", "img")
	if got, err := json.Marshal(describeHost(c).Tmpfs); err != nil || string(got) != `{"/t":"size=1m,exec","/u":""}` {
		t.Errorf("Tmpfs is %s", got)
	}
}
