package cli

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
	"berth/container"
)

// networkFlags say whose network the container has.
type networkFlags struct {
	network string
}

func (f *networkFlags) options() []*option.Option {
	return []*option.Option{
		option.Text(&f.network, "network,net", "string", "Connect the container to a network: none (the default), host, or container:<name|id>"),
	}
}

func (f *networkFlags) check() error {
	switch {
	case isMode(f.network, true, "none", "host"):
		return nil
	case f.network == "container" || f.network == "container:":
		return verbatim("Invalid network mode: invalid container format container:<name|id>")
	}
	return &hintError{fmt.Errorf("network %s not found", f.network), "this version has --network none, host and container:NAME"}
}

// apply joins the network of the host or of another container. Their name comes
// with it, as in docker.
func (f *networkFlags) apply(d *draft) error {
	mode, err := d.share(specs.NetworkNamespace, f.network, "--network")
	if err != nil || mode == "" {
		return err
	}
	d.Network = mode
	named := d.From["hostname"] != ""
	id := container.ModeContainer(mode)
	switch {
	case mode == "host" && !named:
		d.Spec.Hostname, err = os.Hostname()
		return err
	case id == "":
		return nil
	case named:
		return verbatim("conflicting options: hostname and the network mode")
	}
	other, err := d.find(id)
	if err != nil {
		return err
	}
	if d.Spec.Hostname = other.Spec.Hostname; d.Spec.Hostname == "" {
		d.Spec.Hostname, err = os.Hostname()
	}
	return err
}
