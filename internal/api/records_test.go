package api_test

import (
	"context"
	"fmt"
	"testing"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/records"
	"fengsui/internal/api"
)

// unwilling is a device that cannot be asked.
type unwilling struct{ err error }

func (u unwilling) Find(context.Context, records.Query) (records.Result, error) {
	return records.Result{}, fmt.Errorf("find recordings: %w", u.err)
}

func TestWhatARecorderCannotBeToldIsNamedByItsPlace(t *testing.T) {
	for _, c := range []struct {
		err          error
		status, code int
		place        string
	}{
		{manscdp.ErrValue{Field: "EndTime", Value: "12026-01-01T00:00:00", Want: "a time"}, 422, 174001, "query.end"},
		{manscdp.ErrValue{Field: "DeviceID", Value: "x y", Want: "an ID"}, 422, 174001, "path.channel"},
		{gb28181.ErrTimeout, 504, 126002, ""},
	} {
		h := build(t, func(_ *api.Config, s *api.Services) { s.Records = unwilling{c.err} })
		h.online(cam, gb28181.Channel{ID: cam, Name: "cam", On: true})
		p := h.do(h.admin, "GET", fmt.Sprintf("/api/v1/devices/%s/channels/%s/records?start=2026-11-19T00:00:00Z&end=2026-11-20T00:00:00Z", cam, cam), nil).problem(c.status, c.code)
		if c.place != "" && (len(p.Errors) != 1 || p.Errors[0].Location != c.place) {
			t.Errorf("%v: errors %+v, want one at %s", c.err, p.Errors, c.place)
		}
	}
}
