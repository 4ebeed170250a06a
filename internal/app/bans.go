package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fengsui/internal/store"
	"fengsui/sip/guard"
)

const (
	bansSetting = "guard.bans"
	bansSettle  = time.Second // bans of one second are written together
)

// keepBans writes the bans down after each change, and once more at the end.
// Their number is bounded by the guard.
func (a *App) keepBans(ctx context.Context) error {
	for {
		select {
		case <-a.guard.BanChanges():
		case <-ctx.Done():
			return a.saveBans(context.WithoutCancel(ctx))
		}
		if err := a.saveBans(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("bans are not kept; they end with this process")
		}
		select {
		case <-time.After(bansSettle):
		case <-ctx.Done():
		}
	}
}

func (a *App) saveBans(ctx context.Context) error {
	text, err := json.Marshal(a.guard.Bans())
	if err != nil {
		return fmt.Errorf("write bans: %w", err)
	}
	return a.store.SetSetting(ctx, bansSetting, string(text))
}

// restoreBans puts back the bans that an earlier process pronounced. What cannot
// be read is left: a server without bans is better than none. It returns
// how many there were.
func (a *App) restoreBans(ctx context.Context) (int, error) {
	text, err := a.store.Setting(ctx, bansSetting)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var bans []guard.Ban
	if err := json.Unmarshal([]byte(text), &bans); err != nil {
		a.log.Warn().Err(err).Msg("kept bans cannot be read and are forgotten")
		return 0, nil
	}
	a.guard.Restore(bans, time.Now())
	return len(bans), nil
}
