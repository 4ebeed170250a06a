// Command fengsui is the GB/T 28181 server: serve, demo, sim, doctor, config, backup, restore,
// version.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"fengsui/configs"
	"fengsui/internal/app"
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command line as design/interfaces.md fixes it.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run the server."`
	Demo    demoCmd    `cmd:"" help:"Run the server on embedded defaults with simulated cameras."`
	Sim     simCmd     `cmd:"" help:"Simulate devices against a server."`
	Doctor  doctorCmd  `cmd:"" help:"Check this machine: ports, addresses, buffers, limits, clock, disk."`
	Config  configCmd  `cmd:"" help:"Check or print the configuration."`
	TLS     tlsCmd     `cmd:"" name:"tls" help:"Certificates of http.tls.auto."`
	Backup  backupCmd  `cmd:"" help:"Write database and secrets into one file, also while the server runs."`
	Restore restoreCmd `cmd:"" help:"Put a backup in the place of what is there; the server must not run."`
	Version versionCmd `cmd:"" help:"Print version, commit and Go version."`
}

// console is where a command writes; it is bound so that commands can be tested.
type console struct {
	context.Context
	out, err io.Writer
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c, kong.Name("fengsui"), kong.Writers(out, errOut), kong.UsageOnError(),
		kong.Description("A GB/T 28181 server in one binary."), kong.Exit(func(code int) { exited = code }))
	if err != nil {
		fmt.Fprintln(errOut, "fengsui:", err)
		return exitFailed
	}
	k, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(errOut, "fengsui: %v\nsee fengsui --help\n", err)
		return exitUsage
	}
	err = k.Run(&console{ctx, out, errOut})
	var faults configs.Faults
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &faults):
		fmt.Fprintf(errOut, "fengsui: the configuration cannot be used:\n%v\n", faults)
		return exitUsage
	}
	fmt.Fprintln(errOut, "fengsui:", err)
	return exitFailed
}

// source is where a command's configuration comes from.
type source struct {
	Config string   `help:"Configuration file (YAML)." type:"path" placeholder:"FILE"`
	Set    []string `help:"Set one key, as in sip.listen=0.0.0.0:5060. Repeatable." sep:"none" placeholder:"KEY=VALUE"`
}

func (s source) load() (configs.Config, error) {
	src := configs.Source{Env: os.Environ(), Set: s.Set}
	if s.Config != "" {
		b, err := os.ReadFile(s.Config)
		if err != nil {
			return configs.Config{}, configs.Faults{{Key: "--config", Reason: err.Error()}}
		}
		src.File = b
	}
	return configs.Load(src)
}

type serveCmd struct{ source }

func (s serveCmd) Run(c *console) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	server, err := app.New(c, cfg, c.err)
	if err != nil {
		return err
	}
	server.Announce(c.out)
	stop := s.reloadAtHangup(c, server)
	defer stop()
	return server.Run(c)
}

// reloadAtHangup reads the configuration again at each SIGHUP; one with faults
// is refused as a whole.
func (s serveCmd) reloadAtHangup(c *console, server *app.App) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	var done sync.WaitGroup
	done.Go(func() {
		for range hangups {
			cfg, err := s.load()
			var waiting []string
			if err == nil {
				waiting, err = server.Reload(cfg)
			}
			switch {
			case err != nil:
				fmt.Fprintf(c.err, "fengsui: configuration not taken over:\n%v\n", err)
			case len(waiting) > 0:
				fmt.Fprintf(c.err, "fengsui: these keys need a restart: %s\n", strings.Join(waiting, ", "))
			}
		}
	})
	return func() {
		signal.Stop(hangups)
		close(hangups)
		done.Wait()
	}
}

type doctorCmd struct {
	source
	Device string `help:"Run the conformance test of this device on the server that runs." placeholder:"ID"`
	Act    bool   `help:"With --device: also turn a camera and stop it."`
	Key    string `help:"With --device: API key of an administrator." env:"FENGSUI_API_KEY" placeholder:"KEY"`
	Server string `help:"With --device: address of the server; default http.listen on this machine." placeholder:"URL"`
	Format string `help:"With --device: form of the report." enum:"text,markdown,json" default:"text"`
	Lang   string `help:"With --device: language of the report." enum:"en,zh" default:"en"`
}

func (d doctorCmd) Run(c *console) error {
	cfg, err := d.load()
	if err != nil {
		return err
	}
	if d.Device == "" {
		return app.Doctor(c, cfg, c.out)
	}
	report, err := app.AskCheckup(c, cfg, app.CheckupQuestion{Server: d.Server, Key: d.Key, Device: d.Device, Act: d.Act, Lang: d.Lang})
	if err != nil {
		return err
	}
	switch d.Format {
	case "json":
		b, err := report.JSON()
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s\n", b)
	case "markdown":
		fmt.Fprint(c.out, report.Markdown(d.Lang))
	default:
		fmt.Fprint(c.out, report.Text(d.Lang))
	}
	if report.Failed > 0 {
		return app.ErrNonconforming
	}
	return nil
}

type configCmd struct {
	Check  checkCmd  `cmd:"" help:"Validate: every fault at once."`
	Print  printCmd  `cmd:"" help:"Print the effective configuration, secrets hidden."`
	Sample sampleCmd `cmd:"" help:"Print a commented sample equal to the defaults."`
}

type checkCmd struct{ source }

func (s checkCmd) Run(c *console) error {
	if _, err := s.load(); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "the configuration is fine")
	return nil
}

type printCmd struct{ source }

func (s printCmd) Run(c *console) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	fmt.Fprint(c.out, cfg.Print())
	return nil
}

type sampleCmd struct{}

func (sampleCmd) Run(c *console) error {
	fmt.Fprint(c.out, configs.Sample)
	return nil
}

type backupCmd struct {
	source
	File string `arg:"" optional:"" help:"Where to write it; default a new file in data_dir/backups." type:"path"`
}

func (b backupCmd) Run(c *console) error {
	cfg, err := b.load()
	if err != nil {
		return err
	}
	return app.Backup(c, cfg, b.File, c.out)
}

type restoreCmd struct {
	source
	File  string `arg:"" help:"The backup." type:"path"`
	Check bool   `help:"Only say whether it is whole and can be restored."`
}

func (r restoreCmd) Run(c *console) error {
	cfg, err := r.load()
	if err != nil {
		return err
	}
	return app.Restore(c, cfg, r.File, r.Check, c.out)
}

type tlsCmd struct {
	Root rootCmd `cmd:"" help:"Print the root certificate that browsers are to trust."`
}

type rootCmd struct{ source }

func (s rootCmd) Run(c *console) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	root, err := app.Root(&cfg)
	if err != nil {
		return err
	}
	fmt.Fprint(c.out, string(root))
	return nil
}

type versionCmd struct{}

func (versionCmd) Run(c *console) error {
	fmt.Fprintln(c.out, app.Build())
	return nil
}
