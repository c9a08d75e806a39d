package systemd

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxNotify is the longest message that systemd takes, in bytes: PIPE_BUF. It
// ignores longer ones whole.
const maxNotify = 4096

// notifyMessage is what is left of a payload's message.
type notifyMessage struct {
	lines []string
	// ready is READY=1, barrier a message that is BARRIER=1 and nothing else.
	ready, barrier bool
	// store says that descriptors belong to the message.
	store bool
}

// filterNotify picks the lines that a payload may say (sd_notify(3)):
//
//   - what it knows about itself: READY, RELOADING with MONOTONIC_USEC,
//     STOPPING, STATUS, ERRNO, BUSERROR, VARLINKERROR, WATCHDOG, WATCHDOG_USEC
//     and EXTEND_TIMEOUT_USEC, with values of the right form;
//   - with store, FDSTORE, FDSTOREREMOVE, FDNAME and FDPOLL;
//   - BARRIER, alone.
//
// Everything else is dropped, and above all what names processes (MAINPID,
// MAINPIDFDID …) or lets others speak (NOTIFYACCESS): those would give a
// payload a say over processes of the host. As systemd does, it takes nothing
// of a message with a NUL inside.
func filterNotify(message []byte, store bool) notifyMessage {
	message = bytes.TrimSuffix(message, []byte{0})
	if len(message) > maxNotify || bytes.IndexByte(message, 0) >= 0 {
		return notifyMessage{}
	}
	var m notifyMessage
	for line := range strings.SplitSeq(string(message), "\n") {
		line = strings.TrimSuffix(line, "\r")
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		if key == "BARRIER" {
			only := strings.TrimRight(string(message), "\n") == "BARRIER=1"
			return notifyMessage{barrier: only}
		}
		if !allowedNotify(key, value, store) {
			continue
		}
		m.lines = append(m.lines, line)
		m.ready = m.ready || key == "READY"
		m.store = m.store || key == "FDSTORE"
	}
	return m
}

// allowedNotify decides about one line.
func allowedNotify(key, value string, store bool) bool {
	switch key {
	case "READY", "RELOADING", "STOPPING":
		return value == "1"
	case "WATCHDOG":
		return value == "1" || value == "trigger"
	case "STATUS", "BUSERROR", "VARLINKERROR":
		return utf8.ValidString(value)
	case "ERRNO", "MONOTONIC_USEC", "EXTEND_TIMEOUT_USEC", "WATCHDOG_USEC":
		return isNumber(value)
	case "FDSTORE", "FDSTOREREMOVE":
		return store && value == "1"
	case "FDPOLL":
		return store && value == "0"
	case "FDNAME":
		return store && len(value) < 256 && utf8.ValidString(value)
	default:
		return false
	}
}

// isNumber reports whether s is an unsigned number of at most 64 bits' length.
func isNumber(s string) bool {
	return len(s) > 0 && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}
