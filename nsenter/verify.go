package nsenter

// Verify encodes the child's steps as Start does and asks the executor whether
// it would take them: a plan that cannot be sent is found before anything runs.
// Slots are taken as empty, and data that a host step makes as it is now.
func (p *Plan) Verify() error {
	var steps []Step
	for i := range p.Steps {
		if p.Steps[i].Who == Child {
			steps = append(steps, p.Steps[i])
		}
	}
	if len(steps) == 0 {
		return nil
	}
	batch, err := encode(steps, 0, func(Slot) (int64, bool, bool) { return 0, false, false })
	if err != nil {
		return err
	}
	return check(batch)
}
