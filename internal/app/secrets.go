package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fengsui/configs"
)

// secrets are the words the process keeps to itself. Those not configured are
// made at the first start and kept in the data folder, one file each, mode 0600.
type secrets struct {
	sipPassword   string // common device password; "" = only provisioned devices
	adminPassword string
	adminMade     bool   // made just now: to be printed once
	cluster       []byte // signs nonces and tokens, encrypts stored passwords
}

// Names of the files in the data folder.
const (
	sipPasswordFile   = "sip-password"
	adminPasswordFile = "admin-password"
	clusterSecretFile = "cluster-secret"
)

func loadSecrets(c *configs.Config) (secrets, error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return secrets{}, fmt.Errorf("data_dir %q cannot be made: %w; choose a folder that can be written with --set data_dir=…", c.DataDir, err)
	}
	var s secrets
	var errs [3]error
	if c.SIP.Password != nil {
		s.sipPassword = *c.SIP.Password
	} else {
		s.sipPassword, _, errs[0] = kept(c.DataDir, sipPasswordFile, word)
	}
	if c.Auth.AdminPassword != nil {
		s.adminPassword = *c.Auth.AdminPassword
	} else {
		s.adminPassword, s.adminMade, errs[1] = kept(c.DataDir, adminPasswordFile, word)
	}
	cluster := c.Cluster.Secret
	if cluster == "" {
		cluster, _, errs[2] = kept(c.DataDir, clusterSecretFile, longWord)
	}
	s.cluster = []byte(cluster)
	return s, errors.Join(errs[:]...)
}

// kept reads a secret from its file, or makes it and writes the file.
func kept(dir, name string, generate func() string) (value string, made bool, err error) {
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err == nil {
		if value = strings.TrimSpace(string(b)); value == "" {
			return "", false, fmt.Errorf("secret file %s is empty: delete it to have a new one made", path)
		}
		return value, false, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("read secret: %w", err)
	}
	value = generate()
	if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("keep secret: %w", err)
	}
	return value, true, nil
}

// word is a password a person can type into a camera: twelve characters
// without look-alikes, in groups, 59 bits.
func word() string {
	const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
	var out []byte
	for len(out) < 14 {
		if len(out) == 4 || len(out) == 9 {
			out = append(out, '-')
			continue
		}
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		if int(b[0]) < 256/len(alphabet)*len(alphabet) {
			out = append(out, alphabet[int(b[0])%len(alphabet)])
		}
	}
	return string(out)
}

func longWord() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}
