package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth/container/attach"
)

// settings is the part of docker's config.json that changes what commands print,
// which keys detach and what containers know of proxies. The file is docker's and
// is never written here.
type settings struct {
	PsFormat     string `json:"psFormat"`
	ImagesFormat string `json:"imagesFormat"`
	StatsFormat  string `json:"statsFormat"`
	DetachKeys   string `json:"detachKeys"`
	// Proxies are by the daemon they are for; "default" is for all.
	Proxies map[string]proxySettings `json:"proxies"`
}

// proxySettings are the proxies that containers are told of.
type proxySettings struct {
	HTTP  string `json:"httpProxy"`
	HTTPS string `json:"httpsProxy"`
	No    string `json:"noProxy"`
	FTP   string `json:"ftpProxy"`
	All   string `json:"allProxy"`
}

// proxyVariables are the variables that tell a container's programs of the user's
// proxies, in both of their spellings. It is on the way of every start: a file
// that has nothing to say of proxies is not decoded.
func (s *session) proxyVariables() []string {
	p := s.settingsWith(`"proxies"`).Proxies["default"]
	var list []string
	for _, v := range [][2]string{{"HTTP_PROXY", p.HTTP}, {"HTTPS_PROXY", p.HTTPS}, {"NO_PROXY", p.No}, {"FTP_PROXY", p.FTP}, {"ALL_PROXY", p.All}} {
		if v[1] != "" {
			list = append(list, v[0]+"="+v[1], strings.ToLower(v[0])+"="+v[1])
		}
	}
	return list
}

// settings reads the user's config.json: in $DOCKER_CONFIG, or in ~/.docker. One
// that cannot be read is worth a warning, as in docker, and no failure.
func (s *session) settings() settings { return s.settingsWith("") }

// settingsWith is settings for one key; a file in which its text does not stand
// has none.
func (s *session) settingsWith(key string) settings {
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
	if err == nil && !bytes.Contains(data, []byte(key)) {
		return settings{}
	}
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
