package main

// differences are the commands and flags that berth has and that do another
// thing than docker's, as far as somebody can notice: "attach", "run --pull". What
// is said of run goes for create.
func differences() map[string]string {
	return map[string]string{
		"run --pull": "There is no registry to pull from: `always` is refused.",
	}
}
