package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"berth/container/attach"
)

// settings is the part of docker's config.json that changes what commands print
// and which keys detach. The file is docker's and is never written here.
type settings struct {
	PsFormat     string `json:"psFormat"`
	ImagesFormat string `json:"imagesFormat"`
	StatsFormat  string `json:"statsFormat"`
	DetachKeys   string `json:"detachKeys"`
}

// settings reads the user's config.json: in $DOCKER_CONFIG, or in ~/.docker. One
// that cannot be read is worth a warning, as in docker, and no failure.
func (s *session) settings() settings {
	folder := s.getenv("DOCKER_CONFIG")
	if folder == "" {
		home := s.getenv("HOME")
		if home == "" {
			return settings{}
		}
		folder = filepath.Join(home, ".docker")
	}
	name := filepath.Join(folder, "config.json")
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return settings{}
	}
	var read settings
	if err == nil {
		err = json.Unmarshal(data, &read)
	}
	if err != nil {
		s.warn(fmt.Sprintf("read %s: %v", name, err))
		return settings{}
	}
	return read
}

// detachKeys returns the keys that leave a container: the flag's, else the
// user's own; empty for the engine's default.
func (s *session) detachKeys(flag string) string {
	if flag != "" {
		return flag
	}
	return s.settings().DetachKeys
}

// checkDetachKeys refuses keys that there are not, also where nobody could
// press them.
func checkDetachKeys(flag string) error {
	if flag == "" {
		return nil
	}
	_, err := attach.ParseDetachKeys(flag)
	return err
}
