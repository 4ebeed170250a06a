package api

import "fengsui/internal/reuse"

// poolsView is the model by which pools size themselves: least = devices × mean
// session ÷ the collector's period, at least 8, within a share of memory.limit.
type poolsView struct {
	Limit      int64      `json:"memory_limit" doc:"bytes"`
	Devices    int        `json:"devices" doc:"online or unknown when sizes were computed"`
	Period     float64    `json:"gc_period" doc:"seconds between collections when sizes were computed; 0: not known yet"`
	ComputedAt *stamp     `json:"computed_at,omitempty"`
	Computed   uint64     `json:"computed" doc:"how often sizes were computed"`
	Postponed  uint64     `json:"postponed" doc:"how often that waited because a collection was expected"`
	Items      []poolView `json:"items" nullable:"false"`
}

type poolView struct {
	Name     string  `json:"name"`
	Level    string  `json:"level" enum:"message,flow,request"`
	Size     int     `json:"size" doc:"items kept at the most"`
	Least    int     `json:"least" doc:"items the model asks for"`
	Free     int     `json:"free" doc:"items free to be taken"`
	Bytes    int     `json:"bytes" doc:"of one item at the most"`
	Share    int64   `json:"share" doc:"bytes of memory.limit that all kept items may take"`
	Session  float64 `json:"session" doc:"mean seconds an item is out"`
	Taken    uint64  `json:"taken"`
	Returned uint64  `json:"returned"`
	Missed   uint64  `json:"missed" doc:"taken when none was free"`
	Dropped  uint64  `json:"dropped" doc:"returned when there was no room"`
	Twice    uint64  `json:"returned_twice" doc:"refused; a fault of the program"`
	HitRate  float64 `json:"hit_rate" doc:"0 to 1"`
}

func viewPools(s reuse.State) poolsView {
	v := poolsView{
		Limit: s.Limit, Devices: s.Devices, Period: s.Period.Seconds(), ComputedAt: at(s.At), Computed: s.Computed, Postponed: s.Postponed,
		Items: make([]poolView, 0, len(s.Kept)),
	}
	for i := range s.Kept {
		r := &s.Kept[i]
		v.Items = append(v.Items, poolView{
			Name: r.Name, Level: string(r.Level), Size: r.Size, Least: r.Least, Free: r.Free, Bytes: r.Bytes, Share: r.Limit, Session: r.Session.Seconds(),
			Taken: r.Counts.Taken, Returned: r.Counts.Returned, Missed: r.Counts.Missed, Dropped: r.Counts.Dropped, Twice: r.Counts.Twice,
			HitRate: r.Counts.HitRate(),
		})
	}
	return v
}
