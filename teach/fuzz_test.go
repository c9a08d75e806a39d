package teach

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// source draws values from the fuzzer's bytes.
type source struct{ b []byte }

func (s *source) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v
}

func (s *source) bytes() []byte {
	n := min(int(s.byte()), len(s.b))
	v := s.b[:n]
	s.b = s.b[n:]
	return v
}

func (s *source) uint64() uint64 {
	var v uint64
	for range s.byte() % 9 {
		v = v<<8 | uint64(s.byte())
	}
	return v
}

// arg draws an argument; slots and texts may make no sense.
func (s *source) arg() nsenter.Arg {
	switch s.byte() % 7 {
	case 0:
		return nsenter.Fd(nsenter.Slot(int8(s.byte())))
	case 1:
		return nsenter.Bytes(s.bytes(), string(s.bytes()))
	case 2:
		return nsenter.Strs([]string{string(s.bytes()), string(s.bytes())})
	case 3:
		return nsenter.Str(string(s.bytes()))
	case 4:
		return nsenter.Late(string(s.bytes()), nil)
	case 5:
		return nsenter.Ptr(nil)
	}
	return nsenter.Int(s.uint64())
}

// step draws a step.
func (s *source) step() nsenter.Step {
	step := nsenter.Step{
		Who: nsenter.Who(s.byte()), Op: nsenter.Op(s.byte() % 8), Call: uintptr(s.byte()) | uintptr(s.byte())<<8&0x3ff,
		Out: nsenter.Slot(int8(s.byte())), Text: string(s.bytes()), Target: string(s.bytes()),
		From: string(s.bytes()), Why: string(s.bytes()),
	}
	for range s.byte() % 8 {
		step.Args = append(step.Args, s.arg())
	}
	for range s.byte() % 4 {
		step.OK = append(step.OK, unix.Errno(s.byte()))
	}
	return step
}

// FuzzListings holds what the package promises whatever a plan has in it: no
// panic, nothing but printable characters, and JSON that can be read back.
func FuzzListings(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x10\x1b[31mred\x1b[0m\xff\xfe\x00\x00\x00\xff\x20\x02\x03"))
	for nr := range 450 {
		f.Add([]byte{2, 0, 0, byte(nr), byte(nr >> 8), 0xff, 1, '\x1b', 1, 'x', 0, 0, 3, 1, 4, 1, 2, 3, 4, 0, 6, 2, 1, 0, 3, 2, '\n', 0x9b})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &source{b}
		p := &nsenter.Plan{}
		for range s.byte() % 4 {
			p.NewSlot(string(s.bytes()))
		}
		var results []nsenter.Result
		for range s.byte() % 8 {
			p.Add(s.step())
			results = append(results, nsenter.Result{State: nsenter.State(s.byte() % 8), Value: int64(int8(s.byte())), Start: s.uint64(), End: s.uint64()})
		}
		opts := Options{Width: int(s.byte()), Headings: s.byte()%2 == 0, Full: s.byte()%2 == 0}
		var text, list, trace bytes.Buffer
		for _, err := range []error{
			Explain(&text, p, opts), Trace(&text, p, results, opts),
			ExplainJSON(&list, p, opts), TraceJSON(&trace, p, results, opts),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, out := range []*bytes.Buffer{&text, &list, &trace} {
			if !utf8.Valid(out.Bytes()) {
				t.Errorf("not UTF-8: %q", out)
			}
			for _, r := range out.String() {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Fatalf("unprintable %q in %q", r, out)
				}
			}
		}
		if !json.Valid(list.Bytes()) || !json.Valid(trace.Bytes()) {
			t.Errorf("invalid JSON: %s %s", &list, &trace)
		}
	})
}
