package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"fengsui/internal/telemetry"
)

func TestLogLineCarriesTimeWithMillisecondsAndTheTraceOfItsContext(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, telemetry.LogConfig{Level: "debug", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	trace := telemetry.NewTrace()
	log.Debug().Ctx(telemetry.NewContext(t.Context(), trace)).Str("device", "34020000001320000001").Msg("device registered")

	var line map[string]string
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if line["trace"] != trace.ID() || line["level"] != "debug" || line["message"] != "device registered" {
		t.Errorf("line = %v, want trace %s", line, trace.ID())
	}
	if _, err := time.Parse(telemetry.TimeFormat, line["time"]); err != nil {
		t.Errorf("time: %v", err)
	}
}

func TestLogLineWithoutTraceHasNoTraceField(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, telemetry.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	log.Debug().Msg("not written at info")
	log.Info().Ctx(t.Context()).Msg("plain")
	if s := out.String(); strings.Contains(s, "trace") || strings.Count(s, "\n") != 1 {
		t.Errorf("got %q, want one line without trace", s)
	}
}

func TestConsoleFormatIsPlainTextForAnythingButATerminal(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, telemetry.LogConfig{Format: "console"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info().Str("device", "x").Msg("hello")
	if s := out.String(); strings.Contains(s, "\x1b") || !strings.Contains(s, "INF hello device=x") {
		t.Errorf("got %q", s)
	}
}

func TestBadLogConfigurationNamesEveryKeyAndValue(t *testing.T) {
	_, err := telemetry.NewLogger(&bytes.Buffer{}, telemetry.LogConfig{Level: "loud", Format: "xml"})
	if !errors.Is(err, telemetry.ErrBadLog) {
		t.Fatalf("err = %v", err)
	}
	for _, want := range []string{`log.level "loud"`, `log.format "xml"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %s", err, want)
		}
	}
}

// The examples of W3C Trace Context, section 3.2.
const example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestTraceparentIsReadAsTheRecommendationSays(t *testing.T) {
	for name, c := range map[string]struct {
		in string
		ok bool
	}{
		"example":                 {example, true},
		"not sampled":             {example[:54] + "0", true},
		"newer version with more": {"cc" + example[2:] + "-what-the-future-brings", true},
		"version ff":              {"ff" + example[2:], false},
		"version 00 with more":    {example + "-x", false},
		"newer without dash":      {"cc" + example[2:] + "x", false},
		"upper case":              {strings.ToUpper(example), false},
		"zero trace":              {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
		"zero parent":             {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
		"short":                   {"00-4bf9", false},
		"empty":                   {"", false},
	} {
		got, err := telemetry.ParseTraceparent(c.in)
		if (err == nil) != c.ok {
			t.Errorf("%s: ParseTraceparent(%q) = %v, want ok %v", name, c.in, err, c.ok)
		}
		if err == nil && got.ID() != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("%s: ID = %s", name, got.ID())
		}
		if err != nil && !errors.Is(err, telemetry.ErrBadTraceparent) {
			t.Errorf("%s: %v is not ErrBadTraceparent", name, err)
		}
	}
}

func TestTraceTravelsInTheContext(t *testing.T) {
	if _, ok := telemetry.FromContext(context.Background()); ok {
		t.Error("a bare context has a trace")
	}
	want := telemetry.NewTrace()
	ctx := telemetry.NewContext(t.Context(), want)
	if got, ok := telemetry.FromContext(ctx); !ok || got != want || telemetry.TraceID(ctx) != want.ID() {
		t.Errorf("FromContext = %v, %v, want %v", got, ok, want)
	}
	child := want.Child()
	if child.ID() != want.ID() || child == want {
		t.Errorf("child %s of %s", child.Traceparent(), want.Traceparent())
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add(example)
	f.Add("cc" + example[2:] + "-more")
	f.Add("")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := telemetry.ParseTraceparent(in)
		if err != nil {
			return
		}
		again, err := telemetry.ParseTraceparent(got.Traceparent())
		if err != nil || again != got {
			t.Fatalf("parse(%s) = %v, %v, want %v", got.Traceparent(), again, err, got)
		}
	})
}

func TestRegistryTellsTheBuild(t *testing.T) {
	families, err := telemetry.NewRegistry("1.2.3", "abc").Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "fengsui_build_info" && f.GetMetric()[0].GetGauge().GetValue() == 1 {
			return
		}
	}
	t.Error("no fengsui_build_info")
}
