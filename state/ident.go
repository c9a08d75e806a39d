package state

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits of identifiers. A name is also a file name, hence NAME_MAX.
const (
	idLength      = 64
	shortIDLength = 12
	maxName       = 255
)

// NewID returns 64 random lowercase hex digits. As in docker, no ID starts
// with twelve decimal digits: the short ID is the default host name, and
// software takes an all-digit host name for a number.
func NewID() (string, error) {
	var raw [idLength / 2]byte
	for {
		// getrandom(2) never returns less than asked for up to 256 bytes.
		err := retry(func() error { _, err := unix.Getrandom(raw[:], 0); return err })
		if err != nil {
			return "", os.NewSyscallError("getrandom", err)
		}
		id := hex.EncodeToString(raw[:])
		if strings.Trim(id[:shortIDLength], "0123456789") != "" {
			return id, nil
		}
	}
}

// ValidID reports whether s is a full container ID.
func ValidID(s string) bool { return len(s) == idLength && isHex(s) }

// isHex reports whether s holds only lowercase hex digits.
func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// ValidName reports whether s may name a container, by docker's rule
// [a-zA-Z0-9][a-zA-Z0-9_.-]+ and at most 255 bytes. A valid name is safe as a
// file name: it has no slash and does not start with a dot.
func ValidName(s string) bool {
	if len(s) < 2 || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return true
}

// InvalidNameError reports a name outside docker's rule, in docker's words.
type InvalidNameError struct{ Name string }

func (e *InvalidNameError) Error() string {
	return fmt.Sprintf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", e.Name)
}

// Words of generated names. Constants rather than slices: splitting them costs
// two microseconds, and only when a name is wanted.
const (
	adjectives = `able agile amber ample apt ashen azure balmy bold brave breezy bright brisk calm candid cheery
 chilly civil clear clever coastal cosy crisp curious dapper daring deft eager early earnest easy fair faithful
 fearless fleet fond frank fresh frosty gallant genial gentle glad golden handy hardy hearty honest humble jaunty
 jolly jovial keen kind limber lively loyal lucid lucky mellow merry mild misty modest neat nimble noble patient
 peppy placid plucky polite prompt proud quick quiet rapid ready rosy ruddy salty sandy serene shiny silent silver
 sleek smart snug sober spry stately steady stout sturdy sunny swift tidal tidy trim trusty upbeat valiant vivid
 warm wary wise witty zesty`
	nouns = `anchor barge bay beacon bollard boom bosun bow breaker bridge brig buoy cabin canal canoe capstan cargo
 chart cleat clipper coast compass coral cove crane crest current cutter davit deck delta dinghy dock dory drift
 estuary ferry fjord flag fleet foghorn frigate galley gangway gannet gull halyard harbour hatch haven helm heron
 hold hull inlet island jetty jib kayak keel ketch lagoon lantern latitude ledge lighthouse locker lugger mainsail
 marina mast mooring narrows oar osprey paddle pelican pennant pier pilot plank port prow puffin quay raft reef
 rigging rudder sail sandbar schooner seal sextant shoal skiff sloop sound spar starboard stern strait surf swell
 tern tide tiller trawler tug voyage wake warp wave wharf winch yacht yawl`
)

// RandomName returns a name such as brisk_ferry, derived from the ID: the same
// id and attempt always give the same name. A caller whose claim fails tries
// again with the next attempt; from the fourth on a number is appended, so
// that ten thousand containers still find names.
func RandomName(id string, attempt int) string {
	// FNV-1a: spreads IDs that differ in one digit, and needs no table.
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for i := range len(id) {
		sum = (sum ^ uint64(id[i])) * prime
	}
	sum = (sum ^ uint64(attempt)) * prime
	sum ^= sum >> 32
	first, second := strings.Fields(adjectives), strings.Fields(nouns)
	name := first[sum%uint64(len(first))] + "_" + second[sum/uint64(len(first))%uint64(len(second))]
	if attempt > 3 {
		name += strconv.Itoa(attempt)
	}
	return name
}
