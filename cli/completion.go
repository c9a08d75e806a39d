package cli

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"berth/cli/option"
)

// completeCommand is the word behind which the shells' scripts give a command
// line that is being typed. It is no command of the lists.
const completeCommand = "__complete"

// The scripts only call back, so that they need not change with the commands.
// "berth" in them is replaced by the program's name.
var (
	//go:embed completion/berth.bash
	bashScript string
	//go:embed completion/berth.zsh
	zshScript string
	//go:embed completion/berth.fish
	fishScript string
)

// script is the completion of one shell.
type script struct{ shell, text string }

// scripts are the completions for a program of a name.
func scripts(program string) []script {
	list := []script{{"bash", bashScript}, {"zsh", zshScript}, {"fish", fishScript}}
	for i := range list {
		list[i].text = strings.ReplaceAll(list[i].text, "berth", program)
	}
	return list
}

func completionCommand() *command {
	return &command{
		name: "completion", category: categoryOther,
		args: "SHELL", short: "Print the completion script for bash, zsh or fish",
		about: `Completion prints a script that has a shell complete berth's commands, flags and their values, container and image names. It calls berth back for each completion, so it needs no update when berth gets one. Names of containers are those that the command can act on: start completes stopped ones, pause running ones.

Bash reads the script from /usr/share/bash-completion/completions/berth or after "source <(berth completion bash)"; zsh from a file _berth in a folder of its fpath; fish from ~/.config/fish/completions/berth.fish. "make install" puts all three in place. Called by the name docker, berth prints the script for docker.

Containers and images are those of BERTH_ROOT as far as the user may read it: without root, nothing of them is completed.`,
		min: 1, max: 1, mixed: true, operands: []operand{shellName},
		examples: []example{
			{"Complete in the running bash.", "source <(berth completion bash)"},
			{"Install the completion for fish.", "berth completion fish > ~/.config/fish/completions/berth.fish"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(_ context.Context, args []string) error { return s.printScript(args[0]) }
		},
	}
}

func (s *session) printScript(shell string) error {
	for _, script := range scripts(s.program) {
		if script.shell == shell {
			_, err := fmt.Fprint(s.out, script.text)
			return err
		}
	}
	return &hintError{fmt.Errorf("no completion for the shell %q", shell), "there is bash, zsh and fish"}
}

// candidate is one word that may be meant.
type candidate struct{ word, about string }

// completion is what may stand where the cursor is.
type completion struct {
	candidates []candidate
	// files and folders ask the shell to add the host's, for part, the end of
	// the word that is a path.
	files, folders bool
	part           string
}

// complete answers a script: words are the command line without the program's
// name, the last one being the word at the cursor. Each line is a candidate with
// a tab and what it is; one that ends in "=" or ":" is a beginning, behind which
// no blank belongs. ":files" or ":folders" in the last line asks the shell for
// the host's, for the path behind the tab. Nothing known is no failure.
func (s *session) complete(ctx context.Context, words []string) error {
	if len(words) == 0 {
		words = []string{""}
	}
	c := &completer{session: s}
	c.line(ctx, words[:len(words)-1], words[len(words)-1])
	var b strings.Builder
	for _, each := range c.candidates {
		b.WriteString(each.word)
		if each.about != "" {
			b.WriteString("\t" + strings.NewReplacer("\n", " ", "\t", " ").Replace(each.about))
		}
		b.WriteByte('\n')
	}
	switch {
	case c.files:
		fmt.Fprintf(&b, ":files\t%s\n", c.part)
	case c.folders:
		fmt.Fprintf(&b, ":folders\t%s\n", c.part)
	}
	_, err := fmt.Fprint(s.out, b.String())
	return err
}
