package cli

import (
	"fmt"
)

// onEach builds the action of a verb that is done to containers one by one and
// prints each as it was typed.
func (s *session) onEach(do func(b *backend, ref string) error) func([]string) error {
	return func(refs []string) error {
		b, err := s.open()
		if err != nil {
			return err
		}
		return s.each(refs, func(ref string) error {
			if err := do(b, ref); err != nil {
				return err
			}
			_, err := fmt.Fprintln(s.out, ref)
			return err
		})
	}
}
