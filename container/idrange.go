package container

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/state"
)

// IDRange is Size user ids, and as many group ids, of the host from Start on.
type IDRange struct {
	Start uint32 `json:"start"`
	Size  uint32 `json:"size"`
}

// end is the first id behind the range.
func (r IDRange) end() uint64 { return uint64(r.Start) + uint64(r.Size) }

// DefaultIDs is how many ids a container gets unasked: all that a user or group
// file of Debian's has, up to nobody's 65534.
const DefaultIDs = 65536

// defaultPool is where ranges are taken from on a host whose /etc/subuid gives
// none: behind the ids that systemd-nspawn picks from, and below those that
// systemd keeps for the files of images (systemd.io/UIDS-GIDS).
func defaultPool() []IDRange { return []IDRange{{0x70000000, 0x0FFE0000}} }

// poolUsers are the names that /etc/subuid and /etc/subgid may give ranges to;
// the first one that is there counts.
func poolUsers() []string { return []string{"berth", "containers"} }

// idPool reads which ids containers may be given.
func idPool() ([]IDRange, error) {
	for _, name := range poolUsers() {
		uids, err := subordinate("/etc/subuid", name)
		if err != nil {
			return nil, err
		}
		gids, err := subordinate("/etc/subgid", name)
		if err != nil {
			return nil, err
		}
		if both := common(uids, gids); len(both) > 0 {
			return both, nil
		}
	}
	return defaultPool(), nil
}

// subordinate reads one of the files; a missing one gives nobody anything.
func subordinate(file, name string) ([]IDRange, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := parseSubordinate(f, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return list, nil
}

// parseSubordinate reads a user's lines (subuid(5)): NAME:START:COUNT.
func parseSubordinate(r io.Reader, name string) ([]IDRange, error) {
	var list []IDRange
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if fields[0] != name {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %q is not NAME:START:COUNT", lines.Text())
		}
		start, err1 := strconv.ParseUint(fields[1], 10, 32)
		size, err2 := strconv.ParseUint(fields[2], 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		list = append(list, IDRange{uint32(start), uint32(min(size, 1<<32-1-start))})
	}
	return list, lines.Err()
}

// common returns the ids that are in both lists.
func common(a, b []IDRange) []IDRange {
	var list []IDRange
	for _, x := range a {
		for _, y := range b {
			start, end := max(x.Start, y.Start), min(x.end(), y.end())
			if uint64(start) < end {
				list = append(list, IDRange{start, uint32(end - uint64(start))})
			}
		}
	}
	return list
}

// freeRange finds the lowest range of a size in the pool that has no id in
// common with those that are taken.
func freeRange(pool, taken []IDRange, size uint32) (IDRange, bool) {
	taken = slices.Clone(taken)
	slices.SortFunc(taken, func(a, b IDRange) int { return int(int64(a.Start) - int64(b.Start)) })
	for _, p := range pool {
		start := uint64(p.Start)
		for _, t := range taken {
			if t.end() > start && uint64(t.Start) < start+uint64(size) {
				start = t.end()
			}
		}
		if start+uint64(size) <= p.end() {
			return IDRange{uint32(start), size}, true
		}
	}
	return IDRange{}, false
}

// ParseUserMode reads docker's and podman's words for a user namespace: "host"
// and "" for the host's; "private" and "auto[:size=N]" for a range that is free
// when the container starts; "START[:SIZE]" for this range; "container:ID". It
// returns the mode as [Modes] has it: of "auto" always with its size.
func ParseUserMode(s string) (string, error) {
	if _, err := parseUserMode(s); err != nil {
		return "", err
	}
	switch size, isAuto := strings.CutPrefix(s, "auto"); {
	case s == "host":
		return "", nil
	case s == "private" || isAuto && size == "":
		return "auto:size=" + strconv.Itoa(DefaultIDs), nil
	case s != "" && !isAuto && !strings.Contains(s, ":"):
		return s + ":" + strconv.Itoa(DefaultIDs), nil
	}
	return s, nil
}

// errUserMode is what docker says of any other word.
var errUserMode = errors.New("--userns: invalid USER mode")

// parseUserMode returns the range that a mode asks for. One with the start 0 is
// to be found, one of the size 0 is somebody else's.
func parseUserMode(s string) (IDRange, error) {
	switch {
	case s == "" || s == "host" || ModeContainer(s) != "":
		return IDRange{}, nil
	case s == "private" || s == "auto":
		return IDRange{0, DefaultIDs}, nil
	}
	start, size, sized := strings.Cut(s, ":")
	if start == "auto" {
		start, size = "0", strings.TrimPrefix(size, "size=")
		if s != "auto:size="+size {
			return IDRange{}, errUserMode
		}
	} else if strings.Trim(start, "0") == "" {
		return IDRange{}, fmt.Errorf("--userns %s: the range would have the host's root in it", s)
	}
	from, err := strconv.ParseUint(start, 10, 32)
	count := uint64(DefaultIDs)
	if err == nil && sized {
		count, err = strconv.ParseUint(size, 10, 32)
	}
	switch {
	case err != nil:
		return IDRange{}, errUserMode
	case count == 0 || from+count > 1<<32-1:
		return IDRange{}, fmt.Errorf("--userns %s: ids are between 0 and 4294967294", s)
	}
	return IDRange{uint32(from), uint32(count)}, nil
}

// users finds the ids that a container is to have now; nil for the host's.
func (e *Engine) users(c *Config) (*IDRange, error) {
	if c.Modes.User == "" {
		return nil, nil
	}
	if id := ModeContainer(c.Modes.User); id != "" {
		live, err := peer{specs.UserNamespace, id, idleUsers}.find(e)
		if err != nil {
			return nil, err
		}
		return live.Users, nil
	}
	want, err := parseUserMode(c.Modes.User)
	if err != nil || want.Start != 0 {
		return &want, err
	}
	pool, err := idPool()
	if err != nil {
		return nil, err
	}
	return e.freeUsers(c.ID, pool, want.Size)
}

// freeUsers finds ids of the pool that no running container has.
func (e *Engine) freeUsers(id string, pool []IDRange, size uint32) (*IDRange, error) {
	taken, err := e.takenIDs(id)
	if err != nil {
		return nil, err
	}
	found, ok := freeRange(pool, taken, size)
	if !ok {
		return nil, fmt.Errorf("find %d free user ids for the container: %d ranges are taken by others, and /etc/subuid and /etc/subgid (user berth or containers) give no more", size, len(taken))
	}
	return &found, nil
}

// takenIDs lists the ranges of the containers that run or are being started,
// but for the one with this id.
func (e *Engine) takenIDs(but string) ([]IDRange, error) {
	entries, err := os.ReadDir(e.Dirs.RunContainers())
	if err != nil {
		return nil, err
	}
	var list []IDRange
	for _, entry := range entries {
		if entry.Name() == but || !state.ValidID(entry.Name()) {
			continue
		}
		live, err := e.loadLive(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("list the user ids of containers: %w", err)
		}
		if live != nil && live.Users != nil && (live.Supervisor.AliveIn(e.self.BootID) || live.Payload.AliveIn(e.self.BootID)) {
			list = append(list, *live.Users)
		}
	}
	return list, nil
}

// claimUsers finds the container's ids and notes them in its live record, which
// it writes. The lock keeps two containers that start at once from taking the
// same.
func (s *supervisor) claimUsers(ctx context.Context) error {
	lock, err := state.Lock(ctx, path.Join(s.e.Dirs.Cache(), "users.lock"))
	if err != nil {
		return err
	}
	defer unlock(lock)
	if s.live.Users, err = s.e.users(s.c); err != nil {
		return err
	}
	if err := state.WriteJSON(s.e.livePath(s.c.ID), &s.live, state.Fast); err != nil || s.live.Users == nil {
		return err
	}
	return s.e.giveNames(s.c, s.live.Users.Start)
}

// giveNames makes the name files belong to the container's root, who may edit
// them.
func (e *Engine) giveNames(c *Config, root uint32) error {
	if ModeContainer(c.Network) != "" {
		return nil
	}
	for _, f := range nameFiles(c) {
		if err := os.Lchown(path.Join(e.Dirs.RunContainer(c.ID), f.name), int(root), int(root)); err != nil {
			return err
		}
	}
	return nil
}

// mapUsers gives a spec, which is the caller's to change, a user namespace.
func mapUsers(spec *specs.Spec, users *IDRange) {
	if users == nil {
		return
	}
	linux := *spec.Linux
	linux.Namespaces = append(slices.Clone(linux.Namespaces), specs.LinuxNamespace{Type: specs.UserNamespace})
	linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: users.Start, Size: users.Size}}
	linux.GIDMappings = linux.UIDMappings
	spec.Linux = &linux
}
