package teach

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"berth/nsenter"
)

// The reference page has a row for each key and each state of the JSON.
func TestReferencePage(t *testing.T) {
	page, err := os.ReadFile("../docs/plan.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range []reflect.Type{reflect.TypeFor[entry](), reflect.TypeFor[result]()} {
		for i := range object.NumField() {
			key, _, _ := strings.Cut(object.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(string(page), "\n| `"+key+"` | ") {
				t.Errorf("docs/plan.md has no row for the key %q", key)
			}
		}
	}
	for state := nsenter.Pending; state <= nsenter.Failed; state++ {
		if name := stateName(state); !strings.Contains(string(page), "`\""+name+"\"`") {
			t.Errorf("docs/plan.md does not tell what the state %q means", name)
		}
	}
	for _, group := range []string{"The host prepares, before any process exists", "The host, while the child works"} {
		if !strings.Contains(string(page), group) {
			t.Errorf("docs/plan.md does not explain the heading %q", group)
		}
	}
}
