package inflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// samples are contents whose streams have blocks and matches of all kinds.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 700_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	skewed := make([]byte, 600_000)
	for i := range skewed {
		// Rare symbols get long code words.
		skewed[i] = byte(random.ExpFloat64() * 12)
	}
	var runs []byte
	for len(runs) < 500_000 {
		runs = append(runs, bytes.Repeat(noise[len(runs):len(runs)+1+random.IntN(9)], 1+random.IntN(300))...)
	}
	return map[string][]byte{
		"empty": {}, "byte": {'x'}, "text": []byte(strings.Repeat("all work and no play\n", 30_000)), "zeros": make([]byte, 3_000_000),
		"noise": noise, "skewed": skewed, "runs": runs, "program": program[:min(len(program), 6_000_000)],
	}
}

func pack(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpack(r io.Reader) ([]byte, error) {
	z, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func TestSamples(t *testing.T) {
	for name, content := range samples(t) {
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 6, 9} {
			packed := pack(t, content, level)
			for how, r := range map[string]io.Reader{
				"whole": bytes.NewReader(packed), "halves": iotest.HalfReader(bytes.NewReader(packed)),
				"late end": iotest.DataErrReader(bytes.NewReader(packed)),
			} {
				got, err := unpack(r)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s, level %d, %s: %d bytes of %d, %v", name, level, how, len(got), len(content), err)
				}
			}
		}
	}
	small := pack(t, []byte("one byte at a time"), 6)
	if got, err := unpack(iotest.OneByteReader(bytes.NewReader(small))); err != nil || string(got) != "one byte at a time" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestMembers(t *testing.T) {
	a, b, empty := pack(t, []byte("first "), 6), pack(t, []byte("second"), 0), pack(t, nil, 6)
	var named bytes.Buffer
	w := gzip.NewWriter(&named)
	w.Name, w.Comment, w.Extra = "name", "comment", []byte("SG\x02\x00xx")
	w.Write([]byte("third"))
	w.Close()
	for name, tt := range map[string]struct {
		in   []byte
		want string
	}{
		"two": {bytes.Join([][]byte{a, b}, nil), "first second"}, "empty between": {bytes.Join([][]byte{a, empty, empty, b}, nil), "first second"},
		"all header fields": {bytes.Join([][]byte{a, named.Bytes()}, nil), "first third"}, "padding": {append(bytes.Clone(a), make([]byte, 1000)...), "first "},
		"padding between": {bytes.Join([][]byte{a, make([]byte, 70_000), b}, nil), "first second"}, "only empty": {empty, ""},
	} {
		if got, err := unpack(bytes.NewReader(tt.in)); err != nil || string(got) != tt.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestDamage(t *testing.T) {
	content := []byte(strings.Repeat("some content that is long enough to be compressed ", 40))
	packed := pack(t, content, 6)
	for cut := range packed {
		if got, err := unpack(bytes.NewReader(packed[:cut])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d of %d: %d bytes, %v", cut, len(packed), len(got), err)
		}
	}
	for i := range len(packed) * 8 {
		flipped := bytes.Clone(packed)
		flipped[i/8] ^= 1 << (i % 8)
		got, err := unpack(bytes.NewReader(flipped))
		// Some bits of a header mean nothing, nor do those behind the last block.
		if err == nil && !bytes.Equal(got, content) {
			t.Errorf("bit %d: %d bytes and no error", i, len(got))
		}
	}
	for name, in := range map[string]string{
		"garbage behind": string(packed) + "garbage", "not gzip": "PK\x03\x04 and more", "block type 3": string(packed[:10]) + "\x07",
		"stored length": string(packed[:10]) + "\x01\x05\x00\x00\x00hello", "distance before the start": string(packed[:10]) + "\x03\x02\x00\x00\x00\x00\x00\x00\x00",
	} {
		if got, err := unpack(strings.NewReader(in)); err == nil {
			t.Errorf("%s: %q and no error", name, got)
		}
	}
	broken := errors.New("cable cut")
	if _, err := unpack(io.MultiReader(bytes.NewReader(packed[:20]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
}

// likeLibrary fails unless a deflate stream, made a gzip member by what the
// standard library reads from it, is read here as there.
func likeLibrary(t *testing.T, stream []byte) {
	t.Helper()
	in := bytes.NewReader(stream)
	want, wantErr := io.ReadAll(flate.NewReader(in))
	member := append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), stream[:len(stream)-in.Len()]...)
	member = binary.LittleEndian.AppendUint32(member, crc32.ChecksumIEEE(want))
	member = binary.LittleEndian.AppendUint32(member, uint32(len(want)))
	got, err := unpack(bytes.NewReader(member))
	if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%x: %d bytes, %v; the library reads %d bytes, %v", stream, len(got), err, len(want), wantErr)
	}
}

func streams(t testing.TB) [][]byte {
	var list [][]byte
	for _, content := range samples(t) {
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 6} {
			list = append(list, pack(t, content[:min(len(content), 6000)], level)[10:])
		}
	}
	return list
}

// TestFlippedBits reads streams that are mostly damaged in their codes.
func TestFlippedBits(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	list := streams(t)
	for range 3000 {
		stream := bytes.Clone(list[random.IntN(len(list))])
		for range 1 + random.IntN(4) {
			stream[random.IntN(1+random.IntN(len(stream)))] ^= 1 << random.IntN(8)
		}
		likeLibrary(t, stream)
	}
}

func FuzzReader(f *testing.F) {
	for _, stream := range streams(f) {
		f.Add(stream)
	}
	f.Fuzz(likeLibrary)
}

func BenchmarkReader(b *testing.B) {
	for name, content := range samples(b) {
		packed := pack(b, content, 6)
		b.Run(fmt.Sprintf("%s/%d", name, len(packed)), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				z, err := NewReader(bytes.NewReader(packed))
				if err == nil {
					_, err = io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{z})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
