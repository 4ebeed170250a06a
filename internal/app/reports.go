package app

import (
	"context"
	"time"

	"fengsui/internal/store"
)

// pruneEvery is how often reports are looked at that are too old or too many.
const pruneEvery = time.Minute

// pruneReports keeps alarms and positions within their retention until ctx ends.
func (a *App) pruneReports(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		n, err := a.store.Prune(ctx, time.Now(), store.Retention(a.cfg.Alarms), store.Retention(a.cfg.Positions))
		if err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("old reports not deleted, tried again in a minute")
		}
		if n > 0 {
			a.log.Debug().Int64("rows", n).Msg("old reports deleted")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
