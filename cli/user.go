package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// maxID is the greatest user or group id that berth gives out. The kernel takes
// 2^32-2, but ids from 2^31 on turn negative in programs that keep them as int.
const maxID = 1<<31 - 1

// applyUser sets the payload's user. A name is looked up in the image at the
// start; digits never are, or an image could make "1000" mean root.
func (f *processFlags) applyUser(d *draft) error {
	user, from := d.image.User, "USER of the image"
	if f.user != "" {
		user, from = f.user, "--user"
	}
	p := d.Spec.Process
	for _, group := range f.groupAdd {
		gid, numeric, err := parseID(group)
		switch {
		case err != nil:
			return err
		case numeric:
			p.User.AdditionalGids = append(p.User.AdditionalGids, gid)
		default:
			d.GroupAdd = append(d.GroupAdd, group)
		}
		d.asked("process.user.additionalGids", "--group-add")
	}
	if user == "" {
		return nil
	}
	d.asked("process.user", from)
	if err := checkUser(user); err != nil {
		return err
	}
	setUser(&p.User, user)
	return nil
}

// setUser writes a checked user: numbers as numbers, names for the look-up. A
// group that is 0 on purpose must be spelled out, as the spec's 0 may also mean
// "the group that the image gives this user".
func setUser(u *specs.User, user string) {
	name, group, both := strings.Cut(user, ":")
	uid, numeric, _ := parseID(name)
	gid, numericGroup, _ := parseID(group)
	switch {
	case numeric && !both:
		u.UID = uid
	case numeric && numericGroup && gid != 0:
		u.UID, u.GID = uid, gid
	default:
		u.Username = user
	}
}

// checkUser refuses what can never be a user: ids out of range, empty names.
func checkUser(user string) error {
	name, group, both := strings.Cut(user, ":")
	if name == "" || both && group == "" || strings.ContainsAny(user, "\x00\n/") {
		return fmt.Errorf("invalid user %q: want <name|uid>[:<group|gid>]", user)
	}
	for _, part := range []string{name, group} {
		if _, _, err := parseID(part); err != nil {
			return err
		}
	}
	return nil
}

// parseID tells a numeric id from a name. Whatever begins like a number must be
// one within bounds.
func parseID(s string) (id uint32, numeric bool, err error) {
	if strings.Trim(s, "0123456789") != "" && !strings.HasPrefix(s, "-") && !strings.HasPrefix(s, "+") {
		return 0, false, nil
	}
	if s == "" {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > maxID {
		return 0, true, fmt.Errorf("uids and gids must be in range 0-%d: %s", maxID, s)
	}
	return uint32(n), true, nil
}
