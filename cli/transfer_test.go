package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/image"
)

// blob is the digest whose short form is twelve times a letter.
func blob(letter string) image.Digest {
	return image.Digest("sha256:" + strings.Repeat(letter, 64))
}

// onScreen is a transfer that draws when the test says so.
func onScreen(s *screen, words transferWords) *transfer {
	t := newTransfer(s, words)
	t.size = s.size
	return t
}

const megabyte = 1_000_000

func TestTransferOnTerminal(t *testing.T) {
	s := newScreen(t, 120, 24)
	_, _ = io.WriteString(s, "$ berth pull x\n")
	tr := onScreen(s, pullWords())
	tr.say("latest: Pulling from library/x")
	for _, letter := range []string{"a", "b", "c", "d"} {
		tr.update(image.Progress{Blob: blob(letter), Stage: image.StageWaiting, Total: 10 * megabyte})
	}
	tr.update(image.Progress{Blob: blob("d"), Stage: image.StageExists})
	tr.draw(false)
	want := `$ berth pull x
latest: Pulling from library/x
aaaaaaaaaaaa: Waiting
bbbbbbbbbbbb: Waiting
cccccccccccc: Waiting
dddddddddddd: Already exists

`
	check := func(step string) {
		t.Helper()
		if s.String() != want {
			t.Errorf("%s: the screen shows\n%swant\n%s", step, s, want)
		}
	}
	check("planned")

	tr.update(image.Progress{Blob: blob("a"), Stage: image.StageDownloading, Done: 3200000, Total: 10 * megabyte})
	tr.update(image.Progress{Blob: blob("b"), Stage: image.StageDownloading, Done: 0, Total: 10 * megabyte})
	tr.update(image.Progress{Blob: blob("c"), Stage: image.StageRetrying, Done: megabyte, Total: 2 * megabyte})
	tr.draw(false)
	want = `$ berth pull x
latest: Pulling from library/x
aaaaaaaaaaaa: Downloading [================>                                  ]    3.2MB/10MB
bbbbbbbbbbbb: Downloading [>                                                  ]       0B/10MB
cccccccccccc: Retrying [=========================>                         ]      1MB/2MB
dddddddddddd: Already exists

`
	check("moving")

	tr.update(image.Progress{Blob: blob("a"), Stage: image.StageExtracting, Done: 10 * megabyte, Total: 10 * megabyte})
	tr.update(image.Progress{Blob: blob("b"), Stage: image.StageDone})
	tr.update(image.Progress{Blob: blob("c"), Stage: image.StageDownloading, Done: 5 * megabyte})
	tr.draw(false)
	want = `$ berth pull x
latest: Pulling from library/x
aaaaaaaaaaaa: Extracting [==================================================>]     10MB/10MB
bbbbbbbbbbbb: Pull complete
cccccccccccc: Downloading      5MB
dddddddddddd: Already exists

`
	check("unpacking")

	tr.update(image.Progress{Blob: blob("a"), Stage: image.StageDone})
	tr.update(image.Progress{Blob: blob("c"), Stage: image.StageDone})
	tr.close()
	tr.close()
	_, _ = io.WriteString(s, "Digest: sha256:0\n")
	want = `$ berth pull x
latest: Pulling from library/x
aaaaaaaaaaaa: Pull complete
bbbbbbbbbbbb: Pull complete
cccccccccccc: Pull complete
dddddddddddd: Already exists
Digest: sha256:0

`
	check("done")
}

func TestTransferOfPush(t *testing.T) {
	s := newScreen(t, 60, 24)
	tr := onScreen(s, pushWords())
	tr.say("The push refers to repository [127.0.0.1:5000/x]")
	tr.update(image.Progress{Blob: blob("a"), Stage: image.StageWaiting, Total: 100})
	tr.update(image.Progress{Blob: blob("b"), Stage: image.StageUploading, Done: 50, Total: 100})
	tr.update(image.Progress{Blob: blob("c"), Stage: image.StageMounted, From: "library/x"})
	tr.update(image.Progress{Blob: blob("d"), Stage: image.StageExists})
	tr.update(image.Progress{Blob: blob("e"), Stage: image.StageDone})
	tr.close()
	want := `The push refers to repository [127.0.0.1:5000/x]
aaaaaaaaaaaa: Preparing
bbbbbbbbbbbb: Pushing [==========>          ]      50B/100B
cccccccccccc: Mounted from library/x
dddddddddddd: Layer already exists
eeeeeeeeeeee: Pushed

`
	if s.String() != want {
		t.Errorf("the screen shows\n%swant\n%s", s, want)
	}
}

// TestTransferFits: whatever the terminal's size, at any time and after any
// change of it, the rows cover the picture before, and nothing above is touched.
func TestTransferFits(t *testing.T) {
	const layers = 12
	for _, width := range []int{12, 20, 40, 80, 111, 200} {
		for _, height := range []int{2, 3, 5, 13, 14, 40} {
			s := newScreen(t, width, height)
			_, _ = io.WriteString(s, "$ pull\n")
			tr := onScreen(s, pullWords())
			tr.say("latest")
			for n := range layers {
				tr.update(image.Progress{Blob: blob(fmt.Sprintf("%x", n)), Stage: image.StageWaiting, Total: 100})
			}
			for n := range layers {
				for _, p := range []image.Progress{{Stage: image.StageDownloading, Done: 50}, {Stage: image.StageExtracting, Done: 100}, {Stage: image.StageDone}} {
					p.Blob, p.Total = blob(fmt.Sprintf("%x", n)), 100
					tr.update(p)
					tr.draw(false)
				}
			}
			tr.close()
			want := "$ pull\nlatest\n"
			for n := range layers {
				line := blob(fmt.Sprintf("%x", n)).Short() + ": Pull complete"
				for len(line) > width {
					want, line = want+strings.TrimRight(line[:width], " ")+"\n", line[width:]
				}
				want += line + "\n"
			}
			if got := s.String(); got != want+"\n" {
				t.Errorf("%d×%d: the screen shows\n%swant\n%s", width, height, got, want)
			}
		}
	}
}

func TestTransferOfManyRows(t *testing.T) {
	s := newScreen(t, 60, 6)
	tr := onScreen(s, pullWords())
	for n := range 10 {
		tr.update(image.Progress{Blob: blob(fmt.Sprintf("%x", n)), Stage: image.StageWaiting})
	}
	for _, n := range []string{"0", "1", "5"} {
		tr.update(image.Progress{Blob: blob(n), Stage: image.StageDone})
	}
	tr.update(image.Progress{Blob: blob("4"), Stage: image.StageExtracting})
	tr.update(image.Progress{Blob: blob("9"), Stage: image.StageDownloading, Done: 20})
	tr.draw(false)
	// The first two go up for good; what moves is shown in any case.
	want := `000000000000: Pull complete
111111111111: Pull complete
222222222222: Waiting
333333333333: Waiting
444444444444: Extracting
999999999999: Downloading      20B
4 more: 3 to do, 1 finished

`
	if s.String() != want {
		t.Errorf("the screen shows\n%swant\n%s", s, want)
	}
}

func TestTransferResized(t *testing.T) {
	s := newScreen(t, 100, 20)
	_, _ = io.WriteString(s, "$ pull\n")
	tr := onScreen(s, pullWords())
	for _, letter := range []string{"a", "b"} {
		tr.update(image.Progress{Blob: blob(letter), Stage: image.StageDownloading, Done: 5, Total: 10})
	}
	tr.draw(false)
	for _, width := range []int{60, 31, 90, 25} {
		s.resize(width, 10)
		tr.draw(false)
		lines := strings.Split(s.String(), "\n")
		if len(lines) != 5 || lines[0] != "$ pull" || !strings.HasPrefix(lines[1], "aaaaaaaaaaaa: ") || !strings.HasPrefix(lines[2], "bbbbbbbbbbbb: ") {
			t.Errorf("at a width of %d the screen shows\n%s", width, s)
		}
	}
	before := s.bytes
	tr.draw(false)
	if s.bytes != before {
		t.Error("drawn again without a change")
	}
}

func TestTransferPlain(t *testing.T) {
	var out strings.Builder
	tr := newTransfer(&out, pullWords())
	tr.say("latest: Pulling from library/x")
	for _, p := range []image.Progress{
		{Blob: blob("a"), Stage: image.StageWaiting},
		{Blob: blob("b"), Stage: image.StageWaiting},
		{Blob: blob("b"), Stage: image.StageExists},
		{Blob: blob("a"), Stage: image.StageDownloading, Done: 1, Total: 2},
		{Blob: blob("a"), Stage: image.StageDownloading, Done: 2, Total: 2},
		{Blob: blob("a"), Stage: image.StageRetrying, Done: 2, Total: 2},
		{Blob: blob("a"), Stage: image.StageRetrying, Done: 2, Total: 2},
		{Blob: blob("a"), Stage: image.StageExtracting, Done: 1},
		{Blob: blob("a"), Stage: image.StageExtracting, Done: 2},
		{Blob: blob("a"), Stage: image.StageDone},
	} {
		tr.update(p)
	}
	tr.close()
	want := `latest: Pulling from library/x
bbbbbbbbbbbb: Already exists
aaaaaaaaaaaa: Pulling fs layer
aaaaaaaaaaaa: Retrying
aaaaaaaaaaaa: Download complete
aaaaaaaaaaaa: Pull complete
`
	prints(t, "pull", out.String(), want)

	out.Reset()
	tr = newTransfer(&out, pushWords())
	for _, p := range []image.Progress{
		{Blob: blob("a"), Stage: image.StageWaiting},
		{Blob: blob("b"), Stage: image.StageWaiting},
		{Blob: blob("b"), Stage: image.StageExists},
		{Blob: blob("a"), Stage: image.StageUploading, Done: 1, Total: 2},
		{Blob: blob("a"), Stage: image.StageDone},
		{Blob: blob("c"), Stage: image.StageMounted, From: "library/\x1b[Jx"},
	} {
		tr.update(p)
	}
	tr.close()
	want = `aaaaaaaaaaaa: Preparing
bbbbbbbbbbbb: Preparing
bbbbbbbbbbbb: Layer already exists
aaaaaaaaaaaa: Pushed
cccccccccccc: Mounted from library/\x1b[Jx
`
	prints(t, "push", out.String(), want)
}

// TestTransferWaitsForNobody: a terminal that is stopped (ctrl-S) keeps no
// transfer waiting, and updates cost it nothing worth counting.
func TestTransferWaitsForNobody(t *testing.T) {
	r, w := io.Pipe()
	tr := newTransfer(w, pullWords())
	tr.size = func() (int, int) { return 80, 24 }
	tr.stop, tr.drawn = make(chan struct{}), make(chan struct{})
	tr.update(image.Progress{Blob: blob("a"), Stage: image.StageDownloading, Total: 1 << 30})
	go tr.keepDrawing(time.NewTicker(time.Millisecond))
	time.Sleep(5 * time.Millisecond)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range int64(1000) {
				tr.update(image.Progress{Blob: blob("a"), Stage: image.StageDownloading, Done: n, Total: 1 << 30})
			}
		})
	}
	all.Wait()
	p := image.Progress{Blob: blob("a"), Stage: image.StageDownloading}
	if n := testing.AllocsPerRun(100, func() { tr.update(p) }); n > 0 {
		t.Errorf("an update makes %v allocations", n)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	tr.close()
}
