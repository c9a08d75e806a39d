// Package events owns the record of what happened to containers, images,
// networks and volumes: one line of JSON per event, in a file on the tmpfs that
// every berth process appends to and any number of commands read and follow.
//
// There is no daemon that events could pass through, so the file is the
// channel. Its rules:
//
//   - An event is one write to a file opened with O_APPEND, so lines of
//     processes that write at once never mix.
//   - The file is bounded. The writer that finds it full renames it to its
//     second name, in place of the one before; the next writer begins a new one.
//   - A writer holds a shared flock and looks whether the file still has its
//     name, and rotation takes the exclusive one: a file that has lost its name
//     gets no event any more, so a reader that has come to its end may go on to
//     the next.
//   - Every event begins with the same characters, which no string in JSON can
//     contain: what is left of a line that was cut short does not take the next
//     event with it.
//
// Telling of an event is never worth an error, nor a wait: one that cannot be
// written (the tmpfs is full) is lost, and nobody is told. So this is no
// journal to bill or to audit by. What a container is at the moment is in its
// records.
package events
