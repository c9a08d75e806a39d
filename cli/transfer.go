package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"berth/image"
)

// redraw is the time between two pictures of a transfer: often enough to look
// alive, seldom enough to cost nothing.
const redraw = 100 * time.Millisecond

// transferWords are what docker's client calls the stages of a blob.
type transferWords struct {
	// planned is the first line of a blob where lines are plain, waiting the same
	// on a terminal.
	planned, waiting string
	// late: planned is not said of a blob that then turns out to be there.
	late   bool
	moving string
	// arrived is the line between moving and done, where there is one.
	arrived, unpacking, done, exists string
}

func pullWords() transferWords {
	return transferWords{
		planned: "Pulling fs layer", late: true, waiting: "Waiting", moving: "Downloading", arrived: "Download complete",
		unpacking: "Extracting", done: "Pull complete", exists: "Already exists",
	}
}

func pushWords() transferWords {
	return transferWords{
		planned: "Preparing", waiting: "Preparing", moving: "Pushing", done: "Pushed", exists: "Layer already exists",
	}
}

// transfer shows the progress of one pull or push, one line for each blob. On a
// terminal the lines are drawn again in their place, anywhere else each stage
// that has no end in sight is a line of its own, as docker's client prints it
// into a pipe. Its methods may be called from several goroutines, and none of
// them waits for a terminal that is stopped, but close.
type transfer struct {
	words transferWords
	out   io.Writer
	// size is the terminal's, nil where lines are plain.
	size func() (width, height int)

	mu    sync.Mutex
	rows  []*transferRow
	known map[image.Digest]*transferRow
	// said are lines for above the rows that are not printed yet.
	said    []string
	changed bool

	painter painter
	ending  sync.Once
	// stop ends the drawing, drawn is closed when it has ended; nil without a
	// terminal.
	stop, drawn chan struct{}
}

// transferRow is what is known of a blob.
type transferRow struct {
	image.Progress
	// planned tells that this has been said where lines stay.
	planned bool
}

// showTransfer begins to show a transfer on one of the caller's streams, which is
// file, and out for text. The caller closes it.
func (s *session) showTransfer(file *os.File, out io.Writer, words transferWords) *transfer {
	t := newTransfer(out, words)
	if isTerminal(file) && s.getenv("TERM") != "dumb" {
		t.size = func() (int, int) { return windowSize(file) }
		t.stop, t.drawn = make(chan struct{}), make(chan struct{})
		go t.keepDrawing(time.NewTicker(redraw))
	}
	return t
}

// quietTransfer shows nothing, for -q.
func quietTransfer() *transfer { return newTransfer(io.Discard, transferWords{}) }

func newTransfer(out io.Writer, words transferWords) *transfer {
	return &transfer{words: words, out: out, known: map[image.Digest]*transferRow{}}
}

// windowSize is what most terminals have where one does not say.
func windowSize(file *os.File) (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Row < 2 || ws.Col < 2 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// say prints a line above those of the blobs.
func (t *transfer) say(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.size == nil {
		fmt.Fprintln(t.out, plain(line))
		return
	}
	t.said, t.changed = append(t.said, plain(line)), true
}

// update notes a step; it is what a pull or push is given to call.
func (t *transfer) update(p image.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row, known := t.known[p.Blob], true
	if row == nil {
		row, known = &transferRow{}, false
		t.known[p.Blob] = row
		t.rows = append(t.rows, row)
	}
	same := known && row.Stage == p.Stage
	row.Progress = p
	t.changed = true
	if t.size != nil || same {
		return
	}
	for _, text := range row.plainTexts(t.words) {
		fmt.Fprintf(t.out, "%s: %s\n", row.Blob.Short(), plain(text))
	}
}

// close shows how the transfer stands in the end, below which the cursor is left.
// It may be called again.
func (t *transfer) close() {
	t.ending.Do(func() {
		if t.stop != nil {
			close(t.stop)
			<-t.drawn
		}
		t.draw(true)
	})
}

func (t *transfer) keepDrawing(ticker *time.Ticker) {
	defer close(t.drawn)
	defer ticker.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ticker.C:
			t.draw(false)
		}
	}
}

// draw brings the terminal up to date. What it shows is copied first: nobody
// who has progress to report waits for the terminal.
func (t *transfer) draw(last bool) {
	if t.size == nil {
		return
	}
	width, height := t.size()
	t.mu.Lock()
	changed := t.changed || last || width != t.painter.width || height != t.painter.height
	said, rows := t.said, make([]transferRow, 0, len(t.rows))
	for _, row := range t.rows {
		rows = append(rows, *row)
	}
	t.said, t.changed = nil, false
	t.mu.Unlock()
	if changed {
		// A terminal that is gone has nobody who looks.
		_, _ = t.out.Write(t.painter.paint(t.words, said, rows, width, height, last))
	}
}

// finished tells of a blob that nothing more happens to.
func (r *transferRow) finished() bool {
	return slices.Contains([]image.Stage{image.StageDone, image.StageExists, image.StageMounted}, r.Stage)
}

// plainTexts is what is said of a new stage where lines stay.
func (r *transferRow) plainTexts(words transferWords) []string {
	var said []string
	waiting, there := r.Stage == image.StageWaiting, r.Stage == image.StageExists
	if !r.planned && (waiting && !words.late || !waiting && !there && words.late) {
		r.planned = true
		said = append(said, words.planned)
	}
	switch r.Stage {
	case image.StageWaiting, image.StageDownloading, image.StageUploading:
	case image.StageExtracting:
		if words.arrived != "" {
			said = append(said, words.arrived)
		}
	default:
		said = append(said, r.status(words))
	}
	return said
}

// status is docker's name of the stage.
func (r *transferRow) status(words transferWords) string {
	switch r.Stage {
	case image.StageWaiting:
		return words.waiting
	case image.StageDownloading, image.StageUploading:
		return words.moving
	case image.StageExtracting:
		return words.unpacking
	case image.StageRetrying:
		return "Retrying"
	case image.StageExists:
		return words.exists
	case image.StageMounted:
		return "Mounted from " + r.From
	}
	return words.done
}
