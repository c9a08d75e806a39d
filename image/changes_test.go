package image

import (
	"reflect"
	"strings"
	"testing"
)

func TestChanges(t *testing.T) {
	tests := []struct {
		name    string
		changes []string
		want    Config
	}{
		{"cmd exec", []string{`CMD ["a", "b c"]`}, Config{Cmd: []string{"a", "b c"}}},
		{"cmd shell", []string{`cmd echo "hi"`}, Config{Cmd: []string{"/bin/sh", "-c", `echo "hi"`}}},
		{"cmd broken json", []string{`CMD [a`}, Config{Cmd: []string{"/bin/sh", "-c", "[a"}}},
		{"cmd cleared", []string{"CMD x", "CMD []"}, Config{Cmd: []string{}}},
		{"entrypoint", []string{`ENTRYPOINT ["/init"]`}, Config{Entrypoint: []string{"/init"}}},
		{"env", []string{`ENV A=1 B="x y" C=z\ z D='$q'`, "ENV A 2 3"}, Config{Env: []string{"A=2 3", "B=x y", "C=z z", "D=$q"}}},
		{"label", []string{`LABEL "a.b"="c d" e=`}, Config{Labels: map[string]string{"a.b": "c d", "e": ""}}},
		{"expose", []string{"EXPOSE 80 53/UDP 7000-7001"}, Config{ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}, "7000/tcp": {}, "7001/tcp": {}}}},
		{"volume", []string{"VOLUME /a /b", `VOLUME ["/c d"]`}, Config{Volumes: map[string]struct{}{"/a": {}, "/b": {}, "/c d": {}}}},
		{"workdir", []string{"WORKDIR /a", "WORKDIR b/../c"}, Config{WorkingDir: "/a/c"}},
		{"rest", []string{"USER 1:2", "STOPSIGNAL SIGINT", "ONBUILD RUN x", ""}, Config{User: "1:2", StopSignal: "SIGINT", OnBuild: []string{"RUN x"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got Config
			for _, c := range tt.changes {
				if err := applyChange(&got, c); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
	for change, want := range map[string]string{
		"RUN x": "RUN is not a valid change command", "FROM x": "FROM is not a valid change command", "ENV": "requires at least one argument",
		"ENV a": "key=value", "ENV a=b c": "can't find =", `ENV a="b`: "matching quote", "ENV =x": "blank", "EXPOSE x": "invalid containerPort",
		"EXPOSE 1/xyz": "invalid proto", "EXPOSE 70000": "invalid containerPort", "EXPOSE 9-8": "invalid containerPort", `VOLUME [""]`: "empty",
	} {
		if err := applyChange(&Config{}, change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", change, err, want)
		}
	}
}

func TestParsePlatform(t *testing.T) {
	own := hostPlatform().Architecture
	for in, want := range map[string]Platform{
		"": {OS: "linux", Architecture: own}, "linux": {OS: "linux", Architecture: own}, "arm64": {OS: "linux", Architecture: "arm64"},
		"linux/aarch64": {OS: "linux", Architecture: "arm64"}, "linux/arm/v7": {OS: "linux", Architecture: "arm", Variant: "v7"},
	} {
		if got, err := ParsePlatform(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"/", "a/", "a/b/c/d", "a b"} {
		if _, err := ParsePlatform(in); err == nil {
			t.Errorf("%q: accepted", in)
		}
	}
}
