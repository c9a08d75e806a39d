package bundle

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// InterruptError is a creation that a signal has ended. Nothing of it is left.
type InterruptError struct{ Signal unix.Signal }

func (e *InterruptError) Error() string { return "interrupted by " + unix.SignalName(e.Signal) }

// interruption lets signals end a creation: by default they would end this
// process, and leave half a container to delete.
type interruption struct {
	// signals holds those that came after the release.
	signals chan os.Signal
	cancel  context.CancelCauseFunc
	// caught is closed once signals are caught, done when they need not be.
	caught, done chan struct{}
	once         sync.Once

	// cause is the signal, and made that none can be the cause any more.
	mu    sync.Mutex
	cause error
	made  bool
}

// patience bounds what a creation may take to end once a signal has come. What
// takes longer hangs: then the signal ends this process after all.
const patience = 2 * settleTime

// interruptible returns a context that the first signal ends, until release. Call
// await before anything is made, end when no more signals are to be caught, and
// close behind everything.
func interruptible(ctx context.Context) (context.Context, *interruption) {
	i := &interruption{
		signals: make(chan os.Signal, signalQueue), caught: make(chan struct{}), done: make(chan struct{}),
	}
	ctx, i.cancel = context.WithCancelCause(ctx)
	go i.watch()
	return ctx, i
}

// watch catches signals, waits for the first one, and gives them back in the end.
// To catch and to give back takes the runtime some hundred microseconds, in which
// others have work to do.
func (i *interruption) watch() {
	caught := []os.Signal{unix.SIGTERM}
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGHUP} {
		if !signal.Ignored(sig) { // nohup(1), and a shell's commands in the background
			caught = append(caught, sig)
		}
	}
	signal.Notify(i.signals, caught...)
	defer signal.Stop(i.signals)
	close(i.caught)
	select {
	case <-i.done:
	case sig := <-i.signals:
		i.handle(sig)
	}
}

// handle waits for the end behind a signal.
func (i *interruption) handle(sig os.Signal) {
	if !i.take(sig) {
		select {
		case i.signals <- sig: // for who forwards them
		default: // to whom it is one of many
		}
		<-i.done
		return
	}
	select {
	case <-i.done:
	case <-time.After(patience):
		signal.Reset(sig)
		if n, ok := sig.(unix.Signal); ok {
			_ = unix.Kill(unix.Getpid(), n)
		}
	}
}

// await returns once signals are caught.
func (i *interruption) await() { <-i.caught }

// take has a signal end the creation, unless that is made.
func (i *interruption) take(sig os.Signal) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.made || i.cause != nil {
		return !i.made
	}
	n, _ := sig.(unix.Signal)
	i.cause = &InterruptError{Signal: n}
	i.cancel(i.cause)
	return true
}

// explain is why a step has failed: a signal, if one came, which what it stopped
// in the middle cannot know.
func (i *interruption) explain(err error) error {
	if said := (*InterruptError)(nil); errors.As(err, &said) {
		return err
	}
	select {
	case sig := <-i.signals: // a child may have died of it before it was seen here
		i.take(sig)
	default:
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cause != nil {
		return i.cause
	}
	return err
}

// release ends the time in which a signal takes the creation back, with an error
// if one came. Those that come later wait in signals.
func (i *interruption) release() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cause == nil {
		i.made = true
	}
	return i.cause
}

// end gives the signals back, soon.
func (i *interruption) end() { i.once.Do(func() { close(i.done) }) }

// close ends the context, too.
func (i *interruption) close() {
	i.end()
	i.cancel(nil)
}
