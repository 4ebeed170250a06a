package command_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/ptz"
	"fengsui/sip"
)

func TestAPatrolWithADurationIsStopped(t *testing.T) {
	for _, a := range []ptz.Action{ptz.Cruise{Do: ptz.StartCruise, Group: 2}, ptz.Scan{Do: ptz.StartScan, Group: 1}} {
		running(t, func(t *testing.T, b *bench) {
			start := time.Now()
			if err := b.Patrol(t.Context(), camera, camera, a, "", time.Hour, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
			want := []front{{0, a}, {time.Hour, ptz.Move{}}, {time.Hour + 300*time.Millisecond, ptz.Move{}}}
			if got := b.front(start); !reflect.DeepEqual(got, want) {
				t.Errorf("sent %+v", got)
			}
		})
	}
}

// A stop that was owed to an earlier movement must not end a patrol, nor the repeat
// of one the way to a preset.
func TestAPatrolIsNotEndedByTheStopOfAMovementBefore(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		start := time.Now()
		if err := b.Move(t.Context(), camera, camera, command.Movement{Pan: 1}, 0); err != nil {
			t.Fatal(err)
		}
		begin := ptz.Cruise{Do: ptz.StartCruise}
		if err := b.Patrol(t.Context(), camera, camera, begin, "", 0, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		want := []front{{0, ptz.Move{Pan: ptz.Right, PanSpeed: 255}}, {0, begin}}
		if got := b.front(start); !reflect.DeepEqual(got, want) {
			t.Errorf("sent %+v", got)
		}
		if err := b.Rest(t.Context(), camera, camera, 0); err != nil {
			t.Fatal(err)
		}
		there := ptz.Preset{Do: ptz.GotoPreset, Number: 1}
		if err := b.Act(t.Context(), camera, camera, there, "", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := b.front(start); got[len(got)-1].action != there {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestAPatrolThatCannotBeIsNotStopped(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		start := time.Now()
		var value manscdp.ErrValue
		if err := b.Patrol(t.Context(), camera, camera, ptz.Scan{}, "", command.MaxPatrol+1, 0); !errors.As(err, &value) || value.Field != "duration_ms" {
			t.Errorf("too long: %v", err)
		}
		if err := b.Patrol(t.Context(), camera, camera, ptz.Scan{Group: 256}, "", time.Second, 0); !errors.As(err, &value) {
			t.Errorf("no such group: %v", err)
		}
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
			return &sip.Response{Status: 404, Reason: "No"}, nil
		}
		if err := b.Patrol(t.Context(), camera, camera, ptz.Scan{}, "", time.Second, 0); !errors.Is(err, gb28181.ErrRefused) {
			t.Errorf("refused: %v", err)
		}
		time.Sleep(time.Hour)
		if got := b.front(start); len(got) != 1 {
			t.Errorf("sent %+v", got)
		}
		b.receive = quiet
		if err := b.Move(t.Context(), camera, camera, command.Movement{Tilt: 1}, 0); err != nil {
			t.Fatal(err)
		}
		if err := b.Patrol(t.Context(), camera, camera, ptz.Scan{Group: 256}, "", time.Hour, 0); err == nil {
			t.Error("no such group")
		}
		time.Sleep(time.Second)
		if got := b.front(start); got[len(got)-1].action != (ptz.Move{}) {
			t.Errorf("what it did before goes on: %+v", got)
		}
		time.Sleep(time.Hour)
	})
}
