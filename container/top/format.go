package top

import (
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// Format is what is shown of processes.
type Format struct {
	columns  []column
	order    []sortKey
	noHeader bool
	forest   bool
}

// sortKey is a column that rows are ordered by.
type sortKey struct {
	column
	descending bool
}

// picture is what the columns of one listing have in common.
type picture struct {
	now    time.Time
	memory uint64 // of the machine, in bytes
	names  *names
}

// Print writes processes as a table, by their numbers unless the format has
// another order. The layout is that of docker top.
func (f *Format) Print(out io.Writer, list []Process, now time.Time) error {
	pic := &picture{now: now, names: &names{users: map[string]string{}, groups: map[string]string{}}}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("read the memory's size: %w", err)
	}
	pic.memory = info.Totalram * uint64(info.Unit)
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Process) int { return a.PID - b.PID })
	slices.SortStableFunc(list, func(a, b Process) int { return f.compare(pic, &a, &b) })
	if f.forest {
		list = forest(list)
	}
	w := tabwriter.NewWriter(out, 20, 1, 3, ' ', 0)
	if !f.noHeader {
		if err := f.line(w, func(c column) string { return c.title }); err != nil {
			return err
		}
	}
	for i := range list {
		if err := f.line(w, func(c column) string { return c.show(pic, &list[i]) }); err != nil {
			return err
		}
	}
	return w.Flush()
}

// line writes one row.
func (f *Format) line(out io.Writer, cell func(column) string) error {
	var cells []string
	for _, c := range f.columns {
		cells = append(cells, cell(c))
	}
	_, err := fmt.Fprintln(out, strings.Join(cells, "\t"))
	return err
}

// compare orders two processes by the keys: numbers by value.
func (f *Format) compare(pic *picture, a, b *Process) int {
	for _, key := range f.order {
		x, y := key.show(pic, a), key.show(pic, b)
		n, nErr := strconv.ParseFloat(x, 64)
		m, mErr := strconv.ParseFloat(y, 64)
		order := strings.Compare(x, y)
		if nErr == nil && mErr == nil {
			order = 0
			if n != m {
				order = map[bool]int{true: -1, false: 1}[n < m]
			}
		}
		if key.descending {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// memoryShare is the process's share of the machine's memory, in per cent.
func (pic *picture) memoryShare(p *Process) float64 {
	return 100 * float64(p.number(24)) * float64(os.Getpagesize()) / float64(pic.memory)
}

// names are the host's names of users and groups, by number. A container's own
// are not asked: its files are its own to write.
type names struct {
	users, groups map[string]string
}

func (n *names) user(id string) string {
	return cached(n.users, id, func() (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (n *names) group(id string) string {
	return cached(n.groups, id, func() (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

// cached looks a name up once; without one the number will do. Long names are
// cut as ps cuts them.
func cached(known map[string]string, id string, look func() (string, error)) string {
	name, ok := known[id]
	if ok {
		return name
	}
	name, err := look()
	if err != nil || name == "" {
		name = id
	}
	name = printable(name)
	if len(name) > 8 {
		name = name[:7] + "+"
	}
	known[id] = name
	return name
}
