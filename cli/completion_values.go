package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"berth/cli/option"
	"berth/container"
	"berth/image"
)

// operand is what a word of a command line names.
type operand int

const (
	nothing operand = iota
	anyContainer
	// runningContainer is for what only a running container can do (exec),
	// liveContainer for what a paused one can as well (kill).
	runningContainer
	liveContainer
	pausedContainer
	stoppedContainer
	anyImage
	manifestList
	anyObject
	anyFile
	anyFolder
	// containerPath is CONTAINER:PATH or a path of the host.
	containerPath
	// hostPath is the path in front of a colon: HOST:CONTAINER.
	hostPath
	// namedContainer is container:NAME, beside other words.
	namedContainer
	commandName
	// plannedCommand is what explain takes.
	plannedCommand
	shellName
	// knownRegistry is one that there is a login for.
	knownRegistry
)

// operandsOf returns what a command's words name. A row that does not say so has
// it in its usage line.
func operandsOf(c *command) []operand {
	if c.operands != nil {
		return c.operands
	}
	var list []operand
	for word := range strings.FieldsSeq(c.args) {
		switch word = strings.Trim(word, "[].,"); {
		case word == "OPTIONS":
		case strings.HasPrefix(word, "CONTAINER"):
			list = append(list, anyContainer)
		case strings.HasPrefix(word, "MANIFEST_LIST"):
			list = append(list, manifestList)
		case strings.HasPrefix(word, "IMAGE"), strings.HasPrefix(word, "MANIFEST"), strings.HasPrefix(word, "REPOSITORY"):
			list = append(list, anyImage)
		case strings.HasPrefix(word, "FILE"), strings.HasPrefix(word, "file"):
			list = append(list, anyFile)
		default:
			list = append(list, nothing)
		}
	}
	return list
}

// operand completes a positional word. The last kind goes for all that follow,
// where a command takes any number.
func (c *completer) operand(ctx context.Context, cmd *command, before []string, cur string) {
	kinds, at := operandsOf(cmd), len(before)
	if cmd.max == unlimited {
		at = min(at, len(kinds)-1)
	}
	if at < 0 || at >= len(kinds) {
		return
	}
	known := c.candidates
	c.object(ctx, kinds[at], "", cur)
	if kinds[at] != anyFile && kinds[at] != containerPath {
		// What was named once is not named again.
		c.candidates = slices.DeleteFunc(c.candidates, func(w candidate) bool { return slices.Contains(before, w.word) })
	}
	c.candidates = append(known, c.candidates...)
}

// object offers what a kind of operand can be. lead is typed in front of it.
func (c *completer) object(ctx context.Context, kind operand, lead, cur string) {
	switch kind {
	case anyContainer, runningContainer, liveContainer, pausedContainer, stoppedContainer:
		c.containers(ctx, kind, lead, lead+cur)
	case anyImage, manifestList, knownRegistry:
		c.stored(kind, lead, lead+cur)
	case anyObject:
		c.containers(ctx, anyContainer, lead, lead+cur)
		c.images(lead, lead+cur)
	case anyFile:
		c.files, c.part = true, cur
	case anyFolder:
		c.folders, c.part = true, cur
	case hostPath:
		if !strings.Contains(cur, ":") {
			c.files, c.part = true, cur
		}
	case containerPath:
		if !strings.Contains(cur, ":") {
			c.containerPaths(ctx, cur)
		}
	case namedContainer:
		if name, ok := strings.CutPrefix(cur, "container:"); ok {
			c.containers(ctx, liveContainer, lead+"container:", lead+"container:"+name)
		}
	case commandName:
		c.commandNames(cur)
	case plannedCommand:
		c.add(cur, "run", runCommand().short)
		c.add(cur, "create", createCommand().short)
	case shellName:
		c.shells(cur)
	}
}

func (c *completer) shells(cur string) {
	for _, script := range scripts(c.program) {
		c.add(cur, script.shell, "Completion of "+script.shell)
	}
}

func (c *completer) commandNames(cur string) {
	all := commands()
	for _, cmd := range all {
		if !cmd.longOnly() && !cmd.hidden && (cmd.name != "oci" || c.program != "docker") {
			c.add(cur, cmd.name, cmd.short)
		}
	}
	for _, g := range groups(all) {
		c.add(cur, g.name, g.usage)
	}
	c.add(cur, "help", "Print a command's usage")
}

// containerPaths offers containers with a colon, and the host's files.
func (c *completer) containerPaths(ctx context.Context, cur string) {
	c.files, c.part = true, cur
	if strings.ContainsAny(cur, "/.~") {
		return
	}
	c.containers(ctx, anyContainer, "", cur)
	for i := range c.candidates {
		c.candidates[i].word += ":"
	}
}

// containers offers the names of containers in the states that a kind means.
func (c *completer) containers(ctx context.Context, kind operand, lead, cur string) {
	b, err := c.open()
	if err != nil {
		return
	}
	list := b.List
	if kind == runningContainer || kind == liveContainer || kind == pausedContainer {
		list = b.ListRunning
	}
	views, err := list(ctx)
	if err != nil {
		return
	}
	now := time.Now()
	for _, v := range views {
		if v.Name != "" && inState(kind, v.Status) {
			c.add(cur, lead+v.Name, strings.TrimPrefix(v.Image.Ref+", "+statusText(v, now), ", "))
		}
	}
}

func inState(kind operand, status container.Status) bool {
	switch kind {
	case runningContainer:
		return status == container.Running
	case pausedContainer:
		return status == container.Paused
	case liveContainer:
		return status != container.Created && status != container.Exited && status != container.Dead && status != container.Broken
	case stoppedContainer:
		return status == container.Created || status == container.Exited
	}
	return true
}

// stored offers what is kept besides containers.
func (c *completer) stored(kind operand, lead, cur string) {
	switch kind {
	case manifestList:
		c.manifestLists(lead, cur)
	case knownRegistry:
		for _, name := range c.logins("").Registries() {
			c.add(cur, lead+name, "")
		}
	default:
		c.images(lead, cur)
	}
}

// images offers names of images; the tag latest goes without saying until
// somebody begins to type a tag.
func (c *completer) images(lead, cur string) {
	b, err := c.open()
	if err != nil {
		return
	}
	// What cannot be listed leaves the image that is built in, box.
	list, _ := b.images.List()
	names := []string{"box"}
	for _, img := range list {
		ref, err := image.ParseNamed(img.Ref)
		if err != nil {
			continue
		}
		name := ref.Familiar()
		if !strings.Contains(cur, ":") {
			name = strings.TrimSuffix(name, ":latest")
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		c.add(cur, lead+name, "")
	}
}

func (c *completer) manifestLists(lead, cur string) {
	b, err := c.open()
	if err != nil {
		return
	}
	// A folder that cannot be read offers nothing.
	names, _ := b.images.ManifestLists()
	for _, name := range names {
		c.add(cur, lead+shortRef(name), "")
	}
}

// value completes the value of a flag; lead is what is typed in front of it.
func (c *completer) value(ctx context.Context, cmd *command, o *option.Option, lead, cur string) {
	from := sourceOf(cmd, o, cur)
	if from.pairs {
		at := strings.LastIndexByte(cur, ',') + 1
		lead, cur = lead+cur[:at], cur[at:]
		for _, key := range []string{"src=", "source="} {
			if path, ok := strings.CutPrefix(cur, key); ok {
				c.files, c.part = true, path
			}
		}
	}
	for _, word := range from.words {
		c.add(lead+cur, lead+word, "")
	}
	c.object(ctx, from.kind, lead, cur)
}

// source is where the values of a flag come from.
type source struct {
	words []string
	kind  operand
	// pairs tells that the value is a list of key=value with commas.
	pairs bool
}

// sourceOf is where the values of a command's flag come from.
func sourceOf(c *command, o *option.Option, cur string) source {
	switch {
	case o.IsSwitch() && o.Implied == "":
		return source{words: []string{"true", "false"}}
	case o.Name == "filter":
		return source{words: filterWords(c)}
	case o.Name == "signal" || o.Name == "stop-signal":
		return source{words: signalWords(cur)}
	case o.Name == "format" && strings.Contains(o.Usage, "table"):
		return source{words: []string{"table", "json"}}
	case o.Name == "format" && strings.Contains(o.Usage, dockerArchive):
		return source{words: []string{dockerArchive, ociArchive}}
	case o.Name == "format" && strings.Contains(o.Usage, "text"):
		return source{words: []string{"text", "json"}}
	}
	return flagSources()[o.Name]
}

// flagSources are the sources by the flag's name, which means the same with
// every command.
func flagSources() map[string]source {
	file, folder, host := source{kind: anyFile}, source{kind: anyFolder}, source{kind: hostPath}
	capabilities := source{words: capabilityWords()}
	streams := source{words: []string{"stdin", "stdout", "stderr"}}
	return map[string]source{
		"pull":         {words: []string{"always", "missing", "never", "newer"}},
		"network":      {words: []string{"none", "host", "container:"}, kind: namedContainer},
		"pid":          {words: []string{"private", "host", "container:"}, kind: namedContainer},
		"ipc":          {words: []string{"private", "shareable", "none", "host", "container:"}, kind: namedContainer},
		"uts":          {words: []string{"private", "host"}},
		"cgroupns":     {words: []string{"private", "host"}},
		"userns":       {words: []string{"host", "private", "auto", "auto:size=", "container:"}, kind: namedContainer},
		"restart":      {words: []string{"no", "always", "unless-stopped", "on-failure", "on-failure:"}},
		"log-driver":   {words: []string{"json-file", "local", "journald", "none"}},
		"log-opt":      {words: []string{"max-size=", "max-file="}},
		"log-level":    {words: levels()},
		"context":      {words: []string{"default"}},
		"format":       {words: []string{"json"}},
		"type":         {words: []string{"container", "image"}},
		"trace":        {words: []string{"text", "json"}},
		"security-opt": {words: []string{"no-new-privileges", "seccomp=", "seccomp=unconfined", "systempaths=unconfined", "apparmor=", "label="}},
		"platform":     {words: []string{"linux/amd64", "linux/arm64"}},
		"mount":        {words: []string{"type=bind", "type=tmpfs", "src=", "dst=", "readonly", "bind-propagation=", "tmpfs-size=", "tmpfs-mode="}, pairs: true},
		"ulimit":       {words: []string{"core=", "cpu=", "data=", "fsize=", "memlock=", "nofile=", "nproc=", "rss=", "stack="}},
		"attach":       streams,
		"cap-add":      capabilities, "cap-drop": capabilities,
		"volumes-from": {kind: anyContainer},
		"isolation":    {words: []string{"default"}},
		"runtime":      {words: []string{"berth"}},
		"label-file":   file,
		"env-file":     file, "authfile": file, "cidfile": file, "pidfile": file, "output": file, "input": file, "tlscacert": file, "tlscert": file, "tlskey": file,
		"bundle": folder, "cert-dir": folder, "rootfs": folder, "config": folder,
		"volume": host, "device": host,
	}
}

// signalWords are the names of signals, as they are being typed.
func signalWords(cur string) []string {
	var list []string
	for n := range unix.Signal(32) {
		if name := unix.SignalName(n); name != "" {
			if !strings.HasPrefix(cur, "SIG") {
				name = strings.TrimPrefix(name, "SIG")
			}
			list = append(list, name)
		}
	}
	return list
}

// capabilityWords are ALL and the kernel's capabilities without CAP_.
func capabilityWords() []string {
	list := []string{"ALL"}
	for _, name := range container.Capabilities() {
		list = append(list, strings.TrimPrefix(name, "CAP_"))
	}
	return list
}

// filterWords are the keys of a command's filters, and the values of some.
func filterWords(c *command) []string {
	if c.name == "search" {
		return []string{"stars=", "is-official=true", "is-official=false", "is-automated=true", "is-automated=false"}
	}
	words := []string{"until=", "label=", "label!="}
	switch c.groupNames[0] {
	case "ls":
		if c.group != "container" {
			return []string{"dangling=true", "dangling=false", "label=", "before=", "since=", "reference=", "until="}
		}
		words = []string{"id=", "name=", "label=", "ancestor=", "before=", "since=", "volume=", "network=", "publish=", "expose=", "exited="}
		for _, status := range []string{"created", "restarting", "running", "removing", "paused", "exited", "dead"} {
			words = append(words, "status="+status)
		}
		for _, health := range []string{"starting", "healthy", "unhealthy", "none"} {
			words = append(words, "health="+health)
		}
	case "events":
		words = []string{"container=", "event=", "image=", "label=", "type=container", "type=image"}
	}
	return words
}
