package main

import "maps"

// note is what the page says of a command or a flag that berth has.
type note struct {
	// how is what differs, or why it is refused.
	how string
	// refused is a command line that proves that a flag, known to berth, does
	// nothing but be refused; empty for one that works in another way.
	refused string
}

// differences are the commands and flags of docker's that do another thing in
// berth, as far as somebody can notice: "attach", "run --pull". What is said of
// run goes for create.
func differences() map[string]note {
	all := commandDifferences()
	maps.Copy(all, runDifferences())
	return all
}

// commandDifferences are those of all commands but run.
func commandDifferences() map[string]note {
	const noTLS = "There is no connection that TLS could protect."
	return map[string]note{
		"attach":                       {how: "A container that runs in the foreground without `-t` belongs to the command that runs it, and nobody else can attach to it."},
		"completion":                   {how: "For bash, zsh and fish; also completes names of containers and images, by what the command can act on."},
		"cp":                           {how: "Also from and to the tmpfs mounts of a running container. A file that something is mounted on is written to, where docker is refused by the kernel."},
		"cp --archive":                 {how: "As docker's manual says: without it, files belong to root in the container, to the caller on the host; with it they keep the numbers of their owners. Docker keeps the numbers of what is copied in, and of nothing that is copied out."},
		"export":                       {how: "The archive also keeps extended attributes and times to the nanosecond, and has none of docker's own files, such as `.dockerenv`."},
		"events":                       {how: "The last few thousand since the boot are kept; docker's daemon keeps 256."},
		"pull":                         {how: "`box` is built in, and always up to date. Besides docker's registries and `insecure-registries`, registries.conf and certs.d of podman's are read, and `--authfile`, `--cert-dir`, `--creds` and `--tls-verify` are podman's."},
		"pull --disable-content-trust": {how: "Without effect, with a warning for `false`: docker's content trust is no more."},
		"login":                        {how: "Docker Hub, too, asks for a name and a password or token: there is no login through a browser. Podman's `--authfile`, `--cert-dir` and `--tls-verify` are there. A login that another program's file has is tried, but not copied."},
		"logout":                       {how: "Says `Not logged in to` where there was nothing to forget, as docker did until 20.10, and warns where another file still has a login. Podman's `--authfile` is there."},
		"logs":                         {how: "With `-f` it goes on over the restarts of a restart policy; docker's ends at each."},
		"info":                         {how: "Docker's fields; what is a daemon's has the value of one that does nothing."},
		"inspect":                      {how: "Docker's keys; containers and images are all there is."},
		"manifest create":              {how: "The list is kept below `BERTH_ROOT`, not in the caller's home. An image that no registry has is taken from the store. `--amend` looks every image up again; what was annotated stays as long as the image does."},
		"manifest inspect":             {how: "A registry's list is shown as it is, with all its fields. What no registry has is looked up in the store."},
		"manifest push":                {how: "Images of another registry, and of the store, are copied along, where docker refuses."},
		"ps":                           {how: "A container whose record is damaged is listed as `Broken`, beside all others."},
		"push":                         {how: "The image arrives as it is stored, so that its digest stays: layers that berth made itself are not compressed. `--authfile`, `--cert-dir`, `--creds` and `--tls-verify` are podman's."},
		"top":                          {how: "The host's ps is not run: columns and options are berth's own, and options that pick processes are refused."},
		"version":                      {how: "Client and server are one program."},

		"docker --context":   {how: "Only `default`. A command that means another machine is refused and not run on this one."},
		"docker --host":      {how: "Only docker's own default, `unix:///var/run/docker.sock`. A command that means another machine is refused and not run on this one. `DOCKER_HOST` is not read."},
		"docker --debug":     {how: "Accepted, without effect: there is no daemon whose messages it could show. `berth run --trace` shows every step of a start."},
		"docker --log-level": {how: "As `--debug`."},
		"docker --tls":       {how: noTLS, refused: "--tls ps"},
		"docker --tlsverify": {how: noTLS, refused: "--tlsverify ps"},
		"docker --tlscacert": {how: noTLS, refused: "--tlscacert /x ps"},
		"docker --tlscert":   {how: noTLS, refused: "--tlscert /x ps"},
		"docker --tlskey":    {how: noTLS, refused: "--tlskey /x ps"},

		"search": {how: "A registry without the search of docker's first registries is looked through by the names of its repositories."},

		"update --memory":             {how: "Down to 1 MiB; docker's least is 6 MiB."},
		"update --memory-reservation": {how: "As `--memory`."},
		"rm --volumes":                {how: "Without effect, as there are no anonymous volumes."},
		"system prune --volumes":      {how: "Without effect, as there are no volumes."},
	}
}

// runDifferences are those of run's flags.
func runDifferences() map[string]note {
	const (
		onlyOwn = "There is no network that could give it: none, host and another container's have no addresses of a container's own."
		v1      = "Only where the kernel has it, which is cgroup v1. Elsewhere it is an error; docker warns and goes on."
		windows = "Of containers of Windows. Docker on Linux passes over it in silence."
	)
	return map[string]note{
		"run --pull":                  {how: "Also podman's `newer`: pull as `always`, and take the stored image where that fails. `box` is built in and never pulled."},
		"run --network":               {how: "`none` (the default), `host` and `container:NAME`. No bridge, no networks of one's own."},
		"run --ip":                    {how: onlyOwn, refused: "run --ip 10.0.0.2 box true"},
		"run --ip6":                   {how: onlyOwn, refused: "run --ip6 fd00::2 box true"},
		"run --link-local-ip":         {how: onlyOwn, refused: "run --link-local-ip 169.254.0.2 box true"},
		"run --mac-address":           {how: onlyOwn, refused: "run --mac-address 92:d0:c6:0a:29:33 box true"},
		"run --network-alias":         {how: onlyOwn, refused: "run --network-alias x box true"},
		"run --net-alias":             {how: onlyOwn, refused: "run --net-alias x box true"},
		"run --link":                  {how: onlyOwn, refused: "run --link x box true"},
		"run --publish":               {how: "Refused with the default network, which nothing could reach; with `--network host` every port is the host's anyway. An explicit `--network none` takes it, as docker's does."},
		"run --publish-all":           {how: "As `--publish`."},
		"run --volume":                {how: "`HOST:PATH`. Named and anonymous volumes are refused; a folder that an image declares as a volume is a plain folder of the container."},
		"run --mount":                 {how: "`type=bind` and `type=tmpfs`."},
		"run --volume-driver":         {how: "Only `local`."},
		"run --restart":               {how: "The container's monitor restarts it. After a boot nobody does: a systemd unit starts what is to run then."},
		"run --log-driver":            {how: "`json-file`, `local`, `journald` and `none`; the others are refused."},
		"run --log-opt":               {how: "`json-file` rotates at 10 MiB and keeps three files unless told otherwise; docker's never rotates."},
		"run --security-opt":          {how: "`no-new-privileges`, `seccomp`, `systempaths`, `writable-cgroups` as docker's, and `mask` and `unmask`. An AppArmor profile that the kernel cannot apply is an error and not ignored; none is set unasked. SELinux labels are refused."},
		"run --userns":                {how: "Docker's `host`, and besides a range of ids for each container: `private`, `auto`, `START:SIZE`, `container:NAME`."},
		"run --uts":                   {how: "As docker's, and `private` by name."},
		"run --runtime":               {how: "berth is the runtime, and starts no other one."},
		"run --gpus":                  {how: "There are no device drivers. `--device` gives a device by its path.", refused: "run --gpus all box true"},
		"run --storage-opt":           {how: "There are no quotas on a container's files.", refused: "run --storage-opt size=1G box true"},
		"run --use-api-socket":        {how: "There is no socket of a daemon.", refused: "run --use-api-socket box true"},
		"run --cpu-count":             {how: windows, refused: "run --cpu-count 2 box true"},
		"run --cpu-percent":           {how: windows, refused: "run --cpu-percent 50 box true"},
		"run --io-maxbandwidth":       {how: windows, refused: "run --io-maxbandwidth 1m box true"},
		"run --io-maxiops":            {how: windows, refused: "run --io-maxiops 5 box true"},
		"run --memory":                {how: "Down to 1 MiB; docker's least is 6 MiB."},
		"run --memory-reservation":    {how: "As `--memory`."},
		"run --memory-swappiness":     {how: v1},
		"run --oom-kill-disable":      {how: v1},
		"run --cpu-rt-period":         {how: "Only where the kernel schedules groups in real time. Elsewhere it is an error; docker warns and goes on."},
		"run --cpu-rt-runtime":        {how: "As `--cpu-rt-period`."},
		"run --disable-content-trust": {how: "Without effect, with a warning for `false`: docker's content trust is no more."},
	}
}
