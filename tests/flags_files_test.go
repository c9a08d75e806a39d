package tests

import (
	"os"
	"path/filepath"
	"testing"
)

// fileRows are about the container's files.
func fileRows() []flagRow {
	return []flagRow{
		{flag: "volume", args: "-v $T:/d:ro -v $T/file:/f", in: "head -n 1 /d/file; touch /d/x 2>/dev/null || echo closed; grep -c ' /f ' /proc/self/mountinfo", want: "^ONE=1\nclosed\n1\n$",
			bad: []badFlag{{"-v /a:b", "invalid mount path: 'b' mount path must be absolute"}, {"-v /a:/", "invalid specification: destination can't be '/'"}, {"-v /a:/b:what", "invalid mode: what"}, {"-v /tmp:/b -v /usr:/b", "Duplicate mount point: /b"}}},
		{flag: "mount", args: "--mount type=bind,src=$T,dst=/d,readonly --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700", in: "head -n 1 /d/file; touch /d/x 2>/dev/null || echo closed; stat -c %a /t; grep ' /t ' /proc/self/mountinfo", want: `^ONE=1\nclosed\n700\n.*size=1024k`,
			bad: []badFlag{{"--mount type=bind,src=/nonexistent,dst=/b", `invalid mount config for type "bind": bind source path does not exist: /nonexistent`}, {"--mount type=nfs,dst=/b", `mount type unknown: "nfs"`}, {"--mount type=bind,what=1", "unexpected key 'what' in 'what=1'"}}},
		{flag: "tmpfs", args: "--tmpfs /t:size=2m,mode=1700", in: "stat -c %a /t; grep ' /t ' /proc/self/mountinfo", want: `^1700\n.*size=2048k`,
			bad: []badFlag{{"--tmpfs rel", "mount path must be absolute"}, {"--tmpfs /t:what", "invalid tmpfs option"}}},
		{flag: "read-only", args: "--read-only", in: "touch /x 2>/dev/null || echo closed; grep -c '^[0-9]* [0-9]* [^ ]* / / ro' /proc/self/mountinfo", want: "^closed\n1\n$"},
		{flag: "shm-size", args: "--shm-size 3m", in: "grep ' /dev/shm ' /proc/self/mountinfo", want: "size=3072k",
			bad: []badFlag{{"--shm-size much", `invalid argument "much" for "--shm-size" flag: invalid size: 'much'`}}},
		{flag: "rootfs", alone: func(s *stage) {
			for _, dir := range []string{"dev", "proc", "sys", "etc", "bin"} {
				if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
					s.t.Fatal(err)
				}
			}
			s.must("run", "--rm", "-v", s.dir+":/d", "box", "cp", "/bin/box", "/d/bin/box")
			s.says(s.do("run", "--rm", "--rootfs", s.dir, "/bin/box", "ls", "/bin"), 0, "box\n")
		}},
	}
}

// networkRows are about names and the network.
func networkRows() []flagRow {
	return []flagRow{
		{flag: "network", args: "--network none", in: "ls /sys/class/net", want: "^lo\n$",
			bad: []badFlag{{"--network nowhere", "network nowhere not found"}}},
		{flag: "network", args: "--network host", look: sameNamespace("net"), want: "^host$"},
		{flag: "hostname", args: "-h called", in: "hostname; cat /etc/hostname", want: "^called\ncalled\n$", bad: []badFlag{{"-h a/b", "invalid hostname format: a/b"}}},
		{flag: "domainname", args: "--domainname d.example", in: "cat /proc/sys/kernel/domainname", want: "^d.example\n$"},
		{flag: "add-host", args: "--add-host db:10.0.0.7", in: "grep db /etc/hosts", want: `^10\.0\.0\.7\s+db\n$`, bad: []badFlag{{"--add-host nothing", `bad format for add-host: "nothing"`}}},
		{flag: "dns", args: "--network host --dns 192.0.2.1", in: "grep nameserver /etc/resolv.conf", want: `^nameserver 192\.0\.2\.1\n$`, bad: []badFlag{{"--dns x", "IP address is not correctly formatted: x"}}},
		{flag: "dns-search", args: "--network host --dns-search a.example", in: "grep search /etc/resolv.conf", want: `^search a\.example\n$`},
		{flag: "dns-option", args: "--network host --dns-option ndots:3", in: "grep options /etc/resolv.conf", want: `^options ndots:3\n$`},
		{flag: "expose", args: "--expose 80 --expose 90/udp", look: inspect("{{json .Config.ExposedPorts}}"), want: `^{"80/tcp":{},"90/udp":{}}$`, bad: []badFlag{{"--expose x", "x"}}},
		{flag: "publish", bad: []badFlag{{"-p x", "x"}, {"-p 99999:80", "99999"}}},
		{flag: "publish-all", bad: []badFlag{{"-P=perhaps", `invalid argument "perhaps" for "-P, --publish-all" flag`}}},
		{flag: "network-alias", bad: []badFlag{{"--network host --network-alias a", "network-scoped alias"}}},
		{flag: "ip", bad: []badFlag{{"--ip x", "x"}}},
		{flag: "ip6", bad: []badFlag{{"--ip6 x", "x"}}},
		{flag: "mac-address", bad: []badFlag{{"--mac-address x", "x"}}},
	}
}

// outputRows are about the log.
func outputRows() []flagRow {
	return []flagRow{
		{flag: "log-driver", alone: func(s *stage) {
			id := s.must("run", "-d", "--log-driver", "local", "box", "echo", "kept")
			s.must("wait", id)
			s.says(s.do("logs", id), 0, "kept\n")
			s.must("rm", id)
		}, bad: []badFlag{{"--log-driver paper", "no log driver named 'paper' is registered"}}},
		{flag: "log-opt", args: "--log-opt max-size=1m --log-opt tag=x", look: inspect("{{json .HostConfig.LogConfig}}"), want: `^{"Type":"json-file","Config":{"max-size":"1m","tag":"x"}}$`,
			bad: []badFlag{{"--log-opt nope=1", "unknown log opt 'nope' for json-file log driver"}}},
	}
}

// firstDisk is a block device of the machine that is a whole disk.
func firstDisk(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/sys/block/vd*", "/sys/block/sd*", "/sys/block/nvme*", "/sys/block/loop*"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return "/dev/" + filepath.Base(found[0])
		}
	}
	t.Fatal("this machine has no disk")
	return ""
}
