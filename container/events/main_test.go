package events

import (
	"os"
	"testing"

	"berth/tests/ledger"
)

func TestMain(m *testing.M) {
	if run, served := serveWriter(); served {
		os.Exit(run)
	}
	os.Exit(ledger.Main(m))
}
