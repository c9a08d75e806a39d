package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdBerth runs berth in the foreground: "[!] berth ARG...".
func cmdBerth(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("berth", args...)
	switch {
	case neg && err == nil:
		ts.Fatalf("berth succeeded, a failure was wanted")
	case !neg && err != nil:
		ts.Fatalf("berth: %v", err)
	}
}

// cmdExits runs a command that must end with a certain code, or, with a name
// such as "killed", by that signal: "exits CODE COMMAND ARG...".
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	err := ts.Exec(args[1], args[2:]...)
	if got := ending(err); got != args[0] {
		ts.Fatalf("%s ended with %s, want %s", args[1], got, args[0])
	}
}

// ending is the exit code or the name of the signal that ended a command.
func ending(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "0"
	case errors.As(err, &exit) && exit.Exited():
		return strconv.Itoa(exit.ExitCode())
	case exit != nil:
		return strings.TrimPrefix(exit.String(), "signal: ")
	}
	return err.Error()
}

// cmdRetry runs a command again and again until it succeeds and, with -match,
// its stdout matches: "[!] retry DURATION [-match REGEXP] COMMAND ARG...". With !
// it waits for the first failure instead.
func cmdRetry(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "usage: [!] retry DURATION [-match REGEXP] COMMAND ARG..."
	if len(args) < 2 {
		ts.Fatalf(usage)
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	args = args[1:]
	match := regexp.MustCompile("")
	if args[0] == "-match" && len(args) > 2 {
		match, err = regexp.Compile("(?m)" + args[1])
		ts.Check(err)
		args = args[2:]
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if ok := err == nil && match.MatchString(ts.ReadFile("stdout")); ok != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within %s: %v", strings.Join(args, " "), limit, err)
		}
	}
}

// cmdJSON compares one value of a JSON document: "[!] json FILE PATH VALUE".
// FILE may be stdout. A path is like .[0].State.Running; a key in quotes may
// hold dots, and .length counts an array or an object. Strings compare without
// quotes, everything else as compact JSON, what is not there as "absent".
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	compareJSON(ts, neg, args, func(docs []any) (any, error) {
		if len(docs) != 1 {
			return nil, fmt.Errorf("%d documents, want one", len(docs))
		}
		return docs[0], nil
	})
}

// cmdJSONLines is json for one document per line, seen as an array.
func cmdJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	compareJSON(ts, neg, args, func(docs []any) (any, error) { return docs, nil })
}

func compareJSON(ts *testscript.TestScript, neg bool, args []string, whole func([]any) (any, error)) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH VALUE")
	}
	docs, err := decodeAll(ts.ReadFile(args[0]))
	ts.Check(err)
	doc, err := whole(docs)
	ts.Check(err)
	got, err := lookup(doc, args[1])
	ts.Check(err)
	if (got == args[2]) == neg {
		ts.Fatalf("%s is %s, want %s%s", args[1], got, map[bool]string{true: "anything but "}[neg], args[2])
	}
}

func decodeAll(text string) ([]any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	docs := []any{}
	for {
		var doc any
		switch err := d.Decode(&doc); {
		case err == io.EOF:
			return docs, nil
		case err != nil:
			return nil, fmt.Errorf("decode JSON: %w", err)
		}
		docs = append(docs, doc)
	}
}

// lookup follows a path and renders what it finds there.
func lookup(doc any, path string) (string, error) {
	element := regexp.MustCompile(`^\.?(?:\[(\d+)\]|"([^"]*)"|([^.\["]+))`)
	for rest := strings.TrimPrefix(path, "."); rest != ""; {
		m := element.FindStringSubmatch(rest)
		if m == nil {
			return "", fmt.Errorf("read path %s at %q", path, rest)
		}
		rest = rest[len(m[0]):]
		next, ok := step(doc, m[1], m[2]+m[3])
		if !ok {
			return "absent", nil
		}
		doc = next
	}
	if s, ok := doc.(string); ok {
		return s, nil
	}
	text, err := json.Marshal(doc)
	return string(text), err
}

func step(doc any, index, key string) (any, bool) {
	switch d := doc.(type) {
	case []any:
		if n, err := strconv.Atoi(index); err == nil && n < len(d) {
			return d[n], true
		}
		return json.Number(strconv.Itoa(len(d))), key == "length"
	case map[string]any:
		if v, ok := d[key]; ok && index == "" {
			return v, true
		}
		return json.Number(strconv.Itoa(len(d))), key == "length"
	}
	return nil, false
}
