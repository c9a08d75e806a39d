package systemd

import (
	"os"
	"testing"

	"berth/tests/ledger"
)

func TestMain(m *testing.M) { os.Exit(ledger.Main(m)) }
