package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Files in the folder.
const (
	RootFile = "tls-root.pem" // the root, for everybody
	KeyFile  = "tls-root.key" // mode 0600
)

const (
	rootLife   = 10 * 365 * 24 * time.Hour
	leafLife   = 90 * 24 * time.Hour
	renewAt    = 30 * 24 * time.Hour // before the end
	backdate   = time.Hour           // clocks of browsers differ
	lookAgain  = 10 * time.Second    // between two looks at the machine's addresses
	serialBits = 120
)

// Authority makes the certificate of this machine. Its methods may be called from
// several goroutines.
type Authority struct {
	// Set by Open, never changed after.
	root  *x509.Certificate
	key   crypto.Signer
	pem   []byte
	names func() []string
	made  bool

	mu     sync.Mutex // guards all below
	leaf   *tls.Certificate
	looked time.Time
}

// Open reads the root of a folder, or makes one where there is none, or where it
// ends too soon for another certificate. names are the host names and addresses to
// be known by; they are asked again for each certificate.
func Open(dir string, names func() []string) (*Authority, error) {
	a := &Authority{names: names}
	err := a.load(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && time.Until(a.root.NotAfter) < leafLife {
		a.made = true
		err = a.make(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("certificate authority of %s: %w", dir, err)
	}
	return a, nil
}

// Made reports that Open has made the root.
func (a *Authority) Made() bool { return a.made }

// Root is the root certificate in PEM.
func (a *Authority) Root() []byte { return a.pem }

// GetCertificate is the certificate of now, for tls.Config. It is made anew before
// it ends, and when the machine is called at an address that it does not have yet.
func (a *Authority) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.leaf != nil && a.leaf.Leaf.NotAfter.Sub(now) > renewAt && (a.covers(hello) || now.Sub(a.looked) < lookAgain) {
		return a.leaf, nil
	}
	a.looked = now
	leaf, err := a.issue(now)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	a.leaf = leaf
	return leaf, nil
}

// covers reports whether the certificate has the address at which it is asked for;
// mu is held.
func (a *Authority) covers(hello *tls.ClientHelloInfo) bool {
	if hello == nil || hello.Conn == nil {
		return true
	}
	at, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String())
	if err != nil {
		return true
	}
	return slices.ContainsFunc(a.leaf.Leaf.IPAddresses, func(ip net.IP) bool { return ip.Equal(at.Addr().Unmap().AsSlice()) })
}

func (a *Authority) issue(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Fengsui"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range a.names() {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.root.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func (a *Authority) load(dir string) error {
	root, err := os.ReadFile(filepath.Join(dir, RootFile))
	if err != nil {
		return err
	}
	secret, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(root, secret)
	if err != nil {
		return fmt.Errorf("%s and %s: %w; remove both to have new ones made, which browsers must then be given", RootFile, KeyFile, err)
	}
	a.root, a.pem = pair.Leaf, root
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !a.root.IsCA {
		return fmt.Errorf("%s is no root of a certificate authority; remove it and %s to have new ones made", RootFile, KeyFile)
	}
	a.key = signer
	return nil
}

func (a *Authority) make(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	host, _ := os.Hostname() // only for people to read
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: fmt.Sprintf("Fengsui of %s, %s", host, now.Format(time.DateOnly)), Organization: []string{"Fengsui"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(rootLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	a.key = key
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	// The key first: a root without its key would be of no use to anybody.
	if err := replace(filepath.Join(dir, KeyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return err
	}
	return replace(filepath.Join(dir, RootFile), a.pem, 0o644)
}

// replace writes a file as a whole or not at all.
func replace(path string, content []byte, mode os.FileMode) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits)) // never fails (crypto/rand)
	return n
}

// Names are those of this machine: its host name, localhost, its addresses, and
// others as given, each once.
func Names(others ...string) []string {
	all := append([]string{"localhost"}, others...)
	if host, err := os.Hostname(); err == nil {
		all = append(all, host)
	}
	addrs, _ := net.InterfaceAddrs() // without them the others are left
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr().Unmap().WithZone("").String())
		}
	}
	var names []string
	for _, n := range all {
		if n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}
