package rootfs

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseOptions(t *testing.T) {
	const atime = unix.MOUNT_ATTR__ATIME
	for _, x := range []struct {
		list string
		want options
	}{
		{"", options{}},
		{"defaults", options{}},
		{"bind", options{bind: true}},
		{"rbind", options{bind: true, recursive: true}},
		{"ro", options{set: unix.MOUNT_ATTR_RDONLY}},
		{"rw", options{clear: unix.MOUNT_ATTR_RDONLY}},
		{"nosuid", options{set: unix.MOUNT_ATTR_NOSUID}},
		{"suid", options{clear: unix.MOUNT_ATTR_NOSUID}},
		{"nodev", options{set: unix.MOUNT_ATTR_NODEV}},
		{"dev", options{clear: unix.MOUNT_ATTR_NODEV}},
		{"noexec", options{set: unix.MOUNT_ATTR_NOEXEC}},
		{"exec", options{clear: unix.MOUNT_ATTR_NOEXEC}},
		{"nosymfollow", options{set: unix.MOUNT_ATTR_NOSYMFOLLOW}},
		{"symfollow", options{clear: unix.MOUNT_ATTR_NOSYMFOLLOW}},
		{"nodiratime", options{set: unix.MOUNT_ATTR_NODIRATIME}},
		{"diratime", options{clear: unix.MOUNT_ATTR_NODIRATIME}},
		{"noatime", options{set: unix.MOUNT_ATTR_NOATIME, clear: atime}},
		{"strictatime", options{set: unix.MOUNT_ATTR_STRICTATIME, clear: atime}},
		{"relatime", options{clear: atime}},
		{"atime", options{clear: atime}},
		{"norelatime", options{clear: atime}},
		{"nostrictatime", options{clear: atime}},
		{"private", options{propagation: unix.MS_PRIVATE}},
		{"rprivate", options{propagation: unix.MS_PRIVATE, recPropagation: true}},
		{"shared", options{propagation: unix.MS_SHARED}},
		{"rshared", options{propagation: unix.MS_SHARED, recPropagation: true}},
		{"slave", options{propagation: unix.MS_SLAVE}},
		{"rslave", options{propagation: unix.MS_SLAVE, recPropagation: true}},
		{"unbindable", options{propagation: unix.MS_UNBINDABLE}},
		{"runbindable", options{propagation: unix.MS_UNBINDABLE, recPropagation: true}},
		{"rro", options{recSet: unix.MOUNT_ATTR_RDONLY}},
		{"rrw", options{recClear: unix.MOUNT_ATTR_RDONLY}},
		{"rnosuid", options{recSet: unix.MOUNT_ATTR_NOSUID}},
		{"rsuid", options{recClear: unix.MOUNT_ATTR_NOSUID}},
		{"rnodev", options{recSet: unix.MOUNT_ATTR_NODEV}},
		{"rdev", options{recClear: unix.MOUNT_ATTR_NODEV}},
		{"rnoexec", options{recSet: unix.MOUNT_ATTR_NOEXEC}},
		{"rexec", options{recClear: unix.MOUNT_ATTR_NOEXEC}},
		{"rnoatime", options{recSet: unix.MOUNT_ATTR_NOATIME, recClear: atime}},
		{"rrelatime", options{recClear: atime}},
		{"rnosymfollow", options{recSet: unix.MOUNT_ATTR_NOSYMFOLLOW}},
		{"rstrictatime", options{recSet: unix.MOUNT_ATTR_STRICTATIME, recClear: atime}},
		{"ratime", options{recClear: atime}},
		{"rnorelatime", options{recClear: atime}},
		{"rnostrictatime", options{recClear: atime}},
		{"rsymfollow", options{recClear: unix.MOUNT_ATTR_NOSYMFOLLOW}},
		{"rnodiratime", options{recSet: unix.MOUNT_ATTR_NODIRATIME}},
		{"rdiratime", options{recClear: unix.MOUNT_ATTR_NODIRATIME}},
		{"idmap", options{idmap: true}},
		{"ridmap", options{idmap: true, recIDMap: true}},
		{"bind rbind", options{bind: true, recursive: true}},
		{"rbind bind", options{bind: true}},
		{"sync dirsync lazytime mand", options{sb: []string{"sync", "dirsync", "lazytime", "mand"}}},
		{"async nolazytime nomand loud silent iversion noiversion", options{}},
		{"tmpcopyup", options{copyUp: true}},
		{"size=1m mode=1777 nr_inodes=5", options{data: []string{"size=1m", "mode=1777", "nr_inodes=5"}}},
		{"remount", options{remount: true}},
		// The last word counts.
		{"ro rw", options{set: 0, clear: unix.MOUNT_ATTR_RDONLY}},
		{"noatime strictatime", options{set: unix.MOUNT_ATTR_STRICTATIME, clear: atime}},
		{"private shared", options{propagation: unix.MS_SHARED}},
		{"ro nosuid ro", options{set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}},
	} {
		got, err := parseOptions(strings.Fields(x.list))
		if err != nil || !reflect.DeepEqual(got, x.want) {
			t.Errorf("%q is %+v, %v; want %+v", x.list, got, err, x.want)
		}
	}
	for _, list := range [][]string{{"size=\x00"}, {"ro\x00"}} {
		if got, err := parseOptions(list); err == nil {
			t.Errorf("%q is %+v, want an error", list, got)
		}
	}
}

// TestReadOnlyAfterReadWrite: rw takes back an earlier ro, and the kernel is
// given both sets, of which it clears first.
func TestReadOnlyAfterReadWrite(t *testing.T) {
	o, err := parseOptions([]string{"rw", "ro"})
	if err != nil || o.set != unix.MOUNT_ATTR_RDONLY {
		t.Errorf("%+v, %v: it must be read-only", o, err)
	}
}

func FuzzParseOptions(f *testing.F) {
	for _, s := range []string{"ro,nosuid", "rbind,rro,rslave", "size=1m", "idmap", ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := strings.Split(s, ",")
		o, err := parseOptions(list)
		if err != nil {
			return
		}
		if slices.Contains(list, "ro") && !slices.Contains(list, "rw") && o.set&unix.MOUNT_ATTR_RDONLY == 0 {
			t.Errorf("%q lost ro", s)
		}
	})
}

// TestKnownOptions: what is said to be understood is, and not left to a file
// system.
func TestKnownOptions(t *testing.T) {
	for _, name := range MountOptions() {
		if o, err := parseOptions([]string{name}); err != nil || len(o.data) > 0 {
			t.Errorf("%s is %+v, %v", name, o, err)
		}
	}
}
