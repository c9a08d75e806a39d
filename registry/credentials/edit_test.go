package credentials

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

const hunter = "aHVudGVyOjI=" // hunter:2

func TestStoreEdits(t *testing.T) {
	for _, tt := range []struct{ name, before, after string }{
		{"no file", "", "{\n\t\"auths\": {\n\t\t\"r.example\": {\n\t\t\t\"auth\": \"" + hunter + "\"\n\t\t}\n\t}\n}\n"},
		{"empty file", " \n", "{\n\t\"auths\": {\n\t\t\"r.example\": {\n\t\t\t\"auth\": \"" + hunter + "\"\n\t\t}\n\t}\n}\n"},
		{"empty auths", "{\n  \"auths\": {},\n  \"psFormat\": \"x\"\n}", "{\n  \"auths\": {\n    \"r.example\": {\n      \"auth\": \"" + hunter + "\"\n    }\n  },\n  \"psFormat\": \"x\"\n}"},
		{"null auths", "{\n  \"auths\": null\n}", "{\n  \"auths\": {\n    \"r.example\": {\n      \"auth\": \"" + hunter + "\"\n    }\n  }\n}"},
		{"others stay", "{\n\t\"HttpHeaders\":  {\"X\": [1,  2]},\n\t\"auths\": {\n\t\t\"s.example\": { \"auth\": \"czpz\",\"email\":\"e\" }\n\t},\n\t\"unknown\": 1e400\n}\n",
			"{\n\t\"HttpHeaders\":  {\"X\": [1,  2]},\n\t\"auths\": {\n\t\t\"s.example\": { \"auth\": \"czpz\",\"email\":\"e\" },\n\t\t\"r.example\": {\n\t\t\t\"auth\": \"" + hunter + "\"\n\t\t}\n\t},\n\t\"unknown\": 1e400\n}\n"},
		{"takes the place", "{\n\t\"auths\": {\n\t\t\"r.example\": {\n\t\t\t\"auth\": \"b2xkOm9sZA==\"\n\t\t},\n\t\t\"s.example\": {}\n\t}\n}",
			"{\n\t\"auths\": {\n\t\t\"r.example\": {\n\t\t\t\"auth\": \"" + hunter + "\"\n\t\t},\n\t\t\"s.example\": {}\n\t}\n}"},
		{"one line", `{"credHelpers":{"x":"y"},"auths":{"s":{}}}`, `{"credHelpers":{"x":"y"},"auths":{"s":{},"r.example":{"auth":"` + hunter + `"}}}`},
		{"one line without auths", `{"psFormat":"x"}`, `{"psFormat":"x","auths":{"r.example":{"auth":"` + hunter + `"}}}`},
		{"auths twice", `{"auths":{"r.example":{"auth":"b2xkOm9sZA=="}},"auths":{}}`, `{"auths":{"r.example":{"auth":"b2xkOm9sZA=="}},"auths":{"r.example":{"auth":"` + hunter + `"}}}`},
		{"byte order mark", "\ufeff{}", "{\n\t\"auths\": {\n\t\t\"r.example\": {\n\t\t\t\"auth\": \"" + hunter + "\"\n\t\t}\n\t}\n}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.before != "" {
				w.write("home/.docker/config.json", tt.before)
			}
			saved, err := w.files().Store(t.Context(), "r.example", Auth{Username: "hunter", Password: "2"})
			if err != nil || !saved.Plain || saved.Path != w.path("home/.docker/config.json") {
				t.Fatalf("%+v, %v", saved, err)
			}
			if got := w.read("home/.docker/config.json"); got != tt.after {
				t.Errorf("got\n%s\nwant\n%s", got, tt.after)
			}
			if a, err := w.files().Get(t.Context(), "r.example", "x"); err != nil || a.Username != "hunter" || a.Password != "2" {
				t.Errorf("read back %+v, %v", a, err)
			}
			before := w.read("home/.docker/config.json")
			if saved, err := w.files().Store(t.Context(), "r.example", Auth{Username: "hunter", Password: "2"}); err != nil || saved.Plain {
				t.Errorf("the same again: %+v, %v", saved, err)
			}
			if w.read("home/.docker/config.json") != before {
				t.Error("the same again changed the file")
			}
		})
	}
}

func TestEraseEdits(t *testing.T) {
	for _, tt := range []struct {
		name, registry, before, after string
		found                         bool
	}{
		{"only one", "r.example", "{\n\t\"auths\": {\n\t\t\"r.example\": {}\n\t},\n\t\"x\": 1\n}", "{\n\t\"auths\": {},\n\t\"x\": 1\n}", true},
		{"first", "r.example", `{"auths": {"r.example": {}, "s": {}}}`, `{"auths": {"s": {}}}`, true},
		{"last", "r.example", `{"auths": {"s": {}, "r.example": {}}}`, `{"auths": {"s": {}}}`, true},
		{"middle", "r.example", `{"auths": {"s": {}, "r.example": {}, "t": {}}}`, `{"auths": {"s": {}, "t": {}}}`, true},
		{"all forms", "r.example", `{"auths": {"https://r.example/v1/": {}, "r.example": {}, "http://r.example": {}, "r.example/ns": {}, "https://r.example.org": {}}}`, `{"auths": {"r.example/ns": {}, "https://r.example.org": {}}}`, true},
		{"twice", "r.example", `{"auths": {"r.example": {}, "r.example": {}}, "auths": {"r.example": {}}}`, `{"auths": {}, "auths": {}}`, true},
		{"hub", "docker.io", `{"auths": {"https://index.docker.io/v1/": {}, "docker.io": {}, "s": {}}}`, `{"auths": {"s": {}}}`, true},
		{"not there", "r.example", `{"auths" :{"s": {} } }`, `{"auths" :{"s": {} } }`, false},
		{"no auths", "r.example", `{"auths": null}`, `{"auths": null}`, false},
		{"empty", "r.example", ``, ``, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("home/.docker/config.json", tt.before)
			found, err := w.files().Erase(t.Context(), tt.registry)
			if err != nil || found != tt.found {
				t.Fatalf("%v, %v", found, err)
			}
			if got := w.read("home/.docker/config.json"); got != tt.after {
				t.Errorf("got\n%s\nwant\n%s", got, tt.after)
			}
		})
	}
	w := newWorld(t)
	if found, err := w.files().Erase(t.Context(), "r.example"); found || err != nil {
		t.Errorf("without a file: %v, %v", found, err)
	}
	if _, err := os.Stat(w.path("home")); err == nil {
		t.Error("a folder was made to forget a login in")
	}
}

// FuzzEdit: an edit changes the one login and nothing else of what it means.
func FuzzEdit(f *testing.F) {
	for _, seed := range []string{`{}`, `{"auths":{"s":{}}}`, "{\n \"auths\": {\n  \"r.example\": {\"auth\": \"x\"} , \"t\":{} },\n \"y\":[1, 2]}", `{"auths":null,"a":{"auths":{"r.example":{}}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var before map[string]any
		if json.Unmarshal(doc, &before) != nil || before == nil {
			return
		}
		auths, ok := before["auths"].(map[string]any)
		if before["auths"] != nil && !ok || bytes.Count(doc, []byte("auths")) > 1 || bytes.Contains(doc, []byte(`\u`)) {
			return
		}
		set, err := setLogin(doc, "r.example", entry{Auth: "new"})
		if err != nil {
			t.Fatalf("set in %q: %v", doc, err)
		}
		if auths == nil {
			auths = map[string]any{}
		}
		auths["r.example"] = map[string]any{"auth": "new"}
		before["auths"] = auths
		same(t, set, before)
		removed, err := removeLogins(set, func(key string) bool { return key == "r.example" })
		if err != nil {
			t.Fatalf("remove from %q: %v", set, err)
		}
		delete(auths, "r.example")
		same(t, removed, before)
	})
}

func same(t *testing.T, doc []byte, want map[string]any) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(doc, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q, %v, want %v", doc, err, want)
	}
}
