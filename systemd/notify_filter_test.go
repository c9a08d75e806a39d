package systemd

import (
	"strings"
	"testing"
)

func TestFilterNotify(t *testing.T) {
	long := "STATUS=" + strings.Repeat("x", maxNotify-7)
	tests := []struct {
		name, message string
		store         bool
		want          string
		flags         string // r(eady), b(arrier), s(tore)
	}{
		{"ready", "READY=1", false, "READY=1", "r"},
		{"newline at the end", "READY=1\n", false, "READY=1", "r"},
		{"NUL at the end", "READY=1\x00", false, "READY=1", "r"},
		{"carriage return", "READY=1\r\nSTATUS=up\r\n", false, "READY=1|STATUS=up", "r"},
		{"not ready", "READY=0", false, "", ""},
		{"ready behind others", "STATUS=up\nREADY=1", false, "STATUS=up|READY=1", "r"},
		{"ready in a status", "STATUS=READY=1", false, "STATUS=READY=1", ""},
		{"reload", "RELOADING=1\nMONOTONIC_USEC=123", false, "RELOADING=1|MONOTONIC_USEC=123", ""},
		{"stop", "STOPPING=1", false, "STOPPING=1", ""},
		{"errors", "ERRNO=2\nBUSERROR=org.x.E\nVARLINKERROR=a.b", false, "ERRNO=2|BUSERROR=org.x.E|VARLINKERROR=a.b", ""},
		{"watchdog", "WATCHDOG=1", false, "WATCHDOG=1", ""},
		{"watchdog trigger", "WATCHDOG=trigger\nWATCHDOG_USEC=5", false, "WATCHDOG=trigger|WATCHDOG_USEC=5", ""},
		{"more time", "EXTEND_TIMEOUT_USEC=30000000", false, "EXTEND_TIMEOUT_USEC=30000000", ""},
		{"no number", "EXTEND_TIMEOUT_USEC=-1\nMONOTONIC_USEC=1e9\nERRNO=\nWATCHDOG_USEC=99999999999999999999999", false, "", ""},
		{"main pid", "READY=1\nMAINPID=1\nMAINPIDFD=1\nMAINPIDFDID=3", false, "READY=1", "r"},
		{"access", "NOTIFYACCESS=all", false, "", ""},
		{"other keys", "X_FOO=1\nUNSET=1\nEXIT_STATUS=0\nINVOCATION_ID=0", false, "", ""},
		{"case and blanks", "ready=1\n READY=1\nREADY =1\nREADY= 1", false, "", ""},
		{"store refused", "FDSTORE=1\nFDNAME=a\nFDPOLL=0\nFDSTOREREMOVE=1", false, "", ""},
		{"store", "FDSTORE=1\nFDNAME=a\nFDPOLL=0", true, "FDSTORE=1|FDNAME=a|FDPOLL=0", "s"},
		{"store removal", "FDSTOREREMOVE=1\nFDNAME=a", true, "FDSTOREREMOVE=1|FDNAME=a", ""},
		{"barrier", "BARRIER=1", false, "", "b"},
		{"barrier with newline", "BARRIER=1\n", false, "", "b"},
		{"barrier with company", "BARRIER=1\nREADY=1", false, "", ""},
		{"company with barrier", "READY=1\nBARRIER=1", false, "", ""},
		{"strange barrier", "BARRIER=2", false, "", ""},
		{"NUL inside", "READY=1\x00MAINPID=1", false, "", ""},
		{"no text", "STATUS=\xff\xfe", false, "", ""},
		{"empty", "", false, "", ""},
		{"newlines", "\n\n\n", false, "", ""},
		{"no value", "READY", false, "", ""},
		{"longest", long, false, long, ""},
		{"too long", long + "x", false, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := filterNotify([]byte(test.message), test.store)
			flags := ""
			for _, f := range []struct {
				on   bool
				name string
			}{{m.ready, "r"}, {m.barrier, "b"}, {m.store, "s"}} {
				if f.on {
					flags += f.name
				}
			}
			if got := strings.Join(m.lines, "|"); got != test.want || flags != test.flags {
				t.Errorf("got %q %q, want %q %q", got, flags, test.want, test.flags)
			}
		})
	}
}

// FuzzFilterNotify wants that nothing passes which is not on the list, and
// that what passes is not read as something else by a second reader.
func FuzzFilterNotify(f *testing.F) {
	for _, s := range []string{"READY=1", "MAINPID=1\nREADY=1", "FDSTORE=1\r\nFDNAME=x", "BARRIER=1", "STATUS=a\x00MAINPID=2", "STATUS=\rMAINPID=1"} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, message []byte, store bool) {
		m := filterNotify(message, store)
		for _, line := range m.lines {
			key, _, _ := strings.Cut(line, "=")
			if strings.ContainsAny(line, "\n\x00") || strings.HasPrefix(key, "MAINPID") || key == "NOTIFYACCESS" || key == "BARRIER" {
				t.Errorf("passed %q", line)
			}
			if !store && strings.HasPrefix(key, "FD") {
				t.Errorf("passed %q without being asked to", line)
			}
		}
		again := filterNotify([]byte(strings.Join(m.lines, "\n")), store)
		if strings.Join(again.lines, "\n") != strings.Join(m.lines, "\n") || again.ready != m.ready || again.store != m.store {
			t.Errorf("a second time: %+v, first %+v", again, m)
		}
	})
}
