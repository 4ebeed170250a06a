package sim

import (
	"maps"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/setting"
)

// fresh are the settings that a device comes with, besides BasicParam, by type.
var fresh = map[string]setting.Values{
	"VideoParamOpt":    {"download_speed": []string{"1", "2", "4"}, "resolution": []string{"5", "6"}},
	"SVACEncodeConfig": {"svc_param": setting.Values{"svc_space_domain_mode": 0, "svc_time_domain_mode": 0, "svc_space_support_mode": 0, "svc_time_support_mode": 0}},
	"SVACDecodeConfig": {"svc_param": setting.Values{"svc_stm_mode": 0, "svc_space_support_mode": 0, "svc_time_support_mode": 0}},
	"VideoParamAttribute": {"streams": []setting.Values{
		{"stream_number": 0, "video_format": 2, "resolution": "6", "frame_rate": 25, "bit_rate_type": 2, "video_bit_rate": 4096},
		{"stream_number": 1, "video_format": 2, "resolution": "4", "frame_rate": 25, "bit_rate_type": 1, "video_bit_rate": 512},
	}},
	"VideoRecordPlan":  {"record_enable": false, "days": []setting.Values{}, "stream_number": 0},
	"VideoAlarmRecord": {"record_enable": false, "record_time": 30, "pre_record_time": 5, "stream_number": 0},
	"PictureMask":      {"on": false, "regions": []setting.Values{}},
	"FrameMirror":      {"mirror": 0},
	"AlarmReport":      {"motion_detection": true, "field_detection": false},
	"OSDConfig": {"length": 1920, "width": 1080, "time_x": 10, "time_y": 10, "time_enable": true, "time_type": 0, "text_enable": true,
		"lines": []setting.Values{{"text": "模拟", "x": 10, "y": 1000}}},
	"SnapShotConfig": {"snap_num": 1, "interval": 1, "upload_url": "http://127.0.0.1/", "session_id": strings.Repeat("0", 32)},
}

// settings are the values of a type as they are now.
func (d *device) settings(t *setting.Type) setting.Values {
	v := fresh[t.Name]
	if t.Name == "BasicParam" {
		c := &d.sim.cfg
		v = setting.Values{
			"name": d.sim.ids.deviceName(d.index), "expiration": max(1, int(c.Expires.Seconds())),
			"heart_beat_interval": max(1, int(c.Keepalive.Seconds())), "heart_beat_count": missedKeepalives,
		}
	}
	v = maps.Clone(v)
	maps.Copy(v, d.conf[t])
	return v
}

// basic is a number of BasicParam that was set, def otherwise.
func (d *device) basic(key string, def int) int {
	t, _ := setting.Find("BasicParam")
	if n, ok := d.conf[t][key].(int); ok {
		return n
	}
	return def
}

// beat is the time between two keepalives.
func (d *device) beat() time.Duration {
	if s := d.basic("heart_beat_interval", 0); s > 0 {
		return time.Duration(s) * time.Second
	}
	return d.sim.cfg.Keepalive
}

// misses is how many keepalives may stay without an answer.
func (d *device) misses() int { return d.basic("heart_beat_count", missedKeepalives) }

// lasts is how long a registration is asked for.
func (d *device) lasts() time.Duration {
	if s := d.basic("expiration", 0); s > 0 {
		return time.Duration(s) * time.Second
	}
	return d.sim.cfg.Expires
}

// name is what the device calls itself.
func (d *device) name() string {
	t, _ := setting.Find("BasicParam")
	if s, ok := d.conf[t]["name"].(string); ok {
		return s
	}
	return d.sim.ids.deviceName(d.index)
}

// tellSettings answers a ConfigDownload with what the edition has.
func (d *device) tellSettings(r *request) *job {
	m, err := manscdp.Decode([]byte(r.body))
	if err != nil {
		return nil
	}
	q, err := setting.AsQuery(m)
	if err != nil {
		return nil
	}
	a := setting.Answer{SN: q.SN, DeviceID: q.DeviceID, OK: true}
	for _, t := range q.Types {
		if d.sim.cfg.Edition >= t.Since {
			a.Settings = append(a.Settings, setting.Setting{Type: t, Values: d.settings(t)})
		}
	}
	if len(a.Settings) == 0 {
		a.OK = false
		return &job{next: once(d.settingsText(a))}
	}
	if !d.sim.quirks.has(configSplit) {
		return &job{next: once(d.settingsText(a))}
	}
	parts := a.Settings
	return &job{next: func() (string, bool) {
		one := a
		one.Settings, parts = parts[:1], parts[1:]
		return d.settingsText(one), len(parts) > 0
	}}
}

// settingsText writes an answer, with the quirks that there are.
func (d *device) settingsText(a setting.Answer) string {
	n, err := a.Node(d.sim.cfg.Edition)
	if err != nil { // a value of ours is out of range
		d.sim.counters.fail(d.id, "configuration: "+err.Error())
		return ""
	}
	for _, s := range a.Settings {
		el := n.Child(s.Type.Name)
		if s.Type.Name == "BasicParam" && d.sim.quirks.has(configPassword) {
			el.Add(manscdp.Leaf("Password", d.sim.cfg.Password))
		}
		if d.sim.quirks.has(configRenamed) && len(el.Children) > 0 {
			el.Name = "Device" + strings.TrimSuffix(el.Name, "Config") + "Info"
		}
	}
	return text(n)
}

// takeSettings applies a DeviceConfig and answers it, or registers anew.
func (d *device) takeSettings(r *request) *job {
	m, err := manscdp.Decode([]byte(r.body))
	if err != nil {
		return nil
	}
	s, err := setting.AsSet(m)
	rejoins := d.sim.quirks.has(configRejoin)
	ok := err == nil && !(rejoins && string(s.DeviceID) != d.id)
	if ok {
		_, err = s.Node(d.sim.cfg.Edition) // values, fields and edition are looked at
		ok = err == nil
	}
	if ok {
		for _, one := range s.Settings {
			if d.conf == nil {
				d.conf = make(map[*setting.Type]setting.Values)
			}
			if d.conf[one.Type] == nil {
				d.conf[one.Type] = setting.Values{}
			}
			maps.Copy(d.conf[one.Type], one.Values)
			if one.Type.Name == "SnapShotConfig" {
				d.snap(string(s.DeviceID), one.Values)
			}
		}
		now := d.sim.now()
		if d.keepaliveAt != never {
			d.keepaliveAt = min(d.keepaliveAt, now+d.beat())
		}
		if rejoins && d.rejoin(now) == nil {
			return nil
		}
	}
	n, err := manscdp.Answer{CmdType: manscdp.CmdDeviceConfig, SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: ok}.Node(d.sim.cfg.Edition)
	if err != nil {
		return nil
	}
	return &job{next: once(text(n))}
}

// text is a message without declaration, which the device adds.
func text(n *manscdp.Node) string {
	_, body, _ := strings.Cut(string(manscdp.Encode(n, manscdp.UTF8)), "\r\n")
	return body
}

// strictSettings reports whether m is as its edition prints it.
func strictSettings(m *manscdp.Message, e gb28181.Edition) bool {
	var b manscdp.Body
	var err error
	if m.Root == manscdp.Query {
		b, err = setting.AsQuery(m)
	} else {
		b, err = setting.AsSet(m)
	}
	if err != nil {
		return false
	}
	n, err := b.Node(e)
	return err == nil && n.Equal(m.Node)
}
